"""What an artist sees: rows without errors for every state of a node, texts for everything, one order everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import bpy
import pytest
from fake_layout import FakeLayout, drawn, editor
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, TABS


@pytest.fixture
def node(addon, scene):
    """A fresh Attribute Edit and a context in which it is active."""
    from lineament.hosts.blender import compat

    assert bpy.ops.lineament.add_node() == {"FINISHED"}
    tree = compat.scene_tree(scene)
    return tree.nodes.active, editor(scene, tree, tree.nodes.active)


def panels():
    """Every panel of ours, in order."""
    from lineament.hosts.blender import panel

    return panel.CLASSES


def all_rows(context) -> FakeLayout:
    """Every panel in one layout."""
    joined = FakeLayout()
    for cls in panels():
        joined.calls += drawn(cls, context).calls
    return joined


def place_records(scene, tree, *, failed: tuple[int, ...] = (), edited: tuple[int, ...] = ()) -> None:
    """Put sidecars where a bake would have, with a result's file where one belongs."""
    from lineament.core.errors import FaceError
    from lineament.hosts.blender import record
    from lineament.hosts.blender.places import location

    place = location(scene, tree)
    place.folder.mkdir(parents=True, exist_ok=True)
    for frame in failed:
        error = FaceError("No face was found.", where=f"frame {frame}", remedy="Give a track.")
        place.sidecar(frame).write_bytes(record.failed_record(frame, "Attribute Edit", error).encoded())
    for frame in edited:
        place.result(frame).write_bytes(b"picture")
        told = {"model": "default", "licence": "CC-BY-4.0"}
        made = record.FrameRecord(frame, record.EDITED, "key", engine=told, size=7)
        place.sidecar(frame).write_bytes(made.encoded())


def test_when_no_node_is_active_then_no_panel_shows(addon, scene) -> None:
    from lineament.hosts.blender import compat

    tree = compat.ensure_scene_tree(scene)
    tree.nodes.clear()
    for context in (editor(scene, tree), editor(scene, None), bpy.context):
        assert [cls for cls in panels() if cls.poll(context)] == []


def test_when_another_node_is_active_then_no_panel_shows(addon, scene) -> None:
    from lineament.hosts.blender import compat

    tree = compat.ensure_scene_tree(scene)
    for kind in ("CompositorNodeBlur", "CompositorNodeGroup"):
        context = editor(scene, tree, tree.nodes.new(kind))
        assert [cls for cls in panels() if cls.poll(context)] == []


def test_when_the_node_is_fresh_then_every_parameter_has_a_row(node, fake_engine) -> None:
    layout = all_rows(node[1])
    shown = set(layout.properties()) | {
        "mix",
        "mask",
        *(entry.id for entry in ATTRIBUTE_EDIT.for_target("strength")),
    }
    assert {entry.id for entry in ATTRIBUTE_EDIT.parameters} - shown == set()
    assert "To bake: 1-3" in layout.texts()
    assert "Edited in: Linear Rec.709 (working space)" in layout.texts()
    assert "ERROR" not in [call.said.get("icon") for call in layout.calls]


def test_when_the_rows_are_drawn_then_their_order_is_that_of_the_declaration(node) -> None:
    from lineament.hosts.blender import panel

    labels = [cls.bl_label for cls in panel.TAB_PANELS]
    assert labels == [tab for tab in TABS if tab in labels]
    for cls in panel.TAB_PANELS:
        order = [entry.id for entry in ATTRIBUTE_EDIT.on_tab(cls.bl_label)]
        rows = [name for name in drawn(cls, node[1]).properties() if name in order and name != "invert_mask"]
        assert rows == [name for name in order if name in rows]
        assert rows or cls.bl_label == "Composite"


def test_when_a_property_is_shown_then_its_texts_and_range_are_the_declared_ones(node) -> None:
    known = node[0].node_tree.lineament.bl_rna.properties
    checked = [entry for entry in ATTRIBUTE_EDIT.parameters if entry.id in known]
    assert len(checked) > 8
    for entry in checked:
        shown = known[entry.id]
        assert (shown.name, shown.description.rstrip(".")) == (entry.label, entry.tooltip.rstrip("."))
        if entry.kind in ("float", "int"):
            ends = (shown.hard_min, shown.soft_min, shown.soft_max, shown.hard_max)
            assert ends == pytest.approx(
                (entry.minimum, entry.soft_minimum, entry.soft_maximum, entry.maximum)
            )
        if entry.kind == "choice":
            assert tuple(item.identifier for item in shown.enum_items) == entry.choices


def test_when_a_socket_is_shown_then_its_texts_and_range_are_the_declared_ones(node) -> None:
    edit, _ = node
    for entry in ATTRIBUTE_EDIT.for_target("strength"):
        if entry.id not in [known.name for known in edit.node_tree.lineament.attributes]:
            bpy.ops.lineament.add_attribute(attribute=entry.id, tree=edit.node_tree.name)
    items = [item for item in edit.node_tree.interface.items_tree if item.in_out == "INPUT"]
    shown = {item.name: item for item in items if item.item_type == "SOCKET"}
    for entry in ATTRIBUTE_EDIT.for_target("strength"):
        item = shown[entry.label]
        assert item.description.rstrip(".") == entry.tooltip.rstrip(".")
        assert (item.min_value, item.max_value) == (entry.soft_minimum, entry.soft_maximum)


def test_when_frames_are_baked_and_failed_then_the_bar_and_the_remedy_tell(node, scene) -> None:
    edit, context = node
    place_records(scene, edit.node_tree, failed=(2,), edited=(1,))
    layout = all_rows(context)
    bar = next(call for call in layout.calls if call.what == "progress")
    assert bar.said["factor"] == pytest.approx(1 / 3)
    assert bar.said["text"] == "1/3 baked"
    for text in ("Baked: 1", "To bake: 3", "Failed: 2", "Frame 2: No face was found.", "Give a track."):
        assert text in layout.texts()
    assert "Licence of the weights: CC-BY-4.0" in layout.texts()


def test_when_frames_come_and_go_then_the_bar_follows(node, scene) -> None:
    edit, context = node
    place_records(scene, edit.node_tree, edited=(1, 2, 3))
    assert "Baked: 1-3" in all_rows(context).texts()
    from lineament.hosts.blender.places import location

    location(scene, edit.node_tree).clear((2,))
    assert "To bake: 2" in all_rows(context).texts()
    scene.frame_end = 5
    assert "To bake: 2,4,5" in all_rows(context).texts() or "To bake: 2,4-5" in all_rows(context).texts()


def test_when_a_newer_version_made_the_node_then_it_is_told_and_nothing_can_be_changed(node) -> None:
    edit, context = node
    edit.node_tree.lineament.spec_version = "99.0"
    layout = all_rows(context)
    assert "A newer version of the add-on made this node (99.0)." in layout.all_text()
    sliders = [
        call for call in layout.calls if call.what == "prop" and call.said["property"] == "default_value"
    ]
    assert sliders and not any(call.is_enabled for call in sliders)


def test_when_there_is_no_engine_then_the_panel_says_what_to_do(node, monkeypatch) -> None:
    monkeypatch.delenv("LINEAMENT_PYTHON", raising=False)
    layout = all_rows(node[1])
    assert "No engine is set up" in layout.all_text()
    assert "lineament doctor" in layout.all_text()


def test_when_the_cache_folder_cannot_be_read_then_the_rows_are_drawn(node) -> None:
    edit, context = node
    for folder in ("/no/such/place", "//\0", "~", "C:\\temp\\cache"):
        edit.node_tree.lineament.cache_folder = folder.replace("\0", "")
        assert "To bake: 1-3" in all_rows(context).texts()


def test_when_a_strength_is_linked_or_lost_then_its_row_says_so(node, scene) -> None:
    edit, context = node
    value = context.space_data.edit_tree.nodes.new("CompositorNodeRGB")
    context.space_data.edit_tree.links.new(value.outputs[0], edit.inputs["Age"])
    edit.node_tree.lineament.attributes["smile"].identifier = "gone"
    texts = all_rows(editor(scene, context.space_data.edit_tree, edit)).texts()
    assert "Age: linked" in texts
    assert "smile: the socket was removed" in texts


def test_when_all_attributes_are_off_then_the_panel_says_so(node) -> None:
    edit, context = node
    for name in [entry.name for entry in edit.node_tree.lineament.attributes]:
        assert bpy.ops.lineament.remove_attribute(attribute=name, tree=edit.node_tree.name) == {"FINISHED"}
    assert "No attributes yet" in all_rows(context).texts()


def test_when_the_model_is_chosen_then_licence_and_consent_are_beside_it(node) -> None:
    edit, context = node
    model = next(cls for cls in panels() if cls.bl_label == "Model")
    assert "Licence of the weights: CC0-1.0" in drawn(model, context).texts()
    assert "people who agreed" in drawn(model, context).all_text()
    edit.node_tree.lineament.model = "somebody_elses"
    assert "Licence of the weights: known after the first bake" in drawn(model, context).texts()


def test_when_something_runs_then_the_panel_shows_it_and_how_to_stop_it(node, monkeypatch) -> None:
    from lineament.hosts.blender import modal

    class Endless(modal.Work):
        label = "Bake"

        def steps(self, context):
            yield from ()

        def stop(self) -> None:
            pass

    told = modal.Running(Endless())
    told.fraction, told.text = 0.25, "frame 1 render"
    monkeypatch.setattr(modal, "_RUNNING", [told])
    layout = all_rows(node[1])
    assert "Bake: frame 1 render" in layout.texts()
    assert "lineament.cancel" in layout.operators()
    assert not bpy.ops.lineament.bake.poll()


def test_when_the_menus_are_opened_then_every_row_is_drawn(node) -> None:
    from lineament.hosts.blender import menus

    _, context = node
    layout = drawn(menus.LINEAMENT_MT_attributes, context)
    missing = [entry.label for entry in ATTRIBUTE_EDIT.for_target("strength")]
    for name in ("Age", "Smile", "Glasses"):
        missing.remove(name)
    assert layout.texts() == [*missing, "Of Another Model..."]
    assert "Older" in drawn(menus.LINEAMENT_MT_presets, context).texts()
    assert drawn(menus.LINEAMENT_MT_attributes, bpy.context).texts()[0] == "Age"


def test_when_the_add_menu_is_opened_then_it_has_our_entry(node) -> None:
    from lineament.hosts.blender import menus

    entries = getattr(bpy.types, menus.ADD_MENU).draw._draw_funcs
    layout = FakeLayout()
    for entry in entries:
        if entry.__module__.startswith("lineament"):
            entry(type("Shell", (), {"layout": layout})(), node[1])
    assert layout.operators() == ["lineament.add_node"]


def test_when_anything_is_shown_then_it_has_a_description(addon) -> None:
    from lineament.hosts.blender import preferences, properties, registration

    bare = []
    for cls in (*registration.CLASSES, *properties.CLASSES, preferences.LineamentPreferences):
        for found in cls.bl_rna.properties:
            ours = found.identifier in getattr(cls, "__annotations__", {})
            if ours and len(found.description.split()) < 3:
                bare.append(f"{cls.__name__}.{found.identifier}")
        is_operator = issubclass(cls, bpy.types.Operator)
        if is_operator and (len(cls.bl_description.split()) < 4 or not cls.bl_label):
            bare.append(cls.__name__)
    assert bare == []


def test_when_an_operator_changes_data_then_it_can_be_undone(addon) -> None:
    from lineament.hosts.blender import registration

    operators = [cls for cls in registration.CLASSES if issubclass(cls, bpy.types.Operator)]
    undone = {
        cls.bl_idname.partition(".")[2] for cls in operators if "UNDO" in getattr(cls, "bl_options", ())
    }
    assert undone == {"add_node", "add_attribute", "remove_attribute", "clear", "load_preset"}


def test_when_the_preferences_are_drawn_then_findings_of_the_check_are_there(addon, monkeypatch) -> None:
    from lineament.hosts.blender import engine, engine_check, preferences

    for found in ((), (engine.Check(True, ("python ok",)),), (engine.Check(False, ("torch missing",)),)):
        monkeypatch.setattr(engine_check, "_LAST", list(found))
        layout = FakeLayout()
        preferences.draw_preferences(layout, Stored())
        assert layout.operators() == ["lineament.check_engine", "lineament.open_help"]
        assert found == () or found[0].lines[0] in layout.texts()


class Stored:
    """The preferences as an enabled extension has them."""

    @property
    def bl_rna(self):
        """What Blender knows of the registered class."""
        from lineament.hosts.blender.preferences import LineamentPreferences

        return LineamentPreferences.bl_rna


def test_when_the_file_has_no_place_yet_then_the_panel_says_that_results_will_not_stay(
    node, tmp_path
) -> None:
    edit, context = node
    hint = "Save the file first"
    assert hint in all_rows(context).all_text()
    edit.node_tree.lineament.cache_folder = str(tmp_path)
    assert hint not in all_rows(context).all_text()
    edit.node_tree.lineament.cache_folder = ""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert hint not in all_rows(context).all_text()


def texts_of_the_code() -> set[str]:
    """Every text that the interface's modules or the declaration hold."""
    from lineament.hosts.blender import help_page, menus, panel, panel_parts, preferences, presets

    texts = {entry.label for entry in ATTRIBUTE_EDIT.parameters} | {
        ATTRIBUTE_EDIT.label,
        *TABS,
        *presets.SHIPPED,
    }
    for module in (help_page, menus, panel, panel_parts, preferences):
        tree = ast.parse(Path(module.__file__).read_text("utf-8"))
        texts |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value}
    return texts


def test_when_german_is_registered_then_every_text_is_one_that_is_shown(node, addon) -> None:
    from lineament.hosts.blender import registration, translations

    assert set(translations.GERMAN) - texts_of_the_code() == set()

    operators = {cls.bl_label for cls in registration.CLASSES if issubclass(cls, bpy.types.Operator)}
    assert set(translations.GERMAN_OPERATORS) <= operators
    assert operators - set(translations.GERMAN_OPERATORS) == set()
    assert all(
        text.strip() for text in (*translations.GERMAN.values(), *translations.GERMAN_OPERATORS.values())
    )


def test_when_help_is_opened_then_it_needs_no_network(addon) -> None:
    from lineament.hosts.blender.help_page import help_page

    assert bpy.ops.lineament.open_help() == {"FINISHED"}
    page = (Path(bpy.app.tempdir) / "lineament_help.html").read_text("utf-8")
    assert page == help_page()
    assert "http" not in page and "src=" not in page
    assert all(entry.label in page for entry in ATTRIBUTE_EDIT.parameters)


def test_when_only_a_window_can_call_it_then_blender_at_least_has_it(addon) -> None:
    functions = {
        bpy.types.WindowManager: (
            "event_timer_add", "event_timer_remove", "modal_handler_add", "progress_begin", "progress_update",
            "progress_end", "invoke_confirm", "invoke_props_dialog",
        ),
        bpy.types.SpaceNodeEditor: ("cursor_location_from_region",),
        bpy.types.WorkSpace: ("status_text_set_internal",),
        bpy.types.Area: ("tag_redraw",),
    }  # fmt: skip
    for kind, names in functions.items():
        assert set(names) - set(kind.bl_rna.functions.keys()) == set()
    assert {"edit_tree", "tree_type", "cursor_location"} <= set(
        bpy.types.SpaceNodeEditor.bl_rna.properties.keys()
    )
    assert callable(bpy.types.WorkSpace.status_text_set)
    for operator in (bpy.ops.node.translate_attach_remove_on_cancel, bpy.ops.wm.path_open):
        assert operator.get_rna_type().identifier
