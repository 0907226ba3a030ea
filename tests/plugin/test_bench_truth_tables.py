"""Tables of the benchmark from cells whose answers are known by hand."""

from __future__ import annotations

from typing import Any

import pytest
from lineament.plugin.bench_truth_figure import figure
from lineament.plugin.bench_truth_methods import NOTHING, SHIPPED, TRUTH
from lineament.plugin.bench_truth_tables import Summary, markdown, summarise


def cell(seed: int, row: str, gains: list[float], changes: dict[str, float], **more: Any) -> dict[str, Any]:
    """One line of cells.jsonl."""
    figures = {"identity": 0.9, "outside": None, "flicker": 1.0, "jitter": None, "gains_inside": gains}
    named = {
        "seed": seed,
        "inverter": "encoder",
        "attribute": "age",
        "target": "age",
        "row": row,
        "strength": 1.5,
    }
    return {**named, "gains": gains, "changes": changes, **figures, **more}


@pytest.fixture(scope="module")
def rows() -> dict[str, Summary]:
    """Four shots: the shipped row moves age by half of the truth and takes glasses along by .4 of that."""
    records = []
    for seed, extra in enumerate((-0.02, -0.01, 0.01, 0.02), 100):
        records += [
            cell(seed, NOTHING, [0.0, 0.0], {"age": 0.0, "glasses": 0.0}, strength=0.0),
            cell(seed, SHIPPED, [0.3 + extra, 0.5 + extra], {"age": 1.0 + extra, "glasses": 0.4}),
            cell(seed, "mean_difference", [0.2, 0.2], {"age": 1.0, "glasses": 0.9}),
            cell(seed, "random direction 1", [-0.1], {"age": 0.02, "glasses": 0.3}),
            cell(seed, "random direction 2", [-0.3], {"age": -0.02, "glasses": -0.1}),
            cell(seed, TRUTH, [1.0, 1.0], {"age": 2.0, "glasses": 0.1}, strength=0.0),
        ]
    return {one.row: one for one in summarise(records)}


def test_when_frames_and_shots_are_averaged_then_the_interval_is_over_shots(rows: dict[str, Summary]) -> None:
    gain = rows[SHIPPED].gain
    assert gain.mean == pytest.approx(0.4)
    assert 0.38 <= gain.low < 0.4 < gain.high <= 0.42
    assert rows["mean_difference"].gain.low == rows["mean_difference"].gain.high == pytest.approx(0.2)


def test_when_rows_are_compared_then_shot_by_shot(rows: dict[str, Summary]) -> None:
    difference = rows["mean_difference"].versus_shipped
    assert difference is not None
    assert difference.mean == pytest.approx(-0.2)
    assert difference.high < 0.0
    assert rows[SHIPPED].versus_shipped is None


def test_when_others_move_then_the_dependency_is_signed_and_per_unit_of_the_target(
    rows: dict[str, Summary],
) -> None:
    assert rows[SHIPPED].dependency["glasses"].mean == pytest.approx(0.4)
    assert rows["mean_difference"].dependency["glasses"].mean == pytest.approx(0.9)
    assert rows[TRUTH].dependency["glasses"].mean == pytest.approx(0.05)
    assert rows[SHIPPED].leak_mean == pytest.approx(0.35)
    assert rows[SHIPPED].largest_leak[0] == "glasses"


def test_when_a_row_does_not_move_the_target_then_it_has_no_dependency(rows: dict[str, Summary]) -> None:
    assert rows["random direction"].dependency == {}
    assert rows[NOTHING].dependency == {}
    assert rows[NOTHING].share is None


def test_when_random_directions_are_several_then_they_are_one_row_and_give_the_floor(
    rows: dict[str, Summary],
) -> None:
    assert rows["random direction"].gain.mean == pytest.approx(-0.2)
    assert rows["random direction"].shots == 4
    assert rows[SHIPPED].floor == {"glasses": pytest.approx(0.2)}


def test_when_the_truth_is_known_then_the_target_is_told_as_its_share(rows: dict[str, Summary]) -> None:
    assert rows[SHIPPED].share.mean == pytest.approx(0.5)
    assert rows[TRUTH].share.mean == 1.0


def test_when_figures_are_missing_then_they_are_left_out(rows: dict[str, Summary]) -> None:
    assert rows[SHIPPED].others == {"identity": pytest.approx(0.9), "flicker": 1.0}


def test_when_the_report_is_written_then_certain_leaks_bear_a_star(rows: dict[str, Summary]) -> None:
    text = markdown(list(rows.values()), ["- head"])
    assert "| shipped | +0.40* |" in text
    assert "| shipped | 1.5 | +0.400 [" in text
    assert "## age, inverter encoder (4 shots)" in text


def test_when_cells_are_from_different_graders_then_they_are_not_mixed() -> None:
    records = [cell(100, SHIPPED, [0.1], {"age": 1.0}), cell(101, SHIPPED, [0.1], {"age": 1.0, "beard": 0.0})]
    with pytest.raises(ValueError, match="different graders"):
        summarise(records)


def test_when_a_gain_is_far_below_zero_then_the_figure_holds_it(rows: dict[str, Summary]) -> None:
    bad = summarise([cell(100, "least_squares", [-7.0], {"age": 1.0, "glasses": 0.0})])
    with_bad, without = figure([*rows.values(), *bad], "title"), figure(list(rows.values()), "title")
    assert with_bad.height > without.height
    with pytest.raises(ValueError, match="at least one row"):
        figure([], "title")
