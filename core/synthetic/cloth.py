"""A garment over neck and shoulders that hides where the head was cut from its body.

One Mesh, material "cloth", class CLOTH: a sheet laid over the skin by rays from inside the chest, going on below the
cut as far as any picture shows, and its trim: the band of a crew neck or V-neck, or the collar of a shirt.

``masks`` columns CLOTH_MASKS:

red, green, blue  colour of the cloth, scene-linear 0..1
trim              1 on the band or collar (slightly darker, ribbed or stiffer), 0 on the sheet
hidden            0 open, 1 hidden (below a collar, in creases): darken ambient light by it
woven             1 woven shirt, 0 jersey

``uv`` is (around the neck 0..1 from the subject's left over the front, decimetres below the neckline);
``rest`` rest-space positions (decimetres), for fabric noise.
"""

from __future__ import annotations

import numpy as np

from .cloth_pattern import GARMENTS, Sheet, collar_pattern, sheet_pattern
from .geometry import Floats, Mesh
from .head import MorphedHead
from .params import FaceParams

CLOTH_MASKS = ("red", "green", "blue", "trim", "hidden", "woven")
"""Columns of the masks of material "cloth", in order."""


def garment_of(params: FaceParams) -> str:
    """Which of GARMENTS ``params`` wear."""
    mixed = 3.0 * params.look[26] + 5.0 * params.look[27] + 7.0 * params.look[28]
    return GARMENTS[int(mixed) % len(GARMENTS)]


def cloth_colour(params: FaceParams) -> tuple[float, float, float]:
    """Scene-linear colour of the cloth: mostly muted, dark ones common."""
    mixed = np.array(params.look[26:29])
    grey = mixed.mean()
    muted = grey + (mixed - grey) * 0.75
    red, green, blue = 0.015 + 0.6 * np.clip(muted, 0, 1) ** 2.2
    return float(red), float(green), float(blue)


def _worn(sheet: Sheet, skin: Mesh, *, closed: bool) -> tuple[Floats, Floats]:
    """Positions and normals (V, 3) of a sheet on a head."""
    share = sheet.weights[:, :, None]
    ground = (skin.positions[sheet.corners] * share).sum(axis=1)
    out = (skin.normals[sheet.corners] * share).sum(axis=1)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    grid = (ground + sheet.added + out * sheet.lift[:, None]).reshape(sheet.rows, -1, 3)
    if closed:
        for _ in range(3):  # cloth bridges the hollows of collar bones; the neckline stays where it is
            round_about = (np.roll(grid, 1, axis=1) + np.roll(grid, -1, axis=1)) / 2
            grid[6:-1] = 0.5 * grid[6:-1] + 0.25 * round_about[6:-1] + 0.125 * (grid[5:-2] + grid[7:])
        along = np.roll(grid, -1, axis=1) - np.roll(grid, 1, axis=1)
    else:
        along = np.gradient(grid, axis=1)
    normal = np.cross(np.gradient(grid, axis=0), along).reshape(-1, 3)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return grid.reshape(-1, 3).astype(np.float32), normal.astype(np.float32)


def cloth_meshes(head: MorphedHead, params: FaceParams) -> list[Mesh]:
    """The garment that ``params`` wear on this head: one Mesh "cloth".

    The first head of an asset costs half a second: rays lay the patterns; later ones reuse them.
    """
    kind = garment_of(params)
    skin = head.surface
    key = skin.rest.tobytes(), skin.faces.tobytes()
    layers = [(sheet_pattern(kind, *key), True)]
    if kind == "shirt":
        layers.append((collar_pattern(*key), False))
    worn = [_worn(sheet, skin, closed=closed) for sheet, closed in layers]
    sheets = [sheet for sheet, _ in layers]
    colour = np.array([*cloth_colour(params)], np.float32)
    columns = [
        np.column_stack(
            [
                np.tile(colour, (len(s.trim), 1)),
                s.trim,
                s.hidden,
                np.full(len(s.trim), float(kind == "shirt")),
            ]
        ).astype(np.float32)
        for s in sheets
    ]
    starts = np.cumsum([0, *(len(s.rest) for s in sheets)])
    return [
        Mesh(
            "cloth",
            np.concatenate([p for p, _ in worn]),
            np.concatenate([n for _, n in worn]),
            np.concatenate([s.rest for s in sheets]),
            np.concatenate([s.uv for s in sheets]),
            np.concatenate(columns),
            np.concatenate([s.faces + start for s, start in zip(sheets, starts[:-1], strict=True)]).astype(
                np.int32
            ),
        )
    ]
