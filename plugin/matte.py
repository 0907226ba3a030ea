"""The picture that limits an edit: read from any file that a plate may be, laid over the plate's data window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lineament.core.errors import PlateError
from lineament.core.frame import Frame, Part
from lineament.core.io import read_frame
from lineament.core.shots.shot import Shot

Matte = npt.NDArray[np.float32]

_FIRST_CHOICE = ("R", "r", "red", "Y", "y")
"""A matte that was written as a colour or as grey; of any other file its first channel counts."""


def read_matte(path: str, number: int, plate: Part, *, invert: bool = False, channel: str = "") -> Matte:
    """The matte at ``path`` as (H, W) float32 in [0, 1] over the data window of ``plate``.

    ``channel`` of the file's parts holds it; "" takes the usual one. What is not finite is 0 whether inverted or not:
    where nobody knows the matte, nothing is edited. Raises PlateError if the file cannot be read, has no such channel,
    has another size than the plate, or lies elsewhere in the same picture.
    """
    return matte_in(read_frame(path, number), plate, invert=invert, channel=channel)


def matte_in(frame: Frame, plate: Part, *, invert: bool = False, channel: str = "") -> Matte:
    """The matte inside a frame that was read already, as ``read_matte`` gives it."""
    part = _part_with(frame, channel) if channel else frame.parts[0]
    _expect_over(plate, part, frame.path)
    with np.errstate(invalid="ignore"):  # NaN that signals
        values = _coverage(part, frame.path, channel)
        kept = np.clip(1.0 - values if invert else values, 0.0, 1.0)
    return np.where(np.isfinite(values), kept, 0.0).astype(np.float32)


def _part_with(frame: Frame, channel: str) -> Part:
    """The first part that has the channel."""
    part = next((part for part in frame.parts if channel in part.planes), None)
    if part is None:
        there = [name for part in frame.parts for name in part.channels]
        raise PlateError(
            f'The mask\'s channel "{channel}" is not in the file.',
            where=frame.path,
            remedy=f"Its channels: {', '.join(there[:20])}{', ...' if len(there) > 20 else ''}.",
        )
    return part


def _expect_over(plate: Part, part: Part, path: str) -> None:
    """Refuse what would be laid over the wrong pixels; a file without the plate's display window has no say."""
    ours, its = plate.data_window, part.data_window
    if (its.width, its.height) != (ours.width, ours.height):
        what = (
            f"The mask has {its.width} x {its.height} pixels, but the plate has {ours.width} x {ours.height}."
        )
    elif its != ours and part.display_window == plate.display_window:
        what = f"The mask begins at {its.x0}, {its.y0}, but the plate at {ours.x0}, {ours.y0} of the same picture."
    else:
        return
    remedy = "Render the mask in the plate's size, over the whole of the plate's data window."
    raise PlateError(what, where=path, remedy=remedy)


def _coverage(part: Part, path: str, channel: str = "") -> Matte:
    """The channel that holds the matte; integers of stills are scaled to 0..1, as everywhere."""
    channel = channel or next((name for name in _FIRST_CHOICE if name in part.planes), part.channels[0])
    plane = part.planes[channel]
    if plane.dtype == np.uint32:
        raise PlateError(
            f'The mask\'s channel "{channel}" holds ids, not coverage.',
            where=path,
            remedy="Give a mask with half or float values from 0 to 1.",
        )
    values = plane.astype(np.float32)
    return values / np.float32(np.iinfo(plane.dtype).max) if plane.dtype.kind == "u" else values


def shot_matte(shot: Shot, file: str, number: int, frame: Frame) -> Matte | None:
    """The matte that limits a shot's edit on the plate ``frame``: from ``file`` (its ``number`` is that of the plate's
    own picture), from a channel of the plate where there is no file, None for a shot without a mask."""
    if shot.mask is None:
        return None
    plate = frame.parts[frame.layer(shot.layer).part]
    if not file:
        return matte_in(frame, plate, invert=shot.mask.is_inverted, channel=shot.mask.channel)
    return read_matte(file, number, plate, invert=shot.mask.is_inverted, channel=shot.mask.channel)
