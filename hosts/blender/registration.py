"""Everything that Blender is told at once, and all of it taken back: the one place that knows the whole add-on.

Both directions may be called twice; what fails half-way is taken back, because Blender 4.5 never ends while a
handler or a class with callbacks is left.
"""

from __future__ import annotations

from collections.abc import Callable

import bpy

from . import (
    engine_check,
    handlers,
    menus,
    operators,
    operators_bake,
    operators_preset,
    panel,
    preferences,
    properties,
    staleness,
    translations,
    undone,
)
from .cache_view import forget
from .journal import JOURNAL

CLASSES = (
    *operators.CLASSES,
    *operators_bake.CLASSES,
    *operators_preset.CLASSES,
    *menus.CLASSES,
    *panel.CLASSES,
)
"""In the order of registration: panels after those that they are in."""

_UNDO: list[Callable[[], object]] = []
"""What takes back what was done, in the order it was done."""


def is_registered() -> bool:
    """Whether the add-on is in this Blender."""
    return bool(_UNDO)


def register(package: str) -> None:
    """Put the add-on into Blender under its package's name; nothing if it is there already."""
    if is_registered():
        return
    is_whole = False
    try:
        for do, undo in _parts(package):
            do()
            _UNDO.append(undo)
        is_whole = True
    finally:
        if not is_whole:
            unregister()


def unregister() -> None:
    """Take everything out again, last things first, and end the engines."""
    while _UNDO:
        _UNDO.pop()()


def _parts(package: str) -> list[tuple[Callable[[], object], Callable[[], object]]]:
    """Every step with the one that takes it back."""
    return [
        (JOURNAL.attach, JOURNAL.detach),
        (properties.register, properties.unregister),
        (lambda: preferences.attach(package), preferences.detach),
        *((_adder(entry), _remover(entry)) for entry in CLASSES),
        (menus.attach, menus.detach),
        (lambda: translations.attach(package), lambda: translations.detach(package)),
        (handlers.register, handlers.unregister),
        (undone.attach, undone.detach),
        (forget, forget),
        (staleness.forget, staleness.forget),
        (engine_check.forget, engine_check.forget),
    ]


def _adder(entry: type) -> Callable[[], object]:
    return lambda: bpy.utils.register_class(entry)


def _remover(entry: type) -> Callable[[], object]:
    return lambda: bpy.utils.unregister_class(entry)
