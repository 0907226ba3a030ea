"""What the tensors of a StyleGAN2 must look like, and the check of foreign tensors against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import GeneratorError
from ..generators.stylegan2 import StyleGAN2Config
from .opcodes import quote, refuse

MAX_RESOLUTION = 2048
MAX_WIDTH = 8192  # of latents, classes and channels; the published networks have 512, and 1000 classes
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
TAPS = (1.0, 3.0, 3.0, 1.0)


@dataclass(frozen=True)
class Checkpoint:
    """A foreign generator in our own terms.

    ``state`` has the names of the NVIDIA releases, without derived filters; ``conv_clamp`` and ``mapping_lr``
    are what the tensors cannot tell; ``notes`` goes into the card's provenance. Tensors may still be views of
    the file.
    """

    state: dict[str, Tensor]
    conv_clamp: float | None = None
    mapping_lr: float = 0.01
    notes: dict[str, Any] = field(default_factory=dict)


def not_yet(family: str, where: str) -> GeneratorError:
    """The error for a family that is known but cannot be imported."""
    return GeneratorError(
        f"This is a {family} checkpoint, which cannot be imported yet.",
        where=where,
        remedy="Import a StyleGAN2 or StyleGAN2-ADA checkpoint (NVIDIA .pkl or rosinality .pt).",
    )


def config_from_tensors(checkpoint: Checkpoint, where: str) -> StyleGAN2Config:
    """Read every width from the tensors; raise GeneratorError if they are not one complete StyleGAN2."""
    state = checkpoint.state
    try:
        channels, resolution = {}, 4
        while f"synthesis.b{resolution}.conv1.weight" in state and resolution <= MAX_RESOLUTION:
            channels[resolution] = int(state[f"synthesis.b{resolution}.conv1.weight"].shape[0])
            resolution *= 2
        layers = 0
        while f"mapping.fc{layers}.weight" in state:
            layers += 1
        w_dim = int(state[f"mapping.fc{layers - 1}.weight"].shape[0])
        embed = state.get("mapping.embed.weight")
        config = StyleGAN2Config(
            z_dim=int(state["mapping.fc0.weight"].shape[1]) - (0 if embed is None else w_dim),
            c_dim=0 if embed is None else int(embed.shape[1]),
            w_dim=w_dim,
            resolution=resolution // 2,
            channels=channels,
            num_mapping_layers=layers,
            conv_clamp=checkpoint.conv_clamp,
            img_channels=int(state["synthesis.b4.torgb.weight"].shape[0]),
            mapping_lr=checkpoint.mapping_lr,
        )
    except (KeyError, IndexError, ValueError) as err:
        raise refuse(
            f"The checkpoint holds no complete StyleGAN2 generator: {quote(str(err))}.", where
        ) from err
    if config.img_channels != 3 or config.z_dim < 1:
        what = f"The generator has {config.img_channels} picture channels and {config.z_dim} latent numbers."
        raise GeneratorError(what, where=where, remedy="Only unmodified RGB generators can be imported.")
    for name, width in (
        ("z_dim", config.z_dim),
        ("w_dim", config.w_dim),
        ("c_dim", config.c_dim),
        *((f"channels at {r} px", width) for r, width in config.channels.items()),
    ):
        if width > MAX_WIDTH or (width < 1 and name != "c_dim"):
            raise refuse(f"The generator has {name} {width}; 1 to {MAX_WIDTH} are expected.", where)
    return config


def expected_shapes(config: StyleGAN2Config) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the network that ``config`` describes."""
    w_dim, width = config.w_dim, config.z_dim
    shapes: dict[str, tuple[int, ...]] = {"mapping.w_avg": (w_dim,)}
    if config.c_dim:
        shapes |= {"mapping.embed.weight": (w_dim, config.c_dim), "mapping.embed.bias": (w_dim,)}
        width += w_dim
    for i in range(config.num_mapping_layers):
        shapes |= {f"mapping.fc{i}.weight": (w_dim, w_dim if i else width), f"mapping.fc{i}.bias": (w_dim,)}
    for r in config.resolutions:
        block, outputs = f"synthesis.b{r}", config.channels[r]
        layers = [("conv1", outputs, outputs, 3), ("torgb", outputs, config.img_channels, 1)]
        if r == 4:
            shapes[f"{block}.const"] = (outputs, 4, 4)
        else:
            layers.insert(0, ("conv0", config.channels[r // 2], outputs, 3))
        for layer, fan_in, fan_out, kernel in layers:
            shapes |= {
                f"{block}.{layer}.weight": (fan_out, fan_in, kernel, kernel),
                f"{block}.{layer}.bias": (fan_out,),
                f"{block}.{layer}.affine.weight": (fan_in, w_dim),
                f"{block}.{layer}.affine.bias": (fan_in,),
            }
            if layer != "torgb":
                shapes |= {f"{block}.{layer}.noise_const": (r, r), f"{block}.{layer}.noise_strength": ()}
    return shapes


def check_tensors(state: Mapping[str, Tensor], config: StyleGAN2Config, *, budget: int, where: str) -> None:
    """Raise GeneratorError unless ``state`` is exactly what ``config`` needs, real, finite and no larger than
    the file of ``budget`` bytes it came from (a view can announce any size without owning it).
    """
    expected = expected_shapes(config)
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        parts = [f"lacks {missing[0]} ({len(missing)} in all)"] if missing else []
        parts += [f"has the unknown tensor {quote(extra[0])} ({len(extra)} in all)"] if extra else []
        raise refuse(f"The generator {' and '.join(parts)}.", where)
    total = 0
    for name, shape in expected.items():
        tensor = state[name]
        if tuple(tensor.shape) != shape or tensor.dtype not in FLOATS or tensor.layout != torch.strided:
            found = f"{tuple(tensor.shape)} {tensor.dtype}"
            raise refuse(f"The tensor {name} is {found}; {shape} floats are expected.", where)
        total += tensor.numel() * tensor.element_size()
    if total > budget:
        raise refuse(f"The tensors announce {total} bytes; the file has only {budget}.", where)
    for name in expected:
        if not bool(torch.isfinite(state[name]).all()):
            raise refuse(f"The tensor {name} holds NaN or infinity.", where)


def check_filter(name: str, kernel: Tensor, where: str) -> None:
    """Raise GeneratorError unless a stored filter is the standard [1, 3, 3, 1], whatever its gain."""
    taps = torch.tensor(TAPS, dtype=torch.float64) / sum(TAPS)
    standard = taps[:, None] * taps[None, :]
    same = tuple(kernel.shape) == (4, 4) and kernel.is_floating_point()
    if same:
        stored = kernel.to(torch.float64)
        same = bool(torch.allclose(stored / stored.sum(), standard, atol=1e-5))
    if not same:
        what = f"The filter {quote(name)} is not the standard [1, 3, 3, 1]."
        raise GeneratorError(what, where=where, remedy="Networks with other filters cannot be imported.")
