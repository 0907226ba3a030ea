"""Which analysis belongs to a shot, known without opening the model: a note for every shot that was once opened.

The key of an analysis follows from the opened tools. A note under a key of its own, which follows from the model's card
and the names of the tools, tells that key, so that a finished shot is recognised without loading a network.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from ..atomic import write_atomically
from ..errors import GeneratorError
from ..generators.base import GeneratorCard
from ..generators.cards import find_package, read_card
from ..io.sequences import FramePath
from .analysis import PlateIdentity
from .analysis_store import DOCUMENT, FORMAT, MODEL_FILES, PLATES, digest_of, file_digest, folder_of, is_same
from .shot import Shot

log = logging.getLogger(__name__)

NOTES = "opened"


@dataclass(frozen=True)
class Receipt:
    """What a frame's parameters say of the analysis it is rendered from: its ``key``, ``digest`` and ``render_id``, and
    the ``plates`` it was made from."""

    key: str
    digest: str
    render_id: str
    plates: tuple[PlateIdentity, ...]


def note_analysis(cache: Path, shot: Shot, plates: Sequence[FramePath], key: str) -> None:
    """Keep the key of an opened shot's analysis; a cache that cannot be written costs only time later."""
    try:
        path = _note(cache, shot, plates)
        data = json.dumps({"format": FORMAT, "key": key}).encode()
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)
    except (OSError, GeneratorError) as err:
        log.info("The shot %s cannot be noted: %s", shot.name, err)


def find_receipt(cache: Path, shot: Shot, plates: Sequence[FramePath]) -> Receipt | None:
    """The receipt of a shot that was opened before and whose plates are still the analysed ones; else None, and the
    model has to be opened."""
    try:
        noted = json.loads(_note(cache, shot, plates).read_bytes())
        key = str(noted["key"])
        document = json.loads((folder_of(cache, key) / DOCUMENT).read_bytes())
        if (noted["format"], document["format"], document["key"]) != (FORMAT, FORMAT, key):
            return None
        known = PLATES.validate_python(document["plates"])
        if len(known) != len(plates) or not all(map(is_same, known, plates)):
            return None
        return Receipt(key, digest_of(document), str(document["render"]), known)
    except (OSError, GeneratorError, ValueError, KeyError, TypeError) as err:  # ValueError: pydantic's, too
        log.info("The shot %s is not known yet: %s", shot.name, err)
        return None


def _note(cache: Path, shot: Shot, plates: Sequence[FramePath]) -> Path:
    """Where the note of a shot with these plates lies. Raises GeneratorError for a model without a card."""
    card = read_card(find_package(shot.model))
    subject = {
        "format": FORMAT,
        "version": metadata.version("lineament"),
        "plates": [(plate.number, plate.source_number, str(plate.path.absolute())) for plate in plates],
        "faces": [(face.name, asdict(face.choice), face.recipe.exposure) for face in shot.faces],
        "tracks": [file_digest(Path(face.choice.track)) for face in shot.faces if face.choice.track],
        "settings": asdict(shot.analysis),
        "picture": (shot.layer, shot.colourspace, shot.pixel_aspect, shot.ocio, shot.locator, shot.seed),
        "model": _of_card(card),
        "lent": _of_card(read_card(find_package("default"))) if _lacks_network(card) else {},
    }
    digest = hashlib.sha256(json.dumps(subject, sort_keys=True, default=str).encode()).hexdigest()
    return cache / "shots" / NOTES / f"{digest[:32]}.json"


def _of_card(card: GeneratorCard) -> dict[str, object]:
    return {
        "id": card.id,
        "files": card.files,
        "alignment": card.alignment,
        "rest": (card.encoding, card.matte),
    }


def _lacks_network(card: GeneratorCard) -> bool:
    """Whether another model's networks find the faces of this one."""
    return not set(MODEL_FILES) <= card.files.keys()
