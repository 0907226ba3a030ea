"""After undo and redo: nodes show the results that are on the disk, whatever the step before knew of them.

Undo brings back the switch of a node, not its files: without this a cleared node would show missing files as black,
and a baked one would forget its results.
"""

from __future__ import annotations

import logging
from typing import Any

import bpy
from bpy.app.handlers import persistent
from lineament.core.errors import LineamentError

from .links import is_helper
from .passive import reconcile

log = logging.getLogger(__name__)

LISTS = ("undo_post", "redo_post")


@persistent  # type: ignore[untyped-decorator]
def on_undone(_scene: Any = None, _: Any = None) -> None:
    """Look at every scene; one that cannot be brought in step is told of, and the others go on."""
    for scene in bpy.data.scenes:
        if not is_helper(scene):
            try:
                reconcile(scene)
            except LineamentError as err:
                log.warning("after undo: %s", err)


def attach() -> None:
    """Listen to undo and redo, once."""
    detach()
    for name in LISTS:
        getattr(bpy.app.handlers, name).append(on_undone)


def detach() -> None:
    """Listen no more."""
    for name in LISTS:
        listed = getattr(bpy.app.handlers, name)
        while on_undone in listed:
            listed.remove(on_undone)
