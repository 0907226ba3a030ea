"""Faces from MediaPipe's face mesh, for real photographs; an optional extra that brings its own models.

MediaPipe needs numpy below 2, so it lives in an environment of its own choosing; nothing here is imported
before a locator is made. The mesh has 478 points (Kartynnik et al. 2019); six of them, or means of two, are
our landmarks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import FaceError
from .base import Array, Face, Matrix

MESH_POINTS: dict[str, tuple[int, ...]] = {
    "eye_l": (362, 263),
    "eye_r": (33, 133),
    "nose": (1,),
    "mouth_l": (291,),
    "mouth_r": (61,),
    "chin": (152,),
}
"""Mesh indices by landmark, in LANDMARK_NAMES order; an eye is the middle of its corners, which does not
follow the gaze as the iris does."""


class MediaPipeLocator:
    """A locator around MediaPipe's face mesh; at most ``max_faces`` faces with a confidence of ``min_score``.

    Raises FaceError if MediaPipe is not installed.
    """

    def __init__(self, *, max_faces: int = 4, min_score: float = 0.5) -> None:
        try:
            from mediapipe.python.solutions.face_mesh import FaceMesh  # heavy, optional
        except ImportError as err:
            raise FaceError(
                f"MediaPipe cannot be imported: {err}.",
                remedy='Install it into an environment of its own: pip install "lineament[mediapipe]".',
            ) from err
        self._min_score = min_score
        self._mesh: Any = FaceMesh(
            static_image_mode=True,  # frames may be rendered in any order; tracking would depend on it
            max_num_faces=max_faces,
            refine_landmarks=True,
            min_detection_confidence=min_score,
        )

    def locate(self, picture: Array, number: int) -> tuple[Face, ...]:
        """Find faces in (H, W, 3) float32 [0, 1], encoded Rec.709; the largest first, possibly none."""
        finite = np.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
        result = self._mesh.process(np.ascontiguousarray(finite * 255.0 + 0.5, np.uint8))
        height, width = picture.shape[:2]
        found = [
            landmarks_from_mesh(face.landmark, width, height) for face in result.multi_face_landmarks or ()
        ]
        faces = [Face(landmarks, self._min_score, "mediapipe") for landmarks in found]
        return tuple(sorted(faces, key=lambda face: -float(np.ptp(face.landmarks, 0).max())))


def landmarks_from_mesh(points: Any, width: int, height: int) -> Matrix:
    """Our six landmarks (6, 2) in pixels from mesh points with ``x`` and ``y`` in 0..1 of the picture."""
    rows = [np.mean([(points[i].x, points[i].y) for i in indices], 0) for indices in MESH_POINTS.values()]
    return np.asarray(rows, np.float64) * (width, height)
