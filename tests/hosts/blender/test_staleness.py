"""The cache bar tells which baked frames were made with other settings, and is not fooled by what changes nothing."""

from __future__ import annotations

import time

import bpy
import pytest


@pytest.fixture
def baked(wired_edit, fake_engine):
    """An edit with age 1 on frames 1 to 3, all baked."""
    wired_edit.node.inputs["Age"].default_value = 1.0
    assert bpy.ops.lineament.bake() == {"FINISHED"}
    return wired_edit


def bar(scene, edit):
    """The frames that are (baked, dirty) as the panel has them."""
    from lineament.hosts.blender.cache_view import view_of
    from lineament.hosts.blender.staleness import with_dirty

    view = with_dirty(view_of(scene, edit.tree), edit)
    return view.baked, view.dirty


def test_when_nothing_changed_then_all_is_baked(baked, scene) -> None:
    assert bar(scene, baked) == ((1, 2, 3), ())
    scene.frame_set(2)
    assert bar(scene, baked) == ((1, 2, 3), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inverter", "optimise"),
        ("seed", 3),
        ("face", 1),
        ("mask_feather", 0.1),
        ("exposure", 4.0),
        ("model", "other"),
    ],
)
def test_when_a_parameter_changes_then_every_frame_is_dirty_until_it_is_put_back(
    baked, scene, name, value
) -> None:
    before = getattr(baked.tree.lineament, name)
    setattr(baked.tree.lineament, name, value)
    assert bar(scene, baked) == ((), (1, 2, 3))
    setattr(baked.tree.lineament, name, before)
    assert bar(scene, baked) == ((1, 2, 3), ())


def test_when_a_strength_changes_then_every_frame_is_dirty(baked, scene) -> None:
    baked.node.inputs["Age"].default_value = 1.1
    assert bar(scene, baked) == ((), (1, 2, 3))
    baked.node.inputs["Age"].default_value = 0.0
    assert bar(scene, baked) == ((), (1, 2, 3)), "an edit that is none needs no result"


def test_when_a_strength_is_keyed_then_only_frames_with_another_value_are_dirty(baked, scene) -> None:
    age = baked.node.inputs["Age"]
    for frame, value in ((1, 1.0), (2, 1.0), (3, 2.0)):
        age.default_value = value
        age.keyframe_insert("default_value", frame=frame)
    for frame in (1, 2, 3):
        scene.frame_set(frame)
        assert bar(scene, baked) == ((1, 2), (3,))
    assert bpy.ops.lineament.bake() == {"FINISHED"}
    assert bar(scene, baked) == ((1, 2, 3), ())


def test_when_mix_or_mask_change_then_frames_are_dirty(baked, scene) -> None:
    mix, tree = baked.node.inputs["Mix"], baked.node.id_data
    mix.default_value = 0.5
    assert bar(scene, baked) == ((), (1, 2, 3))
    mix.default_value = 1.0
    link = tree.links.new(tree.nodes.new("CompositorNodeBoxMask").outputs[0], baked.node.inputs["Mask"])
    assert bar(scene, baked) == ((), (1, 2, 3))
    tree.links.remove(link)
    assert bar(scene, baked) == ((1, 2, 3), ())


def test_when_only_a_driver_knows_then_nothing_is_claimed(baked, scene) -> None:
    baked.node.inputs["Age"].driver_add("default_value").driver.expression = "5.0"
    assert bar(scene, baked) == ((1, 2, 3), ())


def test_when_a_frame_had_nothing_to_edit_then_a_strength_makes_it_dirty(
    wired_edit, scene, fake_engine
) -> None:
    assert bpy.ops.lineament.bake() == {"FINISHED"}
    assert bar(scene, wired_edit) == ((1, 2, 3), ())
    wired_edit.node.inputs["Age"].default_value = 1.0
    assert bar(scene, wired_edit) == ((), (1, 2, 3))


def test_when_the_node_is_muted_or_linked_to_a_picture_then_the_bar_stands(baked, scene) -> None:
    tree = baked.node.id_data
    baked.node.mute = True
    assert bar(scene, baked) == ((1, 2, 3), ())
    baked.node.mute = False
    tree.links.new(tree.nodes.new("CompositorNodeRGB").outputs[0], baked.node.inputs["Age"])
    assert bar(scene, baked) == ((1, 2, 3), ())


def test_when_a_thousand_frames_are_shown_then_a_redraw_costs_little(baked, scene) -> None:
    from lineament.hosts.blender.cache_view import view_of
    from lineament.hosts.blender.staleness import with_dirty

    scene.frame_end = 1000
    view = view_of(scene, baked.tree)
    many = dict.fromkeys(range(1, 1001), view.asks[1])
    view = type(view)(baked=tuple(many), asks=many)
    assert with_dirty(view, baked).dirty == ()
    start = time.process_time()  # of this process alone: a busy machine costs it nothing
    for _ in range(20):
        with_dirty(view, baked)
    assert (time.process_time() - start) / 20 < 0.02
