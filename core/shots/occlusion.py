"""What passes before a face: where the shot usually shows the face and this frame shows something else.

In the steady crop a face stands still, so that its temporal median is the face without the hand that passes. Where the
segmenter sees face or hair only now and then, the median is taken over these frames: what covers a shot's beginning, or
more than half of it, is not learnt as the face. Two witnesses are asked. The segmenter: a place that is usually face is
not face now, nor any close to it, and has another colour than usual. Structure: the usual picture does not explain the
pixel, nor the pixel the usual picture, even if either may move a little, more at the outline, as a head does that
turns; that speaks where the segmenter takes a hand for face. Sure places grow into likely ones close to them. A part
counts if much of it is sure, or if it goes on from such a part in a frame before or after: a blink and a glint are
small and alone, a finger tip that comes in is followed by the hand. A hand that the segmenter takes for face and that
rests for most of ``WINDOW`` becomes the usual picture; it needs a mask. Axes: F frames, M map pixels on a side.
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
LARGEST_HOLE = 0.1
"""Larger holes, as a share of the crop, stay open: within the outline of a head that turned lies the face."""
SEEN_QUANTILE = 0.7
"""A place is usually face if it is in so many of the frames that show most of it: in 30 % of them."""
ENOUGH = 0.2
"""Share of the frames that must show the face somewhere for a median over these alone."""
FADE_FRAMES = 2
"""An edit fades out and in over so many frames around a cover: what appears from one frame to the next is flicker, on
truth shots with a post 6 % of the plate's own, with the fade under 3 %."""
PERSON = 0.1
"""Probability of a person from which on a place may be edited at all, and so has to be watched."""


@dataclass(frozen=True)
class OcclusionSettings:
    """Thresholds, chosen while looking at truth shots (seeds 100 to 107) with nothing, a post and a skin-coloured hand.

    ``drop`` of the face's probability together with a change of ``colour``; ``structure`` that nothing explains: so
    many times the usual (the 99th percentile of the calmer frames), within ``structure_range``. Colours are in the
    encoding's [-1, 1]. ``likely_drop``, ``likely_structure`` are the shares of these that a likely place needs; beyond
    the face, on hair and neck, a change of ``likely_colour`` is enough. In 64ths of the crop: ``slack``, by which a
    picture may move for sure places, ``turn`` the same close to an outline, ``reach``, how far from them likely ones
    count, ``step``, how far a cover moves from frame to frame. ``strong`` share of the crop has to be sure, ``weak``
    where a strong part is at most ``chain`` frames away.
    """

    drop: float = 0.5
    colour: float = 0.15
    structure: float = 2.5
    structure_range: tuple[float, float] = (0.1, 0.2)
    likely_drop: float = 0.7
    likely_structure: float = 0.3
    likely_colour: float = 0.12
    slack: float = 2.0
    turn: float = 5.0
    reach: float = 10.0
    step: float = 6.0
    strong: float = 0.025
    weak: float = 0.001
    chain: int = 24


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
        """What is usual around every frame; ``STRIDE`` frames share theirs, for a median takes its time."""
        found: list[Usual] = []
        for row in range(0, len(self.images), STRIDE):
            near = slice(max(0, row + STRIDE // 2 - WINDOW), row + STRIDE // 2 + WINDOW + 1)
            found += [_usual_of(self.images[near], self.faces[near], self.persons[near])] * STRIDE
        return tuple(found[: len(self.images)])


@dataclass(frozen=True)
class Usual:
    """What a face's crop usually shows: ``image`` (3, M, M), ``face`` and ``person`` (M, M)."""

    image: Array
    face: Array
    person: Array


def _usual_of(images: Array, faces: Array, persons: Array) -> Usual:
    """The usual one of some frames, (N, 3, M, M) and (N, M, M) twice."""
    face, person = (
        np.quantile(stack, SEEN_QUANTILE, axis=0).astype(np.float32) for stack in (faces, persons)
    )
    seen = np.where(face > 0.5, faces > 0.5, persons > 0.5)
    is_known = (person > 0.5) & (seen.sum(axis=0) >= max(3.0, ENOUGH * len(faces)))
    image = np.where(is_known, _median_where(images, seen), np.median(images, axis=0))
    return Usual(image.astype(np.float32), face, person)


def _median_where(images: Array, seen: Mask) -> Array:
    """The median (3, M, M) of images (N, 3, M, M) over the frames in which a place is seen (N, M, M); infinite where in
    none."""
    ordered = np.sort(np.where(seen[:, None], images, np.inf), axis=0)
    count = np.broadcast_to(np.maximum(seen.sum(axis=0), 1), images.shape[1:])
    low, high = (
        np.take_along_axis(ordered, rank[None], axis=0)[0] for rank in ((count - 1) // 2, count // 2)
    )
    return np.asarray(0.5 * (low + high), np.float32)


@dataclass(frozen=True)
class Evidence:
    """One frame against the usual one, all (M, M): the ``drop`` of the face's probability and the ``structure`` that
    are left after moving by the slack, after a turn of the head (``turned_drop``, ``turned_structure``), and after
    moving by one pixel (``near_drop``, ``near_structure``); the ``change`` of colour; ``is_face``, ``is_person``
    usually."""

    drop: Array
    turned_drop: Array
    near_drop: Array
    structure: Array
    turned_structure: Array
    near_structure: Array
    change: Array
    is_face: Mask
    is_person: Mask


@dataclass(frozen=True)
class _Parts:
    """The candidates of one frame: ``labels`` (M, M) of connected parts, 0 for none, ``sure`` (M, M), and how many sure
    pixels each part has (``weights``), and how many that no turn of the head explains (``certain``)."""

    labels: npt.NDArray[np.int32]
    sure: Mask
    weights: npt.NDArray[np.int64]
    certain: npt.NDArray[np.int64]

    def where(self, wanted: npt.NDArray[np.bool_]) -> Mask:
        """The places of some parts."""
        return np.asarray(wanted[self.labels])


def covers(maps: Maps, usual: Sequence[Usual], settings: OcclusionSettings | None = None) -> Mask:
    """(F, M, M) True where something is before the face or the hair; ``usual`` as of the maps.

    Shots of fewer than five frames have no usual face: all False.
    """
    settings = settings or OcclusionSettings()
    if len(maps.faces) < 5:
        return np.zeros(maps.faces.shape, np.bool_)
    seen = [evidence(maps, row, one, settings) for row, one in enumerate(usual)]
    calm = [float(np.quantile(one.near_structure[one.is_face], 0.99)) for one in seen if one.is_face.any()]
    quiet = float(np.quantile(calm, 0.25)) if calm else 0.0
    structure = float(np.clip(settings.structure * quiet, *settings.structure_range))
    parts = [_parts(one, structure, settings) for one in seen]
    wanted = _over_time(parts, settings)
    pairs = zip(seen, parts, wanted, strict=True)
    return np.stack([_closed(part.where(chosen)) & one.is_person for one, part, chosen in pairs])


def evidence(maps: Maps, row: int, usual: Usual, settings: OcclusionSettings | None = None) -> Evidence:
    """What speaks for a cover in one frame."""
    settings = settings or OcclusionSettings()
    image, face = maps.images[row], maps.faces[row]
    slack, turn = (_pixels(one, face.shape[-1]) for one in (settings.slack, settings.turn))
    in_face, in_person = (_inner(one, turn) for one in (usual.face, usual.person))
    drop, structure = _lost(usual.face, face, slack), _strange(image, usual.image, slack)
    return Evidence(
        drop=drop,
        turned_drop=np.where(in_face, drop, _lost(usual.face, face, turn)),
        near_drop=_lost(usual.face, face, 1),
        structure=structure,
        turned_structure=np.where(in_person, structure, _strange(image, usual.image, turn)),
        near_structure=_strange(image, usual.image, 1),
        change=_blurred(np.abs(image - usual.image).max(axis=0)),
        is_face=usual.face > 0.5,
        is_person=usual.person > PERSON,
    )


def _parts(seen: Evidence, structure: float, settings: OcclusionSettings) -> _Parts:
    """The connected likely places of one frame that lie close to sure ones."""
    s, share = settings, settings.likely_drop
    has_colour = seen.is_face & (seen.change > s.colour)
    sure = has_colour & (seen.drop > s.drop) | seen.is_person & (seen.structure > structure)
    turned = has_colour & (seen.turned_drop > s.drop) | seen.is_person & (seen.turned_structure > structure)
    likely = seen.is_face & (seen.near_drop > share * s.drop) & (seen.change > share * s.colour)
    likely |= seen.is_person & (seen.near_structure > s.likely_structure * structure)
    likely |= seen.is_person & ~seen.is_face & (seen.change > s.likely_colour)
    likely &= _widened(sure, _pixels(s.reach, sure.shape[-1]))
    count, labels = cv2.connectedComponents((likely | sure).astype(np.uint8), connectivity=8)
    weights, certain = (np.bincount(labels[mask], minlength=count) for mask in (sure, turned & sure))
    return _Parts(np.asarray(labels, np.int32), sure, weights, certain)


def _over_time(parts: Sequence[_Parts], settings: OcclusionSettings) -> list[npt.NDArray[np.bool_]]:
    """Which parts of each frame are covers: the strong ones, and those that go on from them, to either side."""
    size = parts[0].labels.size
    strong = [one.certain >= max(1.0, settings.strong * size) for one in parts]
    found = [chosen.copy() for chosen in strong]
    for rows in (range(len(parts)), range(len(parts) - 1, -1, -1)):
        before, chosen, age = None, None, settings.chain
        for row in rows:
            one, current = parts[row], strong[row].copy()
            if before is not None and age < settings.chain:
                near = _widened(before, _pixels(settings.step, one.labels.shape[-1]))
                touched = np.bincount(one.labels[near], minlength=len(current)) > 0
                current |= touched & (one.weights >= max(1.0, settings.weak * size))
            age = 0 if strong[row].any() else age + 1
            found[row] |= current
            chosen = one.where(current) & one.sure
            before = chosen if chosen.any() else None
    return found


def _pixels(share: float, size: int) -> int:
    """A length in 64ths of the crop, in pixels of maps of this size; at least 1."""
    return max(1, round(share * size / 64.0))


def _square(radius: int) -> npt.NDArray[np.uint8]:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def _widened(mask: Mask, radius: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _square(radius)) > 0)


def _inner(share: Array, radius: int) -> Mask:
    """Where a map (M, M) is above one half, and so is everything around; beyond the crop it is taken to go on."""
    mask = (share > 0.5).astype(np.uint8)
    return np.asarray(cv2.erode(mask, _square(radius)) > 0)


def _lost(usual: Array, face: Array, radius: int) -> Array:
    """By how much the face's probability is below the usual one, (M, M), with the face moved by up to a radius."""
    return np.asarray(np.maximum(usual - cv2.dilate(face, _square(radius)), 0.0), np.float32)


def _strange(image: Array, usual: Array, radius: int) -> Array:
    """What neither picture (3, M, M) explains of the other, (M, M)."""
    return _blurred(np.maximum(_unexplained(image, usual, radius), _unexplained(usual, image, radius)))


def _unexplained(image: Array, model: Array, radius: int) -> Array:
    """How far each pixel of ``image`` (3, M, M) lies outside the range of the model's neighbourhood, (M, M)."""
    planes = np.ascontiguousarray(model, np.float32)
    low = np.stack([cv2.erode(plane, _square(radius)) for plane in planes])
    high = np.stack([cv2.dilate(plane, _square(radius)) for plane in planes])
    return np.asarray(np.maximum(np.maximum(low - image, image - high), 0.0).max(axis=0), np.float32)


def _blurred(values: Array) -> Array:
    """3 x 3 mean, against single pixels such as glints."""
    return np.asarray(cv2.blur(np.ascontiguousarray(values, np.float32), (3, 3)), np.float32)


def _closed(cover: Mask) -> Mask:
    """Gaps closed and holes filled; what leaves the crop is taken to go on outside."""
    if not cover.any():
        return cover
    reach = _pixels(CLOSING, cover.shape[-1])
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    padded = np.pad(cover, reach + 1, mode="edge").astype(np.uint8)
    closed = (
        cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[reach + 1 : -reach - 1, reach + 1 : -reach - 1] > 0
    )
    count, labels = cv2.connectedComponents((~closed).astype(np.uint8), connectivity=4)
    is_hole = np.bincount(labels.ravel(), minlength=count) <= LARGEST_HOLE * cover.size
    is_hole[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = False
    return np.asarray(closed | (is_hole[labels] & ~closed))


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
