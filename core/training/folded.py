"""What is stored of a trained trunk: normalisation and heads folded into the encoder's last layer, half precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..inversion.encoder_net import EncoderNet
from ..scorer import ScorerNet
from .batches import degrade
from .faces_data import LABEL_NAMES, MIRRORED, FacesData
from .joint import JointTrainer
from .joint_model import JointModel
from .scorer import jitter

RIDGE = 1e-3
"""Weight of the penalty on the scorer's last layer, as a share of the features' mean energy."""
CHUNK = 64

Doubles = npt.NDArray[np.float64]


def folded_encoder(model: JointModel) -> EncoderNet:
    """The encoder with the latent's normalisation folded into its last layer."""
    net = EncoderNet.from_tensors(model.encoder.state_dict())
    with torch.no_grad():
        scale = (model.variance + 1e-6).rsqrt()
        net.out.weight.mul_(scale[:, None])
        net.out.bias.sub_(model.mean).mul_(scale)
    return net.eval()


def folded_scorer(trainer: JointTrainer) -> ScorerNet:
    """The tool's scorer: the averaged encoder up to its last layer, which is fitted anew to the labels.

    Ridge regression on all training faces, plain, mirrored and degraded: the heads of the training read only what the
    latent keeps, and they follow weights that still move. It has seen every training face, so it never judges an edit
    in a report; the grader does.
    """
    model, data = trainer.average.cpu(), trainer.data
    mirror = torch.tensor([-1.0 if name in MIRRORED else 1.0 for name in LABEL_NAMES])
    net = ScorerNet(LABEL_NAMES, model.settings.encoder_widths, model.settings.encoder_hidden, mirror)
    trunk = {
        name: tensor for name, tensor in model.encoder.state_dict().items() if not name.startswith("out.")
    }
    net.load_state_dict(net.state_dict() | trunk)
    net.eval()
    labels = data.labels[: data.train_count].astype(np.float64)
    weight, bias, offset, scale = ridge(
        np.concatenate([_features(net, data, kind) for kind in ("plain", "mirrored", "degraded")]),
        np.concatenate([labels, labels * mirror.numpy(), labels]),
    )
    with torch.no_grad():
        net.out.weight.copy_(torch.from_numpy(weight / net.out.gain))
        net.out.bias.copy_(torch.from_numpy(bias))
        net.offset.copy_(torch.from_numpy(offset))
        net.scale.copy_(torch.from_numpy(scale))
    return net


def ridge(features: Doubles, labels: Doubles) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """(N, H) and (N, A) -> weight (A, H) and bias (A,) of the standardised labels, their offset and scale (A,)."""
    offset, scale = labels.mean(0), np.maximum(labels.std(0), 1e-3)
    middle = features.mean(0)
    centred = features - middle
    energy = centred.T @ centred / len(centred)
    penalty = RIDGE * np.trace(energy) / len(energy) * np.eye(len(energy))
    weight = np.linalg.solve(energy + penalty, centred.T @ ((labels - offset) / scale) / len(centred)).T
    return weight, -weight @ middle, offset, scale


def _features(net: ScorerNet, data: FacesData, kind: str) -> Doubles:
    """What the last layer reads of every training face: as it is, flipped left to right, or degraded."""
    rng = np.random.default_rng(5)
    found = []
    rows = np.arange(data.train_count)
    for chunk in np.array_split(rows, max(1, len(rows) // CHUNK)):
        images = torch.from_numpy(data.images[chunk].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        with torch.inference_mode():
            if kind == "mirrored":
                images = images.flip(3)
            elif kind == "degraded":
                images = degrade(jitter(images, rng), rng)
            found.append(net.last_features(images.contiguous(memory_format=torch.channels_last)))
    return torch.cat(found).double().numpy()


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float16 copies for storage."""
    return {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}
