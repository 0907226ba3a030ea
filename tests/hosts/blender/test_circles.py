"""Links in a circle end Blender when it renders them, so a headless render refuses them by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from lineament.core.errors import RecipeError
from lineament.hosts.blender.service import bake
from shot import add_edit, end, strength


@pytest.fixture
def file(scene, plate_node, tmp_path, addon, fake_engine):
    """The path of a file with an edit that has nothing to do; its tree and the node."""
    tree, plate = plate_node()
    node = add_edit(tree, plate, tmp_path / "cache")
    end(tree, node)
    return tmp_path / "shot.blend", tree, node


def render(path: Path) -> subprocess.CompletedProcess[str]:
    """What a headless render of the file says, in a process of its own."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    command = [sys.executable, "-m", "lineament.hosts.blender", "render", str(path), "--frames", "1"]
    output = ["--output", str(path.parent / "out" / "o.####")]
    return subprocess.run([*command, *output], capture_output=True, text=True, timeout=120)


def circle(tree):
    """Two nodes that feed each other; the second."""
    one, other = (tree.nodes.new("CompositorNodeBlur") for _ in range(2))
    tree.links.new(one.outputs[0], other.inputs[0])
    tree.links.new(other.outputs[0], one.inputs[0])
    return other


@pytest.mark.parametrize("kind", ["before the node", "the muted node itself", "in a group", "beside all"])
def test_when_links_run_in_a_circle_then_the_render_is_refused_by_the_nodes_names(kind, file) -> None:
    path, tree, node = file
    expected = "Blur"
    if kind == "before the node":
        tree.links.new(circle(tree).outputs[0], node.inputs["Image"])
    elif kind == "beside all":
        circle(tree)
    elif kind == "in a group":
        group = bpy.data.node_groups.new("Look", tree.bl_idname)
        group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        last = group.nodes.new("NodeGroupOutput")
        group.links.new(circle(group).outputs[0], last.inputs[0])
        outer = tree.nodes.new("CompositorNodeGroup")
        outer.node_tree = group
        tree.links.new(outer.outputs[0], node.inputs["Image"])
    else:
        node.mute, expected = True, node.name
        tree.links.new(node.outputs["Image"], node.inputs["Image"])
    done = render(path)
    assert done.returncode == 2, done.stderr
    assert "in a circle" in done.stderr and expected in done.stderr and "red link" in done.stderr


def test_when_a_scene_with_a_circle_is_baked_then_it_is_refused_and_the_tree_stays(file) -> None:
    _, tree, node = file
    strength(node, "age").default_value = 1.0
    circle(tree)
    links = len(tree.links)
    with pytest.raises(RecipeError, match="in a circle"):
        bake(bpy.context.scene, (1,))
    assert len(tree.links) == links


def test_when_two_branches_meet_again_then_that_is_no_circle(file) -> None:
    path, tree, node = file
    plate = next(link.from_node for link in tree.links if link.to_node == node)
    over = tree.nodes.new("CompositorNodeAlphaOver")
    blur = tree.nodes.new("CompositorNodeBlur")
    tree.links.new(plate.outputs["Image"], blur.inputs[0])
    colours = [socket for socket in over.inputs if socket.type == "RGBA"]
    tree.links.new(plate.outputs["Image"], colours[0])
    tree.links.new(blur.outputs[0], colours[1])
    tree.links.new(over.outputs[0], node.inputs["Image"])
    assert render(path).returncode == 0
