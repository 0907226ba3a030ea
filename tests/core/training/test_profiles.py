"""The sizes of the default model: every profile fits together, and a wrong name is refused."""

from __future__ import annotations

import pytest
import torch
from lineament.core.errors import RecipeError
from lineament.core.training.joint_model import JointModel
from lineament.core.training.profiles import PROFILES, SCALE, SHIFT, profile_named


@pytest.mark.parametrize(("name", "size"), [("cpu", 64), ("gpu128", 128), ("gpu256", 256)])
def test_when_a_profile_is_named_then_crop_encoder_and_synthesis_fit_together(name: str, size: int) -> None:
    profile = profile_named(name)
    assert profile.settings.resolution == profile.alignment.resolution == size
    assert (profile.alignment.scale, profile.alignment.shift) == (SCALE, SHIFT)
    with torch.device("meta"):
        model = JointModel(profile.settings)
        w = model.encode(torch.empty(2, 3, size, size))
    assert w.shape == (2, profile.settings.w_dim)
    assert model.generator.config.resolution == size


def test_when_a_profile_is_unknown_then_the_names_are_told() -> None:
    with pytest.raises(RecipeError, match=f"No training profile.*{', '.join(PROFILES)}"):
        profile_named("tpu")
