"""The show file under a tuning session: whether it is still the one that was read, and what it says of the shot."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineament.core.errors import LineamentError, RecipeError
from lineament.core.shots.shot import Shot
from lineament.core.shots.shot_file import TIMELINES, read_show

from .tune_settings import FIELDS, Settings, is_same


class ShowFileChanged(RecipeError):
    """The show file is not the one that was read: somebody else has written it."""


def expect_saved(wanted: Settings, found: Settings, path: Path) -> None:
    """The file must say what is wanted, before it is written."""
    for face in wanted.faces:
        one = found.face(face.name)
        names = {move.attribute for move in (*face.recipe.moves, *one.recipe.moves)}
        is_right = all(is_same(wanted.strength(face.name, n), found.strength(face.name, n)) for n in names)
        if not is_right or any(getattr(face.recipe, f) != getattr(one.recipe, f) for f in FIELDS):
            raise RecipeError(
                f'The values of the face "{face.name}" cannot be written into this file as they are.',
                where=str(path),
                remedy="Change the file by hand; nothing was written.",
            )


def analysed(shot: Shot) -> object:
    """What an analysis and a preview depend on."""
    faces = tuple((face.name, face.choice, face.recipe.exposure) for face in shot.faces)
    plain = replace(shot, faces=(), output="", version=0, where="", line=0, lines={})
    return plain, faces


def read_shot(path: Path, shot: str) -> tuple[str, Shot]:
    """A show file's stamp and one of its shots, of one and the same file."""
    for _ in range(3):
        stamp = stamp_of(path)
        found = read_show(path).shot(shot)
        if stamp_of(path) == stamp:
            return stamp, found
    raise ShowFileChanged(
        "The show file changes while it is read.", where=str(path), remedy="Try again when nobody writes it."
    )


def stamp_of(path: Path) -> str:
    """SHA-256 of what the show file says."""
    if path.is_dir():
        from lineament.core.shots.timeline import content_of

        return hashlib.sha256(content_of(path).encode()).hexdigest()
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as err:
        raise RecipeError(
            f"The show file cannot be read: {err.strerror or err}.",
            where=str(path),
            remedy="Is it still there?",
        ) from err


def has_own_faces(path: Path, shot: Shot) -> bool:
    """Whether the shot's own part of the file has ``faces:``."""
    data: Any
    try:
        if path.suffix.lower() in TIMELINES:
            from lineament.core.shots.timeline import read_timeline

            data = read_timeline(path).document.data
        else:
            from lineament.core.shots.located import read_document

            data = read_document(path).data
    except LineamentError:
        return False
    return bool((data["shots"].get(shot.name) or {}).get("faces"))
