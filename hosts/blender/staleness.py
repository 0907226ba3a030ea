"""Which baked frames were made with other settings than the node has now, told without a render.

Only what the node itself says is compared: its values, its keys, its model and mask switch. A change upstream, of
the plate or of a driver is found when the frame is baked or rendered, by its pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.plugin.messages import ToolChoices

from .building import input_of
from .cache_view import CacheView
from .links import origin, socket_of
from .record import Ask
from .selection import Selected
from .values import EditState, read_state

TOLERANCE = 1e-5
"""Keys are evaluated in 32 bits here and in the bake, but not at the same moment; a slider's step is 0.01."""

MAX_KEPT = 64


@dataclass(frozen=True)
class _Kept:
    mark: tuple[Any, ...]
    view: CacheView
    marked: CacheView


_KEPT: dict[str, _Kept] = {}


def with_dirty(view: CacheView, edit: Selected, time_per_frame: float = 1.0) -> CacheView:
    """The view with those baked frames marked dirty that the node would make otherwise now.

    ``time_per_frame`` is not 1 in a scene whose time is stretched: keys are read at the time of a frame.
    """
    try:
        state = read_state((), edit.node, edit.tree)
    except LineamentError:
        return view  # linked to what only a render can tell; the panel tells problems elsewhere
    if state.is_muted:
        return view
    curves = _curves_of(edit, state)
    keys = tuple((name, None if curve is None else _keys(curve)) for name, curve in curves.items())
    mark = (state, time_per_frame, keys)
    uid = str(edit.tree.lineament.uid)
    kept = _KEPT.get(uid)
    if kept is None or kept.view is not view or kept.mark != mark:
        if len(_KEPT) >= MAX_KEPT:
            _KEPT.clear()
        times = {frame: frame * time_per_frame for frame in view.baked}
        dirty = tuple(
            frame for frame in times if _is_dirty(state, curves, times[frame], view.asks.get(frame))
        )
        kept = _KEPT[uid] = _Kept(mark, view, view.with_dirty(dirty))
    return kept.marked


def forget() -> None:
    """Compare anew at the next look."""
    _KEPT.clear()


def _is_dirty(state: EditState, curves: dict[str, Any], time: float, was: Ask | None) -> bool:
    """Whether the frame would be asked for otherwise; ``was`` is None where there was nothing to edit."""
    now = _recipe_at(state.recipe, curves, time)
    is_identity = now.mix == 0.0 or all(move.strength.at(0) == 0.0 for move in now.moves)
    if was is None:
        return not is_identity and not state.uses_mask and not any(curve is None for curve in curves.values())
    if is_identity or _placeless(was.choices) != _placeless(state.choices):
        return True
    if bool(was.matte) != state.uses_mask or (state.uses_mask and was.invert_matte != state.invert_mask):
        return True
    then = _strengths(was.recipe)
    for name, value in _strengths(now).items():
        is_driven = name in curves and curves[name] is None
        if not is_driven and not math.isclose(value, then.get(name, 0.0), abs_tol=TOLERANCE):
            return True
    if set(then) - set(_strengths(now)):
        return True
    is_mix_known = "mix" not in curves or curves["mix"] is not None
    if is_mix_known and not math.isclose(now.mix, was.recipe.mix, abs_tol=TOLERANCE):
        return True
    chosen = now.exposure or was.recipe.exposure
    alike = replace(now, moves=was.recipe.moves, mix=was.recipe.mix, notes=was.recipe.notes, exposure=chosen)
    return alike != was.recipe


def _placeless(choices: ToolChoices) -> ToolChoices:
    """The choices with files by their names alone: another machine has them elsewhere."""
    return replace(choices, ocio=Path(choices.ocio).name, track=Path(choices.track).name, cache="")


def _recipe_at(recipe: EditRecipe, curves: dict[str, Any], time: float) -> EditRecipe:
    """The recipe with keyed values as they are at that time."""
    values = {name: float(curve.evaluate(time)) for name, curve in curves.items() if curve is not None}
    moves = tuple(
        Move(move.attribute, Strength.constant(values.get(move.attribute, move.strength.at(0))))
        for move in recipe.moves
    )
    return replace(
        recipe, moves=moves, mix=min(max(values["mix"], 0.0), 1.0) if "mix" in values else recipe.mix
    )


def _strengths(recipe: EditRecipe) -> dict[str, float]:
    return {move.attribute: move.strength.at(0) for move in recipe.moves}


def _curves_of(edit: Selected, state: EditState) -> dict[str, Any]:
    """Attribute (or "mix") -> its F-curve; None for one whose values only the scene knows, such as a driven one."""
    sockets = {
        entry.name: socket_of(edit.node.inputs, entry.identifier) for entry in edit.tree.lineament.attributes
    }
    sockets["mix"] = input_of(edit.node, "mix")
    data = edit.node.id_data.animation_data
    curves = {} if data is None else {c.data_path: c for c in curves_of_action(data) if not c.mute}
    driven = set() if data is None else {curve.data_path for curve in data.drivers}
    has_strips = data is not None and len(data.nla_tracks) > 0
    found: dict[str, Any] = {}
    for name, socket in sockets.items():
        end = None if socket is None else origin((), socket).socket
        if end is None:
            continue
        path = end.path_from_id("default_value")
        if path in driven or has_strips or end.id_data != edit.node.id_data:
            found[name] = None
        elif path in curves:
            found[name] = curves[path]
    if not state.uses_mask and _is_mask_moved(edit, {*curves, *driven}, "mix" in found):
        found["mix"] = None
    return found


def _is_mask_moved(edit: Selected, animated: set[str], is_mix_keyed: bool) -> bool:
    """Whether a mask that is a number, multiplied into the mix, makes a product that only the scene knows."""
    end = origin((), input_of(edit.node, "mask")).socket
    if end.path_from_id("default_value") in animated or end.id_data != edit.node.id_data:
        return True
    return is_mix_keyed and end.default_value != 1.0


def curves_of_action(data: Any) -> list[Any]:
    """The F-curves of animation data, through the action's layers: 5.0 has no other way, and 4.5 has this one too."""
    if data.action is None or data.action_slot is None:
        return []
    strips = [strip for layer in data.action.layers for strip in layer.strips]
    bags = [strip.channelbag(data.action_slot) for strip in strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def _keys(curve: Any) -> tuple[Any, ...]:
    """All that decides a curve's values: keys, handles, how it goes on between and beyond them."""
    points = [
        (*point.co, *point.handle_left, *point.handle_right, point.interpolation)
        for point in curve.keyframe_points
    ]
    return (tuple(points), curve.extrapolation, len(curve.modifiers))
