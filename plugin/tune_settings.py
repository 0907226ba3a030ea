"""One state of the edits of a shot while somebody tunes it, as values: strengths, their keys, and a few fields.

A constant is a strength with one key whose frame means nothing; whether it is meant as a key, the settings know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lineament.core.errors import RecipeError
from lineament.core.recipe import Move, Strength
from lineament.core.shots.shot import FaceEdit, Shot, did_you_mean

FIELDS = ("mix", "mask_feather", "detail_clamp")
"""Fields of a face that are tuned besides its strengths; limits and words come from the node's declaration."""

NOTHING = Strength.constant(0.0)

DIGITS = 4
"""Decimals that are kept of a strength: a slider's binary fractions are no business of a file."""


def tidy(value: float) -> float:
    """A value without a slider's rounding dust, and without a negative zero."""
    return round(float(value), DIGITS) + 0.0


def with_key(strength: Strength, frame: int, value: float) -> Strength:
    """The strength with this value at a frame, in place of a key that was there."""
    keys = dict(strength.keys) | {frame: tidy(value)}
    return replace(strength, keys=tuple(sorted(keys.items())))


def without_key(strength: Strength, frame: int) -> Strength:
    """The strength without the key at a frame; the last key leaves its value behind as a constant."""
    keys = tuple(key for key in strength.keys if key[0] != frame)
    return replace(strength, keys=keys) if keys else Strength.constant(strength.at(frame))


def is_same(first: Strength, second: Strength) -> bool:
    """Whether two strengths are the same on every frame, as far as their keys tell."""
    if len(first.keys) == len(second.keys) == 1:
        return first.keys[0][1] == second.keys[0][1]
    return first == second


@dataclass(frozen=True)
class Settings:
    """One state of the edits: the shot's ``faces``, and which attributes of which face are ``keyed`` although they may
    have one key only."""

    faces: tuple[FaceEdit, ...]
    keyed: frozenset[tuple[str, str]] = frozenset()

    def face(self, name: str) -> FaceEdit:
        """The face of that name. Raises RecipeError."""
        for face in self.faces:
            if face.name == name:
                return face
        raise RecipeError(
            f'The shot has no face "{name}".',
            remedy=did_you_mean(name, [each.name for each in self.faces], "faces"),
        )

    def strength(self, face: str, attribute: str) -> Strength:
        """The strength of an attribute; 0 where nothing was asked."""
        found = [move.strength for move in self.face(face).recipe.moves if move.attribute == attribute]
        return found[0] if found else NOTHING

    def with_strength(self, face: str, attribute: str, strength: Strength, *, is_keyed: bool) -> Settings:
        """These settings with another strength; moves keep their order."""
        old = self.face(face)
        moves = [Move(m.attribute, strength) if m.attribute == attribute else m for m in old.recipe.moves]
        if all(move.attribute != attribute for move in moves):
            moves.append(Move(attribute, strength))
        keyed = self.keyed | {(face, attribute)} if is_keyed else self.keyed - {(face, attribute)}
        return replace(self.with_recipe(face, moves=tuple(moves)), keyed=keyed)

    def with_recipe(self, face: str, **fields: Any) -> Settings:
        """These settings with other fields of one face's recipe."""
        faces = tuple(
            replace(each, recipe=replace(each.recipe, **fields)) if each.name == face else each
            for each in self.faces
        )
        return replace(self, faces=faces)


def settings_of(shot: Shot) -> Settings:
    """A shot's edits as the file has them."""
    keyed = {
        (face.name, move.attribute)
        for face in shot.faces
        for move in face.recipe.moves
        if len(move.strength.keys) > 1
    }
    return Settings(shot.faces, frozenset(keyed))
