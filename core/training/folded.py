"""What is stored of a trained trunk: normalisation and heads folded into the encoder's last layer, half precision."""

from __future__ import annotations

import torch
from torch import Tensor

from ..inversion.encoder_net import EncoderNet
from ..scorer import ScorerNet
from .faces_data import LABEL_NAMES
from .joint import JointTrainer
from .joint_model import JointModel


def folded_encoder(model: JointModel) -> EncoderNet:
    """The encoder with the latent's normalisation folded into its last layer."""
    net = EncoderNet.from_tensors(model.encoder.state_dict())
    with torch.no_grad():
        scale = (model.variance + 1e-6).rsqrt()
        net.out.weight.mul_(scale[:, None])
        net.out.bias.sub_(model.mean).mul_(scale)
    return net.eval()


def folded_scorer(trainer: JointTrainer) -> ScorerNet:
    """The tool's scorer for free: the encoder and the attribute heads on w, two linear layers folded into one.

    It has seen every training face, so it never judges an edit in a report; the grader does.
    """
    model, batches = trainer.average.cpu(), trainer.batches
    encoder, heads = folded_encoder(model), model.heads
    net = ScorerNet(LABEL_NAMES, model.settings.encoder_widths, model.settings.encoder_hidden)
    tensors = {name: tensor for name, tensor in encoder.state_dict().items() if not name.startswith("out.")}
    with torch.no_grad():
        tensors["out.weight"] = heads.weight @ encoder.out.weight * (encoder.out.gain / net.out.gain)
        tensors["out.bias"] = heads.weight @ encoder.out.bias + heads.bias
    tensors["offset"] = torch.from_numpy(batches.label_mean)
    tensors["scale"] = torch.from_numpy(batches.label_scale)
    net.load_state_dict(tensors)
    return net.eval()


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float16 copies for storage."""
    return {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}
