"""Which attributes a model on disk has, read without torch: a check of hundreds of shots asks no more of it."""

from __future__ import annotations

from pathlib import Path

from ..directions.limits import CARDS_FILE, NUMBERS_FILE, limits_in
from ..generators.cards import read_card, verified_bytes
from ..generators.package_files import parse_json


def read_limits(folder: Path) -> dict[str, tuple[float, float]]:
    """Name -> lowest and highest strength in sigma, in the order in which they are shown; none if the model has none.

    Both files of its directions are compared with the card; the numbers are not parsed. Raises GeneratorError as
    opening the model does.
    """
    card = read_card(folder)
    if not {CARDS_FILE, NUMBERS_FILE} & card.files.keys():
        return {}
    where = str(folder / CARDS_FILE)
    content = parse_json(verified_bytes(folder, card, CARDS_FILE), where)
    verified_bytes(folder, card, NUMBERS_FILE)
    return limits_in(content, card.id, where)
