"""What every generator looks like from outside, and the card that describes its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GeneratorCard:
    """The description of a model package, stored as ``card.json`` beside the weights.

    ``id`` is the first 16 hex digits of the SHA-256 over the generator's tensors (names, shapes, bytes) and its clamp,
    so it is the same for the same network whatever file it came from. ``architecture`` is "stylegan2"; ``kwargs``
    rebuilds the network. ``encoding`` names the picture encoding ("lineament-709": core/curve.py's curve on Rec.709,
    mapped to [-1, 1]; "srgb": clipped sRGB mapped to [-1, 1]). ``alignment`` holds the fields of core/faces/base.py
    Alignment; ``matte`` is True if the network has only seen faces on flat grey. ``files`` maps file name -> SHA-256.
    """

    id: str
    name: str
    architecture: str
    resolution: int
    num_ws: int
    w_dim: int
    z_dim: int
    c_dim: int
    kwargs: dict[str, Any]
    encoding: str = "srgb"
    alignment: dict[str, Any] = field(default_factory=dict)
    matte: bool = False
    licence: str = "unknown"
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    schema_version: int = 1


class Generator(Protocol):
    """A network from latents to pictures, deterministic for constant noise, differentiable in ``ws``."""

    @property
    def id(self) -> str: ...

    @property
    def resolution(self) -> int: ...

    @property
    def num_ws(self) -> int: ...

    @property
    def w_dim(self) -> int: ...

    def map(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        truncation: float = 1.0,
        cutoff: int | None = None,
    ) -> torch.Tensor:
        """(B, z_dim) -> (B, num_ws, w_dim)."""
        ...

    def synthesise(self, ws: torch.Tensor) -> torch.Tensor:
        """(B, num_ws, w_dim) -> (B, 3, R, R), the network's own range: nominally [-1, 1], never clamped."""
        ...

    def styles(self, ws: torch.Tensor) -> list[torch.Tensor]:
        """(B, num_ws, w_dim) -> one (B, C_l) per modulated layer, in synthesis order."""
        ...

    def synthesise_from_styles(self, styles: list[torch.Tensor]) -> torch.Tensor:
        """The list of ``styles`` -> (B, 3, R, R)."""
        ...
