"""What a node asks for on frame N is what its sockets hold on frame N, however they got it."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import pytest
from lineament.core.errors import HostError
from lineament.hosts.blender import carrier, compat, properties
from lineament.hosts.blender.ocio_roles import role_of
from lineament.hosts.blender.tap import Helper


@pytest.fixture(autouse=True)
def only_the_properties(empty_file: None) -> Iterator[None]:
    """No handler of the add-on is there to bake or to hide something."""
    properties.register()
    yield
    properties.unregister()


@pytest.fixture
def node(scene, plate_node):
    """An Attribute Edit node behind a plate, with Age, Smile and Glasses."""
    tree, plate = plate_node()
    node = carrier.add_node(tree)
    tree.links.new(plate.outputs["Image"], node.inputs["Image"])
    compat.add_output(tree, node.outputs["Image"])
    return node


def state_at(scene, frame: int, subframe: float = 0.0, index: int = 0):
    """The state of one of the scene's edits on a frame."""
    with Helper(scene, frame, subframe) as helper:
        return helper.state(carrier.edit_nodes(scene)[index])


def age_at(scene, frame: int, subframe: float = 0.0) -> float:
    """The strength of Age on a frame, in sigma."""
    return state_at(scene, frame, subframe).recipe.strengths_at(frame).get("age", 0.0)


def key(socket, values: dict[int, float]) -> None:
    """Key a socket's value, linear in between."""
    for frame, value in values.items():
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)
    data = socket.id_data.animation_data
    strip = data.action.layers[0].strips[0]
    for curve in strip.channelbag(data.action_slot).fcurves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def test_when_a_strength_is_typed_then_the_recipe_has_what_was_typed(scene, node) -> None:
    node.inputs["Age"].default_value = 0.1
    node.inputs["Mix"].default_value = 0.7
    recipe = state_at(scene, 1).recipe
    assert recipe.strengths_at(1) == {"age": 0.1}
    assert recipe.mix == 0.7


def test_when_a_strength_is_keyed_then_frame_n_has_the_value_of_n(scene, node) -> None:
    key(node.inputs["Age"], {1: 1.0, 3: 2.0})
    scene.frame_set(1)
    assert [age_at(scene, frame) for frame in (3, 1, 2, 7)] == [2.0, 1.0, 1.5, 2.0]
    assert scene.frame_current == 1, "the user's scene stays where it is"
    assert node.inputs["Age"].default_value == 1.0


def test_when_a_frame_lies_between_then_its_part_counts(scene, node) -> None:
    key(node.inputs["Age"], {1: 1.0, 3: 2.0})
    assert age_at(scene, 2, 0.5) == 1.75


def test_when_a_driver_sets_the_strength_then_it_is_evaluated_at_the_frame(scene, node) -> None:
    node.inputs["Age"].driver_add("default_value").driver.expression = "frame * 0.25"
    assert [age_at(scene, frame) for frame in (1, 2, 3)] == pytest.approx([0.25, 0.5, 0.75])


def test_when_a_driver_reads_the_scene_then_it_reads_the_frame_that_is_asked_for(scene, node) -> None:
    driver = node.inputs["Age"].driver_add("default_value").driver
    variable = driver.variables.new()
    variable.name = "now"
    variable.targets[0].id_type = "SCENE"
    variable.targets[0].id = scene
    variable.targets[0].data_path = "frame_current"
    driver.expression = "now * 0.5"
    assert [age_at(scene, frame) for frame in (1, 2, 3)] == pytest.approx([0.5, 1.0, 1.5])
    assert variable.targets[0].id == scene


def test_when_a_driver_reads_a_keyed_object_then_it_reads_it_at_the_frame(scene, node) -> None:
    thing = bpy.data.objects.new("Slider", None)
    group = bpy.data.collections.new("Rig")
    scene.collection.children.link(group)
    group.objects.link(thing)
    for frame in (1, 3):
        thing.location.x = float(frame)
        thing.keyframe_insert("location", frame=frame)
    driver = node.inputs["Age"].driver_add("default_value").driver
    variable = driver.variables.new()
    variable.type = "TRANSFORMS"
    variable.name = "x"
    variable.targets[0].id = thing
    variable.targets[0].transform_type = "LOC_X"
    driver.expression = "x * 0.5"
    assert [age_at(scene, frame) for frame in (1, 2, 3)] == pytest.approx([0.5, 1.0, 1.5])
    assert group.name in scene.collection.children, "the user's scene keeps its objects"


def test_when_a_keyed_value_node_is_linked_then_its_value_is_read(scene, node) -> None:
    value = node.id_data.nodes.new("ShaderNodeValue")
    key(value.outputs[0], {1: 0.0, 3: 1.0})
    reroute = node.id_data.nodes.new("NodeReroute")
    node.id_data.links.new(value.outputs[0], reroute.inputs[0])
    node.id_data.links.new(reroute.outputs[0], node.inputs["Age"])
    assert [age_at(scene, frame) for frame in (1, 2, 3)] == [0.0, 0.5, 1.0]


def test_when_something_is_linked_that_only_a_render_knows_then_the_error_names_node_and_socket(
    scene, node
) -> None:
    maths = node.id_data.nodes.new("ShaderNodeMath")
    node.id_data.links.new(maths.outputs[0], node.inputs["Age"])
    with pytest.raises(
        HostError, match=r'"Age" is linked to "Math".*Attribute Edit.*drive the value'
    ) as caught:
        state_at(scene, 1)
    assert caught.value.where == "Attribute Edit"


def test_when_the_link_is_muted_then_the_own_value_counts(scene, node) -> None:
    maths = node.id_data.nodes.new("ShaderNodeMath")
    link = node.id_data.links.new(maths.outputs[0], node.inputs["Age"])
    node.inputs["Age"].default_value = 2.0
    link.is_muted = True
    assert age_at(scene, 1) == 2.0


def test_when_the_time_is_stretched_then_frame_n_has_what_blender_renders_on_n(scene, node) -> None:
    key(node.inputs["Age"], {1: 1.0, 5: 3.0})
    scene.render.frame_map_old, scene.render.frame_map_new = 100, 50
    assert age_at(scene, 2) == 2.5


def group_around(tree, plate):
    """A user's group that holds an edit and offers its Age outside; returns the group node and the edit."""
    inner = bpy.data.node_groups.new("Look", "CompositorNodeTree")
    inner.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    inner.interface.new_socket("How Old", in_out="INPUT", socket_type="NodeSocketFloat")
    inner.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    enter, leave = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    edit = carrier.add_node(inner)
    inner.links.new(enter.outputs["Image"], edit.inputs["Image"])
    inner.links.new(enter.outputs["How Old"], edit.inputs["Age"])
    inner.links.new(edit.outputs["Image"], leave.inputs["Image"])
    group = tree.nodes.new("CompositorNodeGroup")
    group.node_tree = inner
    tree.links.new(plate.outputs["Image"], group.inputs["Image"])
    return group, edit


def test_when_the_strength_comes_from_outside_the_group_then_it_is_read_there(scene, plate_node) -> None:
    tree, plate = plate_node()
    group, edit = group_around(tree, plate)
    compat.add_output(tree, group.outputs["Image"])
    key(group.inputs["How Old"], {1: 1.0, 3: 2.0})
    key(edit.inputs["Smile"], {1: 0.0, 3: 1.0})
    assert state_at(scene, 2).recipe.strengths_at(2) == {"age": 1.5, "smile": 0.5}
    group.mute = True
    assert state_at(scene, 2).is_muted


@pytest.mark.parametrize(
    ("value", "is_inverted", "mix"), [(1.0, False, 1.0), (0.5, False, 0.5), (0.25, True, 0.75)]
)
def test_when_the_mask_is_a_number_then_it_is_part_of_the_mix(scene, node, value, is_inverted, mix) -> None:
    node.inputs["Mask"].default_value = value
    node.node_tree.lineament.invert_mask = is_inverted
    state = state_at(scene, 1)
    assert (state.uses_mask, state.recipe.mix) == (False, mix)


def test_when_a_picture_is_linked_to_mask_then_it_is_used(scene, node) -> None:
    ramp = node.id_data.nodes.new("CompositorNodeEllipseMask")
    node.id_data.links.new(ramp.outputs[0], node.inputs["Mask"])
    state = state_at(scene, 1)
    assert (state.uses_mask, state.recipe.mix) == (True, 1.0)


@pytest.mark.parametrize("nothing", ["mute", "mix", "strength", "mask"])
def test_when_nothing_is_asked_for_then_the_state_is_an_identity(scene, node, nothing) -> None:
    node.inputs["Age"].default_value = 1.0
    assert not state_at(scene, 1).is_identity
    if nothing == "mute":
        node.mute = True
    else:
        node.inputs[{"mix": "Mix", "strength": "Age", "mask": "Mask"}[nothing]].default_value = 0.0
    assert state_at(scene, 1).is_identity


@pytest.mark.parametrize("expression", ["no_such_name + 1", "frame +", "1 / (frame - 1)"])
def test_when_a_driver_is_broken_then_it_is_refused(scene, node, expression) -> None:
    node.inputs["Age"].driver_add("default_value").driver.expression = expression
    with pytest.raises(HostError, match=r"driver of \"Age\" does not work.*Attribute Edit"):
        state_at(scene, 1)


def test_when_the_properties_are_set_then_they_reach_the_recipe_and_the_tools(scene, node, tmp_path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    values = node.node_tree.lineament
    values.model, values.inverter, values.seed, values.device = "//faces", "optimise", 7, "cuda"
    values.track, values.locator, values.exposure, values.face = "//track.json", "track", 0.25, 2
    state = state_at(scene, 1)
    recipe, choices = state.recipe, state.choices
    assert (recipe.generator, recipe.inverter, recipe.seed) == (str(tmp_path / "faces"), "optimise", 7)
    assert (recipe.exposure, recipe.face) == (0.25, 2)
    assert (choices.model, choices.inverter, choices.seed) == (recipe.generator, "optimise", 7)
    assert (choices.track, choices.locator, choices.device) == (str(tmp_path / "track.json"), "track", "cuda")


def test_when_no_colour_is_named_then_blenders_own_is_told(scene, node) -> None:
    state = state_at(scene, 1)
    assert state.recipe.colourspace == compat.working_space() == "Linear Rec.709"
    assert role_of(state.choices.ocio, "scene_linear") == "Linear Rec.709"
    node.node_tree.lineament.colourspace = "ACEScg"
    assert state_at(scene, 1).recipe.colourspace == "ACEScg"


def test_when_a_config_says_no_role_then_it_has_none(tmp_path) -> None:
    config = tmp_path / "config.ocio"
    assert role_of(str(config), "scene_linear") == ""
    roles = '  default: raw\n  scene_linear: "ACES - ACEScg"\n'
    config.write_text(f"ocio_profile_version: 2\nroles:\n{roles}file_rules: []\n")
    assert role_of(str(config), "scene_linear") == "ACES - ACEScg"
    assert role_of(str(config), "data") == ""


def test_when_pixels_are_anamorphic_then_the_state_says_so(scene, node) -> None:
    scene.render.pixel_aspect_x = 2.0
    assert state_at(scene, 1).pixel_aspect == 2.0


def test_when_a_render_begins_a_frame_then_the_value_is_that_of_the_frame(scene, node, tmp_path) -> None:
    key(node.inputs["Age"], {1: 1.0, 3: 2.0})
    seen = {}

    def look(current, _=None) -> None:
        if current == scene:
            seen[current.frame_current] = age_at(current, current.frame_current)

    bpy.app.handlers.render_pre.append(look)
    try:
        scene.render.filepath = str(tmp_path / "shot.####")
        bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.render_pre.remove(look)
    assert seen == {1: 1.0, 2: 1.5, 3: 2.0}
