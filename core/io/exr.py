"""EXR files in and out, without losing a bit.

OpenImageIO decodes and encodes the pixels; the header travels beside it as bytes (``exr_header``). Three
limits of its Python door shape this file:

* one call moves one number format, so runs of channels of one format are read separately and never converted;
* a buffer of mixed formats cannot be handed over for writing, so such a part goes through an uncompressed
  carrier file that we write ourselves and OpenImageIO copies channel by channel (``copy_image``), ids and NaN
  payloads included;
* scanline and tiled parts cannot be mixed in one output; unless all parts are tiled and each has
  one number format, all become scanlines.

Codec: a lossless source codec is kept; a lossy one (dwaa, dwab, b44, b44a, pxr24 with float) would change
pixels that nobody edited, so it becomes zips, as do new files. Deep and mip-mapped files are refused.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from ..errors import PlateError
from ..frame import Attribute, Frame, Part, Plane, Window
from . import exr_header
from .files import replacing

# A header is a promise by a stranger: without these three it may ask for all memory of the machine.
MAX_IMAGE_MB, MAX_RESOLUTION, MAX_CHANNELS = 4096, 32768, 512
oiio.attribute("limits:imagesize_MB", MAX_IMAGE_MB)
oiio.attribute("limits:resolution", MAX_RESOLUTION)
oiio.attribute("limits:channels", MAX_CHANNELS)

_LOSSLESS = ("none", "rle", "zips", "zip", "piz", "zstd", "htj2k32", "htj2k256", "pxr24")
DTYPES = {"half": np.float16, "float": np.float32, "uint32": np.uint32, "uint": np.uint32}
_KINDS = {"float16": "half", "float32": "float", "uint32": "uint"}
_NEW_CODEC = "zips"
ReadRun = Callable[
    [oiio.ImageInput, Path, int, Sequence[str], Sequence[int], str], dict[str, Plane]
]  # picture, path, part, names, channels of one format, the format
_LIBRARY_ERRORS = (RuntimeError, ValueError, TypeError, MemoryError, OverflowError, OSError, AttributeError)


@contextlib.contextmanager
def library_border(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn whatever OpenImageIO and its binding raise (UnicodeDecodeError too) into a PlateError."""
    try:
        yield
    except _LIBRARY_ERRORS as err:
        raise PlateError(f"{what}: {err}.", where=str(path), remedy=remedy) from err


def open_for_reading(path: Path, config: oiio.ImageSpec | None = None) -> oiio.ImageInput:
    """Open ``path`` with OpenImageIO, or raise PlateError for missing, empty, foreign and hostile files."""
    with library_border(path, "Cannot read the picture", "Check the path and the permissions."):
        if not path.exists():
            raise PlateError(
                "The picture does not exist.", where=str(path), remedy="Check the path and frame number."
            )
        if not path.is_file():
            raise PlateError("This is not a file.", where=str(path), remedy="Name a picture file.")
        if path.stat().st_size == 0:
            raise PlateError("The file is empty.", where=str(path), remedy="Render or copy the frame again.")
        picture = (
            oiio.ImageInput.open(str(path)) if config is None else oiio.ImageInput.open(str(path), config)
        )
        if picture is None:
            raise damaged(path, oiio.geterror())
        return picture


def damaged(path: Path, reason: str) -> PlateError:
    """Return the error for a picture that cannot be decoded; ``reason`` is the library's own text."""
    lines = " ".join(reason.split())[:300] or "the library gave no reason"
    return PlateError(
        f"The picture is damaged or not what its name says: {lines}.",
        where=str(path),
        remedy="Render or copy the frame again.",
    )


def read_exr(path: Path, number: int) -> Frame:
    """Return every part, channel and header field of the EXR at ``path``; raise PlateError if unreadable."""
    return read_parts(path, number, _read_run)


def read_parts(path: Path, number: int, read_run: ReadRun) -> Frame:
    """``read_exr`` with another way to get neighbouring channels of one format."""
    _refuse_large_header(path)
    picture = open_for_reading(path)
    with (
        library_border(path, "Cannot decode the EXR", "Render or copy the frame again."),
        contextlib.closing(picture),
    ):
        if picture.format_name() != "openexr":
            raise damaged(path, f"it is {picture.format_name()}, not EXR")
        headers = exr_header.parse(path)
        if headers.flags & exr_header.DEEP:
            raise _deep(path)
        parts = tuple(
            _read_part(picture, path, index, header, read_run) for index, header in enumerate(headers.parts)
        )
    return Frame(parts, number, str(path), "exr")


def write_exr(
    path: Path,
    frame: Frame,
    *,
    overwrite: bool = True,
    on_written: Callable[[Path], None] = lambda finished: None,
) -> None:
    """Write ``frame`` to ``path`` whole or not at all, headers verbatim; raise PlateError on any failure.

    ``on_written`` as in ``write_frame``.
    """
    parts = frame.parts
    for part in parts:
        _check_writable(part, path)
    remedy = "Check the free space and the permissions; nothing was left behind."
    with (
        replacing(path, overwrite=overwrite) as temporary,
        library_border(path, "Cannot write the EXR", remedy),
    ):
        specs = _specs_of(parts)
        _write_pixels(temporary, parts, specs, path)
        exr_header.splice(temporary, parts)
        _verify(temporary, parts, specs, path)
        on_written(temporary)


def codec_for(part: Part) -> str:
    """Return the codec to write: the source's if it is lossless for these channels, else zips."""
    codec = part.compression.partition(":")[0].lower()
    has_float = any(plane.dtype == np.float32 for plane in part.planes.values())
    return _NEW_CODEC if codec not in _LOSSLESS or (codec == "pxr24" and has_float) else codec


def _refuse_large_header(path: Path) -> None:
    """Look at the header before the library does; whatever else is wrong with the file, that one tells better."""
    try:
        if path.is_file():  # opening a pipe would wait for ever
            exr_header.parse(path)
    except exr_header.HeaderTooLargeError as err:
        raise PlateError(
            f"The EXR's metadata are too large to open: {err}.",
            where=str(path),
            remedy="Remove the metadata that pile up from step to step, then write the frame again.",
        ) from err
    except (exr_header.HeaderError, OSError, ValueError):
        return


def _read_part(
    picture: oiio.ImageInput, path: Path, index: int, header: tuple[Attribute, ...], read_run: ReadRun
) -> Part:
    if not picture.seek_subimage(index, 0):
        raise damaged(path, picture.geterror())
    spec = picture.spec()
    if spec.deep:
        raise _deep(path)
    if _is_mip_mapped(header):
        raise PlateError(
            "The EXR is a mip-mapped texture.", where=str(path), remedy="Give a plate with one resolution."
        )
    names = tuple(spec.channelnames)
    if len(set(names)) != len(names) or not names:
        raise damaged(path, "two channels have the same name")
    if any("\ufffd" in name or not name.isprintable() for name in names):  # these could not be written back
        raise damaged(path, f"the channel names {names!r} are not text")
    planes: dict[str, Plane] = {}
    formats = [str(spec.channelformat(channel)) for channel in range(spec.nchannels)]
    for kind, run in groupby(range(len(names)), key=lambda channel: formats[channel]):
        channels = list(run)
        planes.update(read_run(picture, path, index, names, channels, kind))
    name = next((str(field.value) for field in header if field.name == "name"), "")
    return Part(
        name=name,
        channels=names,
        planes=planes,
        data_window=Window(spec.x, spec.y, spec.x + spec.width, spec.y + spec.height),
        display_window=Window(
            spec.full_x, spec.full_y, spec.full_x + spec.full_width, spec.full_y + spec.full_height
        ),
        pixel_aspect=float(spec.get_float_attribute("PixelAspectRatio", 1.0)),
        compression=str(spec.get_string_attribute("compression", "none")),
        tile=(spec.tile_width, spec.tile_height),
        header=header,
    )


def _read_run(
    picture: oiio.ImageInput, path: Path, index: int, names: Sequence[str], channels: Sequence[int], kind: str
) -> dict[str, Plane]:
    """Read neighbouring channels of one number format; the planes are read-only views of one array."""
    if kind not in DTYPES:
        raise damaged(path, f"channel {names[channels[0]]!r} has the format {kind}")
    spec = picture.spec()
    pixels: Any = picture.read_image(index, 0, channels[0], channels[-1] + 1, oiio.TypeDesc(kind))
    if pixels is None:
        raise damaged(path, picture.geterror())
    if pixels.shape != (spec.height, spec.width, len(channels)) or pixels.dtype != DTYPES[kind]:
        raise damaged(path, f"{pixels.shape} {pixels.dtype} pixels were decoded")
    pixels.flags.writeable = False
    return {names[channel]: pixels[..., offset] for offset, channel in enumerate(channels)}


def _is_mip_mapped(header: tuple[Attribute, ...]) -> bool:
    """Tell whether the tile description (low four bits of its last byte) has more than one resolution."""
    return any(field.name == "tiles" and field.raw and field.raw[-1] & 0x0F for field in header)


def _deep(path: Path) -> PlateError:
    return PlateError(
        "The EXR is deep (several samples per pixel).",
        where=str(path),
        remedy="Flatten it to a plain EXR first.",
    )


def _check_writable(part: Part, path: Path) -> None:
    odd = _formats(part) - set(_KINDS)
    if odd or not part.channels or part.data_window.is_empty:
        raise PlateError(
            f"An EXR cannot hold {', '.join(sorted(odd)) or 'a part without pixels'}.",
            where=str(path),
            remedy="Write display-referred stills in their own format, or convert them to half first.",
        )


def _specs_of(parts: Sequence[Part]) -> list[oiio.ImageSpec]:
    tiled = all(part.tile != (0, 0) and len(_formats(part)) == 1 for part in parts)
    specs = [_spec_of(part, tiled=tiled) for part in parts]
    if len(parts) > 1:  # the library wants distinct names to begin with; the parts' own are spliced in
        for index, spec in enumerate(specs):
            spec.attribute("oiio:subimagename", f"part{index}")
    return specs


def _spec_of(part: Part, *, tiled: bool) -> oiio.ImageSpec:
    """Describe the storage of ``part`` to the library; every other header field is spliced in afterwards."""
    data, display = part.data_window, part.display_window
    formats = [_KINDS[str(part.planes[channel].dtype)] for channel in part.channels]
    mixed = len(_formats(part)) > 1
    spec = oiio.ImageSpec(data.width, data.height, len(part.channels), "float" if mixed else formats[0])
    spec.x, spec.y = data.x0, data.y0
    spec.full_x, spec.full_y = display.x0, display.y0
    spec.full_width, spec.full_height = display.width, display.height
    spec.channelnames = part.channels
    if mixed:
        spec.channelformats = tuple(oiio.TypeDesc(kind) for kind in formats)
    if tiled:
        spec.tile_width, spec.tile_height, spec.tile_depth = (*part.tile, 1)
    spec.attribute("compression", codec_for(part))
    spec.attribute("PixelAspectRatio", float(part.pixel_aspect))
    order = part.attribute("lineOrder")
    if order is not None and isinstance(order.value, int) and order.value < len(exr_header.LINE_ORDERS):
        spec.attribute("openexr:lineOrder", exr_header.LINE_ORDERS[order.value])
    return spec


def _write_pixels(temporary: Path, parts: Sequence[Part], specs: list[oiio.ImageSpec], path: Path) -> None:
    out = oiio.ImageOutput.create(str(temporary))
    if out is None:
        raise _failed(path, oiio.geterror())
    with contextlib.closing(out):
        for index, (part, spec) in enumerate(zip(parts, specs, strict=True)):
            name = str(temporary)
            if index:
                opened = out.open(name, spec, "AppendSubimage")
            else:
                opened = out.open(name, specs) if len(specs) > 1 else out.open(name, spec)
            if not opened or not _write_part(out, part):
                raise _failed(path, out.geterror())
        if not out.close():
            raise _failed(path, out.geterror())


def _write_part(out: oiio.ImageOutput, part: Part) -> bool:
    """Hand the planes over in one array, or through the carrier file where their number formats differ."""
    planes = [part.planes[channel] for channel in part.channels]
    if len(_formats(part)) == 1:
        pixels = np.ascontiguousarray(np.stack(planes, axis=-1))
        return _write_tiles(out, pixels) if out.spec().tile_width else bool(out.write_image(pixels))
    with tempfile.TemporaryDirectory(prefix="lineament-") as folder:
        carrier = Path(folder) / "carrier.exr"
        origin = (part.data_window.x0, part.data_window.y0)
        exr_header.write_uncompressed(carrier, dict(part.planes), origin)
        source = oiio.ImageInput.open(str(carrier))
        if source is None:
            return False
        with contextlib.closing(source):
            # The copy is by position, so both sides must list their channels alike.
            return tuple(source.spec().channelnames) == tuple(out.spec().channelnames) and bool(
                out.copy_image(source)
            )


def _write_tiles(out: oiio.ImageOutput, pixels: Plane) -> bool:
    """Write (H, W, C) ``pixels`` tile by tile: handed over at once, OpenEXR 3.5 hangs for ever on a full disk."""
    spec = out.spec()
    height, width = pixels.shape[:2]
    for top in range(0, height, spec.tile_height):
        for left in range(0, width, spec.tile_width):
            bottom, right = min(top + spec.tile_height, height), min(left + spec.tile_width, width)
            box = (spec.x + left, spec.x + right, spec.y + top, spec.y + bottom, 0, 1)
            if not out.write_tiles(*box, np.ascontiguousarray(pixels[top:bottom, left:right])):
                return False
    return True


def _formats(part: Part) -> set[str]:
    return {str(plane.dtype) for plane in part.planes.values()}


def _verify(temporary: Path, parts: Sequence[Part], specs: Sequence[oiio.ImageSpec], path: Path) -> None:
    """Read the new header back: a codec name that the library does not know silently becomes zip."""
    picture = oiio.ImageInput.open(str(temporary))
    if picture is None:
        raise _failed(path, oiio.geterror())
    with contextlib.closing(picture):
        for index, (part, wanted) in enumerate(zip(parts, specs, strict=True)):
            if not picture.seek_subimage(index, 0):
                raise _failed(path, f"part {index} is missing")
            found = picture.spec()
            codec = str(found.get_string_attribute("compression", "none"))
            same = (
                set(found.channelnames) == set(part.channels)
                and found.roi == wanted.roi
                and found.roi_full == wanted.roi_full
                and codec == codec_for(part)
            )
            if not same:
                raise _failed(path, f"part {index} reads back as {found.roi} {codec} instead of {wanted.roi}")


def _failed(path: Path, reason: str) -> PlateError:
    return PlateError(
        f"The EXR could not be written: {' '.join(reason.split())[:300] or 'the library gave no reason'}.",
        where=str(path),
        remedy="Check the free space and the permissions; nothing was left behind.",
    )
