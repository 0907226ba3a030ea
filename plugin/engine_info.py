"""What an opened engine says of itself, so that a host can show it, and keep with a frame how it was made."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import torch
from lineament.core.generators.cards import card_sha256
from lineament.core.generators.package import ModelPackage
from lineament.core.pipeline import Tools


def describe_tools(tools: Tools) -> dict[str, Any]:
    """Plain data: the model, its attributes with their ``limits`` in standard deviations, device and versions.

    ``weights`` changes with any file of the model, its directions and networks included; ``generator_id`` only with
    the generator.
    """
    card = tools.package.card
    return {
        "generator_id": tools.library.generator_id,
        "attributes": list(tools.library.names),
        "limits": {each.name: [float(end) for end in each.limits] for each in tools.library.directions},
        "model": card.name,
        "resolution": card.resolution,
        "licence": card.licence,
        "weights": weights_hash(tools.package),
        "inverter": tools.inverter.key,
        "device": tools.device,
        "version": metadata.version("lineament"),
        "torch": str(torch.__version__),
    }


def weights_hash(package: ModelPackage) -> str:
    """SHA-256 over the model's identity and the checksums of all its files, as 64 hex digits."""
    return card_sha256(package.card)
