"""Show files in and out: YAML, JSON or a timeline in, a ``Show`` out; whatever is not understood is refused by line.

The format is described in ``docs/shots.md``. A field of the command line wins over the environment, that over the
shot, that over the show's defaults; the first two are laid over a shot by ``overrides.py``.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..atomic import write_atomically
from ..errors import RecipeError
from ..io.sequences import format_frames, has_token
from ..strength_file import WRITE_A_STRENGTH, quote
from .located import FLOAT, FLOAT_FIRST, Document, read_document
from .plates import place_of
from .shot import Shot, Show, did_you_mean
from .shot_merge import Place, defaults_as_shot, merged_shot
from .shot_schema import SCHEMA_VERSION, ShowFile, fields_at, names_of, without_empty

TIMELINES = (".otio", ".otioz", ".otiod")
TEXTS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Problem:
    """Something wrong with a show: ``what``, ``where`` (file, line, shot) and the ``remedy``; ``shot`` is "" if it is
    the file's. A warning (``is_error`` false) does not keep the shot from being rendered."""

    what: str
    where: str
    remedy: str
    shot: str = ""
    is_error: bool = True


class ShowFileError(RecipeError):
    """A show file with problems; the error is the first of them, ``problems`` are all."""

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", problems: Iterable[Problem] = ()
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.problems = tuple(problems)


def refusal(problems: Sequence[Problem]) -> ShowFileError:
    """The error of a show with these problems, one or more."""
    first, more = problems[0], len(problems) - 1
    follow = f" ({more} more problem{'s follow' if more > 1 else ' follows'}.)" if more else ""
    return ShowFileError(first.what + follow, where=first.where, remedy=first.remedy, problems=problems)


def read_show(path: str | Path) -> Show:
    """Read a show file (``.yaml``, ``.yml``, ``.json``) or a timeline (``.otio``, ``.otioz``, ``.otiod``).

    Nothing but the file itself is opened. Raises ShowFileError, a RecipeError, with all problems of its fields.
    """
    path = Path(path)
    if path.suffix.lower() in TIMELINES:
        from .timeline import read_timeline  # OpenTimelineIO takes half a second to load

        return show_from(read_timeline(path).document)
    refuse_suffix(path)
    return show_from(read_document(path))


def refuse_suffix(path: Path) -> None:
    """Raise RecipeError unless the name is one of a show file or a timeline."""
    if path.suffix.lower() not in TEXTS + TIMELINES:
        raise RecipeError(
            f'A show file ends in .yaml, .yml, .json, .otio, .otioz or .otiod, not "{path.suffix}".',
            where=str(path),
            remedy="Rename the file, or make one with: lineament shots init FOLDER -o shots.yaml",
        )


def show_from(document: Document) -> Show:
    """The show that a parsed file describes. Raises ShowFileError."""
    if not isinstance(document.data, dict):
        raise RecipeError(
            f"A show file must be a mapping of fields, not {quote(document.data)}.",
            where=str(document.path),
            remedy="Start the file with schema_version: 1 and put the shots under shots:.",
        )
    try:
        parsed = ShowFile.model_validate(without_empty(document.data))
    except ValidationError as err:
        raise refusal(_translated(err, document)) from err
    folder = document.path.expanduser().absolute().parent
    root = folder / Path(parsed.show.root).expanduser() if parsed.show.root else folder
    name = parsed.show.name or plain_name(document.path.stem)
    shots, problems = [], []
    for shot_name, fields in parsed.shots.items():
        try:
            shots.append(
                merged_shot(shot_name, parsed.defaults, fields, _place(root, name, shot_name, document))
            )
        except RecipeError as err:
            problems.append(Problem(err.what, err.where, err.remedy, shot_name))
    problems += _shared_outputs(shots)
    if problems:
        raise refusal(problems)
    defaults = defaults_as_shot(parsed.defaults, Place(root, name, str(document.path)))
    return Show(document.path, name, root, defaults, tuple(shots))


def _shared_outputs(shots: list[Shot]) -> Iterator[Problem]:
    """Two shots that would write one file, as far as their patterns tell; ``check.py`` also follows links."""
    writers: dict[str, list[Shot]] = {}
    for shot in shots:
        others = writers.setdefault(shot.output, [])
        for other in others:
            both = sorted(set(shot.frames_with_handles()) & set(other.frames_with_handles()))
            if both or not (shot.frames and other.frames and has_token(shot.output)):
                yield shared_output(other, shot, format_frames(both) if both else "")
        others.append(shot)


def shared_output(first: Shot, second: Shot, frames: str = "") -> Problem:
    """The problem of two shots that write the same ``frames`` of one output."""
    of = f"frames {frames} of " if frames else ""
    return Problem(
        f'The shots "{first.name}" and "{second.name}" write the same files: {of}{second.output}.',
        f"{place_of(first, 'output')}, and {place_of(second, 'output')}",
        "Put {shot} into the output, for example output: out/{shot}/{version}/{shot}.####.exr",
        second.name,
    )


def show_text(data: Mapping[str, Any], path: Path, heading: Iterable[str] = ()) -> str:
    """The text of a show file for ``path``, keys in the order of ``data``; ``heading`` are comment lines of a YAML."""
    if path.suffix.lower() == ".json":
        return json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return "".join(f"# {line}\n" for line in heading) + yaml_text(data)


def yaml_text(data: Any, *, on_one_line: bool = False) -> str:
    """YAML that ``located.py`` reads back as the same data."""
    style, width = (True, 1 << 30) if on_one_line else (False, 110)
    text = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=style
    )
    return str(text)


def write_text(path: Path, text: str) -> None:
    """Write a show file in one step: a reader sees the old file or the new one. Raises RecipeError."""
    write_in_place(path, text.encode("utf-8"))


def write_in_place(path: Path, data: bytes) -> None:
    """Write a file in one step where it really lies, so that a link to it stays one, with the permissions it has.

    Raises RecipeError for a folder that is missing (a misspelt one is not to be made) and for a file that somebody
    locked.
    """
    try:
        target = path.resolve()
        target.parent.stat()
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        if mode is not None and not mode & 0o222:
            raise PermissionError(0, "it is write-protected")
        write_atomically(target, data)
        if mode is not None:
            target.chmod(mode)
    except (OSError, ValueError, RuntimeError) as err:  # RuntimeError: a loop of links before Python 3.13
        raise RecipeError(
            f"The show file cannot be written: {getattr(err, 'strerror', None) or err}.",
            where=str(path),
            remedy="Choose a folder that exists and that you may write to, or unlock the file.",
        ) from err


def _place(root: Path, show: str, name: str, document: Document) -> Place:
    here = ("shots", name)
    line = document.line_of(here)
    lines = {
        ".".join(place[2:]): number
        for place, number in document.lines.items()
        if place[:2] == here and place[2:]
    }
    return Place(root, show, where_of(document, here), line, lines)


def where_of(document: Document, place: tuple[str, ...]) -> str:
    """File, line and shot of a place, as far as they are known."""
    line = document.line_of(place)
    parts = [str(document.path), f"line {line}" if line else ""]
    if len(place) > 1 and place[0] == "shots":
        parts.append(document.places.get(place[1], f'shot "{place[1]}"'))
    return ", ".join(part for part in parts if part)


def plain_name(stem: str) -> str:
    """A show's name from its file's: letters that a name may not have become underscores."""
    letters = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in stem
    )
    return letters.lstrip("-_.") or "show"


def _translated(err: ValidationError, document: Document) -> list[Problem]:
    """Every problem of the fields in the order of the file, each once."""
    found: dict[tuple[str, ...], Problem] = {}
    for problem in err.errors(include_url=False, include_context=False):
        place = tuple(str(part) for part in problem["loc"] if part != "[key]")
        shot = place[1] if len(place) > 1 and place[0] == "shots" else ""
        what, remedy = _explained(problem, place, "[key]" in problem["loc"])
        found.setdefault(place, Problem(what, where_of(document, place), remedy, shot))
    return sorted(found.values(), key=lambda each: _line(each.where))


def _line(where: str) -> int:
    _, _, behind = where.partition(", line ")
    digits = behind.partition(",")[0]
    return int(digits) if digits.isdigit() else 0


def _explained(problem: Mapping[str, Any], place: tuple[str, ...], is_name: bool) -> tuple[str, str]:
    """What is wrong, and what to do."""
    dotted = ".".join(place)
    if problem["type"] == "extra_forbidden":
        fields = fields_at(place[:-1])
        known = names_of(fields) if fields else ()
        remedy = did_you_mean(place[-1], known, "fields")
        if "strengths" in known and remedy.startswith("Known"):
            remedy = f"{remedy} Attributes such as age are written under strengths:."
        return f'There is no field "{place[-1]}" here.', remedy
    if place == ("schema_version",):
        is_missing = problem["type"] == "missing"
        state = "is missing" if is_missing else f"is {quote(problem['input'])}"
        return (
            f"The field schema_version {state}; this version reads {SCHEMA_VERSION}.",
            f"Put schema_version: {SCHEMA_VERSION} at the top, or update Lineament for newer files.",
        )
    if problem["type"] == "missing":
        return f'The field "{dotted}" is missing.', "Add it; docs/shots.md shows a whole file."
    if is_name:
        what = "an attribute" if "strengths" in place else "a name"
        return (
            f"{quote(place[-1])} cannot be {what}.",
            "Use letters, digits and underscores, a letter first; names of shots may begin with a digit.",
        )
    reason = str(problem["msg"]).removeprefix("Value error, ")
    remedy = (
        WRITE_A_STRENGTH if "strengths" in place else "Correct the value; docs/shots.md shows every field."
    )
    return f'The field "{dotted}" is not valid: {reason} (found {quote(problem["input"])}).', remedy


class _Dumper(yaml.SafeDumper):
    """Keys by frame on one line, and text that our reader would take for a number in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        by_frame = bool(mapping) and all(str(key).lstrip("-").isdigit() for key in mapping)
        return super().represent_mapping(tag, mapping, flow_style=by_frame or flow_style)


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list(FLOAT_FIRST))
