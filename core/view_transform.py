"""A plate as people look at it: the display and view transform of an OCIO config, with an exposure in stops before it.

For looking only. A view transform takes 0.2 s a megapixel or more and throws light away, so pictures are made small
first, and nothing of what comes out ever flows back into a plate.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from .colour_config import OcioConfig, Processor, first_known
from .errors import ColourError

Picture = npt.NDArray[np.uint8]

_SCENE_LINEAR = ("scene_linear", "lin_rec709_scene", "lin_rec709", "Linear Rec.709 (sRGB)")
MAX_STOPS = 20.0
"""An exposure beyond a millionfold shows nothing but noise or white."""


@dataclass(frozen=True)
class View:
    """One view of one display, by the config's own names."""

    display: str
    name: str


def views_of(handle: OcioConfig) -> tuple[View, ...]:
    """Every active view, the default one first. Raises ColourError for a config that has none."""
    config = handle.config
    found = [
        View(str(display), str(name)) for display in config.getDisplays() for name in config.getViews(display)
    ]
    if not found:
        raise ColourError(
            f'The OCIO config "{handle.name}" has no view to look at pictures with.',
            where=handle.origin,
            remedy="Add a display with a view to it, or use the built-in config.",
        )
    display = str(config.getDefaultDisplay())
    default = View(display, str(config.getDefaultView(display)))
    return (default, *(view for view in found if view != default)) if default in found else tuple(found)


@functools.lru_cache(maxsize=64)
def view_processor(handle: OcioConfig, space: str, view: View, stops: float = 0.0) -> Processor:
    """From ``space`` to what the display is sent, in [0, 1] nominally; light is multiplied by 2 to the ``stops`` first.

    Raises ColourError if the config has no such view or cannot build it, and ValueError for useless stops.
    """
    if not abs(stops) <= MAX_STOPS:
        raise ValueError(f"stops is {stops}; expected -{MAX_STOPS:g} to {MAX_STOPS:g}")
    if view not in views_of(handle):
        raise ColourError(
            f'The OCIO config "{handle.name}" has no view "{view.name}" of a display "{view.display}".',
            where=handle.origin,
            remedy=f"It has: {', '.join(f'{each.display} / {each.name}' for each in views_of(handle))}.",
        )
    light = first_known(handle, _SCENE_LINEAR) or space
    steps = [ocio.ColorSpaceTransform(src=space, dst=light)] if light != space else []
    if stops:
        gain = 2.0**stops
        steps.append(ocio.MatrixTransform(matrix=[gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, 1]))
    steps.append(ocio.DisplayViewTransform(src=light, display=view.display, view=view.name))
    try:
        processor = handle.config.getProcessor(ocio.GroupTransform(steps))
        return Processor(processor.getDefaultCPUProcessor())
    except (ocio.Exception, ocio.ExceptionMissingFile) as err:
        raise ColourError(
            f'OCIO cannot show "{space}" through "{view.name}" of "{view.display}": {err}',
            where=f"OCIO config {handle.name}",
            remedy="Choose another view, or check the config's look-up tables.",
        ) from err


def displayed(rgb: npt.NDArray[Any], processor: Processor) -> Picture:
    """Plate values (..., 3) as display pixels (..., 3) uint8; what is not a number becomes black."""
    shown = np.nan_to_num(processor(rgb), nan=0.0, posinf=1.0, neginf=0.0)
    return (np.clip(shown, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
