"""Sizes of the default model by machine: what one CPU core, or one large GPU, can train in its time."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RecipeError
from ..faces.base import Alignment
from .joint_model import JointSettings

SCALE, SHIFT = 0.62, 0.32
"""A tight square: the eye distance is 0.38 of its width, so 64 px hold the detail of a 105 px FFHQ crop."""


@dataclass(frozen=True)
class Profile:
    """A network size with its crop; ``renders`` is the size and framing of the data set it wants."""

    settings: JointSettings
    renders: str

    @property
    def alignment(self) -> Alignment:
        """The crop, at the network's resolution."""
        return Alignment(resolution=self.settings.resolution, scale=SCALE, shift=SHIFT)


PROFILES = {
    "cpu": Profile(JointSettings(), "--size 128 --framing ffhq"),
    "gpu128": Profile(
        JointSettings(
            w_dim=256,
            channels=(256, 256, 192, 128, 64, 32),
            encoder_widths=(48, 80, 128, 192, 256),
            batch=64,
            ema=0.998,
        ),
        "--size 256 --framing ffhq",
    ),
    "gpu256": Profile(
        JointSettings(
            w_dim=256,
            channels=(256, 256, 192, 128, 64, 48, 24),
            encoder_widths=(32, 48, 80, 128, 192, 256),
            batch=48,
            ema=0.998,
        ),
        "--size 256 --framing tight",
    ),
}


def profile_named(name: str) -> Profile:
    """Raises RecipeError for a name that is not in PROFILES."""
    if name not in PROFILES:
        raise RecipeError(
            f'No training profile "{name}".', where="--profile", remedy=f"One of: {', '.join(PROFILES)}."
        )
    return PROFILES[name]
