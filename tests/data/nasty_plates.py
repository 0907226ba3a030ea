"""Plates that break careless software: ``write_nasty_plates`` makes them, ``differences`` compares two.

Most are written byte by byte, so that headers and number formats that no library writes are among them.
Every plate has a main picture that can be edited.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from raw_exr import (
    differences,
    native_planes,
    number,
    raw_headers,
    text,
    write_exr,
    write_multi_part,
    write_with_library,
)

__all__ = [
    "differences",
    "native_planes",
    "raw_headers",
    "write_exr",
    "write_multi_part",
    "write_nasty_plates",
]


def write_nasty_plates(folder: Path) -> dict[str, Path]:
    """Write every nasty plate into ``folder`` and return name -> path."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    paths = {}
    for name, write in _PLATES.items():
        paths[name] = folder / f"{name}.exr"
        write(paths[name], rng)
    return paths


def noise(
    rng, names: str | list[str], kind: str = "f2", size: tuple[int, int] = (18, 24)
) -> dict[str, np.ndarray]:
    """Ordinary scene-linear values around 0.2 with highlights up to about 12."""
    return {name: (0.2 * np.exp(rng.normal(0.0, 1.2, size))).astype(f"<{kind}") for name in names}


def patterns(
    rng, names: str | list[str], kind: str, size: tuple[int, int] = (18, 24)
) -> dict[str, np.ndarray]:
    """Every bit pattern is as likely as any other: ids above 2**24, signalling NaNs, subnormals."""
    bits = f"<u{kind[1]}"
    top = 2 ** (8 * int(kind[1]))
    return {name: rng.integers(0, top, size, dtype=np.uint64).astype(bits).view(f"<{kind}") for name in names}


def _with_values(kind: str, values: list[float], bits: list[int] = ()):
    def write(path: Path, rng) -> None:
        planes = noise(rng, "RGBA", kind)
        for plane in planes.values():
            plane[2:8:2, 3 : 3 + len(values)] = np.array(values, plane.dtype)
            plane.view(f"<u{plane.dtype.itemsize}")[10, 2 : 2 + len(bits)] = bits
        write_exr(path, planes)

    return write


def _windows(origin, display, aspect=1.0, order=0):
    def write(path: Path, rng) -> None:
        write_exr(path, noise(rng, "RGBA"), (), origin, display, aspect, order)

    return write


def _codec(codec: str, kind: str = "f2", tile: int = 0):
    def write(path: Path, rng) -> None:
        pixels = np.stack(list(noise(rng, "RGB", kind, (40, 36)).values()), axis=-1)
        write_with_library(path, pixels, codec, tile)

    return write


def _cryptomatte(path: Path, rng) -> None:
    manifest = "{" + ",".join(f'"/set/prop_{i:04d}":"{i * 2654435761 % 2**32:08x}"' for i in range(300)) + "}"
    key = "cryptomatte/8c0e1a2/"
    fields = (text(key + "name", "CryptoObject"), text(key + "hash", "MurmurHash3_32"))
    fields += (text(key + "conversion", "uint32_to_float32"), text(key + "manifest", manifest))
    ranks = [f"CryptoObject{rank:02d}.{c}" for rank in range(3) for c in "RGBA"]
    write_exr(path, noise(rng, "RGBA") | patterns(rng, ranks, "f4") | noise(rng, ["Z"], "f4"), fields)


def _ids(path: Path, rng) -> None:
    write_exr(path, noise(rng, "RGBA") | patterns(rng, ["id", "instance.Id"], "u4") | noise(rng, ["Z"], "f4"))


def _multi_part(path: Path, rng) -> None:
    shared = (text("owner", "studio"), number("timeCode", "timecode", "II", 0x10203004, 0))
    parts = [
        ("rgba.left", noise(rng, "RGBA"), (*shared, text("view", "left")), False),
        ("diffuse.left", noise(rng, "RGB"), (*shared, text("view", "left")), True),
        (
            "ids",
            patterns(rng, ["id"], "u4") | noise(rng, ["Z"], "f4") | patterns(rng, ["mask"], "f2"),
            shared,
            False,
        ),
    ]
    write_multi_part(path, parts)


def _tiled_mixed(path: Path, rng) -> None:
    planes = noise(rng, "RGBA") | noise(rng, "Z", "f4") | patterns(rng, ["id"], "u4")
    write_multi_part(path, [("all", planes, (), True)])


def _tiled_parts(path: Path, rng) -> None:
    write_multi_part(
        path, [("beauty", noise(rng, "RGB"), (), True), ("depth", noise(rng, "Z", "f4"), (), True)]
    )


def _nuke(path: Path, rng) -> None:
    layers = [f"diffuse.{c}" for c in ("red", "green", "blue")] + [f"spec_light.{c}" for c in "RGB"]
    planes = (
        noise(rng, "RGBA")
        | noise(rng, layers)
        | noise(rng, ["depth.Z"], "f4")
        | noise(rng, ["forward.u", "forward.v"])
    )
    write_exr(
        path,
        planes,
        (text("nuke/version", "15.1v3"), text("nuke/node_hash", "a1b2c3"), text("input/filename", "/x/y")),
    )


def _blender(path: Path, rng) -> None:
    names = [f"ViewLayer.Combined.{c}" for c in "RGBA"] + [f"ViewLayer.DiffCol.{c}" for c in "RGB"]
    data = [f"ViewLayer.Normal.{c}" for c in "XYZ"] + ["ViewLayer.Depth.Z", "ViewLayer.IndexOB.X"]
    crypto = [f"ViewLayer.CryptoObject00.{c}" for c in "rgba"]
    write_exr(
        path,
        noise(rng, names) | noise(rng, data, "f4") | patterns(rng, crypto, "f4"),
        (text("Camera", "Cam"),),
    )


def _arnold(path: Path, rng) -> None:
    names = [f"{layer}.{c}" for layer in ("diffuse", "sss") for c in "RGB"]
    data = [f"P.{c}" for c in "XYZ"] + [f"crypto_asset00.{c}" for c in "RGBA"]
    write_exr(
        path,
        noise(rng, "RGBA") | noise(rng, names) | patterns(rng, data, "f4"),
        (text("arnold/version", "7.3"),),
    )


def _metadata(path: Path, rng) -> None:
    ap1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
    fields = (
        number("chromaticities", "chromaticities", "8f", *ap1),
        number("adoptedNeutral", "v2f", "2f", 0.32168, 0.33767),
        number("timeCode", "timecode", "II", 0x12345678, 0xDEADBEEF),
        number("keyCode", "keycode", "7i", 1, 2, 123456, 1234, 12, 4, 64),
        number("worldToCamera", "m44f", "16f", *np.arange(16) / 7),
        number("worldToNDC", "m44f", "16f", *np.arange(16) / 3),
        number("lensShift", "m33d", "9d", *np.arange(9) / 11),
        number("framesPerSecond", "rational", "iI", 24000, 1001),
        number("focus", "float", "f", float("nan")),
        number("sensor", "box2f", "4f", 0.0, 0.0, 36.0, 24.0),
        number("origin", "v3d", "3d", 1 / 3, 2 / 3, 1e300),
        number("grid", "v2i", "2i", -4, 2**31 - 1),
        ("views", "stringvector", struct.pack("<i4si0si2s", 4, b"left", 0, b"", 2, b"xy")),
        text("colorInteropID", "lin_ap1_scene"),
        text("capDate", "2026:01:02 03:04:05"),
        text("reelName", "A001C002"),
        text("owner", "studio"),
        text("comments", "graded\nby hand"),
        number("xDensity", "float", "f", 72.0),
    )
    write_exr(path, noise(rng, "RGBA"), fields)


def _odd_header(path: Path, rng) -> None:
    fields = (
        text("latin", b"M\xfcller"),
        text("empty", ""),
        text("DateTime", "2025"),
        text("capDate", "2026"),
        ("acmeBlob", "acmeType", b"\x00\x01\x02\xff"),
        ("curve", "floatvector", struct.pack("<3f", 1.0, 2.0, 3.0)),
        ("preview", "preview", struct.pack("<II", 1, 1) + b"\1\2\3\4"),
        number("dwaCompressionLevel", "float", "f", 30.0),
        number("x" * 200, "int", "i", -1),
        text("oiio:ColorSpace", "lin_ap0_scene"),
        text("Software", ""),
    )
    write_exr(path, noise(rng, "RGBA") | noise(rng, ["layer_" + "y" * 60 + ".Z"]), fields)


def _aces(path: Path, rng) -> None:
    ap0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    flag = number("acesImageContainerFlag", "int", "i", 1)
    write_exr(path, noise(rng, "RGB"), (flag, number("chromaticities", "chromaticities", "8f", *ap0)))


def _one_pixel(path: Path, rng) -> None:
    write_exr(path, noise(rng, "RGB", size=(1, 1)))


def _any_bits(kind: str):
    def write(path: Path, rng) -> None:
        write_exr(path, patterns(rng, "RGBA", kind))

    return write


_HALF_NANS = [0x7C01, 0x7E00, 0x7FFF, 0xFC01, 0xFE00, 0xFFFF]
_FLOAT_NANS = [0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFC00123]
_PLATES = {
    "half": _with_values("f2", [0.18, 1.0, 12.5]),
    "float": _with_values("f4", [0.18, 1e-30, 3.4e38, 1 / 3]),
    "nan_half": _with_values("f2", [np.nan], _HALF_NANS),
    "nan_float": _with_values("f4", [np.nan], _FLOAT_NANS),
    "infinity": _with_values("f2", [np.inf, -np.inf]),
    "negative_zero": _with_values("f2", [-0.0, 0.0, -0.0]),
    "extremes": _with_values("f2", [65504.0, -65504.0, 6e-8, -6e-8]),
    "negatives": _with_values("f4", [-0.01, -4.0, -1e30]),
    "any_half": _any_bits("f2"),
    "any_float": _any_bits("f4"),
    "overscan": _windows((-8, -5), (0, 0, 10, 9)),
    "inset": _windows((7, 3), (0, 0, 64, 36)),
    "display_elsewhere": _windows((100, -40), (90, -50, 130, -10)),
    "anamorphic": _windows((0, 0), None, aspect=2.0),
    "rows_upwards": _windows((-3, 2), (0, 0, 20, 20), order=1),
    "multi_part": _multi_part,
    "tiled_parts": _tiled_parts,
    "tiled_mixed": _tiled_mixed,
    "cryptomatte": _cryptomatte,
    "ids": _ids,
    "nuke": _nuke,
    "blender": _blender,
    "arnold": _arnold,
    "metadata": _metadata,
    "odd_header": _odd_header,
    "aces": _aces,
    "one_pixel": _one_pixel,
    "tiled": _codec("zip", tile=16),
    "lossy_dwaa": _codec("dwaa"),
    "lossy_b44": _codec("b44"),
    "lossy_pxr24": _codec("pxr24", "f4"),
    "pxr24_half": _codec("pxr24"),
    "piz": _codec("piz"),
    "rle": _codec("rle"),
    "zip": _codec("zip"),
    "zstd": _codec("zstd"),
    "htj2k": _codec("htj2k256"),
}
