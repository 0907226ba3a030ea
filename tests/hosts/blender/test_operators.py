"""The operators without a window: each does its work at once, and tells in words when it cannot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest


@pytest.fixture
def edit(wired_edit):
    """The node to work on."""
    return wired_edit


def results(edit) -> list[str]:
    """The results' files of the node."""
    from lineament.hosts.blender.places import node_folder

    return sorted(path.name for path in node_folder(edit.tree).glob("*.exr"))


def test_when_a_node_is_added_then_it_stands_alone_selected_in_the_compositor(addon, scene) -> None:
    from lineament.hosts.blender import compat

    assert bpy.ops.lineament.add_node() == {"FINISHED"}
    assert bpy.ops.lineament.add_node() == {"FINISHED"}
    tree = compat.scene_tree(scene)
    node = tree.nodes.active
    assert [other.name for other in tree.nodes if other.select] == [node.name]
    assert node.name == "Attribute Edit.001"
    assert node.node_tree.lineament.uid


def test_when_the_preferences_name_a_folder_then_new_nodes_start_with_it(addon, scene, monkeypatch) -> None:
    from lineament.hosts.blender import compat, operators, preferences

    chosen = preferences.Settings(cache_folder="/cache", device="cuda:1", is_live=False)
    monkeypatch.setattr(operators, "settings", lambda: chosen)
    bpy.ops.lineament.add_node()
    properties = compat.scene_tree(scene).nodes.active.node_tree.lineament
    assert (properties.cache_folder, properties.device, properties.is_live) == ("/cache", "cuda:1", False)


def test_when_attributes_are_added_and_removed_then_the_sockets_follow(edit) -> None:
    name = edit.tree.name
    assert bpy.ops.lineament.add_attribute(attribute="beard", tree=name) == {"FINISHED"}
    assert "Beard" in edit.node.inputs
    assert bpy.ops.lineament.add_attribute(attribute="pointy_ears", tree=name) == {"FINISHED"}
    assert "Pointy Ears" in edit.node.inputs
    assert bpy.ops.lineament.remove_attribute(attribute="smile", tree=name) == {"FINISHED"}
    assert "Smile" not in edit.node.inputs
    listed = [entry.name for entry in edit.tree.lineament.attributes]
    assert listed == ["age", "glasses", "beard", "pointy_ears"]


@pytest.mark.parametrize(
    ("operator", "said", "complaint"),
    [
        ("add_attribute", {"attribute": "age"}, "has the attribute 'age' already"),
        ("add_attribute", {"attribute": " "}, "No attribute is named"),
        ("remove_attribute", {"attribute": "beard"}, "no attribute 'beard'"),
    ],
)
def test_when_an_attribute_cannot_be_changed_then_it_is_told(edit, operator, said, complaint) -> None:
    with pytest.raises(RuntimeError, match=complaint):
        getattr(bpy.ops.lineament, operator)(tree=edit.tree.name, **said)


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        ("add_attribute", {"attribute": "beard"}),
        ("remove_attribute", {"attribute": "age"}),
        ("load_preset", {"preset": "Older"}),
        ("clear", {}),
    ],
)
def test_when_a_newer_version_made_the_node_then_nothing_of_it_is_changed(edit, operator, said) -> None:
    edit.tree.lineament.spec_version = "99.0"
    with pytest.raises(RuntimeError, match=r"newer version.*99\.0.*Update the add-on"):
        getattr(bpy.ops.lineament, operator)(tree=edit.tree.name, **said)


def test_when_the_editor_is_inside_an_edit_then_no_other_is_added_there(edit) -> None:
    from lineament.core.errors import HostError
    from lineament.hosts.blender.selection import refuse_parent

    with pytest.raises(HostError, match="cannot be put into another") as caught:
        refuse_parent(edit.tree)
    assert "Tab" in caught.value.remedy


def test_when_no_node_is_meant_then_it_is_told(addon) -> None:
    with pytest.raises(RuntimeError, match="No Attribute Edit node is active"):
        bpy.ops.lineament.add_attribute(attribute="age")
    with pytest.raises(RuntimeError, match="no Attribute Edit node on a tree named 'x'"):
        bpy.ops.lineament.clear(tree="x")


def test_when_the_range_is_baked_then_every_frame_has_a_result(edit, fake_engine) -> None:
    edit.node.inputs["Age"].default_value = 1.0
    assert bpy.ops.lineament.bake() == {"FINISHED"}
    assert results(edit) == [f"result.{frame:04d}.exr" for frame in (1, 2, 3)]
    assert edit.tree.lineament.baked_ranges == "1-3"
    assert "3 of 3 frames edited" in edit.tree.lineament.status
    assert bpy.ops.lineament.bake() == {"FINISHED"}
    assert len(fake_engine()) == 3, "valid frames are kept"
    assert bpy.ops.lineament.bake(frames="2", force=True) == {"FINISHED"}
    assert len(fake_engine()) == 4


def test_when_one_frame_is_baked_then_only_that_one_is(edit, scene, fake_engine) -> None:
    edit.node.inputs["Age"].default_value = 1.0
    scene.frame_set(2)
    assert bpy.ops.lineament.bake_frame() == {"FINISHED"}
    assert results(edit) == ["result.0002.exr"]


def test_when_frames_fail_then_the_script_hears_of_it_and_the_panel_has_the_remedy(
    edit, scene, fake_engine
) -> None:
    from lineament.hosts.blender.cache_view import view_of

    smile = edit.node.inputs["Smile"]
    for frame, value in ((1, 1.0), (2, 3.0), (3, 1.0)):
        smile.default_value = value
        smile.keyframe_insert("default_value", frame=frame)
    with pytest.raises(RuntimeError, match=r"1 failed.*Frame 2: No face was found.*Lower the smile"):
        bpy.ops.lineament.bake()
    view = view_of(scene, edit.tree)
    assert (view.baked, view.failed, view.missing) == ((1, 3), (2,), ())
    assert view.first_error is not None and view.first_error[1].remedy == "Lower the smile."


@pytest.mark.parametrize("frames", ["1-", "3-1", "one", "1-2x0"])
def test_when_the_frames_are_no_frames_then_it_is_told(edit, fake_engine, frames: str) -> None:
    with pytest.raises(RuntimeError, match="does not name frames"):
        bpy.ops.lineament.bake(frames=frames)


def test_when_there_is_no_engine_then_baking_says_what_to_do(edit, monkeypatch) -> None:
    monkeypatch.delenv("LINEAMENT_PYTHON", raising=False)
    edit.node.inputs["Age"].default_value = 1.0
    with pytest.raises(RuntimeError, match="No engine is set up"):
        bpy.ops.lineament.bake()
    assert results(edit) == []


def test_when_a_scene_has_no_edit_then_baking_says_so(addon, scene, fake_engine) -> None:
    with pytest.raises(RuntimeError, match="no Attribute Edit to bake"):
        bpy.ops.lineament.bake()
    assert fake_engine() == []


def test_when_the_cache_is_cleared_then_files_and_ranges_are_gone(edit, scene, fake_engine) -> None:
    from lineament.hosts.blender.cache_view import view_of

    edit.node.inputs["Age"].default_value = 1.0
    bpy.ops.lineament.bake()
    assert bpy.ops.lineament.clear(tree=edit.tree.name) == {"FINISHED"}
    assert results(edit) == []
    assert (edit.tree.lineament.baked_ranges, edit.tree.lineament.status) == ("", "")
    assert view_of(scene, edit.tree).missing == (1, 2, 3)
    assert bpy.ops.lineament.clear(tree=edit.tree.name) == {"FINISHED"}, "nothing to clear is no error"


def test_when_the_cache_cannot_be_cleared_then_it_is_told(edit, fake_engine, monkeypatch) -> None:
    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    edit.node.inputs["Age"].default_value = 1.0
    bpy.ops.lineament.bake()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(RuntimeError, match="cannot be written: Permission denied"):
            bpy.ops.lineament.clear(tree=edit.tree.name)
    assert len(results(edit)) == 3


def test_when_the_engine_is_checked_then_its_findings_are_kept(addon, real_engine) -> None:
    from lineament.hosts.blender.engine_check import checked

    assert bpy.ops.lineament.check_engine() == {"FINISHED"}
    found = checked()
    assert found is not None and found.is_sound
    assert any("CC0-1.0" in line for line in found.lines), "the model's licence is among the findings"


def test_when_the_engine_is_no_python_then_the_check_says_so(addon, monkeypatch, tmp_path: Path) -> None:
    for python in (tmp_path / "nowhere", "/bin/false"):
        monkeypatch.setenv("LINEAMENT_PYTHON", str(python))
        with pytest.raises(RuntimeError, match="The engine cannot work"):
            bpy.ops.lineament.check_engine()


def test_when_no_engine_is_set_then_the_check_says_where_to_enter_it(addon, monkeypatch) -> None:
    monkeypatch.delenv("LINEAMENT_PYTHON", raising=False)
    with pytest.raises(RuntimeError, match="Preferences"):
        bpy.ops.lineament.check_engine()


def test_when_the_log_is_opened_then_it_holds_what_happened(edit, fake_engine) -> None:
    edit.node.inputs["Smile"].default_value = 3.0
    with pytest.raises(RuntimeError, match="No face"):
        bpy.ops.lineament.bake(frames="1")
    assert bpy.ops.lineament.open_log() == {"FINISHED"}
    text = (Path(bpy.app.tempdir) / "lineament_log.txt").read_text("utf-8")
    assert f"Blender {bpy.app.version_string}" in text
    assert "No face was found" in text


class FakeWindowManager:
    """Counts what a modal operator takes and gives back."""

    def __init__(self) -> None:
        self.timers = self.handlers = self.progress = 0
        self.windows = ()

    def event_timer_add(self, step, window):
        """A timer is taken."""
        self.timers += 1
        return object()

    def event_timer_remove(self, timer):
        """And given back."""
        self.timers -= 1

    def modal_handler_add(self, operator):
        """The operator wants events."""
        self.handlers += 1

    def progress_begin(self, low, high):
        """The cursor shows progress."""
        self.progress += 1

    def progress_update(self, value):
        """It goes on."""
        assert 0.0 <= value <= 1.0

    def progress_end(self):
        """And ends."""
        self.progress -= 1


class Shell:
    """A modal operator outside Blender's event loop: the same methods, an event at a time."""

    def __init__(self, cls, monkeypatch, **said) -> None:
        from lineament.hosts.blender import modal

        monkeypatch.setattr(modal, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
        self.reports: list[tuple[str, str]] = []
        methods = {name: getattr(cls, name) for name in ("begin", "conclude")}
        report = {"report": lambda _, kind, text: self.reports.append((next(iter(kind)), text))}
        self.operator = type("Operator", (modal.TimedOperator,), {**methods, **said, **report})()
        self.status_texts: list[str | None] = []
        self.manager = FakeWindowManager()
        self.context = SimpleNamespace(
            window=object(), window_manager=self.manager, scene=bpy.context.scene,
            workspace=SimpleNamespace(status_text_set=self.status_texts.append),
        )  # fmt: skip

    def event(self, kind: str, ctrl: bool = False) -> set[str]:
        """What the operator answers to one event."""
        return self.operator.modal(self.context, SimpleNamespace(type=kind, ctrl=ctrl, oskey=False))

    def until_it_ends(self) -> set[str]:
        """Timer events until the operator is done."""
        for _ in range(2000):
            status = self.event("TIMER")
            if status != {"PASS_THROUGH"}:
                return status
        raise AssertionError("it never ended")

    @property
    def is_clean(self) -> bool:
        """Everything was given back."""
        from lineament.hosts.blender import modal

        return (self.manager.timers, self.manager.progress, modal.running()) == (0, 0, None)


def bake_shell(monkeypatch, **said) -> Shell:
    """A bake in a window."""
    from lineament.hosts.blender.operators_bake import LINEAMENT_OT_bake

    return Shell(LINEAMENT_OT_bake, monkeypatch, **{"frames": "", "force": False, **said})


def test_when_a_bake_runs_in_a_window_then_events_pump_it_to_its_end(edit, fake_engine, monkeypatch) -> None:
    edit.node.inputs["Age"].default_value = 1.0
    shell = bake_shell(monkeypatch)
    assert shell.operator.invoke(shell.context, None) == {"RUNNING_MODAL"}
    assert shell.event("MOUSEMOVE") == {"PASS_THROUGH"}
    assert shell.event("Z") == {"PASS_THROUGH"}
    assert shell.event("Z", ctrl=True) == {"RUNNING_MODAL"}, "an undo would replace what is being baked"
    assert shell.until_it_ends() == {"FINISHED"}
    assert shell.is_clean and shell.manager.handlers == 1
    assert "3 of 3 frames edited" in shell.reports[-1][1]
    assert shell.status_texts[-1] is None and any("frame" in text for text in shell.status_texts if text)
    assert len(results(edit)) == 3


def test_when_escape_is_pressed_then_the_bake_ends_within_a_second(edit, fake_engine, monkeypatch) -> None:
    import time

    bpy.ops.lineament.add_attribute(attribute="beard", tree=edit.tree.name)
    edit.node.inputs["Beard"].default_value = 3.0  # the fake engine then waits until it is cancelled
    shell = bake_shell(monkeypatch)
    shell.operator.invoke(shell.context, None)
    deadline = time.monotonic() + 60.0
    while not fake_engine() and time.monotonic() < deadline:
        shell.event("TIMER")
    start = time.monotonic()
    assert shell.event("ESC") == {"RUNNING_MODAL"}
    assert shell.until_it_ends() == {"CANCELLED"}
    assert time.monotonic() - start < 1.0
    assert shell.is_clean
    assert shell.reports[-1][0] == "WARNING" and "cancelled" in shell.reports[-1][1]
    assert results(edit) == []


def test_when_an_event_is_served_then_the_window_waits_no_longer_than_50_ms_for_the_engine(
    edit, fake_engine, monkeypatch
) -> None:
    import time

    bpy.ops.lineament.add_attribute(attribute="lipstick", tree=edit.tree.name)
    edit.node.inputs["Lipstick"].default_value = 1.0  # the fake engine sleeps for a second
    shell = bake_shell(monkeypatch, frames="1")
    shell.operator.invoke(shell.context, None)
    longest: list[float] = []
    status = {"PASS_THROUGH"}
    while status == {"PASS_THROUGH"}:
        start = time.perf_counter()
        status = shell.event("TIMER")
        longest.append(time.perf_counter() - start)
    waiting = sorted(longest)[: len(longest) * 3 // 4]
    assert len(longest) > 15
    assert waiting[-1] < 0.1, "twice the aim, because tests share their processor"


def test_when_blender_ends_the_operator_then_everything_is_given_back(edit, fake_engine, monkeypatch) -> None:
    edit.node.inputs["Age"].default_value = 1.0
    shell = bake_shell(monkeypatch)
    shell.operator.invoke(shell.context, None)
    shell.event("TIMER")
    shell.operator.cancel(shell.context)
    assert shell.is_clean


def test_when_something_runs_then_nothing_else_is_begun_and_cancel_stops_it(
    edit, fake_engine, monkeypatch
) -> None:
    edit.node.inputs["Age"].default_value = 1.0
    shell, second = bake_shell(monkeypatch), bake_shell(monkeypatch)
    shell.operator.invoke(shell.context, None)
    assert second.operator.invoke(second.context, None) == {"CANCELLED"}
    assert "still running" in second.reports[-1][1]
    with pytest.raises(RuntimeError, match="A bake is running"):
        bpy.ops.lineament.clear(tree=edit.tree.name)
    assert bpy.ops.lineament.cancel() == {"FINISHED"}
    assert shell.until_it_ends() == {"CANCELLED"}
    assert shell.is_clean and not bpy.ops.lineament.cancel.poll()


def test_when_the_work_breaks_then_everything_is_given_back(addon, monkeypatch) -> None:
    from lineament.core.errors import HostError
    from lineament.hosts.blender import modal

    for error, ends in (
        (HostError("It broke.", remedy="Mend it."), {"CANCELLED"}),
        (ValueError("bug"), None),
    ):

        class Breaking(modal.Work):
            label = "Bake"

            def steps(self, error=error):
                yield 0.5, "half"
                raise error

            def stop(self) -> None:
                raise AssertionError("work that broke is not stopped")

        told = {
            "begin": lambda self, context: Breaking(),
            "conclude": lambda self, context, work: {"FINISHED"},
        }
        shell = Shell(SimpleNamespace(**told), monkeypatch)
        assert shell.operator.invoke(shell.context, None) == {"RUNNING_MODAL"}
        if ends is None:
            with pytest.raises(ValueError, match="bug"):
                shell.until_it_ends()
        else:
            assert shell.until_it_ends() == ends
            assert "Mend it." in shell.reports[-1][1]
        assert shell.is_clean
