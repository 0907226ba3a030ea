"""What a node asks for on one frame, read from evaluated sockets and from the properties of its tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
from lineament.core.errors import HostError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.messages import ToolChoices
from lineament.plugin.node_spec import ATTRIBUTE_EDIT, ParameterSpec

from .building import input_of
from .compat import working_space
from .links import End, constant_of, origin, socket_of
from .ocio_roles import ocio_config


@dataclass(frozen=True)
class EditState:
    """What a node asks for on one frame.

    ``recipe`` has constant strengths, the name of the plate's colour space, and a mix that an unlinked Mask has been
    multiplied into. ``uses_mask``: something is linked to Mask, and its picture decides where. ``pixel_aspect`` is
    width over height of the scene's pixels.
    """

    recipe: EditRecipe
    choices: ToolChoices
    uses_mask: bool
    invert_mask: bool
    is_muted: bool
    pixel_aspect: float

    @property
    def is_identity(self) -> bool:
        """Whether the result is the plate, bit for bit: muted, no strength or nothing of it mixed in."""
        return (
            self.is_muted or self.recipe.mix == 0.0 or all(m.strength.at(0) == 0.0 for m in self.recipe.moves)
        )


def read_state(groups: tuple[Any, ...], node: Any, tree: Any, pixel_aspect: float = 1.0) -> EditState:
    """The state of an evaluated group node inside evaluated ``groups``; ``tree`` is its original tagged tree.

    Raises HostError if a strength or Mix is linked to something that only a render can tell, and RecipeError if a
    driver made a strength that is no number.
    """
    values = tree.lineament
    mask = origin(groups, input_of(node, "mask"))
    uses_mask = _constant(mask) is None
    amount = 1.0 if uses_mask else _amount(mask, values.invert_mask)
    strengths = [
        (entry.name, _read(groups, node, socket_of(node.inputs, entry.identifier)))
        for entry in values.attributes
    ]
    mix = _read(groups, node, input_of(node, "mix"))
    fields = {entry.destination: _value(values, entry) for entry in _properties("recipe")}
    fields["colourspace"] = fields["colourspace"] or working_space()
    tools = {entry.destination: _value(values, entry) for entry in _properties("tools")}
    tools["ocio"] = tools["ocio"] or ocio_config()
    moves = tuple(Move(name, Strength.constant(strength)) for name, strength in strengths)
    recipe = EditRecipe(moves=moves, mix=min(max(mix, 0.0), 1.0) * amount, **fields)
    return EditState(
        recipe=recipe,
        choices=ToolChoices(model=recipe.generator, inverter=recipe.inverter, seed=recipe.seed, **tools),
        uses_mask=uses_mask,
        invert_mask=bool(values.invert_mask),
        is_muted=bool(node.mute) or any(group.mute for group in groups),
        pixel_aspect=pixel_aspect,
    )


def _properties(target: str) -> tuple[ParameterSpec, ...]:
    return tuple(entry for entry in ATTRIBUTE_EDIT.for_target(target) if entry.id != "mix")


def _value(values: Any, parameter: ParameterSpec) -> Any:
    value = getattr(values, parameter.id)
    if parameter.kind == "float":
        return _as_typed(value)
    is_path = parameter.kind == "file" or (parameter.id == "model" and str(value).startswith("//"))
    return bpy.path.abspath(value) if is_path and value else value


def _amount(mask: End, is_inverted: bool) -> float:
    value = min(max(_constant(mask) or 0.0, 0.0), 1.0)
    return 1.0 - value if is_inverted else value


def _read(groups: tuple[Any, ...], node: Any, socket: Any) -> float:
    """The number that arrives at a socket of the node; 0 if somebody removed the socket."""
    if socket is None:
        return 0.0
    where = " / ".join(part.name for part in (*groups, node))
    end = origin(groups, socket)
    value = _constant(end)
    if value is None:
        raise HostError(
            f'"{socket.name}" is linked to "{end.socket.node.name}", whose value only a render can tell.',
            where=where,
            remedy="Unlink it and keyframe or drive the value itself, or link a Value node.",
        )
    if _has_broken_driver(end.socket):
        raise HostError(
            f'The driver of "{socket.name}" does not work, and Blender takes 0 for it.',
            where=where,
            remedy="Correct its expression, or allow Blender to run the file's scripts.",
        )
    return value


def _has_broken_driver(socket: Any) -> bool:
    """Whether the evaluated socket has a driver that failed; only the evaluated tree knows."""
    animation = socket.id_data.animation_data
    drivers = animation.drivers if animation is not None else ()
    path = socket.path_from_id("default_value") if drivers else ""
    return any(curve.data_path == path and not curve.driver.is_valid for curve in drivers)


def _constant(end: End) -> float | None:
    """The number at the end of the links as a person typed it; None if it takes a render to know it."""
    value = constant_of(end)
    return None if value is None else _as_typed(value)


def _as_typed(value: float) -> float:
    """The number that a person typed, 0.1 instead of the nearest 32-bit 0.10000000149.

    The command line reads the typed one; with the other no result would be its to the bit.
    """
    return float(f"{value:.7g}")
