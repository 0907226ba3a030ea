"""OCIO configs and processors: load them, find names in them, convert pixels to linear Rec.709 and back.

Only PyOpenColorIO is used; the copy of OCIO inside the picture library may know other configs. Processors are
built without lossy optimisation and kept per config content and space.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from .errors import ColourError

PINNED_CONFIG = "ocio://cg-config-v2.2.0_aces-v1.3_ocio-v2.4"
"""Named in full: "ocio://default" moves with the library, and a shot must look the same next year."""

_LINEAR_709 = (
    "lin_rec709_scene",
    "lin_rec709",
    "lin_rec709_srgb",
    "Linear Rec.709 (sRGB)",
    "Utility - Linear - sRGB",
)

Array = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OcioConfig:
    """A loaded config: ``name`` for people, ``origin`` says who chose it; equal if the content is equal."""

    name: str
    origin: str
    cache_id: str
    config: Any = field(compare=False, repr=False)


def load_config(ocio_path: str = "") -> OcioConfig:
    """Load the config at ``ocio_path`` (a file or ocio:// name), else at $OCIO, else the pinned built-in one.

    Raises ColourError if it is missing or damaged; there is no silent fall-back from a config that was named.
    """
    environment = os.environ.get("OCIO", "")
    source, origin = PINNED_CONFIG, "built-in"
    if ocio_path:
        source, origin = ocio_path, "--ocio"
    elif environment:
        source, origin = environment, "$OCIO"
    return _load_config(source, origin, _stamp(source))


def _stamp(source: str) -> tuple[int, int]:
    """Time and size of a config file, so that an edited one is read again; zeros for a built-in one."""
    try:
        status = Path(source).stat()
    except (OSError, ValueError):  # not a file; loading it gives the better message
        return 0, 0
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=8)
def _load_config(source: str, origin: str, _stamp: tuple[int, int]) -> OcioConfig:
    try:
        config = ocio.Config.CreateFromFile(source)
        cache_id = str(config.getCacheID())
    except (ocio.Exception, ocio.ExceptionMissingFile, UnicodeError, ValueError) as err:
        raise ColourError(
            f'The OCIO config "{source}" cannot be read: {err}',
            where=origin,
            remedy=f"Name a readable config.ocio, or {PINNED_CONFIG}.",
        ) from err
    # "ocio://default" hides which config it was today; the config itself knows.
    name = str(config.getName()) if source.startswith("ocio://") else source
    return OcioConfig(name, origin, cache_id, config)


def canonical_name(handle: OcioConfig, name: str, *, where: str) -> str:
    """Return the space that ``name`` (space, alias, role) stands for, or raise ColourError with guesses."""
    found = str(handle.config.getCanonicalName(name))
    if not found:
        raise ColourError(
            f'The OCIO config "{handle.name}" has no colour space "{name}".',
            where=where,
            remedy=_suggestion(handle, name),
        )
    if handle.config.getColorSpace(found).isData():
        raise ColourError(
            f'"{found}" is a data space: its values are no light, and cannot be converted.',
            where=where,
            remedy="Name the space the plate was rendered or converted to, such as ACEScg.",
        )
    return found


def _suggestion(handle: OcioConfig, name: str) -> str:
    """Close names, quoted, or all of them; data spaces are left out, as naming one would be the next error."""
    spaces = [space for space in handle.config.getColorSpaces() if not space.isData()]
    names = [str(space.getName()) for space in spaces]
    aliases = [str(alias) for space in spaces for alias in space.getAliases()]
    folded = {candidate.casefold(): candidate for candidate in [*aliases, *names]}
    close = difflib.get_close_matches(name.casefold(), folded, n=4, cutoff=0.5)
    if close:
        return f"Did you mean {_quoted([folded[match] for match in close], ' or ')}?"
    return f"It knows: {_quoted(names, ', ')}."


def _quoted(names: Sequence[str], last: str) -> str:
    """``"a", "b" or "c"``."""
    *first, final = (f'"{name}"' for name in names) if names else ("nothing",)
    return last.join([", ".join(first), final]) if first else final


def first_known(handle: OcioConfig, names: tuple[str, ...]) -> str:
    """Return the first of ``names`` that the config knows as a colour, in canonical spelling, or ""."""
    for name in names:
        found = str(handle.config.getCanonicalName(name))
        if found and not handle.config.getColorSpace(found).isData():
            return found
    return ""


@dataclass(frozen=True)
class Processor:
    """One conversion between scene spaces on the CPU: (..., 3) float32 in and out, unbounded."""

    cpu: Any

    def __call__(self, rgb: npt.NDArray[Any]) -> Array:
        """Convert a copy; the shape stays, any value goes in (a matrix turns infinities into NaN)."""
        # OCIO is three to six times faster on RGBA than on RGB.
        packed = np.zeros((rgb.size // 3, 4), dtype=np.float32)
        packed[:, :3] = rgb.reshape(-1, 3)
        if packed.size:
            self.cpu.applyRGBA(packed)
        return np.ascontiguousarray(packed[:, :3]).reshape(rgb.shape)


@functools.lru_cache(maxsize=64)
def linear709_processors(handle: OcioConfig, space: str) -> tuple[Processor, Processor]:
    """From ``space`` to linear Rec.709 and back: by the config's own Rec.709, or by interchange roles.

    Raises ColourError if the config cannot build them: a missing look-up table, or no link to a known space.
    """
    own = first_known(handle, _LINEAR_709)
    config = handle.config
    try:
        if own:
            pair = config.getProcessor(space, own), config.getProcessor(own, space)
        else:
            pair = (
                ocio.Config.GetProcessorToBuiltinColorSpace(config, space, _LINEAR_709[0]),
                ocio.Config.GetProcessorFromBuiltinColorSpace(_LINEAR_709[0], config, space),
            )
        to_709, from_709 = (Processor(_cpu(processor)) for processor in pair)
    except (ocio.Exception, ocio.ExceptionMissingFile) as err:
        raise ColourError(
            f'OCIO cannot convert "{space}" to linear Rec.709 and back: {err}',
            where=f"OCIO config {handle.name}",
            remedy="Check the config's look-up tables and interchange roles, or use the built-in config.",
        ) from err
    return to_709, from_709


def _cpu(processor: Any) -> Any:
    return processor.getOptimizedCPUProcessor(
        ocio.BIT_DEPTH_F32, ocio.BIT_DEPTH_F32, ocio.OPTIMIZATION_LOSSLESS
    )


def probe_matrix(processor: Processor) -> Matrix | None:
    """Return the (3, 3) matrix a processor multiplies column vectors by, or None if it is not linear.

    Asked with the unit vectors, then tested on dark, bright, negative and mixed colours.
    """
    matrix = processor(np.eye(3, dtype=np.float32)).astype(np.float64).T
    tests = np.array(
        [
            [0, 0, 0],
            [1e-4, 2e-4, 5e-5],
            [0.18, 0.18, 0.18],
            [0.9, 0.02, 0.3],
            [-0.2, 0.1, -0.01],
            [40, 3, 200],
        ],
        dtype=np.float32,
    )
    expected = tests.astype(np.float64) @ matrix.T
    tolerance = 1e-5 * np.abs(tests).max(axis=1, keepdims=True)
    return matrix if bool((np.abs(processor(tests) - expected) <= tolerance).all()) else None


@functools.lru_cache(maxsize=64)
def linear_space_near(handle: OcioConfig, rec709_from_space: tuple[float, ...]) -> str:
    """Return the config's linear space whose matrix to Rec.709 is closest to the nine given numbers, or "".

    Comparing matrices instead of names finds the spaces of any config, camera primaries included.
    """
    wanted = np.array(rec709_from_space).reshape(3, 3)
    nearest, smallest = "", _SAME_PRIMARIES
    for space in handle.config.getColorSpaces():
        name = str(space.getName())
        if space.isData() or not handle.config.isColorSpaceLinear(name, ocio.REFERENCE_SPACE_SCENE):
            continue
        matrix = probe_matrix(linear709_processors(handle, name)[0])
        if matrix is not None and (difference := float(np.abs(matrix - wanted).max())) < smallest:
            nearest, smallest = name, difference
    return nearest


_SAME_PRIMARIES = 0.01  # AP1 and Rec.2020, the closest pair in common use, are 0.04 apart
_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def rec709_from_primaries(chromaticities: tuple[float, ...]) -> Matrix | None:
    """Return the (3, 3) matrix from a linear space with these primaries and white to linear Rec.709.

    ``chromaticities`` are rx ry gx gy bx by wx wy; the white is adapted by Bradford, as the ACES configs do.
    None if they span no colour space (wrong count, not finite, y = 0, in one line).
    """
    if len(chromaticities) != 8 or not np.isfinite(chromaticities).all():
        return None
    try:
        xyz_from_rgb, white = _xyz_from_rgb(chromaticities)
        xyz_from_709, white_709 = _xyz_from_rgb(_REC709)
        gain = np.diag((_BRADFORD @ white_709) / (_BRADFORD @ white))
        adapted = np.linalg.inv(_BRADFORD) @ gain @ _BRADFORD
        matrix: Matrix = np.linalg.inv(xyz_from_709) @ adapted @ xyz_from_rgb
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    return matrix if bool(np.isfinite(matrix).all()) else None


def _xyz_from_rgb(chromaticities: tuple[float, ...]) -> tuple[Matrix, Matrix]:
    """The normalised primary matrix (SMPTE RP 177) and the XYZ of the white, for white at Y = 1."""
    pairs = [(float(x), float(y)) for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)]
    columns = [(x / y, 1.0, (1.0 - x - y) / y) for x, y in pairs]
    primaries, white = np.array(columns[:3]).T, np.array(columns[3])
    return primaries * np.linalg.solve(primaries, white), white
