"""Held-out figures of the trunk: PSNR by region, sharpness, and the gain of edits on counterfactual pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..synthetic.geometry import BROWS, EYES, GLASSES, LIPS, MOUTH
from .faces_data import FACE_CLASSES, FacesData
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
            device = model.mean.device
            output = model.decode(model.encode(target.to(device)), model.settings.resolution).float().cpu()
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


def pair_gains(
    model: JointModel, data: FacesData, steps: Mapping[str, Tensor], per_attribute: int = 200
) -> dict[str, float]:
    """Edit gain of each attribute on counterfactual pairs, in encoded pixels of the crop, 1 = perfect.

    ``steps`` holds (w_dim,) a unit of the label for each attribute. The drawn change of the base face is compared with
    the rendered one over the pixels that the truth changes by more than 0.05: 1 - rmse(change, truth) / rmse(0, truth).
    """
    gains: dict[str, float] = {}
    for name, step in steps.items():
        pairs = data.pairs.of(name)
        rows = slice(0, per_attribute)
        base, member = (
            torch.from_numpy(data.images[index[rows]].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
            for index in (pairs.base, pairs.member)
        )
        if not len(base):
            continue
        delta = torch.from_numpy(pairs.delta[rows])[:, None]
        with torch.inference_mode():
            device = model.mean.device
            w = model.encode(base.to(device))
            moved = model.decode(w + (delta * step).to(device), model.settings.resolution)
            drawn = (moved - model.decode(w, model.settings.resolution)).float().cpu()
        truth = member - base
        where = (truth.abs().amax(1, keepdim=True) > 0.05).float()
        wrong, whole = (((x * where).square().sum((1, 2, 3))).sqrt() for x in (drawn - truth, truth))
        gains[name] = float((1 - wrong / whole.clamp(min=1e-6)).mean())
    return gains
