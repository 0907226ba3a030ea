"""Finds faces with the embedded networks: scan an image pyramid, then look three times more closely.

The scan (``ScanNet``) proposes faces on reduced pictures; each proposal is framed and handed to
``LandmarkNet``, whose answer frames it better for the next look. The last look also sees the mirrored window
and averages the two. Works on one CPU thread; a picture without a face gives an empty tuple, whatever it
contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import GeneratorError
from .align import side_px, square_from_landmarks, transform_points
from .base import LANDMARK_NAMES, Alignment, Array, Face, Matrix
from .crop import crop_plate
from .nets import SCAN_STRIDE, WINDOW, LandmarkNet, MatteNet, ScanNet, channels_last

SCAN_LONG_SIDE = 640
"""The finest scanned level; more would find smaller faces and cost the square of it."""
LEVEL_RATIO = 1.6
"""Step between scanned levels; ScanNet answers over a factor of 2.8, so every face is seen twice."""
MIN_LEVEL_SIDE = 24
SCAN_THRESHOLD = 0.25
MAX_CANDIDATES = 16
APART = 0.45
"""Distance of two faces in sides of the larger one: cheek to cheek is 0.6, an ear taken for a face 0.4."""
MAX_CELLS = 64
"""Cells taken from one level, best first; bounds the time on pictures that deceive the scan everywhere."""
LOOKS = 3
LOOK = Alignment(WINDOW, scale=0.95, shift=0.22)
"""The framing LandmarkNet was trained around."""
FRAME = Alignment(WINDOW, scale=1.0, shift=0.1)
"""The framing that measures sizes."""
MIRRORED = [LANDMARK_NAMES.index(name) for name in ("eye_r", "eye_l", "nose", "mouth_r", "mouth_l", "chin")]


def load_network(net: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> nn.Module:
    """Fill ``net`` from tensors named ``prefix.*`` (any float type); GeneratorError if they do not fit."""
    state = {
        key[len(prefix) + 1 :]: value.float()
        for key, value in tensors.items()
        if key.startswith(prefix + ".")
    }
    for name, buffer in net.named_buffers():
        if name.endswith("num_batches_tracked"):
            state[name] = buffer
    try:
        net.load_state_dict(state)
    except RuntimeError as err:
        raise GeneratorError(
            f"The face weights do not fit the network {prefix!r}: {err}.",
            remedy="Install the weight files that belong to this version.",
        ) from err
    return channels_last(net.eval())


@dataclass(frozen=True)
class _Candidate:
    landmarks: Matrix
    score: float


class NetworkLocator:
    """The embedded face locator; ``tensors`` are the contents of locator.safetensors.

    Faces with eyes closer than ``min_interocular_px`` pixels of the picture given to ``locate`` (in the path of
    a frame a reduced view, so that they lie further apart on a large plate) or a score below ``min_score`` are left
    out. Raises GeneratorError if the tensors do not fit.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], *, min_interocular_px: float = 8.0, min_score: float = 0.9
    ) -> None:
        self._scan = load_network(ScanNet(), tensors, "scan")
        self._landmark = load_network(LandmarkNet(), tensors, "landmark")
        self.min_interocular_px = min_interocular_px
        self.min_score = min_score

    def locate(self, picture: Array, number: int = 0) -> tuple[Face, ...]:
        """Find faces in (H, W, 3) float32 [0, 1], encoded Rec.709; the largest first, possibly none.

        Non-finite values count as black. ``number`` is not used: every frame is judged by itself.
        """
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"picture has shape {picture.shape}; expected (H, W, 3)")
        if min(picture.shape[:2]) < 2:
            return ()
        halves = _halves(_clean(picture))
        with torch.inference_mode():
            found = _suppress(self._propose(halves))[:MAX_CANDIDATES]
            for look in range(LOOKS):
                found = self._look(halves, found, mirrored=look == LOOKS - 1)
                found = _suppress([one for one in found if one.score >= 0.1])
        faces = [Face(one.landmarks, one.score, "network") for one in found if self._keep(one, picture)]
        return tuple(sorted(faces, key=lambda face: -_side(face.landmarks)))

    def windows(self, picture: Array) -> tuple[Array, Tensor]:
        """What is looked at last in a picture as of ``locate``: windows (N, 64, 64, 3) in [0, 1] and their scores (N,).

        For training: what deceives the networks is what they have to learn.
        """
        halves = _halves(_clean(picture))
        with torch.inference_mode():
            found = _suppress(self._propose(halves))[:MAX_CANDIDATES]
            for _ in range(LOOKS - 1):
                found = _suppress(self._look(halves, found, mirrored=False))
            squares = [square for one in found if (square := _square(one.landmarks)) is not None]
            if not squares:
                return np.zeros((0, WINDOW, WINDOW, 3), np.float32), torch.zeros(0)
            seen = np.stack([_window(halves, square) for square in squares])
            return seen, torch.sigmoid(self._points(_tensor(seen))[1])

    def _keep(self, one: _Candidate, picture: Array) -> bool:
        """Large enough, certain enough, and centred in the picture."""
        height, width = picture.shape[:2]
        x, y = one.landmarks.mean(0)
        interocular = float(np.linalg.norm(one.landmarks[0] - one.landmarks[1]))
        inside = 0 <= x <= width and 0 <= y <= height
        return inside and one.score >= self.min_score and interocular >= self.min_interocular_px

    def _propose(self, halves: list[Array]) -> list[_Candidate]:
        """Scan every level of the pyramid; candidates in pixels of the picture."""
        height, width = halves[0].shape[:2]
        scale = min(1.0, SCAN_LONG_SIDE / max(height, width))
        found: list[_Candidate] = []
        while True:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            found += self._scan_level(_resized(halves, size), width / size[0], height / size[1])
            scale /= LEVEL_RATIO
            if max(height, width) * scale < MIN_LEVEL_SIDE:
                return sorted(found, key=lambda one: -one.score)

    def _scan_level(self, level: Array, x_scale: float, y_scale: float) -> list[_Candidate]:
        """Candidates of one level; a margin lets faces at the border be centred in a cell."""
        margin = SCAN_STRIDE
        rows, columns = level.shape[:2]
        bottom = margin + max(0, 48 - rows) + -(rows + 2 * margin + max(0, 48 - rows)) % SCAN_STRIDE
        right = margin + max(0, 48 - columns) + -(columns + 2 * margin + max(0, 48 - columns)) % SCAN_STRIDE
        padded = cv2.copyMakeBorder(level, margin, bottom, margin, right, cv2.BORDER_REPLICATE)
        logit, points = self._scan(_tensor(np.asarray(padded, np.float32)[None]))
        probability = torch.sigmoid(logit[0]).flatten()
        best = torch.topk(probability, min(MAX_CELLS, probability.numel()))
        landmarks = (points[0].flatten(0, 1)[best.indices].double().numpy() - margin) * (x_scale, y_scale)
        return [
            _Candidate(points_of_one, score)
            for points_of_one, score in zip(landmarks, best.values.tolist(), strict=True)
            if score > SCAN_THRESHOLD
        ]

    def _look(self, halves: list[Array], found: list[_Candidate], *, mirrored: bool) -> list[_Candidate]:
        """Look at every candidate once more; returns better landmarks and scores."""
        squares = [square for one in found if (square := _square(one.landmarks)) is not None]
        if not squares:
            return []
        windows = _tensor(np.stack([_window(halves, square) for square in squares]))
        points, logit = self._points(windows)
        if mirrored:
            points_m, logit_m = self._points(windows.flip(-1))
            points_m = points_m[:, MIRRORED] * torch.tensor([-1.0, 1.0]) + torch.tensor([float(WINDOW), 0.0])
            points, logit = (points + points_m) / 2, (logit + logit_m) / 2
        scores = torch.sigmoid(logit).tolist()
        return [
            _Candidate(transform_points(square, row.double().numpy()), score)
            for square, row, score in zip(squares, points, scores, strict=True)
        ]

    def _points(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        points, logit, _ = self._landmark(windows)
        return points, logit


def _tensor(pictures: Array) -> Tensor:
    """(B, H, W, 3) in [0, 1] -> (B, 3, H, W) in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2) * 2 - 1


def _clean(picture: Array) -> Array:
    """Finite and within [0, 1]; the networks saw nothing else."""
    return np.nan_to_num(picture.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)


def _halves(picture: Array) -> list[Array]:
    """The picture, half of it, a quarter, ...: so that a window never has to average many pixels."""
    halves = [picture]
    while min(halves[-1].shape[:2]) >= 2 * WINDOW:
        height, width = halves[-1].shape[:2]
        halves.append(_area_resize(halves[-1], (width // 2, height // 2)))
    return halves


def _resized(halves: list[Array], size: tuple[int, int]) -> Array:
    """The picture at ``size`` (width, height), from the smallest level that is not smaller."""
    source = halves[0]
    for level in halves:
        if level.shape[1] >= size[0] and level.shape[0] >= size[1]:
            source = level
    return source if source.shape[1::-1] == size else _area_resize(source, size)


def _area_resize(picture: Array, size: tuple[int, int]) -> Array:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def _square(landmarks: Matrix) -> Matrix | None:
    """plate_from_window, or None where the landmarks make no sense."""
    try:
        return square_from_landmarks(landmarks, LOOK)
    except ValueError:
        return None


def _side(landmarks: Matrix) -> float:
    """The framing square's side in pixels of the picture; 0 if there is none."""
    try:
        return side_px(square_from_landmarks(landmarks, FRAME), WINDOW)
    except ValueError:
        return 0.0


def _window(halves: list[Array], square: Matrix) -> Array:
    """The 64-pixel window (64, 64, 3), cropped from the level whose pixels are nearly as large as the
    window's."""
    pitch = side_px(square, WINDOW) / WINDOW
    level = halves[min(max(int(np.log2(max(pitch, 1.0))), 0), len(halves) - 1)]
    x_scale, y_scale = level.shape[1] / halves[0].shape[1], level.shape[0] / halves[0].shape[0]
    image, _ = crop_plate(level, np.diag([x_scale, y_scale, 1.0]) @ square, WINDOW)
    return image.transpose(1, 2, 0)


def _suppress(candidates: list[_Candidate]) -> list[_Candidate]:
    """Keep the best of every group of candidates that mean the same face (non-maximum suppression)."""
    kept: list[tuple[_Candidate, npt.NDArray[np.float64], float]] = []
    for one in sorted(candidates, key=lambda candidate: -candidate.score):
        side, middle = _side(one.landmarks), one.landmarks.mean(0)
        if side <= 0:
            continue
        if all(float(np.linalg.norm(middle - m)) > APART * max(side, s) for _, m, s in kept):
            kept.append((one, middle, side))
    return [one for one, _, _ in kept]


class Segmenter:
    """Person, face and hair in a crop; ``tensors`` are the contents of segmenter.safetensors.

    Trained on tightly framed crops (Alignment scale 0.62, shift 0.32) and FFHQ ones. Raises GeneratorError if
    the tensors do not fit.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._net = load_network(MatteNet(), tensors, "matte")

    def matte(self, image: Array) -> tuple[Array, Array, Array]:
        """Separate (3, R, R) float32 in [-1, 1] into (person, face, hair), each (1, R, R) float32 in [0, 1].

        The person is hair, skin, glasses and beard; cloth and background are not. Looks at 64 pixels whatever
        R is.
        """
        resolution = image.shape[-1]
        if image.shape != (3, resolution, resolution):
            raise ValueError(f"image has shape {image.shape}; expected (3, R, R)")
        picture = _clean(image.transpose(1, 2, 0) * 0.5 + 0.5)
        kind = cv2.INTER_AREA if resolution > WINDOW else cv2.INTER_LINEAR
        small = cv2.resize(picture, (WINDOW, WINDOW), interpolation=kind).astype(np.float32, copy=False)
        with torch.inference_mode():
            probability = torch.sigmoid(self._net(_tensor(small[None])))[0]
        maps = cv2.resize(
            probability.permute(1, 2, 0).numpy(), (resolution, resolution), interpolation=cv2.INTER_LINEAR
        ).clip(0.0, 1.0)
        person, face, hair = (np.ascontiguousarray(maps[None, ..., k], np.float32) for k in range(3))
        return person, face, hair
