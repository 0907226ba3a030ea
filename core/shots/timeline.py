"""OpenTimelineIO timelines as show files: every clip with an image sequence is a shot.

``metadata["lineament"]`` of a clip holds the fields of its shot as in a YAML file, and wins over what the cut says;
that of the timeline holds ``schema_version``, ``show``, ``defaults`` and ``transitions``. Policies:

- Gaps, other tracks than video, disabled clips and clips without an image sequence are left out, and told; one that
  carries settings of ours but no sequence is refused.
- A transition shows frames beyond the cut. They become part of the shot ("extend", the default), as far as the media
  have them, or the timeline is refused ("refuse").
- A retimed clip is refused, unless its settings say which ``frames`` of the plate to edit.
- Two clips of one name become two shots, the second with ``_2`` behind its name.

Relative media start from the folder that the timeline, or the bundle, lies in.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import opentimelineio as otio

from ..errors import RecipeError
from ..io.sequences import format_frames, has_token
from .located import Document
from .shot import MAX_HANDLES
from .shot_file import Problem, plain_name, refusal
from .shot_schema import SCHEMA_VERSION

KEY = "lineament"
CONTENT = "content.otio"
MAX_BYTES = 64 << 20
"""A feature film's cut fits many times; more is hostile."""

MAX_CLIP_FRAMES = 100_000
TRANSITIONS = ("extend", "refuse")
_IS_TOKEN = re.compile(r"(%0\d+d|%d)")


@dataclass(frozen=True)
class Timeline:
    """A timeline that was read: its ``document`` in the form of a show file, the OpenTimelineIO ``root`` and the clip
    of each shot, and ``notes`` on what was left out or extended, one sentence each."""

    path: Path
    document: Document
    root: Any
    clips: dict[str, Any]
    notes: tuple[str, ...]


def read_timeline(path: str | Path) -> Timeline:
    """Read ``.otio``, ``.otioz`` or ``.otiod``. Raises ShowFileError, a RecipeError, naming track and clip."""
    path = Path(path)
    return timeline_from(parse_timeline(content_of(path), path), path)


def timeline_from(root: Any, path: Path) -> Timeline:
    """What ``read_timeline`` gives, from a timeline that was parsed already."""
    reading = _Reading(path, _plain(root.metadata.get(KEY), str(path)))
    for track in _video_tracks(root):
        for place, clip in enumerate(_clips(track), 1):
            reading.take(clip, track, place)
    if reading.problems:
        raise refusal(reading.problems)
    data = {name: value for name, value in reading.settings.items() if name != "transitions"}
    data = {"schema_version": SCHEMA_VERSION, **data, "shots": reading.shots}
    if root.name and "name" not in (data.get("show") or {}):
        data["show"] = {"name": plain_name(root.name), **(data.get("show") or {})}
    document = Document(path, data, places=reading.places)
    return Timeline(path, document, root, reading.clips, tuple(_gap_notes(root) + reading.notes))


def content_of(path: Path) -> str:
    """The OTIO text of a timeline, a zipped bundle or a bundle folder. Raises RecipeError."""
    try:
        if path.suffix.lower() == ".otioz":
            with zipfile.ZipFile(path) as bundle, bundle.open(CONTENT) as stream:
                content = stream.read(MAX_BYTES + 1)
        else:
            inside = path / CONTENT if path.suffix.lower() == ".otiod" else path
            with inside.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        return content.decode("utf-8")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as err:
        reason = getattr(err, "strerror", None) or err
        raise RecipeError(
            f"The timeline cannot be read: {reason}.",
            where=str(path),
            remedy="Check the path, or export the timeline again as .otio, .otioz or .otiod.",
        ) from err


def parse_timeline(text: str, path: Path) -> Any:
    """The timeline in an OTIO text; a single clip, track or stack counts as one. Raises RecipeError."""
    try:
        root = otio.adapters.read_from_string(text, "otio_json")
    except Exception as err:
        reason = " ".join(str(err).split())[:200]
        raise _bad(path, f"The timeline is not valid OpenTimelineIO: {reason}.") from err
    if isinstance(root, otio.schema.SerializableCollection):
        found = [each for each in root if isinstance(each, otio.schema.Timeline)]
        root = found[0] if len(found) == 1 else root
    if not isinstance(root, otio.schema.Timeline):
        raise _bad(path, f"The file holds a {type(root).__name__}, not one timeline.")
    return root


def _bad(path: Path, what: str) -> RecipeError:
    return RecipeError(what, where=str(path), remedy="Export the timeline again as .otio, .otioz or .otiod.")


def _plain(metadata: Any, where: str) -> dict[str, Any]:
    """Metadata of ours as plain data; nothing is an empty mapping."""
    if metadata is None:
        return {}
    data = json.loads(otio.core.serialize_json_to_string(metadata))
    if not isinstance(data, dict):
        raise RecipeError(
            f'metadata["{KEY}"] is not a mapping of fields.',
            where=where,
            remedy="Remove it, or write fields.",
        )
    return data


def _video_tracks(root: Any) -> list[Any]:
    return [track for track in root.tracks if getattr(track, "kind", "Video") == otio.schema.TrackKind.Video]


def _clips(track: Any) -> Iterator[Any]:
    if isinstance(track, otio.schema.Clip):
        yield track
    elif hasattr(track, "find_clips"):
        yield from track.find_clips()


def _gap_notes(root: Any) -> list[str]:
    gaps = sum(isinstance(each, otio.schema.Gap) for track in _video_tracks(root) for each in track)
    return [f"{gaps} gap{'s' if gaps > 1 else ''} left out."] if gaps else []


@dataclass
class _Reading:
    """Collects shots, problems and notes while clips go by."""

    path: Path
    settings: dict[str, Any]
    shots: dict[str, Any] = field(default_factory=dict)
    clips: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.settings.get("transitions", "extend") not in TRANSITIONS:
            raise RecipeError(
                f"The policy for transitions is {self.settings['transitions']!r}.",
                where=str(self.path),
                remedy=f'Write one of {", ".join(TRANSITIONS)} in metadata["{KEY}"]["transitions"] of the timeline.',
            )

    def take(self, clip: Any, track: Any, number: int) -> None:
        """One clip: a shot, a note or a problem."""
        place = f'track "{track.name}", clip {number} "{clip.name}"'
        where = f"{self.path}, {place}"
        try:
            own = _plain(clip.metadata.get(KEY), where)
            if not clip.enabled:
                self.notes.append(f"{place} left out: it is disabled.")
                return
            reference = clip.media_reference
            plate = own.get("plate") or _pattern(reference)
            if not plate and not own:
                self.notes.append(f"{place} left out: it has no image sequence.")
                return
            fields = {"plate": plate, **self._cut(clip, own, where, place)} if plate else {}
            name = self._name(own.pop("shot", None), clip.name or f"clip{number:03d}", where)
        except RecipeError as err:
            self.problems.append(Problem(err.what, err.where, err.remedy, clip.name))
            return
        if own.pop("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            what = f"The clip's settings have another schema_version than {SCHEMA_VERSION}."
            self.problems.append(Problem(what, where, "Update Lineament for newer files.", name))
        if not plate:
            what = "The clip has settings, but no image sequence to edit."
            remedy = f'Link it to an image sequence, or write a plate into metadata["{KEY}"].'
            self.problems.append(Problem(what, where, remedy, name))
        self.shots[name], self.clips[name], self.places[name] = {**fields, **own}, clip, place

    def _name(self, given: Any, clip_name: str, where: str) -> str:
        if given is not None and (given in self.shots or not isinstance(given, str)):
            raise RecipeError(
                f"The shot's name {given!r} is taken, or is no text.",
                where=where,
                remedy=f'Give every clip another metadata["{KEY}"]["shot"].',
            )
        base = given or plain_name(clip_name)
        name, count = base, 1
        while name in self.shots:
            count += 1
            name = f"{base}_{count}"
        if name != clip_name and given is None:
            self.notes.append(f'clip "{clip_name}" is called "{name}" here.')
        return name

    def _cut(self, clip: Any, own: dict[str, Any], where: str, place: str) -> dict[str, Any]:
        """Frames and missing policy from the cut; frames of our own settings spare the question."""
        policy = getattr(clip.media_reference, "missing_frame_policy", None)
        policies = otio.schema.ImageSequenceReference.MissingFramePolicy
        missing = {policies.hold: "hold", policies.black: "skip"}.get(policy) if policy is not None else None
        fields: dict[str, Any] = {"missing": missing} if missing else {}
        if "frames" in own:
            return fields
        if any(_is_retime(effect) for effect in clip.effects):
            raise RecipeError(
                "The clip is retimed, so that the cut does not say which frames of the plate it shows.",
                where=where,
                remedy=f'Edit the plate at its own speed: write its frames into metadata["{KEY}"]["frames"].',
            )
        shown = self._shown(clip, where, place)
        if shown is not None:
            fields["frames"] = format_frames(_frame_numbers(clip, shown, where))
        return fields

    def _shown(self, clip: Any, where: str, place: str) -> Any:
        """The range that is seen, with transitions; None where neither cut nor media have a range."""
        if clip.source_range is None and clip.media_reference.available_range is None:
            return None
        cut, shown = clip.trimmed_range(), clip.visible_range()
        extra = shown.duration - cut.duration
        if extra.value <= 0:
            return cut
        frames = extra.to_frames()
        if self.settings.get("transitions", "extend") == "refuse":
            raise RecipeError(
                f"A transition shows {frames} frames of the clip beyond its cut.",
                where=where,
                remedy=f'Remove the transition, or set metadata["{KEY}"]["transitions"] to "extend".',
            )
        self.notes.append(f"{place} has {frames} frames more for its transitions.")
        return shown


def _is_retime(effect: Any) -> bool:
    if isinstance(effect, otio.schema.FreezeFrame):
        return True
    if isinstance(effect, otio.schema.LinearTimeWarp):
        return bool(effect.time_scalar != 1.0)
    return isinstance(effect, otio.schema.TimeEffect)


def _pattern(reference: Any) -> str:
    """The plate that a media reference stands for as a pattern, "" if it is no image sequence."""
    if isinstance(reference, otio.schema.ImageSequenceReference):
        digits = reference.frame_zero_padding
        mark = "#" * digits if digits > 1 and "#" not in reference.name_prefix else f"%0{max(digits, 1)}d"
        name = f"{reference.name_prefix}{mark}{reference.name_suffix}"
        base = str(reference.target_url_base or "")
        return f"{_file(base).rstrip('/')}/{name}" if base else name
    if isinstance(reference, otio.schema.ExternalReference):
        file = _file(str(reference.target_url or ""))
        return file if has_token(file) else ""
    return ""


def _file(url: str) -> str:
    """The path of a URL. The library's own way takes %04d and #### for parts of a URL's syntax."""
    if not url.lower().startswith("file:"):
        return url
    path = url[len("file:") :]
    if path.startswith("//"):
        host, _, rest = path[2:].partition("/")
        path = f"/{rest}" if host in ("", "localhost") else f"//{host}/{rest}"
    parts = [part if _IS_TOKEN.fullmatch(part) else unquote(part) for part in _IS_TOKEN.split(path)]
    return re.sub(r"^/(?=[A-Za-z]:)", "", "".join(parts))  # /C:/plates


def _frame_numbers(clip: Any, shown: Any, where: str) -> list[int]:
    """The plate's frames in a range of media time. Raises RecipeError where the media do not have them."""
    reference = clip.media_reference
    available = reference.available_range
    if available is None:
        raise RecipeError(
            "The clip's media do not say which frames there are (available_range), so that the cut has no beginning.",
            where=where,
            remedy=f'Export it with its available range, or write frames into metadata["{KEY}"].',
        )
    if not isinstance(reference, otio.schema.ImageSequenceReference):
        first = shown.start_time.to_frames()
        return list(range(first, first + _count(shown, where)))
    rate = reference.rate or shown.start_time.rate
    start = shown.start_time.rescaled_to(rate)
    numbers = []
    for index in range(_count(shown, where, rate)):
        time = otio.opentime.RationalTime(start.value + index, rate)
        if not available.contains(time):
            span = f"{available.start_time.to_frames()}-{available.end_time_inclusive().to_frames()}"
            raise RecipeError(
                f"The clip shows frame {time.to_frames()} of its media, which have {span}.",
                where=where,
                remedy="Shorten the cut or its transition, or link media with longer handles.",
            )
        number = reference.frame_for_time(time)
        numbers.append(number - (number - reference.start_frame) % max(reference.frame_step, 1))
    return sorted(set(numbers))


def _count(shown: Any, where: str, rate: float = 0.0) -> int:
    duration = shown.duration.rescaled_to(rate) if rate else shown.duration
    count = round(float(duration.value))
    if not 0 < count <= MAX_CLIP_FRAMES + 2 * MAX_HANDLES:
        raise RecipeError(
            f"The clip is {count} frames long.",
            where=where,
            remedy="Correct the clip's range in the timeline.",
        )
    return count
