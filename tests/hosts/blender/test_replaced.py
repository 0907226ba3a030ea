"""Files that are cut off, of another kind or of another process: none is shown or delivered as what it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import bpy
import pytest
from bpy.app.handlers import persistent
from lineament.hosts.blender import cache, cache_view, carrier, compat, handlers, headless, passive, written
from lineament.hosts.blender.ownership import OWNER
from lineament.hosts.blender.places import location
from lineament.hosts.blender.record import content_digest
from lineament.hosts.blender.service import Baker, bake
from plate_files import write_exr
from shot import add_edit, edited, end, image_node, render, results, same_bits, strength

ALL = (1, 2, 3)
WRONG = (None, "x", 5, -1, True, 1e400, 10**400, [], [1], {}, {"a": 1}, "\ud800")


@pytest.fixture
def baked(scene, plate_node, tmp_path, addon, fake_engine):
    """A saved and baked edit of age 1."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bake(scene, ALL).done == [1, 2, 3]
    bpy.ops.wm.save_mainfile()
    return node


def deliver(tmp_path: Path) -> tuple[int, list[str]]:
    """Render the file headless; the exit code and the pictures."""
    out = tmp_path / "out"
    code = headless.main(["render", str(tmp_path / "shot.blend"), "-o", str(out / "o.####")])
    return code, sorted(path.name for path in out.iterdir()) if out.is_dir() else []


def variants(record: dict) -> list[dict]:
    """The record with each value, at every depth, replaced by things that are no such value."""
    found = [{**record, name: wrong} for name in record for wrong in WRONG]
    for name in ("ask", "engine", "report"):
        inner = record[name]
        found += [{**record, name: {**inner, key: wrong}} for key in inner for wrong in WRONG]
    for name in ("recipe", "choices"):
        inner = record["ask"][name]
        changed = [{**inner, key: wrong} for key in inner for wrong in WRONG]
        found += [{**record, "ask": {**record["ask"], name: part}} for part in changed]
    return found


def test_when_a_sidecar_holds_anything_else_then_the_file_opens_and_its_bar_is_drawn(scene, baked) -> None:
    place = location(scene, baked.node_tree)
    whole = place.sidecar(2).read_text()
    for wrong in variants(json.loads(whole)):
        place.sidecar(2).write_text(json.dumps(wrong))
        cache_view.view_over(scene, baked.node_tree, ALL)
        assert passive.prepare(scene) in (True, False)
    place.sidecar(2).write_text(whole)
    note = {**json.loads(whole), "status": "failed", "error": {"kind": "HostError", "what": "a"}}
    for wrong in ([{**note, name: value} for name in ("error", "frame", "status") for value in WRONG]):  # fmt: skip
        place.note(2).write_text(json.dumps(wrong))
        cache_view.view_over(scene, baked.node_tree, ALL)
        passive.prepare(scene)


@pytest.mark.parametrize("name", ["engine", "frame", "error", "size", "digest"])
def test_when_a_sidecar_is_no_record_then_its_frame_is_made_again(name, scene, baked) -> None:
    place = location(scene, baked.node_tree)
    told = json.loads(place.sidecar(2).read_text())
    place.sidecar(2).write_text(json.dumps({**told, name: [1]}))
    assert bake(scene, ALL).done == [2]


def test_when_a_sidecar_was_copied_from_another_frame_then_it_says_nothing_of_this_one(scene, baked) -> None:
    place = location(scene, baked.node_tree)
    place.sidecar(2).write_bytes(place.sidecar(1).read_bytes())
    place.result(2).unlink()
    assert place.made(2) is None and place.edited_frames() == (1, 3)
    assert bake(scene, ALL).done == [2]


def test_when_a_folder_lies_where_a_result_belongs_then_it_is_named_and_not_shown(
    scene, baked, tmp_path, capsys
) -> None:
    place = location(scene, baked.node_tree)
    place.result(2).unlink()
    place.result(2).mkdir()
    told = place.made(2)
    place.sidecar(2).write_bytes(replace(told, size=place.result(2).stat().st_size).encoded())
    assert place.edited_frames() == (1, 3)
    code, pictures = deliver(tmp_path)
    said = capsys.readouterr().err
    assert code == 1 and pictures == ["o.0001.exr", "o.0003.exr"]
    assert "A folder lies in the cache" in said and place.result(2).name in said


def test_when_a_bake_is_killed_between_picture_and_sidecar_then_neither_is_shown_as_the_other(
    scene, baked, tmp_path, monkeypatch, pixels_of_plate
) -> None:
    real = cache.write_atomically

    def killed(path: Path, data: bytes) -> None:
        if path.name == "result.0002.json":
            raise SystemExit
        real(path, data)

    strength(baked, "age").default_value = 2.0
    monkeypatch.setattr(cache, "write_atomically", killed)
    with pytest.raises(SystemExit):
        bake(scene, (2,))
    monkeypatch.undo()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))  # with an age of 1, as it was saved
    with handlers.paused():
        picture = render(bpy.context.scene, tmp_path / "out", (2,))[2]
    assert same_bits(picture, pixels_of_plate(2))


def test_when_another_process_bakes_other_settings_meanwhile_then_its_picture_is_not_delivered_as_ours(
    scene, baked, tmp_path, monkeypatch, pixels_of_plate, capsys
) -> None:
    real = Baker._node

    def overtaken(self, helper, edit, frame, folder):
        outcome = yield from real(self, helper, edit, frame, folder)
        if frame == 2:
            place, picture = location(self._scene, edit.tree), tmp_path / "theirs.exr"
            write_exr(picture, edited(pixels_of_plate(2), 3.0))
            size, digest = picture.stat().st_size, content_digest(picture)
            place.place(picture, replace(place.made(2), key="f" * 64, size=size, digest=digest))
        return outcome

    monkeypatch.setattr(Baker, "_node", overtaken)
    assert deliver(tmp_path) == (1, ["o.0001.exr", "o.0003.exr"])
    assert "Another process" in capsys.readouterr().err


@persistent
def cut_off(scene, _=None) -> None:
    """What is left of a picture where the disk took nothing of it."""
    Path(scene.render.frame_path(frame=scene.frame_current)).write_bytes(b"")


@pytest.mark.parametrize("how", ["full", "empty"])
def test_when_the_disk_cuts_pictures_off_then_none_is_delivered(
    how, baked, tmp_path, monkeypatch, capsys
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    if how == "full":
        monkeypatch.setattr(written.tempfile, "TemporaryFile", refuse)
    else:
        bpy.app.handlers.render_write.append(cut_off)
    try:
        code, pictures = deliver(tmp_path)
    finally:
        if cut_off in bpy.app.handlers.render_write:
            bpy.app.handlers.render_write.remove(cut_off)
    assert (code, pictures) == (1, [])
    said = capsys.readouterr()
    assert "not written whole" in said.err and "--frames 1-3" in said.out


@pytest.mark.parametrize("strength_here", [0.0, 1.0])
def test_when_a_linked_node_has_no_strength_here_then_the_librarys_results_stay_and_no_frame_lies(
    strength_here, scene, baked, tmp_path
) -> None:
    before, name = results(baked), baked.node_tree.name
    library = tmp_path / "library.blend"
    (tmp_path / "shot.blend").rename(library)
    bpy.ops.wm.open_mainfile(filepath=str(library))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.node_groups = [name]
    own = bpy.context.scene
    own.frame_start, own.frame_end = 1, 1
    own.render.resolution_x, own.render.resolution_y = 32, 24
    tree = compat.ensure_scene_tree(own)
    tree.nodes.clear()
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = bpy.data.node_groups[name]
    plate = image_node(tree, tmp_path / "plate" / "plate.0001.exr")
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    end(tree, node)
    strength(node, "age").default_value = strength_here
    assert carrier.all_edit_nodes(own)[0].tree.library is not None
    report = bake(own, (1,))
    assert {file: data for file, data in results(node).items() if file in before} == before
    if strength_here:
        assert report.skipped == [1]
    else:
        assert "linked from another file" in str(report.failed[1])


@pytest.mark.parametrize(
    "content", ["", "{", json.dumps({"file": "a\0b"}), json.dumps({"file": "\ud800"})],
)  # fmt: skip
def test_when_the_owners_name_is_damaged_then_the_next_bake_writes_it_and_another_file_keeps_away(
    content, scene, baked, tmp_path
) -> None:
    place = location(scene, baked.node_tree)
    whole = (place.folder / OWNER).read_text()
    (place.folder / OWNER).write_text(content)
    assert bake(scene, ALL).skipped == [1, 2, 3]
    assert (place.folder / OWNER).read_text() == whole
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "second.blend"))
    tree = carrier.all_edit_nodes(bpy.context.scene)[0].tree
    assert location(bpy.context.scene, tree).folder != place.folder


@pytest.mark.parametrize("frames", ["9" * 5000, "1-" + "9" * 5000, "1-2x" + "9" * 5000])
def test_when_frames_have_thousands_of_digits_then_they_are_refused_in_a_short_sentence(
    frames, baked, tmp_path, capsys
) -> None:
    assert headless.main(["render", str(tmp_path / "shot.blend"), "--frames", frames]) == 2
    said = capsys.readouterr().err
    assert "does not name frames" in said and len(said) < 400


def test_when_a_remembered_exposure_is_no_float_then_it_is_chosen_anew(scene, baked) -> None:
    place = location(scene, baked.node_tree)
    file = place.folder / "exposures.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(dict.fromkeys(told, 10**400)))
    assert bake(scene, ALL).skipped == [1, 2, 3]
    assert json.loads(file.read_text()) == told
