"""Whether a show can be rendered: every path, frame, mask, attribute and output resolved, and all that is wrong told.

Policies:

- A strength all of whose keys lie on one side of the shot's frames, handles included, never changes inside it: an
  error. Keys outside the frames with others inside or beyond the other end are a warning.
- Two shots that write one file, and a shot that writes over a plate or mask of any shot: errors.
- Handles without plates are a warning; frames of the cut follow the shot's ``missing`` policy.
- A face's track or box that does not speak of the shot's frames is an error where nothing is left, else a warning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import ColourError, LineamentError
from ..faces.track import read_track
from ..io.files import overwritten
from ..io.sequences import FramePath, format_frames
from ..recipe import Strength
from .plates import ShotPlates, place_of, placed, shot_masks, shot_outputs, shot_plates
from .shot import FaceEdit, Shot, Show, did_you_mean
from .shot_file import Problem, shared_output

Limits = Mapping[str, tuple[float, float]]
OPENERS = 8
"""First plates that are opened at the same time."""
_SAME_FORMAT = {".jpg": ".jpeg", ".tif": ".tiff"}


@dataclass(frozen=True)
class Lookups:
    """What a check asks of the rest of the engine; None leaves the question out.

    ``attributes`` gives the attributes of a model by its name, with the limits of their strengths in sigma. ``look``
    opens the first plate of a shot and returns the warnings it has (colour space, layer, mask channel, box), in any of
    several threads; both raise LineamentError.
    """

    attributes: Callable[[str], Limits] | None = None
    look: Callable[[Shot, FramePath], list[str]] | None = None


def check_show(show: Show, lookups: Lookups | None = None) -> list[Problem]:
    """Everything that is wrong with a show, in the order of its shots; overlaps between shots last."""
    lookups = lookups or Lookups()
    problems: list[Problem] = []
    files: list[_Files] = []
    found = [_sought(shot) for shot in show.shots]
    opened = _opened(found, lookups)
    for shot, plates, faults in found:
        problems += faults
        problems += _of_strengths(shot, plates, lookups)
        if plates is None:
            continue
        for face in shot.faces:
            problems += _of_face(shot, face, plates)
        problems += _same_faces(shot)
        files.append(_files(shot, plates, problems))
        problems += opened.get(shot.name, [])
    return problems + list(_overlaps(files))


def problem_from(error: LineamentError, shot: Shot, is_error: bool = True) -> Problem:
    """An error of a shot as a problem of its show."""
    return Problem(error.what, error.where or shot.where, error.remedy, shot.name, is_error)


class _Sought(NamedTuple):
    """A shot, its plates if they could be found, and what is wrong with them."""

    shot: Shot
    plates: ShotPlates | None
    problems: list[Problem]


def _sought(shot: Shot) -> _Sought:
    try:
        plates = shot_plates(shot)
    except LineamentError as err:
        return _Sought(shot, None, [problem_from(err, shot)])
    notes = (
        ("handles", plates.handles_missing, "Handle frames without plates are left out", "handles"),
        ("skipped", plates.skipped, "Frames without plates are skipped", "missing"),
        ("held", plates.held, "Frames without plates repeat the nearest earlier one", "missing"),
    )
    remedy = "Render the missing plates, or leave it so."
    told = [
        Problem(f"{what}: {format_frames(numbers)}.", place_of(shot, field), remedy, shot.name, False)
        for _, numbers, what, field in notes
        if numbers
    ]
    return _Sought(shot, plates, told)


def _of_strengths(shot: Shot, plates: ShotPlates | None, lookups: Lookups) -> Iterator[Problem]:
    """Attributes the model does not have, strengths beyond its limits, and keys that the shot never reaches."""
    known: Limits | None = None
    if lookups.attributes is not None:
        try:
            known = lookups.attributes(shot.model)
        except LineamentError as err:
            yield problem_from(placed(err, shot, "model"), shot)
    numbers = [frame.number for frame in plates.frames] if plates else list(shot.frames_with_handles())
    for face in shot.faces:
        if not any(value for move in face.recipe.moves for _, value in move.strength.keys):
            what = f'Nothing is edited on the face "{face.name}": it has no strength other than 0.'
            yield Problem(what, shot.where, "Set one: strengths: {age: 1.5}", shot.name, False)
        for move in face.recipe.moves:
            where = place_of(
                shot, f"faces.{face.name}.strengths.{move.attribute}", f"strengths.{move.attribute}"
            )
            if known is not None:
                yield from _of_attribute(shot, move.attribute, move.strength, known, where)
            if numbers:
                yield from _of_keys(shot, move.attribute, move.strength, (min(numbers), max(numbers)), where)


def _of_attribute(shot: Shot, name: str, strength: Strength, known: Limits, where: str) -> Iterator[Problem]:
    if name not in known:
        what = f'The model "{shot.model}" has no attribute "{name}".'
        yield Problem(what, where, did_you_mean(name, known, "attributes"), shot.name)
        return
    low, high = known[name]
    beyond = [value for _, value in strength.keys if not low <= value <= high]
    if beyond:
        what = (
            f'The strength {beyond[0]:g} of "{name}" is beyond what the model can take, {low:g} to {high:g}.'
        )
        yield Problem(what, where, f"Use a value from {low:g} to {high:g}.", shot.name)


def _of_keys(
    shot: Shot, name: str, strength: Strength, span: tuple[int, int], where: str
) -> Iterator[Problem]:
    if len(strength.keys) == 1:  # a constant
        return
    frames = [frame for frame, _ in strength.keys]
    outside = [frame for frame in frames if not span[0] <= frame <= span[1]]
    if not outside:
        return
    shown = f"{span[0]}-{span[1]}"
    if frames[-1] < span[0] or frames[0] > span[1]:
        yield Problem(
            f'All keys of "{name}" ({format_frames(frames)}) lie outside the shot\'s frames {shown}.',
            where,
            "Move the keys into the shot, or write the strength as one number.",
            shot.name,
        )
        return
    yield Problem(
        f'Keys of "{name}" lie outside the shot\'s frames {shown}: {format_frames(outside)}.',
        where,
        "Nothing has to be done if the curve is meant to begin or end beyond the shot.",
        shot.name,
        is_error=False,
    )


def _of_face(shot: Shot, face: FaceEdit, plates: ShotPlates) -> Iterator[Problem]:
    """A box drawn on a frame the shot does not have, and a track that does not cover it."""
    place = place_of(shot, f"faces.{face.name}.face", "face", f"faces.{face.name}")
    numbers = [frame.number for frame in plates.frames]
    choice = face.choice
    if choice.box is not None and choice.box_frame is not None and choice.box_frame not in numbers:
        what = f'The box of the face "{face.name}" is drawn on frame {choice.box_frame}, which the shot does not have.'
        yield Problem(what, place, f"Name a frame of {format_frames(numbers)}.", shot.name)
    if not choice.track:
        return
    try:
        track = read_track(Path(choice.track))
    except LineamentError as err:
        yield problem_from(type(err)(err.what, where=f"{place}: {err.where}", remedy=err.remedy), shot)
        return
    first, last = min(track.landmarks), max(track.landmarks)
    beyond = [number for number in numbers if not first <= number <= last]
    if beyond:
        what = f"The track {choice.track} covers frames {first} to {last}, not {format_frames(beyond)}."
        remedy = "Track the missing frames; without them they keep their plate."
        yield Problem(what, place, remedy, shot.name, is_error=len(beyond) == len(numbers))


def _same_faces(shot: Shot) -> Iterator[Problem]:
    seen: dict[object, str] = {}
    for face in shot.faces:
        first = seen.setdefault(face.choice, face.name)
        if first != face.name:
            what = f'The faces "{first}" and "{face.name}" are both {face.choice}.'
            yield Problem(
                *(what, place_of(shot, f"faces.{face.name}")),
                "Give each its own number, box or track, or one face all the strengths.",
                shot.name,
            )


@dataclass(frozen=True)
class _Files:
    """A shot and the real paths of what it reads and writes."""

    shot: Shot
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]


def _files(shot: Shot, plates: ShotPlates, problems: list[Problem]) -> _Files:
    inputs = [frame.path for frame in plates.frames]
    outputs: tuple[Path, ...] = ()
    try:
        masks = shot_masks(shot, plates.frames)
        inputs += [mask for mask in masks if mask is not None]
    except LineamentError as err:
        problems.append(problem_from(err, shot))
    try:
        outputs = shot_outputs(shot, plates.frames)
        problems += _of_output(shot, inputs, outputs)
    except LineamentError as err:
        problems.append(problem_from(placed(err, shot, "output"), shot))
    return _Files(shot, tuple(inputs), outputs)


def _of_output(shot: Shot, inputs: list[Path], outputs: tuple[Path, ...]) -> Iterator[Problem]:
    place = place_of(shot, "output")
    over = overwritten(inputs, outputs)
    if over is not None:
        what = f"The output is the plate or mask itself: {over}."
        yield Problem(what, place, "Choose another folder or name for output:.", shot.name)
    kinds = [_SAME_FORMAT.get(path.suffix.lower(), path.suffix.lower()) for path in (inputs[0], outputs[0])]
    if kinds[0] != kinds[1]:
        what = f"The plate is a {kinds[0] or 'nameless'} file and the output a {kinds[1] or 'nameless'} one."
        yield Problem(
            what, place, "Edited frames keep the format of their plate; convert them afterwards.", shot.name
        )


def _opened(found: Sequence[_Sought], lookups: Lookups) -> dict[str, list[Problem]]:
    """What the first plates of all shots say, by the shot's name; several are opened at a time, for disks are slow."""
    look = lookups.look
    if look is None:
        return {}
    wanted = [(one.shot, one.plates.frames[0]) for one in found if one.plates is not None]
    with ThreadPoolExecutor(OPENERS) as pool:
        problems = list(pool.map(lambda one: _of_first(one[0], one[1], look), wanted))
    return {shot.name: told for (shot, _), told in zip(wanted, problems, strict=True)}


def _of_first(shot: Shot, first: FramePath, look: Callable[[Shot, FramePath], list[str]]) -> list[Problem]:
    try:
        warnings = look(shot, first)
    except LineamentError as err:
        return [problem_from(placed(err, shot, *_blamed(err), "plate"), shot)]
    return [Problem(told, shot.where, "Look at the plate.", shot.name, is_error=False) for told in warnings]


def _blamed(err: LineamentError) -> tuple[str, ...]:
    """The fields that an error of the plate is most likely about."""
    if isinstance(err, ColourError):
        return ("colourspace", "ocio")
    return ("layer",) if "layer" in err.what.lower() else ()


def _overlaps(files: list[_Files]) -> Iterator[Problem]:
    """Files that two shots write, and outputs of one shot that are plates or masks of another; once for each pair."""
    folders: dict[str, str] = {}

    def real(path: Path) -> str:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        return f"{folders[folder]}/{name}"

    writers: dict[str, Shot] = {}
    readers = {real(path): each.shot for each in files for path in each.inputs}
    told: set[tuple[str, str, str]] = set()
    for each in files:
        for output in each.outputs:
            name = real(output)
            for verb, other in (("write", writers.get(name)), ("read", readers.get(name))):
                pair = (verb, each.shot.name, other.name if other else "")
                if other is None or other.name == each.shot.name or pair in told:
                    continue
                told.add(pair)
                yield _overlap(verb, other, each.shot, output)
            writers.setdefault(name, each.shot)


def _overlap(verb: str, other: Shot, shot: Shot, output: Path) -> Problem:
    if verb == "write":
        return shared_output(other, shot)
    return Problem(
        f'The shot "{shot.name}" would write over a plate or mask of the shot "{other.name}": {output}.',
        f"{place_of(other, 'plate')}, and {place_of(shot, 'output')}",
        "Write to another folder, for example output: out/{shot}/{version}/{shot}.####.exr",
        shot.name,
    )
