"""Looking into the compositor: a helper scene at one frame, whose render writes what flows into a node.

The user's scene is never changed; a copy of it and of its trees is made, used and removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import bpy
from lineament.core.errors import HostError

from . import compat
from .building import input_of
from .links import HELPER_TAG, at_path, group_tree, is_helper, origin, upstream
from .nodes_order import EditNode, all_edit_nodes
from .sources import refuse_missing_plates
from .tap_nodes import add_taps
from .values import EditState, read_state

_RENDERED = ("CompositorNodeRLayers", "CompositorNodeCryptomatteV2")
"""Nodes whose picture Blender renders from the scene's objects."""


@dataclass(frozen=True)
class Taps:
    """What flows into a node in one view: EXR files, 32-bit float RGBA, uncompressed, of the plate's own size.

    ``mask`` is None unless something is linked to Mask; its first channel counts, and it lies on the plate pixel by
    pixel whatever size it came in.
    """

    image: Path
    mask: Path | None


class Helper:
    """What a scene's nodes see at one frame; use it in a ``with`` statement, once a frame.

    A copy of the scene lives only during a call, so that a user who saves or undoes between two calls meets none. The
    tagged trees are shared with the user's scene: a result that is shown after one node's taps is seen in the taps of
    the next.
    """

    def __init__(self, scene: Any, frame: int, subframe: float = 0.0) -> None:
        self._source = scene
        self._frame = frame
        self._subframe = subframe
        self._leaves_out_edits = False
        self._scene: Any = None
        self._copies: dict[str, Any] = {}

    def __enter__(self) -> Helper:
        """Begin. Raises HostError if the scene has no compositor tree."""
        if compat.scene_tree(self._source) is None:
            raise HostError(
                "The scene has no compositor tree.",
                where=f"scene {self._source.name}",
                remedy="Add an Attribute Edit node in the compositor, or name another scene.",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to remove."""

    def state(self, node: EditNode) -> EditState:
        """What the node asks for on this frame. Raises HostError if a linked value cannot be read."""
        with self._copied():
            return self._state(node)

    def sound_state(self, node: EditNode) -> EditState:
        """The same, with every plate there that a node needs which is not muted. Raises PlateError too."""
        with self._copied():
            state = self._state(node)
            if not state.is_muted:
                self._refuse_missing_plates(node)
            return state

    def refuse_missing_plates(self, node: EditNode) -> None:
        """Raise PlateError naming a file that the frame needs and that is not there."""
        with self._copied():
            self._refuse_missing_plates(node)

    def tap(self, node: EditNode, folder: Path, view: str = "") -> Taps:
        """What flows into the node in one view; see ``taps``, which renders all views at once."""
        return self.taps(node, folder)[view]

    def taps(self, node: EditNode, folder: Path) -> dict[str, Taps]:
        """View ("" in a scene of one view) -> what flows into the node on this frame, written into ``folder``.

        Renders once. Raises HostError if nothing is linked to Image, or nothing was written.
        """
        with self._copied():
            groups, own = at_path(compat.scene_tree(self._scene), node.path)
            if not origin(groups, input_of(own, "image")).is_made:
                raise HostError(
                    "Nothing is linked to Image.",
                    where=node.name,
                    remedy="Link the plate to it, or remove the node.",
                )
            uses_mask = self._state(node).uses_mask
            folder.mkdir(parents=True, exist_ok=True)
            wanted = {
                view: Taps(
                    self._path(folder, "plate", end), self._path(folder, "mask", end) if uses_mask else None
                )
                for view, end in compat.views(self._scene).items()
            }
            _forget_files(wanted.values())
            add_taps(groups, own, folder, uses_mask)
            self._render(node)
            self._check_files(node, wanted.values())
            return wanted

    def leave_out_edits(self) -> None:
        """Let pictures through every Attribute Edit: later taps hold what no edit has touched."""
        self._leaves_out_edits = True

    def _state(self, node: EditNode) -> EditState:
        groups, own = at_path(compat.evaluated_tree(self._scene), node.path)
        render = self._scene.render
        return read_state(groups, own, node.tree, render.pixel_aspect_x / render.pixel_aspect_y)

    def _refuse_missing_plates(self, node: EditNode) -> None:
        refuse_missing_plates(*at_path(compat.evaluated_tree(self._scene), node.path), self._frame)

    def _path(self, folder: Path, name: str, suffix: str) -> Path:
        return compat.tap_path(folder, name, self._frame, suffix)

    @contextmanager
    def _copied(self) -> Iterator[None]:
        """``self._scene`` is a copy of the scene at the frame, until the end of the block."""
        try:
            self._copy()
            yield
        finally:
            self._dispose()

    def _copy(self) -> None:
        scene = self._scene = self._source.copy()
        scene[HELPER_TAG] = True
        tree = compat.use_tree_copy(scene)
        self._own(tree)
        compat.strip_outputs(tree, is_root=True)
        self._copy_groups(tree)
        _prune(scene, tree)
        render = scene.render
        render.use_compositing, render.use_sequencer = True, False
        render.compositor_device = "CPU"
        _write_no_stamps(render)
        if self._leaves_out_edits:
            for node in all_edit_nodes(scene):
                at_path(tree, node.path)[1].mute = True
        scene.frame_set(self._frame, subframe=self._subframe)

    def _copy_groups(self, tree: Any) -> None:
        """Copy the users' groups as well: a tap is added in them, and their File Outputs must not write."""
        for node in tree.nodes:
            inner = group_tree(node)
            if inner is None:
                continue
            known = self._copies.get(inner.name_full)
            if known is None:
                known = self._copies[inner.name_full] = inner.copy()
                self._own(known)
                compat.strip_outputs(known, is_root=False)
                self._copy_groups(known)
            node.node_tree = known

    def _own(self, tree: Any) -> None:
        """Mark a copied tree, and let what pointed at the user's scene point at its copy."""
        tree[HELPER_TAG] = True
        for node in tree.nodes:
            if getattr(node, "scene", None) == self._source:
                node.scene = self._scene
        animation = tree.animation_data
        for driver in animation.drivers if animation else ():
            for variable in driver.driver.variables:
                for target in variable.targets:
                    if target.id == self._source:
                        target.id = self._scene

    def _render(self, node: EditNode) -> None:
        try:
            with bpy.context.temp_override(
                scene=self._scene
            ):  # else the copy is put on the active scene's frame
                bpy.ops.render.render(scene=self._scene.name)
        except RuntimeError as err:
            raise HostError(
                f"Blender could not render what flows into the node: {str(err).strip()}",
                where=f"frame {self._frame}, {node.name}",
                remedy="Render the scene once without the node, and correct what Blender reports.",
            ) from err

    def _check_files(self, node: EditNode, wanted: Iterable[Taps]) -> None:
        for path in _files(wanted):
            if not path.is_file():
                raise HostError(
                    f"Blender wrote no {path.name} of what flows into the node.",
                    where=f"frame {self._frame}, {node.name}",
                    remedy="Connect a picture: one colour, an Image node without a file and muted groups "
                    f"give none. Otherwise make room in {path.parent}.",
                )

    def _dispose(self) -> None:
        if self._scene is None:
            return
        tree = compat.scene_tree(self._scene)
        bpy.data.scenes.remove(self._scene)
        self._scene = None
        for copy in self._copies.values():
            bpy.data.node_groups.remove(copy)
        self._copies.clear()
        if compat.CAN_MOVE_TREES and tree is not None and is_helper(tree):
            bpy.data.node_groups.remove(tree)


def _files(wanted: Iterable[Taps]) -> list[Path]:
    return [path for taps in wanted for path in (taps.image, taps.mask) if path is not None]


def _forget_files(wanted: Iterable[Taps]) -> None:
    """Remove what an earlier tap has left, lest it be taken for this one's if Blender writes nothing."""
    for path in _files(wanted):
        with suppress(OSError):
            path.unlink()


def _write_no_stamps(render: Any) -> None:
    """Keep date, times and names out of the tap's header: a result inherits it, and must be the same in every run."""
    for stamp in render.bl_rna.properties:
        if stamp.identifier.startswith("use_stamp_"):
            setattr(render, stamp.identifier, False)


def _prune(scene: Any, tree: Any) -> None:
    """Remove from the scene's own tree what no edit needs; a Render Layers node there would cost a render."""
    needed: set[str] = set()
    for node in all_edit_nodes(scene):
        groups, own = at_path(tree, node.path)
        needed.add(node.path[0])
        needed.update((inner[0] if inner else found).name for inner, found in upstream(groups, own))
    for node in list(tree.nodes):
        if node.name not in needed and node.bl_idname == "CompositorNodeRLayers":
            tree.nodes.remove(node)
    if not any(node.bl_idname in _RENDERED for node in tree.nodes):
        _empty(scene)


def _empty(scene: Any) -> None:
    """Take the objects out of a helper that renders none, because evaluating them costs every frame anew.

    What a driver reads of an object is evaluated all the same: it comes with the driver.
    """
    for child in list(scene.collection.children):
        scene.collection.children.unlink(child)
    for thing in list(scene.collection.objects):
        scene.collection.objects.unlink(thing)
