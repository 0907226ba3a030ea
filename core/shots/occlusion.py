"""What passes before a face: where the shot usually shows the face and this frame shows something else.

In the steady crop a face stands still, so that its temporal median is the face without the hand that passes. Two
witnesses are asked. The segmenter: a place that is usually face is not face now, and has another colour than usual.
Structure: the usual picture does not explain the pixel, nor the pixel the usual picture, even if either may move by a
map pixel; that speaks where the segmenter takes a hand for face. Sure places grow into likely ones that touch them.
A hand that rests before the face for most of ``WINDOW`` becomes the usual picture; it needs a mask. Axes: F frames, M
map pixels on a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from ..checks import expect_shape

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WINDOW = 48
"""Frames to either side that the usual face is taken from: two seconds, so that a turn of the head does not count."""
STRIDE = 4
CLEAR = 4.0
"""Kept free of edits around a cover, in 64ths of the crop: its edge is soft, and the map is coarse."""
SOFT = 3.0
"""Width of the rise beyond, in 64ths of the crop."""
CLOSING = 5.0
"""Gaps this wide inside a cover are closed, in 64ths of the crop: between fingers, or where a hand is as bright as the
cheek behind."""
FADE_FRAMES = 2
"""An edit fades out and in over so many frames around a cover: what appears from one frame to the next is flicker, on
truth shots with a post 6 % of the plate's own, with the fade under 3 %."""
PERSON = 0.1
"""Probability of a person from which on a place may be edited at all, and so has to be watched."""


@dataclass(frozen=True)
class OcclusionSettings:
    """Thresholds, chosen on truth shots with a post and with a skin-coloured hand passing.

    ``drop`` of the face's probability together with a change of ``colour``; ``structure`` that nothing explains: so
    many times the usual (the 99th percentile of the calmer frames), within ``structure_range``. Colours are in the
    encoding's [-1, 1]. ``likely_drop``, ``likely_structure`` are the shares of these that a likely place needs; beyond
    the face, on hair and neck, a change of ``likely_colour`` is enough. ``smallest`` share of the crop counts.
    """

    drop: float = 0.5
    colour: float = 0.15
    structure: float = 2.5
    structure_range: tuple[float, float] = (0.1, 0.2)
    likely_drop: float = 0.7
    likely_structure: float = 0.5
    likely_colour: float = 0.08
    smallest: float = 0.006


@dataclass(frozen=True)
class Maps:
    """What every frame of one face showed, in its steady crop: ``images`` (F, 3, M, M) float32 in [-1, 1], ``faces``
    and ``persons`` (F, M, M) float32 in [0, 1] of the segmenter."""

    images: Array
    faces: Array
    persons: Array

    def __post_init__(self) -> None:
        expect_shape(self.images, "F 3 M M", name="images")
        frames, _, size, _ = self.images.shape
        expect_shape(self.faces, "F M M", name="faces", F=frames, M=size)
        expect_shape(self.persons, "F M M", name="persons", F=frames, M=size)

    def usual(self) -> tuple[Usual, ...]:
        """The temporal medians around every frame; ``STRIDE`` frames share theirs, for a median takes its time."""
        found: list[Usual] = []
        for row in range(0, len(self.images), STRIDE):
            near = slice(max(0, row + STRIDE // 2 - WINDOW), row + STRIDE // 2 + WINDOW + 1)
            stacks = (self.images[near], self.faces[near], self.persons[near])
            found += [Usual(*(np.median(stack, axis=0) for stack in stacks))] * STRIDE
        return tuple(found[: len(self.images)])


@dataclass(frozen=True)
class Usual:
    """What a face's crop usually shows: ``image`` (3, M, M), ``face`` and ``person`` (M, M)."""

    image: Array
    face: Array
    person: Array


@dataclass(frozen=True)
class Evidence:
    """One frame against the usual one, all (M, M): the ``drop`` of the face's probability, the ``change`` of colour,
    the ``structure`` that moving by a pixel does not explain; ``is_face``, ``is_person`` usually."""

    drop: Array
    change: Array
    structure: Array
    is_face: Mask
    is_person: Mask


def covers(maps: Maps, usual: Sequence[Usual], settings: OcclusionSettings | None = None) -> Mask:
    """(F, M, M) True where something is before the face or the hair; ``usual`` as of the maps.

    Shots of fewer than five frames have no usual face: all False.
    """
    settings = settings or OcclusionSettings()
    if len(maps.faces) < 5:
        return np.zeros(maps.faces.shape, np.bool_)
    seen = [evidence(maps, row, one) for row, one in enumerate(usual)]
    calm = [float(np.quantile(one.structure[one.is_face], 0.99)) for one in seen if one.is_face.any()]
    quiet = float(np.quantile(calm, 0.25)) if calm else 0.0
    structure = float(np.clip(settings.structure * quiet, *settings.structure_range))
    return np.stack([_cover(one, structure, settings) for one in seen])


def evidence(maps: Maps, row: int, usual: Usual) -> Evidence:
    """What speaks for a cover in one frame."""
    image = maps.images[row]
    structure = np.maximum(_unexplained(image, usual.image), _unexplained(usual.image, image))
    return Evidence(
        drop=np.maximum(usual.face - maps.faces[row], 0.0),
        change=_blurred(np.abs(image - usual.image).max(axis=0)),
        structure=_blurred(structure),
        is_face=usual.face > 0.5,
        is_person=usual.person > PERSON,
    )


def _cover(seen: Evidence, structure: float, settings: OcclusionSettings) -> Mask:
    """One frame (M, M)."""
    s, share = settings, settings.likely_drop
    sure = seen.is_face & (seen.drop > s.drop) & (seen.change > s.colour)
    sure |= seen.is_person & (seen.structure > structure)
    likely = seen.is_face & (seen.drop > share * s.drop) & (seen.change > share * s.colour)
    likely |= seen.is_person & (seen.structure > s.likely_structure * structure)
    likely |= seen.is_person & ~seen.is_face & (seen.change > s.likely_colour)
    return _closed(_grown(sure, likely | sure, s.smallest)) & seen.is_person


def _unexplained(image: Array, model: Array) -> Array:
    """How far each pixel of ``image`` (3, M, M) lies outside the range of the model's 3 x 3 neighbourhood, (M, M)."""
    kernel = np.ones((3, 3), np.uint8)
    planes = np.ascontiguousarray(model, np.float32)
    low = np.stack([cv2.erode(plane, kernel) for plane in planes])
    high = np.stack([cv2.dilate(plane, kernel) for plane in planes])
    return np.asarray(np.maximum(np.maximum(low - image, image - high), 0.0).max(axis=0), np.float32)


def _blurred(values: Array) -> Array:
    """3 x 3 mean, against single pixels such as glints."""
    return np.asarray(cv2.blur(np.ascontiguousarray(values, np.float32), (3, 3)), np.float32)


def _grown(sure: Mask, likely: Mask, smallest: float) -> Mask:
    """The connected parts of ``likely`` that hold something sure and are large enough."""
    count, labels = cv2.connectedComponents(likely.astype(np.uint8), connectivity=8)
    sizes = np.bincount(labels.ravel(), minlength=count)
    surely = np.bincount(labels[sure], minlength=count)
    wanted = (sizes >= smallest * likely.size) & (surely >= max(1.0, 0.25 * smallest * likely.size))
    wanted[0] = False
    return np.asarray(wanted[labels])


def _closed(cover: Mask) -> Mask:
    """Gaps closed and holes filled; what leaves the crop is taken to go on outside."""
    if not cover.any():
        return cover
    reach = round(CLOSING * cover.shape[-1] / 64.0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    padded = np.pad(cover, reach + 1, mode="edge").astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[reach + 1 : -reach - 1, reach + 1 : -reach - 1]
    outlines, _ = cv2.findContours(np.ascontiguousarray(closed), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(cover.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, -1)
    return np.asarray(filled > 0)


def keep_map(cover: Mask) -> Array:
    """(M, M) float32: 0 on a cover and close to it, rising softly to 1 beyond; where the edit may act."""
    if not cover.any():
        return np.ones(cover.shape, np.float32)
    unit = cover.shape[-1] / 64.0
    distance = cv2.distanceTransform((~cover).astype(np.uint8), cv2.DIST_L2, 5)
    t = np.clip((distance - CLEAR * unit) / (SOFT * unit), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def faded(keeps: Array) -> Array:
    """(F, M, M) with every place closed some frames before it is covered, and opened later; nowhere above ``keeps``.

    The least of the neighbouring frames is smoothed by a Gaussian that reaches no further than these.
    """
    if not len(keeps):
        return keeps
    least = minimum_filter1d(keeps, 2 * FADE_FRAMES + 1, axis=0, mode="nearest")
    soft = gaussian_filter1d(least, FADE_FRAMES / 2.0, axis=0, mode="nearest", truncate=2.0)
    return np.asarray(np.minimum(soft, keeps), np.float32)


def covered_share(cover: Mask, usual_face: Array) -> float:
    """How much of the face lies behind something, in [0, 1]."""
    face = usual_face > 0.5
    return float(cover[face].mean()) if face.any() else 0.0
