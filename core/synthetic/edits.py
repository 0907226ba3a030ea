"""What a truth shot shows: edits such as ``age=+25`` or ``smile=1``, and a plate on which they mean something.

The plate of a shot is sampled by its seed and then only changed as far as its edits need it: nobody can be given the
glasses that he wears, or be made 25 years older at 80.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import RecipeError
from .house import with_house_designs
from .params import RANGES, FaceParams
from .sampler import Sampler, check, resolve

_WORDS = re.compile(r"\s*([A-Za-z_]+)\s*=\s*([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*")

APART = 0.3
"""A value asked for lies at least this share of the range away from the plate's, so that there is something to see."""
OLDEST_PLATE = 55.0
"""A face that is to grow older starts no older: beyond, most signs of age are there already."""
WORN_FROM = 0.5
"""Glasses are worn or not; a change that does not cross this shows nothing."""
WORN = ("glasses", "sunglasses")

RESTING = {"yaw": (0.3, 14.0), "pitch": (0.5, 7.0), "roll": (0.4, 5.0), "light_azimuth": (0.6, 60.0)}
"""Share kept and largest angle of a sampled pose: a medium close-up shows the face."""
RIVALS = {
    "glasses": ("sunglasses",), "sunglasses": ("glasses",), "beard": ("stubble",), "stubble": ("beard",),
    "brow_inner": ("brow_down",), "brow_down": ("brow_inner",), "eyes_closed": ("sunglasses",),
    "moustache": ("stubble",),
}  # fmt: skip
"""What has to be absent from a plate that is to show an edit of the other."""
OF_HAIR = ("hair_dark", "hair_red", "grey", "hair_length", "recede")
HIDDEN_BY_STYLE = ("bald", "buzz", "fringe")


@dataclass(frozen=True)
class Change:
    """One attribute, moved by ``value`` (``is_step``) or set to it."""

    attribute: str
    value: float
    is_step: bool

    def of(self, before: float) -> float:
        """The attribute's value after the change."""
        return before + self.value if self.is_step else self.value

    def __str__(self) -> str:
        return f"{self.attribute}={self.value:+g}" if self.is_step else f"{self.attribute}={self.value:g}"


@dataclass(frozen=True)
class Edit:
    """The difference between a plate and one of its truths: one attribute, or several at once."""

    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """What its folder is called after: the attributes."""
        return "_".join(change.attribute for change in self.changes)

    def __str__(self) -> str:
        return ",".join(str(change) for change in self.changes)

    def applied(self, params: FaceParams) -> FaceParams:
        """The edited face of one frame. What a performance adds (a blink, a drift) ends where the range does."""
        values = {}
        for change in self.changes:
            attribute = RANGES[change.attribute]
            value = change.of(float(getattr(params, attribute.name)))
            values[attribute.name] = min(max(value, attribute.low), attribute.high)
        return replace(params, **values)  # type: ignore[arg-type]

    def refuse_impossible(self, base: FaceParams) -> None:
        """Raise RecipeError if the edit leads out of a range, shows no change, or contradicts the face at rest."""
        for change in self.changes:
            attribute = RANGES[change.attribute]
            before = float(getattr(base, attribute.name))
            after = change.of(before)
            if not attribute.low - 1e-9 <= after <= attribute.high + 1e-9:
                raise RecipeError(
                    f"{change} would take {attribute.name} from {before:g} to {after:g}.",
                    where=attribute.name,
                    remedy=f"Stay within {attribute.low:g} and {attribute.high:g}.",
                )
            if not _differ(attribute.name, before, after):
                raise RecipeError(
                    f"{change} changes nothing: the plate has {attribute.name} {before:g}.",
                    where=attribute.name,
                    remedy="Ask for another value.",
                )
        check(self.applied(base))


def _differ(name: str, before: float, after: float) -> bool:
    if name in WORN:
        return (before >= WORN_FROM) != (after >= WORN_FROM)
    return abs(after - before) > 1e-6 * (RANGES[name].high - RANGES[name].low)


def parse_edit(text: str) -> Edit:
    """``age=+25`` and ``age=-10`` move an attribute, ``smile=1`` sets it; several are joined by commas.

    Raises RecipeError for other spellings, unknown attributes, values outside their range, and the same one twice.
    """
    changes = tuple(_parse_change(part, text) for part in text.split(","))
    names = [change.attribute for change in changes]
    if len(set(names)) != len(names):
        raise RecipeError(f"{text!r} names an attribute twice.", where=text, remedy="Give each one value.")
    return Edit(changes)


def _parse_change(part: str, text: str) -> Change:
    found = _WORDS.fullmatch(part)
    if found is None:
        raise RecipeError(
            f"{part.strip()!r} is no edit.",
            where=text,
            remedy="Write attribute=value to set it, attribute=+step or attribute=-step to move it.",
        )
    name, sign, digits = found.groups()
    if name not in RANGES:
        close = difflib.get_close_matches(name, RANGES, n=2)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"One of: {', '.join(RANGES)}."
        raise RecipeError(f"There is no attribute {name!r}.", where=text, remedy=hint)
    change = Change(name, float(sign + digits), bool(sign))
    low, high = RANGES[name].low, RANGES[name].high
    fits = abs(change.value) <= high - low if change.is_step else low <= change.value <= high
    if not fits:
        raise RecipeError(
            f"{change} is beyond the range of {name}, {low:g} to {high:g}.",
            where=text,
            remedy=f"Move it by {high - low:g} at most."
            if change.is_step
            else f"Stay within {low:g} and {high:g}.",
        )
    return change


def parse_edits(texts: Sequence[str]) -> tuple[Edit, ...]:
    """Several edits of one plate. Raises RecipeError if two of them would share a folder."""
    edits = tuple(parse_edit(text) for text in texts)
    names = [edit.name for edit in edits]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(
                f"Two edits change {name}.", where=name, remedy="Write them as two shots of the same seed."
            )
    return edits


def plate_face(sampler: Sampler, seed: int, edits: Sequence[Edit]) -> FaceParams:
    """The unedited face of a shot: face 0 of ``seed``, at rest, changed as far as the edits need it.

    Raises RecipeError if no plate suits all of them.
    """
    face = resting(sampler.sample(seed, 0))
    wanted: dict[str, list[Change]] = {}
    for edit in edits:
        for change in edit.changes:
            wanted.setdefault(change.attribute, []).append(change)
    for name in wanted:
        rivals = {rival: 0.0 for rival in RIVALS.get(name, ()) if rival not in wanted}
        face = replace(face, **rivals)  # type: ignore[arg-type]
        if name in OF_HAIR and face.hair_style in HIDDEN_BY_STYLE:
            face = replace(face, hair_style="short")
    values = {
        name: suited_value(name, float(getattr(face, name)), changes) for name, changes in wanted.items()
    }
    face = with_house_designs(resolve(replace(face, **values)))  # type: ignore[arg-type]
    for edit in edits:
        edit.refuse_impossible(face)
    return face


def resting(face: FaceParams) -> FaceParams:
    """The face turned towards the camera, eyes open and to be seen, mouth closed: how a take begins."""
    angles = {
        name: min(max(share * float(getattr(face, name)), -limit), limit)
        for name, (share, limit) in RESTING.items()
    }
    calm = {
        name: 0.35 * float(getattr(face, name)) for name in ("smile", "brow_inner", "brow_down", "mouth_open")
    }
    return replace(
        face,
        **angles,  # type: ignore[arg-type]
        **calm,  # type: ignore[arg-type]
        eyes_closed=0.0,
        sunglasses=0.0,
        gaze_yaw=0.4 * face.gaze_yaw,
        gaze_pitch=0.4 * face.gaze_pitch,
    )


def suited_value(name: str, sampled: float, changes: Sequence[Change]) -> float:
    """The value nearest to ``sampled`` from which every change is legal and can be seen. Raises RecipeError."""
    low, high = RANGES[name].low, RANGES[name].high
    lowest = max([low, *(low - change.value for change in changes if change.is_step)])
    highest = min([high, *(high - change.value for change in changes if change.is_step)])
    if name == "age" and any(change.is_step and change.value > 0 for change in changes):
        highest = min(highest, OLDEST_PLATE)
    targets = [change.value for change in changes if not change.is_step]
    apart = WORN_FROM if name in WORN else APART * (high - low)
    ends = [(low if target - low >= high - target else high) for target in targets]  # the side with more room
    inside = lowest + (highest - lowest) * (sampled - low) / (high - low)  # keeps the variety of the samples
    candidates = [*dict.fromkeys(ends)] if name in NEUTRAL_AT_END and targets else [sampled, inside, *ends]
    for value in candidates:
        clear = all(abs(value - target) >= apart - 1e-9 for target in targets)
        if lowest - 1e-9 <= value <= highest + 1e-9 and clear:
            return float(value)
    raise RecipeError(
        f"No plate can show {' and '.join(str(change) for change in changes)}.",
        where=name,
        remedy="Write them as separate shots.",
    )


NEUTRAL_AT_END = ("smile", "mouth_open", "brow_inner", "brow_down", "eyes_closed", "glasses", "sunglasses", "lipstick",
                  "beard", "moustache", "stubble")  # fmt: skip
"""Attributes whose absence is the usual state: a plate for an edit that sets them has none of them, or all."""
