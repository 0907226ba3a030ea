"""The table of architectures: which name on a card is rebuilt by which function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import GeneratorError
from .stylegan2 import StyleGAN2, StyleGAN2Config

MAX_PARAMETERS = 500_000_000  # a card may announce any width; the largest published network has 30 million


@dataclass(frozen=True)
class Architecture:
    """One family: ``build`` makes an untrained network from a card's ``kwargs``, ``describe`` goes back."""

    name: str
    build: Callable[[Mapping[str, Any]], StyleGAN2]
    describe: Callable[[StyleGAN2], dict[str, Any]]


def build_stylegan2(kwargs: Mapping[str, Any]) -> StyleGAN2:
    """Raise ValueError or TypeError if ``kwargs`` are not those of ``describe_stylegan2``."""
    given = dict(kwargs)
    channels = {int(resolution): int(width) for resolution, width in given.pop("channels").items()}
    clamp = given.pop("conv_clamp", None)
    lr = float(given.pop("mapping_lr", 0.01))
    numbers = {key: int(value) for key, value in given.items()}
    config = StyleGAN2Config(
        channels=channels, conv_clamp=None if clamp is None else float(clamp), mapping_lr=lr, **numbers
    )
    if (
        min(config.z_dim, config.w_dim, config.img_channels) < 1
        or config.c_dim < 0
        or config.resolution > 2048
    ):
        raise ValueError("a size is out of range")
    widest = max(channels.values())
    size = config.num_ws * (9 * widest + config.w_dim) * widest
    size += max(config.num_mapping_layers, 1) * (config.w_dim + config.z_dim + config.c_dim) * config.w_dim
    if size > MAX_PARAMETERS:
        raise ValueError(f"about {size} parameters")
    return StyleGAN2(config)


def describe_stylegan2(generator: StyleGAN2) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    config = generator.config
    return {
        "z_dim": config.z_dim,
        "c_dim": config.c_dim,
        "w_dim": config.w_dim,
        "resolution": config.resolution,
        "channels": {str(resolution): config.channels[resolution] for resolution in config.resolutions},
        "num_mapping_layers": config.num_mapping_layers,
        "conv_clamp": config.conv_clamp,
        "img_channels": config.img_channels,
        "mapping_lr": config.mapping_lr,
    }


ARCHITECTURES: dict[str, Architecture] = {
    "stylegan2": Architecture("stylegan2", build_stylegan2, describe_stylegan2),
}


def architecture_named(name: str, *, where: str = "") -> Architecture:
    """The entry ``name``; raises GeneratorError that lists the known ones."""
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise GeneratorError(f'The architecture "{name}" is unknown.', where=where, remedy=f"Known: {known}.")
    return ARCHITECTURES[name]
