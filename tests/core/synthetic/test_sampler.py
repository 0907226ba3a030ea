"""The sampler: the same face for the same number, declared correlations that come out, and contradictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.errors import RecipeError
from lineament.core.synthetic.correlations import FFHQ, declare, nearest_possible
from lineament.core.synthetic.marginals import MARGINALS, NAMES, STYLE_ORDER, STYLE_SHARES, pieces
from lineament.core.synthetic.params import ATTRIBUTES, HAIR_STYLES, FaceParams, with_attribute
from lineament.core.synthetic.sampler import LATENT_DIMS, Sampler, check, latent, resolve
from lineament.core.synthetic.shape import ANCESTRIES


@pytest.fixture(scope="module")
def ffhq() -> Sampler:
    return Sampler("ffhq")


# ---- numbers and order


def test_when_asked_in_another_order_or_by_another_sampler_then_faces_are_the_same(ffhq: Sampler) -> None:
    forwards = [ffhq.sample(7, index) for index in range(5)]
    assert [Sampler("ffhq").sample(7, index) for index in (4, 1)] == [forwards[4], forwards[1]]


def test_when_seed_or_index_differs_then_the_face_does(ffhq: Sampler) -> None:
    faces = [ffhq.sample(seed, index) for seed in (0, 1) for index in (0, 1)]
    assert len({face.identity for face in faces}) == 4


def test_when_a_latent_is_drawn_then_it_is_standard_normal() -> None:
    z = np.stack([latent(3, index) for index in range(400)])
    assert z.shape == (400, LATENT_DIMS)
    assert abs(float(z.mean())) < 0.02
    assert float(z.std()) == pytest.approx(1.0, abs=0.02)
    assert float(np.abs(np.corrcoef(z.T) - np.eye(LATENT_DIMS)).max()) < 0.25


def test_when_the_number_is_fixed_then_so_is_the_latent() -> None:
    assert latent(1, 2)[:3] == pytest.approx(
        [1.4307462906606878, 0.46323618215947227, 1.1775938608601242], abs=1e-12
    )


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1), (2**63, 0)])
def test_when_a_number_is_outside_its_range_then_it_is_refused(seed: int, index: int) -> None:
    with pytest.raises(RecipeError, match="outside"):
        latent(seed, index)


@pytest.mark.parametrize("z", [np.zeros(3), np.full(LATENT_DIMS, np.nan), np.zeros((1, LATENT_DIMS))])
def test_when_a_latent_is_no_latent_then_it_is_refused(ffhq: Sampler, z: np.ndarray) -> None:
    with pytest.raises(RecipeError, match=f"Give {LATENT_DIMS}"):
        ffhq.params(z)


def test_when_the_latent_is_extreme_then_the_face_is_still_valid(ffhq: Sampler) -> None:
    for value in (-9.0, 0.0, 9.0):
        check(ffhq.params(np.full(LATENT_DIMS, value)))


# ---- distributions


def test_when_many_are_drawn_then_no_face_contradicts_itself(ffhq: Sampler) -> None:
    faces = [ffhq.sample(11, index) for index in range(400)]
    for face in faces:
        check(face)
        assert resolve(face) == face
    assert {face.hair_style for face in faces} == set(HAIR_STYLES)
    assert sum(face.ancestry[0] for face in faces) / 400 == pytest.approx(1 / 3, abs=0.06)


def test_when_many_are_drawn_then_judges_see_both_ends(ffhq: Sampler) -> None:
    values = ffhq.values(2, 3000)
    for name, low, high, share in (
        ("smile", 0.05, 0.7, 0.2), ("mouth_open", 0.05, 0.5, 0.12), ("eyes_closed", 0.1, 0.9, 0.06),
        ("brow_inner", 0.1, 0.5, 0.12), ("brow_down", 0.1, 0.5, 0.12), ("glasses", 0.5, 0.5, 0.2),
        ("beard", 0.1, 0.5, 0.1), ("lipstick", 0.1, 0.5, 0.2), ("skin", 0.2, 0.7, 0.12),
    ):  # fmt: skip
        assert float((values[name] <= low).mean()) > share, name
        assert float((values[name] >= high).mean()) > share, name
    assert float(np.std(values["yaw"])) == pytest.approx(14, abs=1)
    assert float(np.abs(values["yaw"]).max()) <= 40


def test_when_gaze_is_drawn_then_most_look_at_the_camera(ffhq: Sampler) -> None:
    gaze = np.array([ffhq.sample(1, index).gaze_yaw for index in range(400)])
    assert float((np.abs(gaze) <= 6).mean()) > 0.7
    assert float((np.abs(gaze) > 10).mean()) > 0.06


def test_when_correlations_are_declared_then_each_attribute_keeps_its_distribution(ffhq: Sampler) -> None:
    correlated, plain = ffhq.values(2, 4000), Sampler("none").values(2, 4000)
    for name in ("age", "gender", "smile", "lipstick", "beard", "grey", "skin"):
        assert float(correlated[name].mean()) == pytest.approx(float(plain[name].mean()), rel=0.06), name


def test_when_distributions_are_listed_then_every_attribute_has_one_within_its_range() -> None:
    for attribute in ATTRIBUTES:
        ends = MARGINALS[attribute.name].quantile([0.0, 1.0])
        assert attribute.low <= ends[0] <= ends[1] <= attribute.high
    assert set(STYLE_ORDER) == set(HAIR_STYLES)
    assert sum(STYLE_SHARES) == pytest.approx(1.0)


def test_when_pieces_do_not_make_a_distribution_then_they_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to"):
        pieces((0.5, 0.0, 1.0))
    with pytest.raises(ValueError, match="rise"):
        pieces((0.5, 0.5, 1.0), (0.5, 0.0, 0.2))


# ---- correlations


def test_when_correlations_are_declared_then_they_are_measured(ffhq: Sampler) -> None:
    report = ffhq.report(seed=4, count=5000)
    assert report.largest_difference < 0.06
    assert {(row.first, row.second) for row in report.rows} >= {("age", "glasses"), ("gender", "lipstick")}
    assert len(report.rows) == len(FFHQ)


def test_when_nothing_is_declared_then_only_the_rules_correlate() -> None:
    report = Sampler("none").report(seed=4, count=5000)
    assert report.rows == ()
    pairs = {(row.first, row.second) for row in report.accidental}
    assert pairs <= {("beard", "stubble"), ("glasses", "sunglasses")}


def test_when_attributes_exclude_each_other_in_a_declaration_then_exceptions_remain(ffhq: Sampler) -> None:
    values = ffhq.values(9, 6000)
    women = values["gender"] < 0.3
    men = values["gender"] > 0.7
    for name, group in (("beard", women), ("moustache", women), ("lipstick", men)):
        share = float((values[name][group] > 0.0).mean())
        assert 0.02 < share < 0.09, f"{name}: {share}"


def test_when_a_pair_is_declared_then_it_is_planted_and_others_are_not() -> None:
    sampler = Sampler({("smile", "age"): -0.3, ("lipstick", "glasses"): 0.4})
    report = sampler.report(seed=1, count=5000)
    assert {(r.first, r.second): round(r.declared, 2) for r in report.rows} == {
        ("age", "smile"): -0.3,
        ("glasses", "lipstick"): 0.4,
    }
    assert report.largest_difference < 0.05
    assert "gender" not in {row.first for row in report.accidental}


def test_when_more_is_declared_than_two_attributes_can_share_then_the_difference_shows() -> None:
    row = Sampler({("age", "sunglasses"): 0.9}).report(count=4000).rows[0]
    assert row.declared == 0.9
    assert 0.2 < row.measured < 0.6
    assert row.difference < -0.2


def test_when_pairs_come_from_json_or_as_a_matrix_then_they_mean_the_same() -> None:
    matrix = np.eye(len(ATTRIBUTES))
    i, j = NAMES.index("age"), NAMES.index("glasses")
    matrix[i, j] = matrix[j, i] = 0.4
    from_text = declare({"age, glasses": 0.4})
    np.testing.assert_array_equal(declare(matrix).matrix, from_text.matrix)
    assert from_text.pairs == (("age", "glasses"),)
    assert from_text.between("glasses", "age") == 0.4


def test_when_a_report_is_printed_then_it_names_pairs_and_differences(ffhq: Sampler) -> None:
    report = ffhq.report(count=500)
    table = report.table()
    assert "age and glasses" in table
    assert "declared" in table.splitlines()[1]
    plain = report.as_json()
    assert plain["faces"] == 500
    assert len(plain["declared"]) == len(FFHQ)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("imdb", "No set of correlations 'imdb'"),
        ({"age,hat": 0.5}, "No attribute 'hat'"),
        ({"age": 0.5}, "not a pair"),
        ({"age,age": 0.5}, "not a pair"),
        ({"age,glasses": 1.5}, "outside -1..1"),
        ({"age,glasses": float("nan")}, "is nan"),
        ({"age,glasses": 0.5, "glasses,age": 0.4}, "declared twice"),
        (np.eye(3), r"shape \(3, 3\)"),
        (2.0 * np.eye(len(ATTRIBUTES)), "outside -1..1"),
        (0.5 * np.eye(len(ATTRIBUTES)), "diagonal has 0.5"),
        (np.eye(len(ATTRIBUTES)) + np.eye(len(ATTRIBUTES), k=1) * 0.3, "not symmetric: 0.3 one way, 0.0"),
    ],
)
def test_when_a_declaration_is_wrong_then_it_is_refused_and_named(given: object, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        declare(given)  # type: ignore[arg-type]


def test_when_correlations_contradict_each_other_then_the_triple_and_the_nearest_are_named() -> None:
    with pytest.raises(RecipeError) as caught:
        declare({"age,glasses": 0.9, "glasses,grey": 0.9, "age,grey": -0.5, "smile,yaw": 0.2})
    assert "age and glasses +0.90, age and grey -0.50, glasses and grey +0.90" in caught.value.what
    assert "eigenvalue -0.5" in caught.value.what
    assert "age and glasses +0.900 -> +0.608" in caught.value.remedy
    assert "yaw" not in caught.value.remedy


def test_when_a_matrix_is_possible_then_the_nearest_possible_is_itself() -> None:
    matrix = declare("ffhq").matrix
    np.testing.assert_allclose(nearest_possible(matrix), matrix, atol=1e-9)
    assert float(np.linalg.eigvalsh(matrix)[0]) > 0


# ---- contradictions


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"glasses": 1.0, "sunglasses": 1.0}, "Glasses and sunglasses"),
        ({"beard": 1.0, "stubble": 0.4}, "same place"),
        ({"brow_inner": 1.0, "brow_down": 0.9}, "raised 1 and lowered 0.9"),
        ({"hair_style": "fringe", "recede": 0.8}, "fringe"),
    ],
)
def test_when_a_face_contradicts_itself_then_asking_is_refused_and_resolving_settles_it(
    asked: dict[str, float], told: str
) -> None:
    face = replace(FaceParams(), **asked)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=told):
        check(face)
    settled = resolve(face)
    check(settled)
    assert settled != face


def test_when_contradictions_are_resolved_then_nothing_else_moves() -> None:
    face = replace(FaceParams(), sunglasses=1.0, glasses=1.0, smile=0.3)
    assert resolve(face) == with_attribute(face, "glasses", 0.0)


def test_when_ancestries_are_sampled_then_shares_sum_to_one(ffhq: Sampler) -> None:
    for index in range(20):
        shares = ffhq.sample(0, index).ancestry
        assert len(shares) == len(ANCESTRIES)
        assert sum(shares) == pytest.approx(1.0)
