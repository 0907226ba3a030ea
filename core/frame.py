"""A picture as it came from disk: parts, channels, windows and header, with the one triple that may be
edited.

Nothing here is resampled, converted or reordered. A plane keeps the number format of its file (half stays
half), so that whatever is not edited can be written back bit for bit. Row 0 is the top; windows are
half-open; pixels live in the data window, which may be larger than the display window (overscan) and may
start below zero.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .checks import expect_shape
from .errors import PlateError

Plane: TypeAlias = NDArray[Any]
Float: TypeAlias = NDArray[np.float32]
Region: TypeAlias = tuple[slice, slice]
"""Rows and columns of the data window's array, from its top left."""
WHOLE: Region = (slice(None), slice(None))

HALF_MAX = (
    65504.0  # the largest finite half; one step more is infinity, which no compositor wants from an edit
)
_TRIPLES = (("R", "G", "B", "A"), ("r", "g", "b", "a"), ("red", "green", "blue", "alpha"))
_MAIN_ALIASES = ("main", "rgba", "rgb", "default", "(main)")
_MAIN_WORDS = (
    "combined",
    "rgba",
    "rgb",
    "beauty",
)  # the last word of the layer that renderers call the picture


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, half-open: ``x0 <= x < x1`` and ``y0 <= y < y1``; row 0 is the top."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def is_empty(self) -> bool:
        return self.width <= 0 or self.height <= 0


@dataclass(frozen=True)
class Attribute:
    """One header field: ``raw`` are its bytes in the file (EXR only), ``value`` what they mean, for reading.

    ``kind`` is the type as the file format spells it (EXR ``"timecode"``, stills ``"uint8[3144]"``). A field
    of a type nobody knows has its bytes as value and is still written back.
    """

    name: str
    kind: str
    value: object
    raw: bytes | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a file: named planes over one data window, and the header fields that travel with them.

    ``planes[channel]`` is (H, W), row 0 on top, of dtype float16, float32, uint32, uint16 or uint8,
    read-only. ``pixel_aspect`` is the width of a pixel divided by its height. ``compression`` is the codec
    the file had ("" for a new one). ``tile`` is (width, height) or (0, 0) for scanlines. ``header`` is
    verbatim and wins over the fields above where it holds the same thing, except for windows, channels and
    codec.
    """

    name: str
    channels: tuple[str, ...]
    planes: Mapping[str, Plane]
    data_window: Window
    display_window: Window
    pixel_aspect: float = 1.0
    compression: str = ""
    tile: tuple[int, int] = (0, 0)
    header: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        if set(self.channels) != set(self.planes) or len(set(self.channels)) != len(self.channels):
            raise ValueError(
                f"part {self.name!r}: channels {self.channels} are not the planes {tuple(self.planes)}"
            )
        for channel, plane in self.planes.items():
            expect_shape(plane, "H W", name=channel, H=self.data_window.height, W=self.data_window.width)

    def attribute(self, name: str) -> Attribute | None:
        """Return the header field called ``name``, or None."""
        return next((field for field in self.header if field.name == name), None)


@dataclass(frozen=True)
class Layer:
    """The address of one colour picture inside a frame; ``name`` is "" for the main picture."""

    part: int
    name: str
    rgb: tuple[str, str, str]
    alpha: str | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """All parts of one file. Scene-linear unless ``is_display_referred``; values may be negative, above 1 or
    NaN.

    ``file_format`` is "exr", "png", "tiff" or "jpeg"; ``path`` is where the frame came from, for messages.
    """

    parts: tuple[Part, ...]
    number: int = 0
    path: str = ""
    file_format: str = "exr"

    @property
    def is_display_referred(self) -> bool:
        return self.file_format != "exr"

    def layers(self) -> tuple[Layer, ...]:
        """Return every red-green-blue triple, in file order; Cryptomatte and id channels are not pictures."""
        found: list[Layer] = []
        for index, part in enumerate(self.parts):
            for prefix in dict.fromkeys(channel.rpartition(".")[0] for channel in part.channels):
                triple = _triple(part, prefix)
                if triple is not None and not _is_cryptomatte(part, prefix):
                    found.append(Layer(index, self._layer_name(index, prefix, found), *triple))
        return tuple(found)

    def layer(self, name: str | None = None) -> Layer:
        """Return the layer called ``name``; raise PlateError listing all names, each usable as it stands.

        "" and None mean the main picture, and so do main, (main), rgba, rgb and default in any case, unless a
        layer bears that name itself.
        """
        layers = self.layers()
        if not layers:
            raise PlateError(
                f"No red-green-blue triple among the channels {_listing(_all_channels(self.parts))}.",
                where=self.path,
                remedy="Grey and data-only pictures cannot be edited; give a plate with R, G and B.",
            )
        wanted = (name or "").strip()
        exact = [layer for layer in layers if layer.name == wanted]
        loose = [layer for layer in layers if layer.name.lower() == wanted.lower()]
        if exact or len(loose) == 1:
            return (exact or loose)[0]
        main = _main_layer(layers) if wanted.lower() in ("", *_MAIN_ALIASES) else None
        if main is None:
            raise self._unknown_layer(wanted, layers)
        return main

    def rgb(self, layer: Layer | str | None = None, region: Region = WHOLE) -> Float:
        """Return the colours of ``layer`` as (H, W, 3) float32 over the data window of its part, a new array.

        ``region`` takes a part of its rows and columns. Half and float are taken as they are, 8 and 16 bit integers
        are scaled to 0..1; the encoding is the file's.
        """
        address = self._resolved(layer)
        planes = [self.parts[address.part].planes[channel][region] for channel in address.rgb]
        out = np.empty((*planes[0].shape, 3), np.float32)
        for index, plane in enumerate(planes):
            out[..., index] = plane if plane.dtype.kind == "f" else _as_float(plane)
        return out

    def alpha(self, layer: Layer | str | None = None, region: Region = WHOLE) -> Float | None:
        """Return the alpha of ``layer`` as (H, W) float32 over the data window, or None where it has none; ``region``
        takes a part of its rows and columns."""
        address = self._resolved(layer)
        if address.alpha is None:
            return None
        return _as_float(self.parts[address.part].planes[address.alpha][region])

    def with_rgb(
        self, layer: Layer | str | None, rgb: Float, changed: NDArray[np.bool_], region: Region = WHOLE
    ) -> Frame:
        """Return a frame in which the ``changed`` pixels of ``layer`` are ``rgb``; all else is shared bit for
        bit.

        ``rgb`` (H, W, 3) float32 and ``changed`` (H, W) bool cover the data window of the layer's part, or the
        ``region`` of its rows and columns. Half planes are clamped to +-65504, integer planes to 0..1, because neither
        can hold more.
        """
        address = self._resolved(layer)
        part = self.parts[address.part]
        height, width = part.planes[address.rgb[0]][region].shape
        expect_shape(rgb, "H W 3", name="rgb", H=height, W=width)
        expect_shape(changed, "H W", name="changed", H=height, W=width)
        if changed.dtype != np.bool_:
            raise TypeError(f"changed must be bool, not {changed.dtype}")
        if not changed.any():
            return self
        planes = dict(part.planes)
        for index, channel in enumerate(address.rgb):
            plane = planes[channel].copy()
            plane[region][changed] = _as_native(rgb[..., index][changed], plane.dtype)
            plane.flags.writeable = False
            planes[channel] = plane
        return self._with_part(address.part, replace(part, planes=planes))

    def header_value(self, layer: Layer | str | None, name: str) -> object | None:
        """Return the header field ``name`` of the layer's part, else of the first part, else None.

        ``chromaticities`` is a tuple of eight floats, a string is str, a matrix a tuple row by row.
        """
        own = self.parts[self._resolved(layer).part if self.layers() else 0]
        field = own.attribute(name) or self.parts[0].attribute(name)
        return None if field is None else field.value

    def with_text(self, name: str, text: str) -> Frame:
        """Return a frame whose first part carries the header string ``name``, in place of one it had."""
        first = self.parts[0]
        kept = tuple(field for field in first.header if field.name != name)
        stamp = Attribute(name, "string", text, text.encode("utf-8"))
        return self._with_part(0, replace(first, header=(*kept, stamp)))

    def _with_part(self, index: int, part: Part) -> Frame:
        return replace(self, parts=(*self.parts[:index], part, *self.parts[index + 1 :]))

    def _resolved(self, layer: Layer | str | None) -> Layer:
        return layer if isinstance(layer, Layer) else self.layer(layer)

    def _layer_name(self, index: int, prefix: str, found: list[Layer]) -> str:
        """Name a triple by its prefix, by its part where it has none, and by both where that is taken."""
        taken = {layer.name for layer in found}
        part_name = self.parts[index].name or f"part{index}"
        if prefix not in taken:
            return prefix
        candidates = (part_name, f"{part_name}:{prefix}", f"{index}:{part_name}:{prefix}")
        return next(name for name in candidates if name not in taken)

    def _unknown_layer(self, wanted: str, layers: tuple[Layer, ...]) -> PlateError:
        taken = {layer.name.lower() for layer in layers}
        main_name = next((alias for alias in _MAIN_ALIASES if alias not in taken), "")
        names = [layer.name or main_name for layer in layers]
        close = difflib.get_close_matches(wanted.lower(), [name.lower() for name in names], n=1)
        meant = next((name for name in names if close and name.lower() == close[0]), "")
        what = f"There is no layer {wanted!r}" if wanted else "No layer is plainly the main picture"
        hint = f"Did you mean {meant!r}?" if meant else "Name one of them with --layer."
        return PlateError(f"{what}; the layers are {_listing(names)}.", where=self.path, remedy=hint)


def _triple(part: Part, prefix: str) -> tuple[tuple[str, str, str], str | None] | None:
    """Return the colour channels and the alpha under ``prefix``, or None where they are no picture."""
    stem = f"{prefix}." if prefix else ""
    for red, green, blue, alpha in _TRIPLES:
        rgb = (stem + red, stem + green, stem + blue)
        if all(channel in part.planes and part.planes[channel].dtype != np.uint32 for channel in rgb):
            return rgb, (stem + alpha if stem + alpha in part.planes else None)
    return None


def _is_cryptomatte(part: Part, prefix: str) -> bool:
    """Tell whether ``prefix`` is a rank of a Cryptomatte, by the header's names or the usual spelling."""
    declared = {
        str(f.value) for f in part.header if f.name.startswith("cryptomatte/") and f.name.endswith("/name")
    }
    return bool(prefix) and (
        prefix.rstrip("0123456789") in declared or _last_word(prefix).startswith("crypto")
    )


def _main_layer(layers: tuple[Layer, ...]) -> Layer | None:
    """Return the only layer, else the one without a prefix, else the first that is called the picture."""
    if len(layers) == 1:
        return layers[0]
    plain = next((layer for layer in layers if not layer.name), None)
    if plain is not None:
        return plain
    named = (layer for layer in layers if any(w in _MAIN_WORDS for w in layer.name.lower().split(".")))
    return next(named, None)


def _last_word(prefix: str) -> str:
    return prefix.rpartition(".")[2].lower()


def _all_channels(parts: tuple[Part, ...]) -> Iterator[str]:
    return (channel for part in parts for channel in part.channels)


def _listing(names: Iterator[str] | list[str], limit: int = 20) -> str:
    all_names = list(names)
    more = f" and {len(all_names) - limit} more" if len(all_names) > limit else ""
    return ", ".join(all_names[:limit]) + more


def _as_float(plane: Plane) -> Float:
    if plane.dtype.kind != "u":
        return plane.astype(np.float32)
    return plane.astype(np.float32) / np.float32(np.iinfo(plane.dtype).max)


def _as_native(values: Float, dtype: np.dtype[Any]) -> Plane:
    """Round ``values`` to the number format of a plane, clamped to what it can hold."""
    if dtype == np.float16:
        return np.clip(values, -HALF_MAX, HALF_MAX).astype(np.float16)
    if dtype == np.float32:
        return values.astype(np.float32)
    top = np.iinfo(dtype).max
    return np.rint(np.clip(np.nan_to_num(values), 0.0, 1.0).astype(np.float64) * top).astype(dtype)
