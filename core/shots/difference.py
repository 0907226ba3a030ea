"""What differs between two shots, field by field and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from ..io.sequences import format_frames
from ..strength_file import strength_text
from .shot import FaceEdit, Shot, Show

_PLAIN = (
    *("plate", "output", "handles", "missing", "layer", "colourspace", "ocio", "locator"),
    *("pixel_aspect", "model", "seed", "version"),
)
_OF_RECIPE = ("mix", "exposure", "mask_feather", "detail_clamp")


@dataclass(frozen=True)
class Change:
    """One field of one shot: its text ``before`` and ``after``, "" where it is not there."""

    shot: str
    field: str
    before: str
    after: str


def described(shot: Shot) -> dict[str, str]:
    """Every field of a shot as text, by the name it has in a show file."""
    texts = {name: _text(getattr(shot, name)) for name in _PLAIN}
    texts["frames"] = format_frames(shot.frames) if shot.frames else "all on disk"
    texts["mask"] = str(shot.mask) if shot.mask is not None else ""
    for setting in fields(shot.analysis):
        name = setting.name if setting.name == "inverter" else f"analysis.{setting.name}"
        texts[name] = _text(getattr(shot.analysis, setting.name))
    for face in shot.faces:
        before = "" if len(shot.faces) == 1 and face.name == "main" else f"faces.{face.name}."
        texts |= {before + name: text for name, text in _of_face(face).items()}
    return texts


def _of_face(face: FaceEdit) -> dict[str, str]:
    texts = {"face": str(face.choice)}
    texts |= {f"strengths.{move.attribute}": strength_text(move.strength) for move in face.recipe.moves}
    texts |= {name: _text(getattr(face.recipe, name)) for name in _OF_RECIPE}
    return texts | {f"notes.{name}": text for name, text in face.recipe.notes.items()}


def changes(before: Mapping[str, str], after: Mapping[str, str], shot: str) -> list[Change]:
    """The fields whose texts differ, in the order of ``after``, those that are gone last."""
    names = [*after, *(name for name in before if name not in after)]
    found = [Change(shot, name, before.get(name, ""), after.get(name, "")) for name in names]
    return [change for change in found if change.before != change.after]


def from_defaults(show: Show, names: tuple[str, ...] = ()) -> list[Change]:
    """What each shot (or those named) says that the show's defaults do not; paths that only differ by their tokens are
    left out."""
    found: list[Change] = []
    for shot in show.shots if not names else [show.shot(name) for name in names]:
        base = described(replace(show.defaults, faces=_faces_like(show.defaults, shot)))
        own = {name.partition(".")[0] for name in shot.lines}
        texts = _relative(shot, show)
        for path in ("plate", "output", "mask"):
            if path not in own:
                texts[path] = base[path]
        found += changes(base, texts, shot.name)
    return found


def _faces_like(defaults: Shot, shot: Shot) -> tuple[FaceEdit, ...]:
    """The defaults' faces under the names that the shot's have, so that each is compared with what it started from."""
    known = {face.name: face for face in defaults.faces}
    return tuple(replace(known.get(face.name, defaults.faces[0]), name=face.name) for face in shot.faces)


def between(before: Show, after: Show, names: tuple[str, ...] = ()) -> list[Change]:
    """What differs between the shots of two shows, by name; a shot that only one of them has is one change."""
    old = {shot.name: shot for shot in before.shots}
    new = {shot.name: shot for shot in after.shots}
    for name in names:
        if name not in old and name not in new:
            after.shot(name)  # raises with what was probably meant
    found: list[Change] = []
    for name in [*new, *(name for name in old if name not in new)]:
        if names and name not in names:
            continue
        if name in old and name in new:
            found += changes(_relative(old[name], before), _relative(new[name], after), name)
        else:
            there = ("", "is there") if name in new else ("is there", "")
            found.append(Change(name, "", *there))
    return found


def _relative(shot: Shot, show: Show) -> dict[str, str]:
    """Texts with paths below the show's root written from there, so that a copied show differs in nothing."""
    root = f"{show.root}/"
    return {name: text.replace(root, "") for name, text in described(shot).items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
