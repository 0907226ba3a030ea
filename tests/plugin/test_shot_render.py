"""The render pass: the same bytes however it runs, valid frames left alone, others rendered again."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from lineament.core.errors import LineamentError
from lineament.core.io import read_frame
from lineament.core.shots.shot import MaskSource, Shot
from lineament.plugin.batch import Outcome
from lineament.plugin.manifest import read_manifest
from lineament.plugin.plan import UsageError
from lineament.plugin.shot_crew import Crew
from lineament.plugin.shot_plan import refuse_shared_outputs, shot_requests
from lineament.plugin.shot_render import Total, local_flow, render_shot


@pytest.fixture(scope="module")
def fake(repository: Path) -> ModuleType:
    """The module fake_shot.py, by a name that workers find too."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_shot

    return fake_shot


@pytest.fixture
def a_shot(fake: ModuleType, tmp_path: Path) -> Shot:
    return fake.make_shot(tmp_path)


@pytest.fixture
def rendered(fake: ModuleType, a_shot: Shot) -> Callable[..., Outcome]:
    """Renders the shot, or frames of it, in this process."""

    def render(frames: str = "", overwrite: bool = False, keep_going: bool = True, **order: Any) -> Outcome:
        renderer = fake.open_fake(fake.Order(**order))
        plan = fake.plan_of(a_shot, renderer, frames, overwrite=overwrite)
        return render_shot(plan, local_flow(renderer), [], keep_going=keep_going)

    return render


@pytest.fixture
def serial(
    fake: ModuleType, a_shot: Shot, tmp_path: Path, rendered: Callable[..., Outcome]
) -> dict[str, bytes]:
    """The outputs of one plain run, which are then removed again."""
    assert rendered().exit_code == 0
    found = fake.outputs(tmp_path)
    shutil.rmtree(tmp_path / "out")
    return found


def test_when_a_shot_is_rendered_then_every_frame_and_its_line_are_there(
    fake: ModuleType, tmp_path: Path, rendered: Callable[..., Outcome]
) -> None:
    outcome = rendered()
    assert outcome.exit_code == 0 and len(fake.outputs(tmp_path)) == 8 and fake.unreadable(tmp_path) == []
    history = read_manifest(tmp_path / "out" / "sh010.manifest.jsonl")
    assert sorted(history.done) == list(range(1001, 1009))
    assert history.done[1003].report == {"gain": 2.0}
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")) == []


def test_when_frames_come_in_any_order_or_chunks_then_the_bytes_are_the_same(
    fake: ModuleType, tmp_path: Path, rendered: Callable[..., Outcome], serial: dict[str, bytes]
) -> None:
    numbers = list(range(1001, 1009))
    random.Random(3).shuffle(numbers)
    for chunk in (numbers[:3], numbers[3:4], numbers[4:]):
        assert rendered(",".join(map(str, chunk))).exit_code == 0
    assert fake.outputs(tmp_path) == serial


@pytest.mark.parametrize("jobs", [2, 3])
def test_when_several_processes_render_then_the_bytes_are_the_same(
    fake: ModuleType, a_shot: Shot, tmp_path: Path, serial: dict[str, bytes], jobs: int
) -> None:
    with Crew(jobs, fake.open_fake) as crew:
        outcome = render_shot(fake.plan_of(a_shot, fake.open_fake(fake.Order())), crew.flow(fake.Order()), [])
        assert outcome.exit_code == 0 and fake.outputs(tmp_path) == serial
        shutil.rmtree(tmp_path / "out")  # the same workers, a second shot
        outcome = render_shot(fake.plan_of(a_shot, fake.open_fake(fake.Order())), crew.flow(fake.Order()), [])
        assert outcome.exit_code == 0 and fake.outputs(tmp_path) == serial


def test_when_a_worker_dies_of_a_frame_then_only_that_frame_fails(
    fake: ModuleType, a_shot: Shot, tmp_path: Path, serial: dict[str, bytes]
) -> None:
    order = fake.Order(die_at=(1004,))
    with Crew(2, fake.open_fake) as crew:
        outcome = render_shot(fake.plan_of(a_shot, fake.open_fake(order)), crew.flow(order), [])
    assert [failure.number for failure in outcome.failed] == [1004] == list(outcome.left)
    assert "died 3 times on this frame" in outcome.failed[0].error.what and outcome.exit_code == 1
    assert fake.outputs(tmp_path) == {k: v for k, v in serial.items() if "1004" not in k}


def test_when_the_shot_cannot_be_opened_by_workers_then_the_run_says_why(
    fake: ModuleType, a_shot: Shot
) -> None:
    with Crew(2, fake.open_fake) as crew:
        plan = fake.plan_of(a_shot, fake.open_fake(fake.Order()))
        outcome = render_shot(plan, crew.flow(fake.Order(refusal="Not analysed.")), [])
        assert outcome.stopped_by is not None and outcome.stopped_by.what == "Not analysed."
        assert outcome.exit_code == 3 and outcome.done == []
        assert render_shot(plan, crew.flow(fake.Order()), []).exit_code == 0


def test_when_everything_is_valid_then_nothing_is_rendered(
    fake: ModuleType, a_shot: Shot, rendered: Callable[..., Outcome]
) -> None:
    rendered()
    plan = fake.plan_of(a_shot, fake.open_fake(fake.Order()))
    assert plan.requests == () and plan.plan.skipped == tuple(range(1001, 1009))
    assert render_shot(plan, local_flow(fake.open_fake(fake.Order())), []).exit_code == 0


def damage(what: str, folder: Path) -> None:
    """One way in which frame 1003 can lose its validity."""
    output, plate = folder / "out" / "sh010.1003.exr", folder / "plate" / "p.1003.exr"
    if what == "cut":
        output.write_bytes(output.read_bytes()[:-100])
    elif what == "flipped":
        data = bytearray(output.read_bytes())
        data[-50] ^= 1
        output.write_bytes(data)
    elif what == "emptied":
        output.write_bytes(b"")
    elif what == "swapped":
        shutil.copy(folder / "out" / "sh010.1004.exr", output)
    elif what == "removed":
        output.unlink()
    elif what == "new plate":
        shutil.copy(folder / "plate" / "p.1008.exr", plate)


@pytest.mark.parametrize("what", ["cut", "flipped", "emptied", "swapped", "removed", "new plate"])
def test_when_one_frame_is_not_valid_any_more_then_only_it_is_rendered_again(
    fake: ModuleType, a_shot: Shot, tmp_path: Path, rendered: Callable[..., Outcome], what: str
) -> None:
    rendered()
    before = fake.outputs(tmp_path)
    damage(what, tmp_path)
    plan = fake.plan_of(a_shot, fake.open_fake(fake.Order()))
    assert [request.number for request in plan.requests] == [1003] and plan.reasons[0]
    assert rendered().exit_code == 0
    assert (fake.outputs(tmp_path) == before) == (what != "new plate")
    assert rendered().done == []


def test_when_parameters_model_or_mask_change_then_all_frames_are_rendered_again(
    fake: ModuleType, a_shot: Shot, tmp_path: Path, rendered: Callable[..., Outcome]
) -> None:
    rendered()
    assert len(rendered(gain=3.0).done) == 8
    assert len(rendered(gain=3.0).done) == 0
    renderer = fake.open_fake(fake.Order(gain=3.0))
    renderer.model = "another one"
    assert set(fake.plan_of(a_shot, renderer).reasons) == {"another model"}
    shutil.copytree(tmp_path / "plate", tmp_path / "mask")
    mask = MaskSource(str(tmp_path / "mask" / "p.####.exr"))
    with_mask = replace(a_shot, mask=mask)
    plan = fake.plan_of(with_mask, fake.open_fake(fake.Order(gain=3.0, mask=mask)))
    assert set(plan.reasons) == {"other parameters"}
    renderer = fake.open_fake(fake.Order(gain=3.0, mask=mask))
    assert render_shot(plan, local_flow(renderer), []).exit_code == 0
    shutil.copy(tmp_path / "plate" / "p.1001.exr", tmp_path / "mask" / "p.1002.exr")
    assert [one.number for one in fake.plan_of(with_mask, renderer).requests] == [1002]


def test_when_the_mask_is_a_channel_of_the_plate_then_it_limits_the_edit(
    fake: ModuleType, a_shot: Shot, tmp_path: Path
) -> None:
    mask = MaskSource(channel="R", is_inverted=True)
    renderer = fake.open_fake(fake.Order(mask=mask))
    outcome = render_shot(fake.plan_of(replace(a_shot, mask=mask), renderer), local_flow(renderer), [])
    assert outcome.exit_code == 0
    plate = read_frame(tmp_path / "plate" / "p.1001.exr").rgb()
    edited = read_frame(tmp_path / "out" / "sh010.1001.exr").rgb()
    wanted = plate * (1 + (1 - plate[..., :1]))
    assert abs(edited - wanted).max() < 2e-3
    broken = fake.open_fake(fake.Order(mask=MaskSource(channel="matte")))
    plan = fake.plan_of(replace(a_shot, mask=broken.mask), broken)
    assert "matte" in str(render_shot(plan, local_flow(broken), []).failed[0].error)


def test_when_frames_fail_then_the_others_are_written_and_the_summary_names_them(
    tmp_path: Path, rendered: Callable[..., Outcome]
) -> None:
    from lineament.plugin.terminal import summary_line

    outcome = rendered(fail_at=(1002, 1003, 1006))
    assert outcome.exit_code == 1 and len(outcome.done) == 5
    assert "3 failed (frames 1002-1003,1006), to do again: --frames 1002-1003,1006" in summary_line(outcome)
    assert read_manifest(tmp_path / "out" / "sh010.manifest.jsonl").last[1002].error["kind"] == "FaceError"
    assert len(rendered().done) == 3


def test_when_it_fails_fast_then_no_further_frame_begins(rendered: Callable[..., Outcome]) -> None:
    outcome = rendered(fail_at=(1002,), keep_going=False)
    assert [failure.number for failure in outcome.failed] == [1002]
    assert [result.number for result in outcome.done] == [1001] and outcome.exit_code == 1
    assert len(rendered().done) == 7


def test_when_a_file_of_somebody_else_is_there_then_it_stays_unless_told(
    fake: ModuleType, a_shot: Shot, tmp_path: Path, rendered: Callable[..., Outcome]
) -> None:
    (tmp_path / "out").mkdir()
    foreign = tmp_path / "out" / "sh010.1005.exr"
    shutil.copy(tmp_path / "plate" / "p.1001.exr", foreign)
    before = foreign.read_bytes()
    with pytest.raises(UsageError, match="does not know: frames 1005"):
        rendered()
    assert foreign.read_bytes() == before
    assert len(rendered(overwrite=True).done) == 8 and foreign.read_bytes() != before
    assert len(rendered(overwrite=True).done) == 8


def test_when_outputs_would_destroy_something_then_the_plan_is_refused(a_shot: Shot, tmp_path: Path) -> None:
    from lineament.core.io import resolve

    plates = resolve(a_shot.plate)
    bad = {
        "output is a plate": replace(a_shot, output=a_shot.plate),
        "cannot all be written to one file": replace(a_shot, output=str(tmp_path / "one.exr")),
        "keep the format": replace(a_shot, output=str(tmp_path / "o.####.png")),
        "mask": replace(a_shot, mask=MaskSource(str(tmp_path / "none.####.exr"))),
    }
    for text, shot in bad.items():
        with pytest.raises(LineamentError, match=text):
            shot_requests(shot, plates)
    with pytest.raises(UsageError, match="has no frame 1009"):
        shot_requests(a_shot, plates, "1007-1009")
    other = replace(a_shot, name="sh020")
    with pytest.raises(UsageError, match='"sh010" and "sh020" write the same file'):
        refuse_shared_outputs([(shot, shot_requests(shot, plates)) for shot in (a_shot, other)])


def test_when_plates_are_missing_then_the_policy_decides(
    fake: ModuleType, a_shot: Shot, tmp_path: Path
) -> None:
    (tmp_path / "plate" / "p.1003.exr").unlink()
    renderer = fake.open_fake(fake.Order())
    from lineament.core.io import resolve
    from lineament.plugin.shot_plan import make_shot_plan

    held = make_shot_plan(a_shot, shot_requests(a_shot, resolve(a_shot.plate, "1001-1008", "hold")), renderer)
    assert held.plan.held == (1003,) and len(held.requests) == 8
    assert render_shot(held, local_flow(renderer), []).exit_code == 0
    assert read_manifest(held.manifest).done[1003].source == 1002
    skipped = make_shot_plan(
        a_shot, shot_requests(a_shot, resolve(a_shot.plate, "1001-1008", "skip")), renderer
    )
    assert len(skipped.requests) == 0 and len(skipped.plan.skipped) == 7


def test_when_several_shots_are_rendered_then_one_code_stands_for_all() -> None:
    from lineament.core.errors import FaceError, GeneratorError
    from lineament.plugin.messages import FrameResult
    from lineament.plugin.plan import Plan

    def outcome(done: int = 0, error: LineamentError | None = None, signal: int = 0) -> Outcome:
        return Outcome(Plan(()), [FrameResult("", 1, 0.1)] * done, stopped_by=error, signal_code=signal)

    model, face = GeneratorError("w", remedy="r"), FaceError("w", remedy="r")
    assert Total(()).exit_code == Total((outcome(1), outcome())).exit_code == 0
    assert Total((outcome(1), outcome(0, model))).exit_code == 1
    assert Total((outcome(0, model), outcome(0, model))).exit_code == 4
    assert Total((outcome(0, model), outcome(0, face))).exit_code == 1
    assert Total((outcome(1), outcome(1, signal=143))).exit_code == 143


def test_when_a_link_leads_out_then_the_link_itself_is_replaced(
    tmp_path: Path, rendered: Callable[..., Outcome]
) -> None:
    rendered()
    output = tmp_path / "out" / "sh010.1001.exr"
    shutil.move(output, tmp_path / "kept.exr")
    os.symlink(tmp_path / "kept.exr", output)
    kept = (tmp_path / "kept.exr").read_bytes()
    assert len(rendered(gain=3.0).done) == 8
    assert not output.is_symlink() and (tmp_path / "kept.exr").read_bytes() == kept
