"""Presets are recipes: what is saved comes back, the command line reads it, and a broken file is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import bpy
import pytest
from lineament.core.errors import RecipeError


@pytest.fixture
def edit(addon, scene, tmp_path: Path, monkeypatch):
    """A fresh node as the operators see it, and presets in a folder of the test's own."""
    from lineament.hosts.blender import compat, menus, operators_preset
    from lineament.hosts.blender.selection import Selected

    for module in (operators_preset, menus):
        monkeypatch.setattr(module, "preset_folder", lambda: tmp_path / "user presets")
    bpy.ops.lineament.add_node()
    node = compat.scene_tree(scene).nodes.active
    return Selected(node, node.node_tree)


def strengths(edit) -> dict[str, float]:
    """The node's strengths by attribute."""
    from lineament.hosts.blender.links import socket_of

    entries = edit.tree.lineament.attributes
    return {entry.name: socket_of(edit.node.inputs, entry.identifier).default_value for entry in entries}


def test_when_a_look_is_saved_and_loaded_then_it_is_the_same(edit, tmp_path: Path) -> None:
    edit.node.inputs["Age"].default_value = 1.5
    edit.node.inputs["Mix"].default_value = 0.75
    edit.tree.lineament.inverter, edit.tree.lineament.seed = "optimise", 7
    edit.tree.lineament.colourspace = "ACEScg"
    assert bpy.ops.lineament.save_preset(preset="Old and soft", tree=edit.tree.name) == {"FINISHED"}
    edit.node.inputs["Age"].default_value, edit.node.inputs["Smile"].default_value = -1.0, 2.0
    edit.node.inputs["Mix"].default_value = 0.1
    edit.tree.lineament.inverter, edit.tree.lineament.colourspace = "encoder", "Linear Rec.709"
    assert bpy.ops.lineament.load_preset(preset="Old and soft", tree=edit.tree.name) == {"FINISHED"}
    assert strengths(edit) == {"age": 1.5, "smile": 0.0, "glasses": 0.0}
    assert edit.node.inputs["Mix"].default_value == pytest.approx(0.75)
    assert (edit.tree.lineament.inverter, edit.tree.lineament.seed) == ("optimise", 7)
    assert edit.tree.lineament.colourspace == "Linear Rec.709", "a plate's colour space is not part of a look"


def test_when_a_preset_has_more_attributes_then_the_node_gets_them(edit) -> None:
    assert bpy.ops.lineament.load_preset(preset="Grey Beard", tree=edit.tree.name) == {"FINISHED"}
    assert strengths(edit) == {
        "age": 0.0, "smile": 0.0, "glasses": 0.0, "beard": 1.5, "grey_hair": 1.5, "moustache": 1.0,
    }  # fmt: skip


def test_when_a_strength_is_keyed_or_linked_then_a_preset_leaves_it_alone(edit, scene) -> None:
    from lineament.hosts.blender import compat, operators_preset, presets

    age, smile = edit.node.inputs["Age"], edit.node.inputs["Smile"]
    age.default_value = 0.5
    age.keyframe_insert("default_value", frame=1)
    smile.driver_add("default_value").driver.expression = "2.0"
    tree = compat.scene_tree(scene)
    tree.links.new(tree.nodes.new("CompositorNodeRGB").outputs[0], edit.node.inputs["Glasses"])
    kept = operators_preset.apply_preset(edit, presets.Preset({"age": 2.0, "smile": 1.0, "glasses": 1.0}))
    assert kept == ("age", "smile", "glasses")
    assert age.default_value == 0.5


def test_when_shipped_presets_are_loaded_then_each_is_one_the_node_takes(edit) -> None:
    from lineament.hosts.blender import presets
    from lineament.plugin.node_spec import ATTRIBUTE_EDIT

    known = {entry.id: entry for entry in ATTRIBUTE_EDIT.for_target("strength")}
    for name, preset in presets.SHIPPED.items():
        assert presets.preset_from(presets.preset_text(preset), name) == preset
        assert all(
            abs(value) <= known[attribute].soft_maximum for attribute, value in preset.strengths.items()
        )
        assert bpy.ops.lineament.load_preset(preset=name, tree=edit.tree.name) == {"FINISHED"}


def test_when_a_user_has_a_preset_of_a_shipped_name_then_it_wins_until_it_is_removed(edit) -> None:
    edit.node.inputs["Age"].default_value = 0.25
    bpy.ops.lineament.save_preset(preset="Older", tree=edit.tree.name)
    bpy.ops.lineament.load_preset(preset="Older", tree=edit.tree.name)
    assert strengths(edit)["age"] == 0.25
    assert bpy.ops.lineament.remove_preset(preset="Older") == {"FINISHED"}
    bpy.ops.lineament.load_preset(preset="Older", tree=edit.tree.name)
    assert strengths(edit)["age"] == 1.5
    with pytest.raises(RuntimeError, match="cannot be removed"):
        bpy.ops.lineament.remove_preset(preset="Older")


def test_when_there_is_no_look_then_nothing_is_saved(edit, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no look to save"):
        bpy.ops.lineament.save_preset(preset="Nothing", tree=edit.tree.name)
    assert not (tmp_path / "user presets").exists()


@pytest.mark.parametrize(
    "name", ["../outside", "a/b", "", " ", ".hidden", "con:", "x" * 80, "back\\slash", "dot."]
)
def test_when_a_name_is_no_file_name_then_it_is_refused(edit, tmp_path: Path, name: str) -> None:
    from lineament.hosts.blender import presets

    with pytest.raises(RecipeError, match="cannot be the name"):
        presets.save_preset(tmp_path, name, presets.Preset({"age": 1.0}))


def test_when_a_name_has_accents_then_it_is_taken(edit, tmp_path: Path) -> None:
    from lineament.hosts.blender import presets

    presets.save_preset(tmp_path, "Älter (Größe 2)", presets.Preset({"age": 1.0}))
    assert presets.preset_names(tmp_path) == ("Älter (Größe 2)",)
    assert presets.load_preset(tmp_path, "Älter (Größe 2)").strengths == {"age": 1.0}


GOOD = {"schema_version": 1, "strengths": {"age": 1.0}}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("not json", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "schema_version"),
        (json.dumps({**GOOD, "schema_version": 2}), "schema_version"),
        (json.dumps({**GOOD, "strengths": [1]}), "not a table"),
        (json.dumps({**GOOD, "strengths": {"age": 11}}), "within 10"),
        ('{"schema_version": 1, "strengths": {"age": NaN}}', "not a number"),
        (json.dumps({**GOOD, "strengths": {"age": True}}), "not a number"),
        (json.dumps({**GOOD, "strengths": {"a b": 1}}), "not a number"),
        (json.dumps({**GOOD, "mix": 2}), "Mix cannot be 2"),
        (json.dumps({**GOOD, "seed": 1.5}), "Seed cannot be 1.5"),
        (json.dumps({**GOOD, "inverter": "magic"}), "Inversion cannot be"),
        (json.dumps({**GOOD, "rm": "-rf"}), "unknown keys: rm"),
        (json.dumps({**GOOD, "notes": {"x": "y" * 2_000_000}}), "more than"),
    ],
)
def test_when_a_preset_file_is_wrong_then_it_is_refused_and_the_node_stays(
    edit, tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "user presets").mkdir()
    (tmp_path / "user presets" / "broken.json").write_text(content)
    edit.node.inputs["Age"].default_value = 0.5
    with pytest.raises(RuntimeError, match=complaint):
        bpy.ops.lineament.load_preset(preset="broken", tree=edit.tree.name)
    assert strengths(edit) == {"age": 0.5, "smile": 0.0, "glasses": 0.0}


def test_when_a_preset_names_a_socket_of_every_node_then_the_node_stays_as_it_was(
    edit, tmp_path: Path
) -> None:
    (tmp_path / "user presets").mkdir()
    told = {"schema_version": 1, "strengths": {"beard": 1.0, "mix": 0.5}}
    (tmp_path / "user presets" / "Odd.json").write_text(json.dumps(told))
    before = strengths(edit)
    with pytest.raises(RuntimeError, match="is a socket of every Attribute Edit"):
        bpy.ops.lineament.load_preset(preset="Odd", tree=edit.tree.name)
    assert strengths(edit) == before


def test_when_a_preset_is_missing_or_no_text_then_it_is_told(edit, tmp_path: Path) -> None:
    (tmp_path / "user presets").mkdir()
    (tmp_path / "user presets" / "picture.json").write_bytes(b"\xff\xd8\xff")
    for name in ("absent", "picture"):
        with pytest.raises(RuntimeError, match="cannot be read"):
            bpy.ops.lineament.load_preset(preset=name, tree=edit.tree.name)


def test_when_the_command_line_reads_a_preset_then_it_is_the_same_recipe(
    edit, tmp_path: Path, real_engine
) -> None:
    edit.node.inputs["Age"].default_value = 1.25
    edit.node.inputs["Mix"].default_value = 0.5
    edit.tree.lineament.model = "my_model"
    bpy.ops.lineament.save_preset(preset="for the shell", tree=edit.tree.name)
    script = (
        "import sys, pathlib; from lineament.core.recipe_file import read_recipe; "
        "r = read_recipe(pathlib.Path(sys.argv[1])); print(r.strengths_at(1), r.mix, r.generator)"
    )
    path = tmp_path / "user presets" / "for the shell.json"
    done = subprocess.run(
        [real_engine, "-c", script, str(path)], capture_output=True, text=True, timeout=100, check=False,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.split("\n")[0] == "{'age': 1.25} 0.5 my_model", done.stderr


def test_when_the_add_on_is_no_extension_then_presets_lie_in_blenders_own_folder(addon) -> None:
    from lineament.hosts.blender import operators_preset

    assert operators_preset.preset_folder().parts[-3:] == ("scripts", "presets", "lineament")
