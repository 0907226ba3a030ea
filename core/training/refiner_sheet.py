"""The picture by which the refiner is judged: faces never trained on, with the rendered and the drawn change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..preview import Tile, sheet
from ..refiner import RefinerNet
from .faces_data import LABEL_NAMES, FacesData
from .refiner_pairs import Trunk, pictures
from .sheets import to_pictures

SHOWN = ("age", "smile", "mouth_open", "glasses", "lipstick", "eyes_closed", "brow_down", "beard")


def write_refiner_sheet(
    path: Path, net: RefinerNet, trunk: Trunk, grading: FacesData, faces: int = 3, tile_px: int = 112
) -> None:
    """Write a PNG: a row an attribute; for each of ``faces`` faces the render, the rendered change, what the generator
    alone makes of it, and what the refiner does."""
    rows = []
    for name in SHOWN:
        pairs = grading.pairs.of(name)
        column, row = LABEL_NAMES.index(name), []
        for i in np.linspace(0, len(pairs.base) - 1, min(faces, len(pairs.base))).astype(int):
            base, member = (
                pictures(grading, index[i : i + 1]).to(trunk.device) for index in (pairs.base, pairs.member)
            )
            step = float(pairs.delta[i]) * trunk.steps[column][None]
            w = trunk.encode(base)
            before, after = trunk.decode(w), trunk.decode(w + step)
            with torch.inference_mode():
                alone = base + trunk.alone(before, after)
                refined = base + net(base, before, after, step)
            labels = ("render", f"truth {pairs.delta[i]:+.2g}", "generator alone", f"{name}, refined")
            shown = to_pictures(torch.cat([base, member, alone, refined]).cpu())
            row += [Tile(picture, label) for picture, label in zip(shown, labels, strict=True)]
        if row:
            rows.append(row)
    if rows:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet(rows, tile_height_px=tile_px, title="edits of faces never trained on").save(path)
