"""Which faces a data set holds, and how one shard of it is made.

Everything follows from the settings: face number i of a seed is the same face in whatever order, by however many
processes and after however many interruptions the shards are made.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import RecipeError
from ..faces.base import LANDMARK_NAMES, Alignment
from .correlations import declare
from .house import with_house_designs
from .marginals import MARGINALS
from .params import RANGES, FaceParams, with_attribute
from .sampler import Sampler, check
from .shards import Bytes, Points, Sample, label_from_params, write_shard

FRAMINGS = {"ffhq": (1.0, 0.1), "tight": (0.62, 0.32), "neck": (1.0, 0.62)}
"""Scale and shift of the alignment by name: the whole head (Karras et al. 2019), the face alone (DR005), or what
a refiner sees and a little more (DR016)."""

FAMILY_INDEX = 1 << 32
"""Index, for the sampler, of the first family; below it are the faces without a family."""

Correlated = Literal["ffhq", "none"] | Mapping[str, float]
"""Declared correlations in a form that a file can hold."""

USUAL_FACES, FEWEST_FACES = 250, 25
"""Faces in the shards of a large and of a small data set. What a stopped run loses is half a shard a worker; more and
smaller ones would cost readers."""

_WORN = ("glasses", "sunglasses")
_PUT_ON = ("beard", "moustache", "stubble", "lipstick")
_DECIMALS = 5
_AWAY = 0.25  # of the usual span: a smaller change may not be visible
_UNSEEN = {"hair_length": "bald", "recede": "bald"}


@dataclass(frozen=True)
class DatasetSettings:
    """What decides the content of a data set, and nothing else.

    ``faces`` independent faces; ``families`` base faces, each followed by one face per name in ``attributes`` that
    differs in that attribute only; ``size`` pixels of a side; ``correlations`` "ffhq", "none" or pairs such as
    {"age,glasses": 0.5}; ``framing`` a name in FRAMINGS; ``samples`` squared is the number of samples of a pixel.
    ``grade_share`` of the families, the last ones, are for grading only. Raises RecipeError for values outside their
    range.
    """

    faces: int = 1000
    families: int = 0
    attributes: tuple[str, ...] = ()
    size: int = 128
    seed: int = 1
    correlations: Correlated = "ffhq"
    framing: str = "ffhq"
    samples: int = 2
    grade_share: float = 0.5

    def __post_init__(self) -> None:
        for name, low, high in (
            ("faces", 0, 10_000_000),
            ("families", 0, 10_000_000),
            ("size", 32, 1024),
            ("seed", 0, 2**63 - 1),
            ("samples", 1, 8),
            ("grade_share", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                _refuse(f"{name} {value} is outside {low}..{high}.", name, "Choose a value inside the range.")
        if not self.faces + self.families:
            _refuse("The data set would be empty.", "faces", "Ask for some faces or families.")
        if self.framing not in FRAMINGS:
            _refuse(f"No framing {self.framing!r}.", "framing", f"One of: {', '.join(FRAMINGS)}.")
        unknown = [name for name in self.attributes if name not in RANGES]
        if unknown:
            _refuse(f"No attribute {unknown[0]!r}.", "attributes", f"One of: {', '.join(RANGES)}.")
        if len(set(self.attributes)) != len(self.attributes):
            _refuse("An attribute is named twice.", "attributes", "Name each of them once.")
        if bool(self.families) != bool(self.attributes):
            _refuse("Families and attributes go together.", "attributes", "Name both or none of them.")
        declare(self.correlations)

    @property
    def alignment(self) -> Alignment:
        """How faces are framed."""
        scale, shift = FRAMINGS[self.framing]
        return Alignment(self.size, scale, shift)

    def as_json(self) -> dict[str, Any]:
        """All settings as JSON values."""
        return {**asdict(self), "attributes": list(self.attributes)}


@dataclass(frozen=True)
class Drawn:
    """One drawn face. ``picture`` (S, S, 3) uint8, encoded, without grain or blur; ``mask`` (S, S)
    uint8 class ids; ``landmarks`` (70, 2) and ``six`` (6, 2, LANDMARK_NAMES order) in 0..1 of the picture;
    ``development`` how light became code values, by name."""

    picture: Bytes
    mask: Bytes
    landmarks: Points
    six: Points
    development: Mapping[str, Any]


Draw = Callable[[FaceParams, Sequence[FaceParams], int], Iterable[Drawn]]
"""``draw(base, members, number)``: a face, then others framed and developed as it is; ``number`` decides the rest of
the development. A pure function."""


@dataclass(frozen=True)
class Family:
    """A face to draw, and the same face with one attribute changed, by the attribute's name. ``index`` is the
    sampler's; an independent face has no members."""

    key: str
    index: int
    base: FaceParams
    members: Mapping[str, FaceParams]
    split: str = "train"

    @property
    def faces(self) -> tuple[FaceParams, ...]:
        """The base and the members, in the order they are stored."""
        return (self.base, *self.members.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """Their keys, in the same order."""
        return (self.key, *(f"{self.key}-{name}" for name in self.members))


@dataclass(frozen=True)
class ShardJob:
    """One shard: faces, or families, from ``start`` to before ``stop``."""

    number: int
    of_families: bool
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The file's name."""
        return f"faces-{self.number:05d}.tar"


@dataclass(frozen=True)
class ShardDone:
    """A finished shard: how many faces it holds, seconds by the clock and of processor time."""

    job: ShardJob
    faces: int
    seconds: float
    cpu_seconds: float


def plan(settings: DatasetSettings) -> tuple[ShardJob, ...]:
    """All shards of a data set, in order: first the independent faces, then the families, none of which is cut.

    Their number does not depend on the number of workers, so any number of them makes the same shards.
    """
    jobs: list[ShardJob] = []
    for of_families, count, members in (
        (False, settings.faces, 0),
        (True, settings.families, len(settings.attributes)),
    ):
        step = _per_shard(count, 1 + members)
        for start in range(0, count, step):
            jobs.append(ShardJob(len(jobs), of_families, start, min(start + step, count)))
    return tuple(jobs)


def _per_shard(count: int, unit: int) -> int:
    """How many of ``count`` families with ``unit`` faces belong into one shard: few for a small set, so that every
    worker has something to do."""
    faces = min(USUAL_FACES, max(FEWEST_FACES, -(-count * unit // 16)))
    return max(1, faces // unit)


def families(job: ShardJob, settings: DatasetSettings, sampler: Sampler) -> Iterator[Family]:
    """What one shard holds, in the order it is stored."""
    for number in range(job.start, job.stop):
        if job.of_families:
            yield _family(number, settings, sampler)
        else:
            yield Family(
                f"face-{settings.seed}_{number:07d}",
                number,
                _rounded(sampler.sample(settings.seed, number)),
                {},
            )


def member_value(name: str, base: FaceParams, rng: np.random.Generator) -> float | None:
    """Another value of an attribute, far enough from the base's to be seen; None if this face can have none.

    What is worn or grown is taken off or put on; anything else moves by a quarter at least of the middle 96 % of its
    distribution. Values that contradict the face (``sampler.check``) or that nobody could see are not offered.
    """
    current = getattr(base, name)
    if name in _WORN:
        candidates = [0.0 if current >= 0.5 else 1.0]
    elif name in _PUT_ON:
        candidates = [0.0 if current > 0.0 else float(rng.uniform(0.5, 1.0))]
    else:
        low, high = MARGINALS[name].quantile((0.02, 0.98))
        away = _AWAY * (high - low)
        drawn = (float(value) for value in rng.uniform(low, high, 64))
        candidates = [value for value in drawn if abs(value - current) >= away]
    hidden = (name == "eyes_closed" and base.sunglasses >= 0.5) or _UNSEEN.get(name) == base.hair_style
    for value in [] if hidden else candidates:
        rounded = round(value, _DECIMALS)
        if is_possible(with_attribute(base, name, rounded)):
            return rounded
    return None


def make_shard(
    folder: Path, settings: DatasetSettings, sampler: Sampler, draw: Draw, job: ShardJob
) -> ShardDone:
    """Draw and write one shard. Raises DataError if it cannot be written, and whatever ``draw`` raises."""
    clock, processor = time.monotonic(), time.process_time()
    samples = (
        sample
        for family in families(job, settings, sampler)
        for sample in _samples(family, settings.seed, draw)
    )
    count = write_shard(folder / job.name, samples)
    return ShardDone(job, count, time.monotonic() - clock, time.process_time() - processor)


def _samples(family: Family, seed: int, draw: Draw) -> Iterator[Sample]:
    """A family as it is stored; the base's own points framed all of it."""
    attributes = (None, *family.members)
    drawn = list(draw(family.base, tuple(family.members.values()), family.index))
    for key, attribute, params, one in zip(family.keys, attributes, family.faces, drawn, strict=True):
        meta = {
            "seed": seed,
            "index": family.index,
            "params": label_from_params(params),
            "landmarks68": _pairs(one.landmarks),
            "six": _named(one.six),
            "family": attribute and family.key,
            "attribute": attribute,
            "value": attribute and getattr(params, attribute),
            "base_value": attribute and getattr(family.base, attribute),
            "frame_six": _named(drawn[0].six),
            "split": family.split,
            "development": dict(one.development),
        }
        yield Sample(key, one.picture, one.mask, meta)


def _family(number: int, settings: DatasetSettings, sampler: Sampler) -> Family:
    """A base face and its members; the last families, ``grade_share`` of all, are for grading only."""
    index = FAMILY_INDEX + number
    base = _rounded(with_house_designs(sampler.sample(settings.seed, index)))
    members = {}
    for name in settings.attributes:
        rng = np.random.default_rng((settings.seed, index, zlib.crc32(name.encode())))
        value = member_value(name, base, rng)
        if value is not None:
            members[name] = with_attribute(base, name, value)
    kept = settings.families * (1.0 - settings.grade_share)
    split = "grade" if number >= kept else "train"
    return Family(f"family-{settings.seed}_{number:07d}", index, base, members, split)


def is_possible(params: FaceParams) -> bool:
    """Whether a face does not contradict itself (``sampler.check``)."""
    try:
        check(params)
    except RecipeError:
        return False
    return True


def _rounded(params: FaceParams) -> FaceParams:
    """The face with short numbers, so that its label says exactly what was drawn and stays small."""

    def short(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(round(value, _DECIMALS) for value in values)

    plain = {f.name: getattr(params, f.name) for f in fields(params)}
    numbers = {name: round(value, _DECIMALS) for name, value in plain.items() if isinstance(value, float)}
    african, asian, caucasian = short(params.ancestry)
    return replace(
        params,
        **numbers,  # type: ignore[arg-type]
        ancestry=(african, asian, caucasian),
        identity=short(params.identity),
        look=short(params.look),
        ambient=tuple((red, green, blue) for red, green, blue in map(short, params.ambient)),
    )


def _pairs(points: npt.NDArray[Any]) -> list[list[float]]:
    return [[round(float(x), 6), round(float(y), 6)] for x, y in points]


def _named(six: Points) -> dict[str, list[float]]:
    return dict(zip(LANDMARK_NAMES, _pairs(six), strict=True))


def _refuse(what: str, where: str, remedy: str) -> None:
    raise RecipeError(what, where=where, remedy=remedy or "Choose another value.")
