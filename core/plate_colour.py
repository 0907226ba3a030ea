"""Which colour space a plate is in: the user's word, the header, the file name and the config, in that order."""

from __future__ import annotations

import logging
from numbers import Real

from .colour import PlateColour, resolve_colour
from .frame import Frame, Layer
from .recipe import EditRecipe

log = logging.getLogger(__name__)


def plate_colour(frame: Frame, layer: Layer, recipe: EditRecipe, ocio: str = "") -> PlateColour:
    """Resolve the plate's colour space from the user's word, the header, the file name and the config.

    ``ocio`` is the config that the user named. Raises ColourError; a header field of an odd type is ignored with a
    warning, because anybody may write anything there.
    """
    return resolve_colour(
        frame.path,
        chromaticities=header_chromaticities(frame, layer),
        interop_id=str(frame.header_value(layer, "colorInteropID") or ""),
        display_referred=frame.is_display_referred,
        colourspace=recipe.colourspace,
        ocio=ocio,
    )


def header_chromaticities(frame: Frame, layer: Layer) -> tuple[float, ...] | None:
    """The eight numbers of the header's ``chromaticities``, or None if there are none that can be read."""
    value = frame.header_value(layer, "chromaticities")
    if value is None:
        return None
    if isinstance(value, (tuple, list)) and len(value) == 8 and all(isinstance(one, Real) for one in value):
        return tuple(float(one) for one in value)
    log.warning("%s: chromaticities are no eight numbers but %.60r; ignored.", frame.path, value)
    return None
