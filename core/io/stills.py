"""Display-referred stills (PNG, TIFF, JPEG) in and out at the depth they came with.

Values are code values: 8 or 16 bit integers, unassociated alpha left as it is, no gamma applied; colour.py
decides what they mean. PNG and TIFF pixels come back bit for bit. JPEG is lossy by nature: it is written only
when the name asks for it, at the best quality, and even an untouched picture is encoded anew. Whoever wants an
unedited JPEG copies the file.

Pixels are read as they are stored; a note that a viewer should turn them (EXIF Orientation) is kept beside
them. The notes of a PNG come back byte for byte (``png_notes``); those of TIFF and JPEG go through
OpenImageIO, which adds EXIF or XMP of its own. A palette PNG or TIFF comes back as plain RGB of equal colours.
CMYK and Lab are refused: the library would turn them into RGB by a formula without a profile.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from ..errors import PlateError
from ..frame import Attribute, Frame, Part, Plane, Window
from . import jpeg_notes, png_notes
from .exr import damaged, library_border, open_for_reading
from .files import replacing

_log = logging.getLogger(__name__)

FORMATS = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg"}
_DTYPES = {"uint8": np.uint8, "uint16": np.uint16}
_PNG_NOTES = "png:chunks"
_XMP = "XML:com.adobe.xmp"
_FOREIGN_COLOURS = ("CMYK", "YCCK", "CIELAB", "ICCLAB", "ITULAB", "LOGL", "LOGLUV")
_LOSSLESS_TIFF = ("none", "lzw", "zip", "packbits")
# What the reader notes about the file's storage; given back they would contradict what is written.
_OWN_NOTES = (
    "oiio:BitsPerSample",
    "oiio:UnassociatedAlpha",
    "oiio:subimages",
    "compression",
    "thumbnail_",
    "tiff:",
    _PNG_NOTES,
)


def read_still(path: Path, number: int) -> Frame:
    """Return the still at ``path`` as one part of uint8 or uint16 planes; raise PlateError if unreadable."""
    config = oiio.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)  # the reader would otherwise multiply the colours by alpha
    picture = open_for_reading(path, config)
    with library_border(path, "Cannot decode the still", "Save it again."), contextlib.closing(picture):
        kind = str(picture.format_name())
        spec = picture.spec().copy()
        if kind not in FORMATS.values():
            raise damaged(path, f"it is {kind}")
        if picture.seek_subimage(1, 0):
            raise PlateError("The file has several pages.", where=str(path), remedy="Save one page per file.")
        picture.geterror()  # that there is no second page was an error to the reader
        if not picture.seek_subimage(0, 0):
            raise damaged(path, picture.geterror())
        _refuse_foreign_colours(spec, kind, path)
        if kind == "jpeg" and _is_cut_short(path.read_bytes()):
            raise damaged(path, "the JPEG ends too early")
        planes = _read_planes(picture, spec, path)
        header = tuple(
            Attribute(str(_legible(f.name)), str(f.type), _legible(f.value)) for f in spec.extra_attribs
        )
        if kind == "png":
            header += (Attribute(_PNG_NOTES, "chunks", png_notes.read(path)),)
    window = Window(0, 0, spec.width, spec.height)
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0)) or 1.0
    codec = str(spec.get_string_attribute("compression", ""))
    return Frame(
        (Part("", tuple(planes), planes, window, window, aspect, codec, header=header),),
        number,
        str(path),
        kind,
    )


def write_still(
    path: Path,
    frame: Frame,
    *,
    overwrite: bool = True,
    on_written: Callable[[Path], None] = lambda finished: None,
) -> None:
    """Write ``frame`` to ``path`` at its own depth, whole or not at all; raise PlateError on any failure.

    ``on_written`` as in ``write_frame``.
    """
    kind = FORMATS[path.suffix.lower()]
    part = frame.parts[0]
    planes = [part.planes[channel] for channel in part.channels]
    _check_writable(frame, kind, planes, path)
    if kind == "jpeg":
        _log.warning("%s: JPEG is lossy; pixels that were not edited change too", path)
    remedy = "Check the free space and the permissions; nothing was left behind."
    with (
        replacing(path, overwrite=overwrite) as temporary,
        library_border(path, "Cannot write the still", remedy),
    ):
        spec = _spec_of(part, kind, str(planes[0].dtype))
        out = oiio.ImageOutput.create(str(temporary))
        if out is None:
            raise _failed(path, oiio.geterror())
        with contextlib.closing(out):
            pixels = np.ascontiguousarray(np.stack(planes, axis=-1))
            if not (out.open(str(temporary), spec) and out.write_image(pixels) and out.close()):
                raise _failed(path, out.geterror())
        if kind == "png":
            _write_png_notes(temporary, part)
        packet = part.attribute(_XMP)
        if kind == "jpeg" and packet is not None and packet.raw is not None:  # stamped on the frame
            temporary.write_bytes(jpeg_notes.with_xmp(temporary.read_bytes(), str(packet.value)))
        _verify(temporary, pixels, path, exact=kind != "jpeg")
        on_written(temporary)


def without_orientation(header: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """A still's header without any word on how a viewer should turn it: for pixels that were turned.

    Of a PNG the whole EXIF chunk goes.
    """
    kept = []
    for field in header:
        if field.name == _PNG_NOTES and isinstance(field.value, bytes):
            kept.append(Attribute(field.name, field.kind, png_notes.without(field.value, b"eXIf")))
        elif field.name != "Orientation":
            kept.append(field)
    return tuple(kept)


def _verify(temporary: Path, pixels: Plane, path: Path, *, exact: bool) -> None:
    """Read the new file back, because the TIFF writer reports success on a full disk."""
    back = read_still(temporary, 0).parts[0]
    again = np.stack([back.planes[channel] for channel in back.channels], axis=-1)
    if again.shape != pixels.shape or (exact and not np.array_equal(again, pixels)):
        raise _failed(path, "it reads back differently")


def _read_planes(picture: oiio.ImageInput, spec: oiio.ImageSpec, path: Path) -> dict[str, Plane]:
    depth = str(spec.format)
    bits = int(spec.get_int_attribute("oiio:BitsPerSample", 0)) or None
    if depth not in _DTYPES or bits not in (None, 8, 16) or spec.channelformats:
        raise PlateError(
            f"The still has {bits or ''} {depth} samples; 8 and 16 bit are understood.",
            where=str(path),
            remedy="Save it with 8 or 16 bits per channel, or as EXR if it is scene-linear.",
        )
    pixels: Any = picture.read_image(0, 0, 0, spec.nchannels, oiio.TypeDesc(depth))
    complaint = str(picture.geterror())  # a JPEG with damaged data is decoded all the same, with a remark
    if pixels is None or complaint:
        raise damaged(path, complaint)
    if pixels.shape != (spec.height, spec.width, spec.nchannels) or pixels.dtype != _DTYPES[depth]:
        raise damaged(path, f"{pixels.shape} {pixels.dtype} pixels were decoded")
    pixels.flags.writeable = False
    return {str(name): pixels[..., index] for index, name in enumerate(spec.channelnames)}


def _refuse_foreign_colours(spec: oiio.ImageSpec, kind: str, path: Path) -> None:
    colours = str(spec.get_string_attribute(f"{kind}:ColorSpace", ""))
    if colours in _FOREIGN_COLOURS:
        raise PlateError(
            f"The still holds {colours} colours, not RGB.",
            where=str(path),
            remedy="Convert it to RGB in the application that it comes from.",
        )


def _legible(value: object) -> object:
    """Read text that is not UTF-8 as Latin-1, as PNG and the older EXIF mean it; other values pass."""
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def _write_png_notes(temporary: Path, part: Part) -> None:
    """Carry the chunks of a PNG over; from another format keep the library's, less what it made up."""
    notes = part.attribute(_PNG_NOTES)
    if notes is not None and isinstance(notes.value, bytes):
        carried = notes.value
        for field in part.header:
            if field.kind == "string" and field.raw is not None:  # stamped on the frame after it was read
                carried = png_notes.with_text(carried, field.name, str(field.value))
        png_notes.splice(temporary, carried)
        return
    turned = part.attribute("Orientation")
    value = 1 if turned is None else turned.value
    png_notes.strip_invented(temporary, value if isinstance(value, int) and 1 <= value <= 8 else 1)


def _is_cut_short(jpeg: bytes) -> bool:
    """Tell whether no end marker follows the last scan: the decoder would fill up with grey, silently."""
    return jpeg.rfind(b"\xff\xd9") < jpeg.rfind(b"\xff\xda")


def _check_writable(frame: Frame, kind: str, planes: Sequence[Plane], path: Path) -> None:
    depths = {str(plane.dtype) for plane in planes}
    if len(frame.parts) != 1 or len(depths) != 1 or not depths <= set(_DTYPES):
        raise PlateError(
            f"A {kind} still cannot hold this {frame.file_format} frame ({', '.join(sorted(depths))}).",
            where=str(path),
            remedy="Write scene-linear plates to .exr.",
        )
    if kind == "jpeg" and (depths != {"uint8"} or len(planes) not in (1, 3)):
        raise PlateError("JPEG holds 8 bit and no alpha.", where=str(path), remedy="Write to .png or .tif.")


def _spec_of(part: Part, kind: str, depth: str) -> oiio.ImageSpec:
    spec = oiio.ImageSpec(part.data_window.width, part.data_window.height, len(part.channels), depth)
    spec.channelnames = part.channels
    for field in part.header:
        if not field.name.startswith(_OWN_NOTES):
            # A number in a type of its own (uint16) would be dropped without a word.
            kind_of = "int" if isinstance(field.value, int) else field.kind
            spec.attribute(field.name, oiio.TypeDesc(kind_of), field.value)
    spec.attribute("oiio:UnassociatedAlpha", 1)
    if kind == "tiff":
        spec.attribute("compression", part.compression if part.compression in _LOSSLESS_TIFF else "zip")
    if kind == "jpeg":
        spec.attribute("Compression", "jpeg:100")
        spec.attribute("jpeg:subsampling", "4:4:4")
    return spec


def _failed(path: Path, reason: str) -> PlateError:
    return PlateError(
        f"The still could not be written: {' '.join(reason.split())[:300] or 'the library gave no reason'}.",
        where=str(path),
        remedy="Check the free space and the permissions; nothing was left behind.",
    )
