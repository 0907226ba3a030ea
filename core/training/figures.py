"""Held-out figures of the trunk: PSNR by region and sharpness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .faces_data import BROWS, EYES, FACE_CLASSES, GLASSES, LIPS, MOUTH, FacesData
from .joint_model import JointModel


def held_out_figures(model: JointModel, data: FacesData, limit: int | None = None) -> dict[str, float]:
    """PSNR in dB (pictures in [-1, 1], mean of per-picture values) and gradient energy ratio on held-out renders."""
    regions = {"face": FACE_CLASSES, "eye": (EYES, BROWS), "mouth": (LIPS, MOUTH), "glasses": (GLASSES,)}
    rows = np.arange(data.train_count, len(data.images))[:limit]
    scores: dict[str, list[float]] = {name: [] for name in (*regions, "whole")}
    energies = np.zeros(2)
    for chunk in np.array_split(rows, max(1, len(rows) // 32)):
        target = torch.from_numpy(data.images[chunk].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        with torch.inference_mode():
            output = model.decode(model.encode(target), model.settings.resolution)
        squared = (output - target).square().mean(1).numpy()
        for i, row in enumerate(chunk):
            masks = {name: np.isin(data.classes[row], ids) for name, ids in regions.items()}
            masks["whole"] = np.ones_like(masks["face"])
            for name, mask in masks.items():
                if mask.sum() >= 8:
                    scores[name].append(10 * math.log10(4.0 / max(float(squared[i][mask].mean()), 1e-12)))
            energies += [gradient_energy(x[i], masks["face"]) for x in (output, target)]
    figures = {name: float(np.mean(values)) for name, values in scores.items() if values}
    return figures | {"sharpness": float(energies[0] / energies[1])}


def gradient_energy(image: Tensor, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Sum over the mask of squared differences to the right and lower neighbour, of one (3, R, R) picture."""
    dx, dy = image[:, :, 1:] - image[:, :, :-1], image[:, 1:, :] - image[:, :-1, :]
    energy = dx[:, :-1].square().sum(0) + dy[:, :, :-1].square().sum(0)
    return float(energy.numpy()[mask[:-1, :-1]].sum())
