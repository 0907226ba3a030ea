"""From a face to the latent that makes the generator draw it."""

from __future__ import annotations

from typing import Protocol

from ..faces.base import FaceCrop
from ..latent import Latent


class Inverter(Protocol):
    """Finds the latent of a crop for the generator it was built with."""

    @property
    def key(self) -> str:
        """Method and settings as one stable string; part of the latent cache's key."""
        ...

    def invert(self, crop: FaceCrop) -> Latent: ...
