"""Which colour space is a plate in? Evidence is ranked, the winner named, and doubt is an error, not a guess.

Order: (1) what the user names; (2) the header: ``colorInteropID``, then ``chromaticities``; (3) a file rule
of the config that looks at the path; (4) for display-referred stills the sRGB texture space, for all other
plates the role ``scene_linear``; (5) a catch-all file rule. Catch-alls (the default rule, or a rule that only
looks at the extension) come last, because the common built-in configs map every ``.exr`` to ACES2065-1, which
silently gives an ACEScg plate the wrong primaries.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import PyOpenColorIO as ocio

from .colour_config import OcioConfig, canonical_name, first_known, linear_space_near, rec709_from_primaries
from .errors import ColourError

log = logging.getLogger(__name__)

_SRGB_TEXTURE = (
    "srgb_rec709_scene",
    "srgb_tx",
    "srgb_texture",
    "Utility - sRGB - Texture",
    "sRGB - Texture",
    "sRGB",
)
_SILENT_IDS = ("", "unknown")

Chromaticities = tuple[float, ...]


@dataclass(frozen=True)
class Resolved:
    """The space of a plate: ``space`` canonical in ``config``, ``reason`` for people.

    ``evidence`` is one of "explicit", "header", "file rule", "still default", "role", "default rule".
    """

    config: OcioConfig
    space: str
    evidence: str
    reason: str


def resolve_space(
    handle: OcioConfig,
    *,
    path: str,
    chromaticities: Chromaticities | None,
    interop_id: str,
    display_referred: bool,
    colourspace: str,
) -> Resolved:
    """Rank the evidence (see the module) and return the winner; losers that contradict it are logged.

    ``chromaticities`` are rx ry gx gy bx by wx wy. Raises ColourError for an unknown name, a header nobody
    knows, or no evidence at all.
    """
    if colourspace:
        space = canonical_name(handle, colourspace, where="colour space asked for")
        winner = Resolved(handle, space, "explicit", f'asked for by name: "{colourspace}"')
        _warn_of_header(winner, chromaticities, interop_id, display_referred)
        return winner
    header = _from_header(handle, path, chromaticities, interop_id, display_referred)
    rule, is_weak = _from_file_rule(handle, path)
    if header:
        if rule and not is_weak and rule.space != header.space:
            log.warning(
                '%s: the %s says "%s", the %s says "%s"; the header wins.',
                path,
                header.reason,
                header.space,
                rule.reason,
                rule.space,
            )
        return header
    if rule and not is_weak:
        return rule
    fallback = _from_convention(handle, display_referred, rule)
    if fallback is None:
        raise ColourError(
            f'Nothing tells the colour space of "{path}".',
            where=f"OCIO config {handle.name}",
            remedy="Name it with --colorspace.",
        )
    return fallback


def _from_convention(
    handle: OcioConfig, display_referred: bool, weak_rule: Resolved | None
) -> Resolved | None:
    """What is usual for such files: sRGB stills, scene_linear plates, then the config's catch-all rule."""
    ignored = f'; catch-all file rule to "{weak_rule.space}" ignored' if weak_rule else ""
    if display_referred:
        space = first_known(handle, _SRGB_TEXTURE)
        found = Resolved(handle, space, "still default", f"display-referred still taken as sRGB{ignored}")
    else:
        space = first_known(handle, ("scene_linear",))
        ignored = "" if weak_rule and weak_rule.space == space else ignored
        found = Resolved(handle, space, "role", f"role scene_linear{ignored}")
    return found if space else weak_rule


def _from_file_rule(handle: OcioConfig, path: str) -> tuple[Resolved | None, bool]:
    """What the config's file rules say of the path, and whether that rule is only a catch-all."""
    if not path:
        return None, True
    name, index = handle.config.getColorSpaceFromFilepath(path)
    space = first_known(handle, (str(name),))
    if not space:
        return None, True
    rules = handle.config.getFileRules()
    label = str(rules.getName(index))
    # The rule that searches space names in the path has neither pattern nor expression, and is no catch-all.
    is_search = label == ocio.FILE_PATH_SEARCH_RULE_NAME
    looks_at_name = is_search or bool(rules.getRegex(index)) or str(rules.getPattern(index)).strip("*") != ""
    kind = "file rule" if looks_at_name else "default rule"
    return Resolved(handle, space, kind, f'file rule "{label}"'), not looks_at_name


def _from_header(
    handle: OcioConfig,
    path: str,
    chromaticities: Chromaticities | None,
    interop_id: str,
    display_referred: bool,
) -> Resolved | None:
    """What the header says; the id outranks the primaries, and stills need more than primaries."""
    is_silent = interop_id in _SILENT_IDS
    by_primaries = (
        None if display_referred else _from_chromaticities(handle, path, chromaticities, must_match=is_silent)
    )
    if is_silent:
        return by_primaries
    space = _space_of_interop_id(handle, interop_id)
    if not space:
        raise ColourError(
            f'The OCIO config "{handle.name}" does not know the header\'s colorInteropID "{interop_id}".',
            where=path,
            remedy="Name the plate's space with --colorspace, or a config that has it with --ocio.",
        )
    space = canonical_name(handle, space, where=path)
    is_linear = handle.config.isColorSpaceLinear(space, ocio.REFERENCE_SPACE_SCENE)
    if by_primaries and is_linear and by_primaries.space != space:
        log.warning(
            '%s: colorInteropID says "%s", chromaticities say "%s"; the id wins.',
            path,
            space,
            by_primaries.space,
        )
    return Resolved(handle, space, "header", f'header colorInteropID "{interop_id}"')


def _space_of_interop_id(handle: OcioConfig, interop_id: str) -> str:
    """The space with this interop id: by the field of newer configs, else by alias, without its namespace."""
    for space in handle.config.getColorSpaces():
        read_id = getattr(space, "getInteropID", None)  # absent before OCIO 2.5
        if read_id is not None and read_id() == interop_id:
            return str(space.getName())
    candidates = (
        interop_id,
        interop_id.rpartition(":")[2],
        interop_id.rpartition(":")[2].removesuffix("_scene"),
    )
    return next((name for name in candidates if handle.config.getCanonicalName(name)), "")


def _warn_of_header(
    winner: Resolved, chromaticities: Chromaticities | None, interop_id: str, display_referred: bool
) -> None:
    """Say so if the header contradicts the space asked for; a header nobody knows contradicts nothing."""
    try:
        header = _from_header(winner.config, "header", chromaticities, interop_id, display_referred)
    except ColourError as err:
        log.info("The header's colour space is unknown, and overruled: %s", err.what)
        return
    if header and header.space != winner.space:
        log.warning(
            'The %s says "%s", but "%s" was asked for and is used.', header.reason, header.space, winner.space
        )


def _from_chromaticities(
    handle: OcioConfig, path: str, chromaticities: Chromaticities | None, *, must_match: bool
) -> Resolved | None:
    """The config's linear space with these primaries; ColourError if there is none and ``must_match``."""
    if chromaticities is None:
        return None
    matrix = rec709_from_primaries(chromaticities)
    if matrix is None:
        log.warning("%s: chromaticities %s describe no colour space; ignored.", path, chromaticities)
        return None
    space = linear_space_near(handle, tuple(float(value) for value in matrix.ravel()))
    if space:
        return Resolved(handle, space, "header", f"header chromaticities {_format(chromaticities)}")
    if not must_match:
        return None
    raise ColourError(
        f'No linear space of "{handle.name}" has the chromaticities {_format(chromaticities)}.',
        where=f"header of {path}",
        remedy="Name the plate's space with --colorspace, or a config that has it with --ocio.",
    )


def _format(chromaticities: Chromaticities) -> str:
    return f"({', '.join(f'{value:.4g}' for value in chromaticities)})"
