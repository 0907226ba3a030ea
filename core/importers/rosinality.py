"""rosinality's StyleGAN2 and its relatives (e4e, pSp): state dictionaries in torch containers, renamed.

All tensors are those of the NVIDIA releases under other names and with extra axes of size one; filters carry
a gain and are derived anew. The truncation centre lies beside the generator as ``latent_avg``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import GeneratorError
from .container import check_sizes, load_container
from .layout import FLOATS, Checkpoint, check_filter
from .opcodes import quote, refuse

NOISE_SEED = 0
_LAYER = re.compile(r"(conv1|to_rgb1|convs\.\d{1,2}|to_rgbs\.\d{1,2})\.(.+)")
_FIELDS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def read_rosinality(data: bytes, where: str) -> Checkpoint:
    """The averaged generator of a container's bytes. Raises GeneratorError for anything else."""
    root = load_container(data, where)
    if not isinstance(root, dict):
        raise refuse(f"The container holds a {type(root).__name__}, not a checkpoint.", where)
    state, form = _generator_state(root, where)
    average = root.get("latent_avg")
    check_sizes([*state.values(), *([average] if isinstance(average, Tensor) else [])], len(data), where)
    notes: dict[str, Any] = {"format": form}
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(("blur.kernel", "upsample.kernel")):
            check_filter(name, tensor, where)
        else:
            tensors[_our_name(name, where)] = _our_shape(name, tensor, where)
    if average is not None:
        tensors["mapping.w_avg"] = _average(average, where)
    _complete_noise(tensors, notes)
    return Checkpoint(tensors, None, 0.01, notes)


def _generator_state(root: Mapping[Any, Any], where: str) -> tuple[dict[str, Tensor], str]:
    if isinstance(root.get("g_ema"), dict):
        found, form = root["g_ema"], "rosinality checkpoint"
    elif isinstance(root.get("state_dict"), dict):
        found, form = root["state_dict"], "e4e or pSp checkpoint"
        found = {key[8:]: value for key, value in found.items() if str(key).startswith("decoder.")}
    else:
        found, form = dict(root), "rosinality state dictionary"
        found.pop("latent_avg", None)
    state = {str(key): value for key, value in found.items()}
    if state and all(key.startswith("module.") for key in state):
        state = {key[7:]: value for key, value in state.items()}
    if "input.input" not in state or "style.1.weight" not in state:
        keys = ", ".join(quote(key) for key in list(root)[:8])
        raise refuse(
            f"The container holds no StyleGAN2 generator under g_ema or state_dict (found: {keys}).", where
        )
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise refuse(f"The entry {quote(name)} is no plain tensor.", where)
    return state, form


def _our_name(name: str, where: str) -> str:
    if name == "input.input":
        return "synthesis.b4.const"
    if match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}"
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"synthesis.{_convolution(int(match[1]) - 1)}.noise_const"
    if (match := _LAYER.fullmatch(name)) and match[2] in _FIELDS:
        kind, _, index = match[1].partition(".")
        layer = {"conv1": "b4.conv1", "to_rgb1": "b4.torgb"}.get(kind)
        if layer is None:
            layer = _convolution(int(index)) if kind == "convs" else f"b{8 << int(index)}.torgb"
        return f"synthesis.{layer}.{_FIELDS[match[2]]}"
    raise refuse(f"The generator has the unknown tensor {quote(name)}.", where)


def _convolution(index: int) -> str:
    """``convs.{index}`` in our names; -1 is the single convolution at 4 px."""
    return "b4.conv1" if index < 0 else f"b{8 << index // 2}.conv{index % 2}"


def _our_shape(name: str, tensor: Tensor, where: str) -> Tensor:
    """Drop the axes of size one that rosinality keeps."""
    axes = tensor.shape
    if name == "input.input" or (name.endswith("conv.weight") and tensor.ndim == 5):
        index: tuple[Any, ...] = (0,)
    elif name.startswith("noises."):
        index = (0, 0)
    elif name.endswith("noise.weight"):
        index = (0,)
    elif name.startswith("to_rgb") and name.endswith("bias") and tensor.ndim == 4:
        index = (0, slice(None), 0, 0)
    else:
        return tensor
    dropped = [size for size, part in zip(axes, index, strict=False) if isinstance(part, int)]
    if len(axes) < len(index) or any(size != 1 for size in dropped):
        raise refuse(f"The tensor {quote(name)} has the shape {tuple(axes)}.", where)
    return tensor[index]


def _average(value: object, where: str) -> Tensor:
    """``latent_avg`` as one vector. e4e repeats it for every layer; rows that differ have no place in a
    package.
    """
    if not isinstance(value, Tensor) or value.ndim not in (1, 2) or value.dtype not in FLOATS:
        raise refuse(f"latent_avg is a {type(value).__name__} of unknown form.", where)
    if value.ndim == 1:
        return value
    if value.shape[0] == 0 or not torch.allclose(value, value[:1], rtol=0.0, atol=1e-6):
        raise GeneratorError(
            f"latent_avg has {value.shape[0]} rows that differ; one average for all layers is expected.",
            where=where,
            remedy="Import the generator's own checkpoint, or one without latent_avg (it is then estimated).",
        )
    return value[0]


def _complete_noise(tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
    """Old releases drew their noise anew each time; constant noise makes pictures repeatable."""
    random = torch.Generator().manual_seed(NOISE_SEED)
    for name in [name for name in tensors if name.endswith(".noise_strength")]:
        buffer = name.replace("noise_strength", "noise_const")
        if buffer not in tensors:
            size = int(name.split(".")[1][1:])
            if size <= 2048:
                tensors[buffer] = torch.randn(size, size, generator=random)
                notes["noise"] = f"not in the checkpoint; drawn with seed {NOISE_SEED}"
