"""A renderer that needs no graphics: an ellipse whose parts follow the parameters, for the tests of shots."""

from __future__ import annotations

import numpy as np
from lineament.core.synthetic.camera import Pose, View, project
from lineament.core.synthetic.geometry import BACKGROUND, EYES, LIPS, SKIN, Rendered
from lineament.core.synthetic.params import FaceParams

SIX = np.array(
    [[0.31, 0, 0], [-0.31, 0, 0], [0, -0.45, 0.35], [0.24, -0.75, 0.1], [-0.24, -0.75, 0.1], [0, -1.1, 0.1]]
)


class FakeRenderer:
    """Counts its calls; darker skin with age, redder lips with lipstick, a wider mouth with a smile."""

    def __init__(self) -> None:
        self.calls: list[FaceParams] = []

    def render(
        self,
        params: FaceParams,
        view: View,
        *,
        samples: int = 2,
        background: np.ndarray | None = None,
    ) -> Rendered:
        """A flat face before the background."""
        self.calls.append(params)
        six = project(view, Pose.of(params, view).world(SIX))
        y, x = np.mgrid[: view.height, : view.width] + 0.5
        middle, reach = six[2], np.linalg.norm(six[0] - six[1])
        size = (view.height, view.width)
        colour = np.zeros((*size, 3), np.float32) if background is None else background.copy()
        classes = np.full(size, BACKGROUND, np.uint8)
        wide = 0.55 + 0.3 * params.smile
        for radius, place, number, tint in (
            ((1.1, 1.7), middle, SKIN, (0.5 * params.key_strength, 0.35, 0.3 - 0.002 * params.age)),
            ((0.25, 0.15 * (1 - params.eyes_closed) + 0.02), six[0], EYES, (0.8, 0.8, 0.8)),
            (
                (wide, 0.2 + 0.2 * params.mouth_open),
                six[3:5].mean(0),
                LIPS,
                (0.4 + params.lipstick, 0.1, 0.1),
            ),
        ):
            inside = np.hypot((x - place[0]) / radius[0], (y - place[1]) / radius[1]) < reach
            colour[inside], classes[inside] = np.float32(tint), number
        alpha = (classes > 0).astype(np.float32)
        return Rendered(colour, alpha, classes, np.zeros((70, 2), np.float32), six)


def plain_backdrop(params: FaceParams, width: int, height: int) -> np.ndarray:
    """A ramp from left to right, so that the camera's wandering shows."""
    ramp = np.linspace(0.1, 3.0, width, dtype=np.float32)
    return np.repeat(np.repeat(ramp[None, :, None], height, 0), 3, 2)
