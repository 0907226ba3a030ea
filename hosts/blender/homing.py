"""Bringing the results that a node shows to where they belong after a file was saved under another name.

The tree itself remembers where its results lay: its image sequence points there. So a file that was saved as, renamed
or copied finds them again, wherever it was.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

from .cache import Location
from .compat import TREE_TYPE, scene_tree
from .links import is_edit_tree, is_helper
from .ownership import claim, take_over
from .places import file_of, is_of_setting, location, node_folder
from .selection import is_newer
from .showing import point_at, shown_folder

log = logging.getLogger(__name__)


def settle(tree: Any) -> bool:
    """Let a tree's results appear in its own folder if it shows those of another; whether it did.

    Links files and copies none, except what would be lost with the session and without a window. What is not brought
    now is found when its frame is baked.
    """
    shown, own = shown_folder(tree), node_folder(tree)
    if tree.library is not None or shown is None or shown == own or not is_of_setting(tree, shown):
        return False
    remember_former(tree, shown, file_of(tree))
    _bring(shown, own)
    return True


def remember_former(tree: Any, folder: Path, file: Path | None) -> None:
    """Keep in the tree where results of it lie that its own folder may lack, as seen from the file's place."""
    try:
        named = bpy.path.relpath(str(folder), start=str(file.parent)) if file is not None else str(folder)
    except ValueError:  # another drive
        named = str(folder)
    tree.lineament.former_folder = named


def former_places(scene: Any, tree: Any, view: str) -> Iterator[Location]:
    """Where a frame may lie that the node's own folder lacks: where it was shown last, and under its plain id."""
    own = location(scene, tree, view)
    told = tree.lineament.former_folder
    former = (Path(os.path.normpath(bpy.path.abspath(told))),) if told else ()
    plain = own.folder.parent / tree.lineament.uid
    for folder in dict.fromkeys((*former, plain)):
        if folder != own.folder and is_of_setting(tree, folder):
            yield Location(folder, own.suffix)


def claim_folder(tree: Any) -> None:
    """Write into a node's folder whose it is; a folder that cannot be written says so when a frame is placed."""
    file = file_of(tree)
    if tree.library is None and file is not None:
        with suppress(OSError):
            claim(node_folder(tree), file)


def move_home(target: Path) -> None:
    """Before the file is saved under another name: bring results to where those of that name lie, and show them there.

    So the saved file shows its own results in a Blender without the add-on too.
    """
    for tree in edit_trees():
        shown, own = shown_folder(tree), node_folder(tree, target)
        is_locked = tree.library is not None or is_newer(tree)
        if is_locked or shown is None or shown == own or not is_of_setting(tree, shown):
            continue
        remember_former(tree, shown, target)
        if _bring(shown, own):
            with suppress(OSError):
                claim(own, target)
            point_at(tree, own)


def edit_trees() -> tuple[Any, ...]:
    """Every Attribute Edit tree of the file that a node stands on, those of helpers excepted."""
    parents = [tree for tree in bpy.data.node_groups if tree.bl_idname == TREE_TYPE]
    parents += [scene_tree(scene) for scene in bpy.data.scenes if not is_helper(scene)]
    found: dict[int, Any] = {}
    for parent in parents:
        for node in () if parent is None or is_helper(parent) else parent.nodes:
            tree: Any = getattr(node, "node_tree", None)
            if is_edit_tree(tree):
                found[tree.as_pointer()] = tree
    return tuple(found.values())


def _bring(shown: Path, own: Path) -> bool:
    is_lost_else = Path(bpy.app.tempdir) in shown.parents
    try:
        take_over(shown, own, may_copy=is_lost_else or bpy.app.background)
    except OSError as err:
        log.warning("results of %s are not brought to %s: %s", shown, own, err)
        return False
    return True
