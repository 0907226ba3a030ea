"""Measures the face networks on renders they never saw, on textures without faces, and on a tracked shot.

Landmark errors are the mean distance of the six points in percent of the true distance of the eyes, after the
whole locator (scan and looks); a face is detected if its mean landmark error stays below ``HIT`` percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..colour import choose_exposure, resolve_colour
from ..curve import encode
from ..faces.align import square_from_landmarks, transform_points
from ..faces.base import Alignment, Array, Face, FaceLocator, Matrix
from ..faces.crop import crop_plate
from ..faces.network import Segmenter
from ..faces.track import read_track
from ..io import read_frame
from . import locator_samples as samples
from .locator_samples import FaceSet, Rng

HIT = 25.0
CANVAS = 512
SIDES_PX = (48, 460)
TIGHT = Alignment(64, 0.62, 0.32)
REGIONS = ("person", "face", "hair")


@dataclass(frozen=True)
class Scene:
    """A picture (H, W, 3) float32 in [0, 1] and the landmarks (6, 2) of each of its faces."""

    picture: Array
    truth: tuple[Matrix, ...]


def canvas_scene(rng: Rng, faces: FaceSet, *, count: int = 1, disturbed: bool = True) -> Scene:
    """``count`` renders side by side in a 512-pixel canvas, at random size (48 to 460 px for one) and
    angle."""
    picture = samples.background(rng, faces, CANVAS)
    truth: list[Matrix] = []
    cell = CANVAS / count
    for slot in range(count):
        index = int(rng.integers(len(faces)))
        side = np.exp(rng.uniform(np.log(SIDES_PX[0]), np.log(min(SIDES_PX[1], 0.9 * cell))))
        angle, scale = np.deg2rad(rng.uniform(-20, 20)), side / samples.TILE
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([cell * (slot + 0.5), CANVAS / 2])
        goal = middle + rng.uniform(-0.5, 0.5, 2) * (np.array([cell, CANVAS]) - 0.9 * side)
        matrix = np.column_stack([linear, goal - linear @ np.full(2, samples.TILE / 2)])
        placed = samples.place(rng, faces, index, matrix, CANVAS, picture)
        picture, truth = placed.picture, [*truth, placed.landmarks]
    shown = samples.disturb(rng, picture) * 0.5 + 0.5 if disturbed else picture / np.float32(255)
    return Scene(shown.astype(np.float32), tuple(truth))


def landmark_errors(found: tuple[Face, ...], truth: Matrix) -> npt.NDArray[np.float64] | None:
    """The six errors in percent of the eye distance of the face that fits best; None if none was found."""
    unit = float(np.linalg.norm(truth[0] - truth[1])) / 100.0
    errors = [np.linalg.norm(face.landmarks - truth, axis=1) / unit for face in found]
    return min(errors, key=lambda row: float(row.mean())) if errors else None


def measure_locator(locator: FaceLocator, scenes: list[Scene]) -> dict[str, float]:
    """Detection rate, false positives per picture and landmark errors over scenes."""
    rows: list[npt.NDArray[np.float64]] = []
    wanted = false = 0
    for number, scene in enumerate(scenes):
        found = locator.locate(scene.picture, number)
        errors = [landmark_errors(found, truth) for truth in scene.truth]
        hits = [row for row in errors if row is not None and row.mean() < HIT]
        rows += hits
        wanted += len(scene.truth)
        false += len(found) - len(hits)
    result = {"pictures": float(len(scenes)), "faces": float(wanted), "false_positives": float(false)}
    if not wanted:
        return result
    result["detected"] = len(rows) / wanted
    if rows:
        errors_by_face = np.stack(rows)  # (N, 6)
        means = errors_by_face.mean(1)
        result |= {
            "error_mean_pct": float(means.mean()),
            "error_median_pct": float(np.median(means)),
            "error_p95_pct": float(np.percentile(means, 95)),
            "error_eyes_and_mouth_mean_pct": float(errors_by_face[:, [0, 1, 3, 4]].mean()),
            "error_chin_mean_pct": float(errors_by_face[:, 5].mean()),
        }
    return {key: round(value, 4) for key, value in result.items()}


def measure_segmenter(segmenter: Segmenter, faces: FaceSet, count: int, seed: int) -> dict[str, float]:
    """Intersection over union of the thresholded regions on tight crops of held-out renders."""
    rng = np.random.default_rng(seed)
    common, either = np.zeros(3), np.zeros(3)
    error = 0.0
    for _ in range(count):
        index = int(rng.integers(len(faces)))
        square = square_from_landmarks(faces.landmarks[index], TIGHT)
        below = samples.background(rng, faces, samples.TILE)
        plain = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        placed = samples.place(rng, faces, index, plain, samples.TILE, below)
        if not np.allclose(placed.landmarks, faces.landmarks[index]):  # it was mirrored
            square = square_from_landmarks(placed.landmarks, TIGHT)
        stack = np.concatenate([placed.picture, placed.masks[..., 1:]], -1).astype(np.float32) / 255.0
        crop, _ = crop_plate(stack, square, TIGHT.resolution)
        guess = np.concatenate(segmenter.matte(crop[:3] * 2 - 1))
        error += float(np.abs(guess[0] - crop[3]).mean()) / count
        common += ((guess > 0.5) & (crop[3:] > 0.5)).sum((1, 2))
        either += ((guess > 0.5) | (crop[3:] > 0.5)).sum((1, 2))
    result = {
        f"iou_{name}": round(float(c / e), 4) for name, c, e in zip(REGIONS, common, either, strict=True)
    }
    return result | {"person_mean_absolute_error": round(error, 4), "pictures": float(count)}


def shot_scenes(folder: Path) -> list[Scene]:
    """The plates of a tracked shot as the pipeline shows them to a locator, with the track as truth."""
    track = read_track(folder / "track.json")
    scenes = []
    for path in sorted((folder / "plate").glob("*.exr")):
        number = int(path.name.split(".")[-2])
        frame = read_frame(path, number)
        linear = resolve_colour(colourspace="ACEScg").to_linear709(frame.rgb(frame.layer()))
        picture = encode(linear * choose_exposure(linear)).clip(0, 1).astype(np.float32)
        scenes.append(Scene(picture, (track.at(number)[0],)))
    return scenes


def textures(rng: Rng, faces: FaceSet, count: int) -> list[Scene]:
    """Canvases without any face."""
    pictures = (samples.disturb(rng, samples.background(rng, faces, CANVAS)) for _ in range(count))
    return [Scene(picture * 0.5 + 0.5, ()) for picture in pictures]


def measure(
    locator: FaceLocator,
    segmenter: Segmenter,
    held_out: FaceSet,
    shot: Path | None,
    *,
    count: int = 300,
    seed: int = 7,
) -> dict[str, dict[str, float]]:
    """All figures by name; ``count`` scenes with one face, a third as many with two, textures, the shot."""
    rng = np.random.default_rng(seed)
    plain = [canvas_scene(rng, held_out, disturbed=False) for _ in range(count)]
    disturbed = [canvas_scene(rng, held_out) for _ in range(count)]
    pairs = [canvas_scene(rng, held_out, count=2) for _ in range(count // 3)]
    result = {
        "one_face": measure_locator(locator, plain),
        "one_face_disturbed": measure_locator(locator, disturbed),
        "two_faces_disturbed": measure_locator(locator, pairs),
        "textures_disturbed": measure_locator(locator, textures(rng, held_out, count)),
        "segmentation": measure_segmenter(segmenter, held_out, count, seed),
    }
    if shot is not None:
        result["shot"] = measure_locator(locator, shot_scenes(shot))
    return result


def squares_jitter_px(locator: FaceLocator, scene: Scene, alignment: Alignment) -> float:
    """How far the crop's corners move, in crop pixels at most, between the picture and the same with fresh
    noise."""
    rng = np.random.default_rng(0)
    noisy = scene.picture + rng.normal(0, 0.01, scene.picture.shape).astype(np.float32)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64) * alignment.resolution
    found = [locator.locate(picture, 0) for picture in (scene.picture, noisy.clip(0, 1).astype(np.float32))]
    if not all(found):
        return float("inf")
    one, other = (square_from_landmarks(faces[0].landmarks, alignment) for faces in found)
    back = transform_points(np.linalg.inv(one) @ other, corners)
    return float(np.linalg.norm(back - corners, axis=1).max())
