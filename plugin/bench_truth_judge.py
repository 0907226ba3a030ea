"""Who judges the benchmark: a grader that no method has seen, and an identity embedding."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from lineament.core.errors import GeneratorError
from lineament.core.faces.base import FaceCrop
from lineament.core.generators.package import ModelPackage
from lineament.core.inversion.matte import input_image
from lineament.core.tools import Tools, load_identity, load_scorer
from torch import nn

Doubles = npt.NDArray[np.float64]

GRADER, SCORER = "grader", "scorer"
JUDGED = (
    "age", "gender", "smile", "mouth_open", "brow_inner", "brow_down", "eyes_closed", "glasses", "sung", "sunglasses",
    "beard", "moust", "moustache", "stubble", "lipstick", "grey", "mel", "skin", "recede", "hair_length", "hair_dark",
    "hair_red", "yaw", "pitch", "light_az", "light_azimuth",
)  # fmt: skip
"""Labels whose leakage is reported, as far as the grader knows them and can read them."""
READABLE_R2 = 0.25
"""A label that the grader reads with less than this R2 on held-out faces would report noise as leakage."""


@dataclass(frozen=True)
class Identity:
    """An embedding of faces: ``net`` maps (B, 3, R, R) in [-1, 1], background grey, to (B, E); ``source`` names it."""

    net: nn.Module
    source: str


def identity_of(package: ModelPackage, grader: nn.Module) -> Identity:
    """The model's identity network, on the grader's device.

    A model without one is judged by the features before the grader's last layer, which know what the grader was taught
    and little else; ``source`` says so. Raises GeneratorError for a damaged file.
    """
    net = load_identity(package)
    if net is not None:
        return Identity(_Standardised(net.to(next(grader.parameters()).device)), "identity network")
    headless = copy.deepcopy(grader)
    headless.out = nn.Identity()
    return Identity(_Standardised(headless), "grader features (the model has no identity network)")


class _Standardised(nn.Module):
    """The scorer's ``standardised`` as a plain call, without units."""

    def __init__(self, scorer: nn.Module) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.scorer.standardised(image)  # type: ignore[no-any-return, operator]


@dataclass(frozen=True)
class Judge:
    """Scores in standard deviations of the training labels, for ``names``; and embeddings."""

    grader: nn.Module
    names: tuple[str, ...]
    columns: tuple[int, ...]
    scale: Doubles
    identity: Identity
    tools: Tools

    def scores(self, crops: Sequence[FaceCrop]) -> Doubles:
        """(N, A) scores of matted crops."""
        with torch.inference_mode():
            raw = self.grader(self._batch(crops)).double().cpu().numpy()
        return np.asarray(raw[:, list(self.columns)] / self.scale, dtype=np.float64)

    def embeddings(self, crops: Sequence[FaceCrop]) -> Doubles:
        """(N, E) identity embeddings of matted crops."""
        with torch.inference_mode():
            return np.asarray(self.identity.net(self._batch(crops)).double().cpu().numpy())

    def _batch(self, crops: Sequence[FaceCrop]) -> torch.Tensor:
        size, matte = self.tools.alignment.resolution, self.tools.package.card.matte
        images = np.stack([input_image(crop, size, matte=matte) for crop in crops])
        return torch.from_numpy(images).to(self.tools.device)


def open_judge(tools: Tools, targets: Sequence[str], network: str = GRADER) -> Judge:
    """The model's own grader (or its other scorer) and identity network; ``targets`` are labels that must be judged.

    Raises GeneratorError if the model has no such network, or one that does not know a target.
    """
    grader = load_scorer(tools.package, network)
    where = str(tools.package.folder)
    if grader is None:
        raise GeneratorError(
            f'The model "{tools.package.card.name}" has no {network}.',
            where=where,
            remedy="Choose another model.",
        )
    for target in targets:
        if target not in grader.names:
            raise GeneratorError(
                f'The {network} does not know the label "{target}".',
                where=where,
                remedy="Leave this attribute out.",
            )
    grader = grader.to(tools.device)
    names = tuple(
        name for name in grader.names if name in targets or (name in JUDGED and _readable(tools, name))
    )
    columns = tuple(grader.names.index(name) for name in names)
    scale = grader.scale.double().cpu().numpy()[list(columns)]
    return Judge(grader, names, columns, scale, identity_of(tools.package, grader), tools)


def _readable(tools: Tools, name: str) -> bool:
    """True unless the card's held-out figures say that the grader cannot read a label."""
    figures = tools.package.card.metrics.get(GRADER, {})
    r2 = figures.get("r2", {}).get(name)
    return r2 is None or float(r2) >= READABLE_R2
