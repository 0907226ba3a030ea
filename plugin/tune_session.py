"""What is done to a shot while somebody tunes it: strengths, keys, undo, and saving into the show file.

No pictures and no network: a session holds recipes as they are and as the file has them. Saving goes the way of
``lineament shots set``, so that comments and order of the file stay, and is refused if somebody else has written the
file meanwhile.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lineament.core.errors import RecipeError
from lineament.core.recipe import INTERPOLATIONS, Strength
from lineament.core.shots.difference import Change
from lineament.core.shots.shot import Show, did_you_mean
from lineament.core.strength_file import strength_text

from .node_spec import ATTRIBUTE_EDIT
from .show_change import write_assignments
from .show_source import Assignment, assignment
from .tune_file import ShowFileChanged, analysed, expect_saved, has_own_faces, read_shot, stamp_of
from .tune_settings import FIELDS, NOTHING, Settings, is_same, settings_of, tidy, with_key, without_key

MAX_UNDO = 500


class TuneSession:
    """The edits of one shot of a show file.

    ``limits`` are those of the model's attributes, in sigma. Changes in a row with the same ``gesture``, such as the
    moves of one drag, are undone together. Every method raises RecipeError for what the shot or the model does not
    have, and leaves everything as it was. Not for several threads at once.
    """

    def __init__(self, path: Path, shot: str, limits: Mapping[str, tuple[float, float]]) -> None:
        self.path, self.limits = path, limits
        self._stamp, self.shot = read_shot(path, shot)
        self.saved = self.now = settings_of(self.shot)
        self._past: list[Settings] = []
        self._future: list[Settings] = []
        self._gesture = ""
        self.revision = 0

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to save."""
        return bool(self.assignments())

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to do again."""
        return bool(self._future)

    def set_strength(self, face: str, attribute: str, value: float, frame: int, gesture: str = "") -> None:
        """Set a constant strength, or the key at ``frame`` of a keyed one."""
        self._expect(attribute, value)
        is_keyed = (face, attribute) in self.now.keyed
        old = self.now.strength(face, attribute)
        new = with_key(old, frame, value) if is_keyed else Strength.constant(tidy(value))
        self._do(self.now.with_strength(face, attribute, new, is_keyed=is_keyed), gesture)

    def set_key(self, face: str, attribute: str, frame: int) -> None:
        """Make the strength that holds at ``frame`` a key there."""
        self._expect(attribute)
        old = self.now.strength(face, attribute)
        base = old if (face, attribute) in self.now.keyed else replace(old, keys=((frame, old.at(frame)),))
        new = with_key(base, frame, old.at(frame))
        self._do(self.now.with_strength(face, attribute, new, is_keyed=True))

    def remove_key(self, face: str, attribute: str, frame: int) -> None:
        """Take the key at ``frame`` away; the last one leaves a constant."""
        self._expect(attribute)
        old = self.now.strength(face, attribute)
        if (face, attribute) not in self.now.keyed or frame not in dict(old.keys):
            raise RecipeError(
                f'"{attribute}" has no key at frame {frame}.',
                where=f"face {face}",
                remedy="Choose a frame with a key.",
            )
        new = without_key(old, frame)
        self._do(self.now.with_strength(face, attribute, new, is_keyed=len(old.keys) > 1))

    def set_interpolation(self, face: str, attribute: str, kind: str) -> None:
        """Choose how a strength gets from key to key, one of INTERPOLATIONS."""
        self._expect(attribute)
        if kind not in INTERPOLATIONS:
            raise RecipeError(
                f'There is no interpolation "{kind}".', remedy=f"Use one of {', '.join(INTERPOLATIONS)}."
            )
        is_keyed = (face, attribute) in self.now.keyed
        new = replace(self.now.strength(face, attribute), interpolation=kind)
        self._do(self.now.with_strength(face, attribute, new, is_keyed=is_keyed))

    def reset(self, face: str, attribute: str) -> None:
        """Switch an attribute off, keys and all."""
        self._expect(attribute)
        self._do(self.now.with_strength(face, attribute, NOTHING, is_keyed=False))

    def set_field(self, face: str, field: str, value: float, gesture: str = "") -> None:
        """Set one of FIELDS."""
        if field not in FIELDS:
            raise RecipeError(f'"{field}" is not tuned here.', remedy=did_you_mean(field, FIELDS, "fields"))
        parameter = ATTRIBUTE_EDIT.get(field)
        _expect_within(field, value, (float(parameter.minimum or 0.0), float(parameter.maximum or 0.0)))
        self.now.face(face)
        self._do(self.now.with_recipe(face, **{field: tidy(value)}), gesture)

    def undo(self) -> None:
        """Take the last change back; does nothing where there is none."""
        if self._past:
            self._future.append(self.now)
            self._show(self._past.pop())

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._future:
            self._past.append(self.now)
            self._show(self._future.pop())

    def assignments(self) -> tuple[tuple[str, str], ...]:
        """What saving would change: the face's name and ``name=value`` as ``lineament shots set`` takes it."""
        found = []
        for face in self.now.faces:
            old = self.saved.face(face.name).recipe
            names = dict.fromkeys(move.attribute for move in (*old.moves, *face.recipe.moves))
            for name in names:
                strength = self.now.strength(face.name, name)
                if not is_same(strength, self.saved.strength(face.name, name)):
                    found.append((face.name, f"{name}={strength_text(strength)}"))
            for field in FIELDS:
                value = getattr(face.recipe, field)
                if value != getattr(old, field):
                    found.append((face.name, f"{field}={value:g}"))
        return tuple(found)

    def commands(self) -> tuple[str, ...]:
        """The same as command lines, one a face."""
        own, lines = has_own_faces(self.path, self.shot), []
        for face in self.now.faces:
            texts = [text for name, text in self.assignments() if name == face.name]
            option = f" --face-name {face.name}" if own or len(self.now.faces) > 1 else ""
            if texts:
                lines.append(
                    f"lineament shots set {shlex.quote(str(self.path))} {self.shot.name} {' '.join(texts)}{option}"
                )
        return tuple(lines)

    def save(self) -> tuple[Change, ...]:
        """Write what was changed, and nothing else, into the show file.

        Raises ShowFileChanged if the file is another one than was read, RecipeError if it cannot be changed or written.
        """
        wanted = self.now
        changes = self._assigned()
        if not changes:
            return ()
        self._refuse_changed()

        def check(before: Show, after: Show) -> None:
            self._refuse_changed()
            expect_saved(wanted, settings_of(after.shot(self.shot.name)), self.path)

        done = write_assignments(self.path, self.shot.name, changes, check=check)
        self._stamp, self.shot = read_shot(self.path, self.shot.name)
        self.saved = settings_of(self.shot)
        self._gesture = ""
        self.revision += 1
        return done.changes

    def reload(self) -> None:
        """Read the file again; what was changed here and not saved is laid over it, as one change.

        Raises RecipeError if the shot is gone from it or has other faces or plates, which need another analysis.
        """
        stamp, shot = read_shot(self.path, self.shot.name)
        if analysed(shot) != analysed(self.shot):
            raise RecipeError(
                "The shot has other plates, faces or settings now than were analysed.",
                where=shot.where,
                remedy="End this and start it again; note unsaved values first.",
            )
        fresh, mine = settings_of(shot), self.now
        for face, text in self.assignments():
            name = text.partition("=")[0]
            if name in FIELDS:
                fresh = fresh.with_recipe(face, **{name: getattr(mine.face(face).recipe, name)})
            else:
                keyed = (face, name) in mine.keyed
                fresh = fresh.with_strength(face, name, mine.strength(face, name), is_keyed=keyed)
        self._stamp, self.shot, self.saved = stamp, shot, settings_of(shot)
        self._do(fresh)

    def _assigned(self) -> list[Assignment]:
        """The changes as places of the file; faces that come from the defaults are written out, as naming one of them
        in the shot would drop the others."""
        own = has_own_faces(self.path, self.shot)
        is_one = len(self.now.faces) == 1 and not own
        texts = self.assignments()
        made = [assignment(text, "" if is_one else face) for face, text in texts]
        if made and not own and not is_one:
            made.insert(0, Assignment(("faces",), {face.name: {} for face in self.now.faces}))
        return made

    def _refuse_changed(self) -> None:
        if stamp_of(self.path) != self._stamp:
            raise ShowFileChanged(
                "The show file was changed by somebody else since it was read.",
                where=str(self.path),
                remedy="Read it again, which keeps your changes, look at the result, and save then.",
            )

    def _expect(self, attribute: str, value: float = 0.0) -> None:
        if attribute not in self.limits:
            raise RecipeError(
                f'The model has no attribute "{attribute}".',
                remedy=did_you_mean(attribute, self.limits, "attributes"),
            )
        _expect_within(attribute, value, self.limits[attribute])

    def _do(self, settings: Settings, gesture: str = "") -> None:
        is_more = bool(gesture) and gesture == self._gesture and bool(self._past)
        if settings == self.now:
            return
        if not is_more:
            self._past = [*self._past[-MAX_UNDO + 1 :], self.now]
        self._show(settings)
        self._future, self._gesture = [], gesture

    def _show(self, settings: Settings) -> None:
        self.now = settings
        self._gesture = ""
        self.revision += 1


def _expect_within(name: str, value: float, limits: tuple[float, float]) -> None:
    low, high = limits
    if not low <= value <= high:
        raise RecipeError(
            f'{value:g} is outside the range of "{name}".', remedy=f"Use a value from {low:g} to {high:g}."
        )
