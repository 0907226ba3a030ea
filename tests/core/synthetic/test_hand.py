"""The hand that passes before a truth shot's face."""

from __future__ import annotations

import numpy as np
from lineament.core.synthetic.hand import Hand
from lineament.core.synthetic.palette import skin_albedo
from lineament.core.synthetic.params import FaceParams

WIDTH, HEIGHT = 320, 180
FACE = FaceParams()


def test_when_a_hand_passes_then_it_is_before_the_middle_and_leaves_it_again() -> None:
    middle = (slice(60, 110), slice(140, 180))
    covered = [Hand(3).drawn(WIDTH, HEIGHT, frame, FACE)[1][middle].mean() for frame in range(0, 96, 4)]
    assert max(covered) > 0.5
    assert min(covered) == 0.0


def test_when_it_is_drawn_then_its_light_is_premultiplied_and_finite() -> None:
    light, coverage = Hand(3).drawn(WIDTH, HEIGHT, 10, FACE)
    assert light.shape == (HEIGHT, WIDTH, 3) and light.dtype == np.float32
    assert coverage.min() == 0.0 and coverage.max() == 1.0
    assert np.isfinite(light).all() and (light >= 0.0).all() and not light[coverage == 0.0].any()


def test_when_it_is_drawn_then_it_has_the_colour_of_the_face() -> None:
    light, coverage = Hand(3).drawn(WIDTH, HEIGHT, 10, FaceParams(skin=0.8))
    seen = light[coverage == 1.0].mean(axis=0)
    skin = np.asarray(skin_albedo(FaceParams(skin=0.8)), np.float32)
    assert np.allclose(seen / seen.sum(), skin / skin.sum(), atol=0.06)


def test_when_it_is_drawn_again_then_it_is_the_same_and_another_seed_is_another_hand() -> None:
    one, again, other = (Hand(seed).drawn(WIDTH, HEIGHT, 10, FACE)[1] for seed in (3, 3, 4))
    assert (one == again).all() and (one != other).any()
