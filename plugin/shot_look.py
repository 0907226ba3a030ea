"""What a check of a show has to open: the first plate of a shot, its first mask, and the model's list of attributes.

No network is built and no plate is written.
"""

from __future__ import annotations

import functools
from pathlib import Path

from lineament.core.errors import LineamentError, RecipeError
from lineament.core.frame import Frame, Part
from lineament.core.generators.cards import find_package
from lineament.core.io import peek_frame
from lineament.core.io.sequences import FramePath, frame_path
from lineament.core.plate_colour import plate_colour
from lineament.core.shots.attributes import read_limits
from lineament.core.shots.check import Limits, Lookups
from lineament.core.shots.plates import place_of, placed
from lineament.core.shots.shot import Box, Shot, Show
from lineament.core.shots.shot_file import Problem

from .matte import matte_in
from .plan import refuse_unwritable


def lookups() -> Lookups:
    """What a full check asks."""
    return Lookups(attributes=attributes_of, look=look_at)


@functools.lru_cache(maxsize=8)
def attributes_of(model: str) -> Limits:
    """The attributes of a model package with the limits of their strengths in sigma. Raises GeneratorError."""
    if model == "tiny":
        from lineament.core.directions.library import load_library
        from lineament.core.generators.package import load_package  # loads torch; it has no card on disk

        return {
            direction.name: direction.limits for direction in load_library(load_package(model)).directions
        }
    return read_limits(find_package(model))


def look_at(shot: Shot, first: FramePath) -> list[str]:
    """Open the first plate: layer, colour space, mask and box must fit it. Returns warnings; raises LineamentError.

    Of an EXR only the ends are decoded; damage in between is found when the frame is rendered.
    """
    frame = peek_frame(first.path, first.number)
    layer = frame.layer(shot.layer)
    part = frame.parts[layer.part]
    plate_colour(frame, layer, shot.faces[0].recipe, shot.ocio)
    _check_mask(shot, first, frame, part)
    for face in shot.faces:
        if face.choice.box is not None:
            _check_box(shot, face.name, face.choice.box, part)
    return []


def _check_mask(shot: Shot, first: FramePath, frame: Frame, plate: Part) -> None:
    """The channel is there, and a file has the plate's size."""
    mask = shot.mask
    try:
        if mask is not None and not mask.pattern:
            matte_in(frame, plate, channel=mask.channel)
        elif mask is not None and frame_path(mask.pattern, first.source_number).is_file():
            path = frame_path(mask.pattern, first.source_number)
            matte_in(peek_frame(path, first.source_number), plate, channel=mask.channel)
    except LineamentError as err:  # a mask that is missing was told by its frames
        raise placed(err, shot, "mask.channel", "mask") from err


def _check_box(shot: Shot, name: str, box: Box, part: Part) -> None:
    width, height = part.display_window.width, part.display_window.height
    x0, y0, x1, y1 = box
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise RecipeError(
            f'The box of the face "{name}" lies outside the picture of {width} x {height} pixels.',
            where=place_of(shot, f"faces.{name}.face", "face"),
            remedy="Draw it in pixels of the plate's display window, origin at the top left.",
        )


def unwritable(show: Show) -> list[Problem]:
    """Outputs that may not be written, one problem for each shot."""
    found = []
    for shot in show.shots:
        try:
            refuse_unwritable(Path(shot.output).parent)
        except LineamentError as err:
            found.append(Problem(err.what, place_of(shot, "output"), err.remedy, shot.name))
        except OSError as err:
            what = f"The output's folder cannot be looked at: {err.strerror or err}."
            found.append(
                Problem(what, place_of(shot, "output"), "Check its path and permissions.", shot.name)
            )
    return found
