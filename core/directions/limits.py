"""Which attributes a model has, and how far each may go, read without torch: for checks, not for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import GeneratorError

NUMBERS_FILE = "directions.safetensors"
CARDS_FILE = "directions.json"
SCHEMA_VERSION = 1


def limits_in(content: Any, generator_id: str, where: str) -> dict[str, tuple[float, float]]:
    """Name -> lowest and highest strength in sigma, in the order in which they are shown.

    ``content`` is what ``CARDS_FILE`` holds. Raises GeneratorError if it belongs to another generator or is not
    what it should be.
    """
    try:
        check_origin(content, generator_id, where)
        entries = {str(entry["name"]): entry["limits"] for entry in content["directions"]}
        return {name: (float(low), float(high)) for name, (low, high) in entries.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise unreadable(err, where) from err


def unreadable(err: Exception, where: str) -> GeneratorError:
    """What to say of a directions file that does not hold what it should."""
    return GeneratorError(
        f"The directions cannot be read: {type(err).__name__}: {err}.",
        where=where,
        remedy="Install the model again, or find the directions again.",
    )


def check_origin(content: Mapping[str, Any], generator_id: str, where: str) -> None:
    """Raise GeneratorError unless a document has our version and was made on this generator."""
    if content["schema_version"] != SCHEMA_VERSION:
        raise GeneratorError(
            f"The directions have schema version {content['schema_version']}; "
            f"this release reads {SCHEMA_VERSION}.",
            where=where,
            remedy="Use the release that wrote them, or find the directions again.",
        )
    if content["generator_id"] != generator_id:
        raise GeneratorError(
            f"The directions were found on generator {str(content['generator_id'])[:12]}, "
            f"but this model is {generator_id[:12]}.",
            where=where,
            remedy="Find the directions again on this model.",
        )
