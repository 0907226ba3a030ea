"""One result for one picture: what two scenes reach is refused, and no live frame is the plate without a word."""

from __future__ import annotations

import bpy
import pytest
from lineament.core.errors import HostError
from lineament.hosts.blender import carrier, compat, handlers
from lineament.hosts.blender.service import bake
from shot import add_edit, end


def group_with_edit(cache):
    """A user's group with one edit in it."""
    group = bpy.data.node_groups.new("Look", compat.TREE_TYPE)
    group.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    way_in, way_out = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    edit = add_edit(group, way_in, cache, age=1.0)
    group.links.new(edit.outputs[0], way_out.inputs[0])
    return group


def use(tree, plate, group) -> None:
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = group
    tree.links.new(plate.outputs[0], node.inputs[0])
    end(tree, node)


def test_when_two_scenes_use_one_group_with_an_edit_then_both_are_named_and_nothing_is_baked(
    scene, plate_node, tmp_path, addon, fake_engine
) -> None:
    tree, plate = plate_node()
    group = group_with_edit(tmp_path / "cache")
    use(tree, plate, group)
    assert bake(scene, (1,)).right == (1,)
    other = bpy.data.scenes.new("Other")
    second = compat.ensure_scene_tree(other)
    image = second.nodes.new("CompositorNodeImage")
    image.image = plate.image
    use(second, image, group)
    calls = len(fake_engine())
    for one in (scene, other):
        with pytest.raises(HostError) as caught:
            bake(one, (2,))
        assert "used 2 times" in caught.value.what
        assert scene.name in caught.value.where and "Other" in caught.value.where
    assert len(fake_engine()) == calls


def test_when_a_frame_outside_the_range_is_rendered_live_then_it_is_listed_as_not_edited(
    scene, plate_node, tmp_path, addon, fake_engine
) -> None:
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache", age=1.0)
    end(tree, node)
    handlers.on_render_init(scene)
    scene.frame_set(scene.frame_end + 2)
    handlers.on_render_pre(scene)
    handlers.on_render_end(scene)
    failed = handlers.failed_frames()
    assert (
        list(failed) == [scene.frame_end + 2]
        and "outside the scene's range" in failed[scene.frame_end + 2].what
    )
    assert carrier.edit_nodes(scene) and not fake_engine()
