"""What is done to one shot, as plain data: the standard library only, nothing is opened on construction.

Files are read by ``shot_file.py`` (YAML, JSON) and ``timeline.py`` (OpenTimelineIO); which plates lie on disk is
asked in ``plates.py``.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import RecipeError
from ..recipe import EditRecipe

MISSING_POLICIES = ("error", "hold", "skip")
MAX_HANDLES = 1000
"""Forty seconds at either end; more is a typing error."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class AnalysisSettings:
    """How a shot is analysed; every field is part of the analysis' key, and none depends on the device.

    ``inverter`` is "encoder" or "optimise". ``smooth_centre`` and ``smooth_scale`` are the standard deviations, in
    frames, of the Gaussians that smooth the crop's centre, and its scale and angle (0 = not at all; Tzaban et al.,
    "Stitch it in Time", 2022, smooth the crop likewise). ``temporal_weight`` weighs the term that holds the latents
    of neighbouring frames together against reconstruction (0 = every frame alone). ``tune_steps`` are the steps of
    pivotal tuning of the generator on the shot (Roich et al., 2021; 0 = none). ``occlusion`` looks for what passes
    before the face, where the plate is kept.
    """

    inverter: str = "encoder"
    smooth_centre: float = 3.0
    smooth_scale: float = 3.0
    temporal_weight: float = 1.0
    tune_steps: int = 0
    occlusion: bool = True


@dataclass(frozen=True)
class FaceChoice:
    """Which face is meant: the one inside ``box``, the one that ``track`` follows, or else number ``index``.

    ``index`` counts from the largest, 0. ``box`` is (x0, y0, x1, y1) in pixels of the plate's display window, origin
    top left, half-open, drawn on frame ``box_frame`` (None: the shot's first frame); the face meant is the one whose
    centre lies in it, the largest of several. ``track`` is the path of a track file (``faces/track.py``), "" for none.
    """

    index: int = 0
    box: Box | None = None
    box_frame: int | None = None
    track: str = ""

    def __post_init__(self) -> None:
        if self.box is not None and not (
            all(math.isfinite(value) for value in self.box)
            and self.box[0] < self.box[2]
            and self.box[1] < self.box[3]
        ):
            raise RecipeError(
                f"The face's box {self.box} is empty or not finite.",
                remedy="Write it as [x0, y0, x1, y1] in pixels of the plate, left and top first.",
            )
        if self.box is not None and self.track:
            raise RecipeError("A face has both a box and a track.", remedy="Keep one of them.")

    def __str__(self) -> str:
        if self.track:
            return f"track {self.track}"
        if self.box is None:
            return f"face {self.index}"
        at = "" if self.box_frame is None else f" at {self.box_frame}"
        return f"box {','.join(f'{value:g}' for value in self.box)}{at}"


@dataclass(frozen=True)
class FaceEdit:
    """One face of the shot and what is done to it.

    ``name`` is unique within the shot and part of file names. ``recipe`` is complete: defaults, shot and face merged,
    command line and environment included; its ``generator``, ``inverter``, ``layer``, ``colourspace`` and ``seed`` are
    those of the shot, and ``face`` repeats ``choice.index``.
    """

    name: str
    choice: FaceChoice = FaceChoice()
    recipe: EditRecipe = field(default_factory=EditRecipe)


@dataclass(frozen=True)
class MaskSource:
    """A matte in [0, 1] that limits the edit of all faces; outside it the plate stays.

    ``pattern`` is a file for all frames or a pattern, looked up by the number of the plate's own picture; "" means that
    the matte is a channel of the plate itself. ``channel`` names the channel, such as ``matte.A``; "" takes the usual
    one of a file (R, then Y, then the first).
    """

    pattern: str = ""
    channel: str = ""
    is_inverted: bool = False

    def __str__(self) -> str:
        source = self.pattern or "plate"
        inverted = ", inverted" if self.is_inverted else ""
        return f"{source}{f' channel {self.channel}' if self.channel else ''}{inverted}"


@dataclass(frozen=True)
class Shot:
    """One shot of a show, everything merged and every path absolute.

    ``plate`` and ``output`` are patterns as in ``io/sequences.py`` (a plate may be a still). ``frames`` are the frames
    of the cut in rising order, () for all that lie on disk; ``handles`` more at either end are analysed and rendered
    where plates exist. ``missing`` says what becomes of frames without a plate: "error", "hold" (the nearest earlier
    plate is edited) or "skip". ``faces`` are edited one after the other, in this order. ``mask`` limits the edit.

    ``layer`` is the plate's layer ("" = main), ``colourspace`` its colour space ("" = from header and config),
    ``ocio`` the config ("" = the environment's), ``locator`` as the node's parameter ("auto", ...), ``pixel_aspect`` a
    pixel's width by its height (0 = the header's). ``model`` is a model package's name or folder, ``seed`` that of the
    inversion. ``version`` is the number behind ``{version}``. ``where`` is for messages: file, line and shot.
    ``lines`` has the line of every field that the shot's own part of the file has, by dotted name.
    """

    name: str
    plate: str
    output: str
    frames: tuple[int, ...] = ()
    handles: int = 0
    missing: str = "error"
    faces: tuple[FaceEdit, ...] = (FaceEdit("main"),)
    mask: MaskSource | None = None
    layer: str = ""
    colourspace: str = ""
    ocio: str = ""
    locator: str = "auto"
    pixel_aspect: float = 0.0
    model: str = "default"
    seed: int = 0
    version: int = 1
    analysis: AnalysisSettings = AnalysisSettings()
    where: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    def face(self, name: str) -> FaceEdit:
        """The face of that name. Raises RecipeError listing those there are."""
        for face in self.faces:
            if face.name == name:
                return face
        names = ", ".join(face.name for face in self.faces)
        raise RecipeError(
            f'The shot "{self.name}" has no face "{name}".', where=self.where, remedy=f"Its faces: {names}."
        )

    def frames_with_handles(self) -> tuple[int, ...]:
        """``frames`` and the handles at either end; () stays ()."""
        if not self.frames:
            return ()
        first, last = min(self.frames), max(self.frames)
        before = tuple(range(first - self.handles, first))
        return before + self.frames + tuple(range(last + 1, last + 1 + self.handles))

    def with_recipes(self, **fields: object) -> Shot:
        """This shot with the same fields replaced in every face's recipe."""
        faces = tuple(replace(face, recipe=replace(face.recipe, **fields)) for face in self.faces)  # type: ignore[arg-type]
        return replace(self, faces=faces)


@dataclass(frozen=True)
class Show:
    """A show file: its ``path``, its ``name``, the ``root`` that relative paths start from, and its shots in order.

    ``defaults`` are the defaults as one more shot without a plate of its own, to compare with: its name is "defaults"
    and its tokens are not filled in.
    """

    path: Path
    name: str
    root: Path
    defaults: Shot
    shots: tuple[Shot, ...]

    def shot(self, name: str) -> Shot:
        """The shot of that name. Raises RecipeError with the name that was probably meant."""
        for shot in self.shots:
            if shot.name == name:
                return shot
        names = [shot.name for shot in self.shots]
        raise RecipeError(
            f'There is no shot "{name}".', where=str(self.path), remedy=did_you_mean(name, names, "shots")
        )


def did_you_mean(word: str, known: Iterable[str], what: str = "names") -> str:
    """A remedy for a word that is not known: the nearest one, or a list of all."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f'Did you mean "{close[0]}"?'
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"Known {what}: {shown}." if names else f"There are no {what}."
