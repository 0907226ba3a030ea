"""MediaPipe as an extra: a clear message without it, and the mapping of its mesh."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from lineament.core.errors import FaceError
from lineament.core.faces.base import LANDMARK_NAMES
from lineament.core.faces.mediapipe import MESH_POINTS, MediaPipeLocator, landmarks_from_mesh


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is not None, reason="MediaPipe is installed")
def test_when_mediapipe_is_missing_then_the_error_says_how_to_get_it() -> None:
    with pytest.raises(FaceError, match=r"lineament\[mediapipe\]"):
        MediaPipeLocator()


def test_when_mesh_is_mapped_then_landmarks_come_in_our_order_and_in_pixels() -> None:
    mesh = [SimpleNamespace(x=i / 500, y=1 - i / 500) for i in range(478)]
    landmarks = landmarks_from_mesh(mesh, 1000, 500)
    assert tuple(MESH_POINTS) == LANDMARK_NAMES
    np.testing.assert_allclose(landmarks[2], (2.0, 499.0))
    np.testing.assert_allclose(landmarks[0], (625.0, 187.5))
