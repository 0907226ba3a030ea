"""Everything that can go wrong in the world, as one tree.

LineamentError
|- PlateError       unreadable, missing, truncated or unsupported pictures; no such layer; unwritable output
|- ColourError      unknown colour space, unreadable OCIO config, conflicting colour evidence
|- FaceError        no face found, face leaves the frame, broken track
|- GeneratorError   missing, tampered or untrusted weights; a latent or direction of another generator
|- DeviceError      no such device, out of memory
|- RecipeError      unknown attribute or direction, bad strength, unsupported schema version
|- DataError        training data or checkpoints missing or damaged
`- HostError        a worker process died or never answered

``ValueError`` and ``TypeError`` stay what they are: the calling code is wrong. They are never shown to artists as such.
"""

from __future__ import annotations


class LineamentError(Exception):
    """One problem of the world, told in three parts.

    ``what`` says what happened and quotes the value, ``where`` names frame, file or node, ``remedy`` says what to
    do next. ``exit_code`` is the process exit status of the command line (0 ok, 1 some frames failed, 2 usage,
    3 input, 4 model or colour, 5 device, 130 interrupted).
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(" ".join(part for part in (what, f"({where})" if where else "", remedy) if part))


class PlateError(LineamentError):
    """A plate cannot be read, lacks what was asked of it, or cannot be written."""

    exit_code = 3


class ColourError(LineamentError):
    """A colour space or OCIO config cannot be resolved."""

    exit_code = 4


class FaceError(LineamentError):
    """No usable face was located."""

    exit_code = 3


class GeneratorError(LineamentError):
    """Weights are missing, tampered with, of a foreign format, or do not belong together."""

    exit_code = 4


class DeviceError(LineamentError):
    """The device does not exist or ran out of memory."""

    exit_code = 5


class RecipeError(LineamentError):
    """The edit asks for something that does not exist or is out of range."""

    exit_code = 2


class DataError(LineamentError):
    """Training data or a checkpoint is missing or damaged."""

    exit_code = 3


class HostError(LineamentError):
    """A worker process died, hung, or speaks another protocol version."""

    exit_code = 1
