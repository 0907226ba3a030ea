"""A truth shot on disk: EXR frames, masks, the track, and what everything was.

``plate/plate.####.exr`` and ``truth_<edit>/truth_<edit>.####.exr`` are ACEScg half floats; ``mask/classes.####.png``
holds class ids, ``mask/<edit>.####.png`` 255 where the clean truth differs from the clean plate; ``track.json`` the
plate's six landmarks a frame; ``shot.json`` seed, settings, edits, the face at rest and every frame's parameters.
``shot.json`` is written last: a folder without it is unfinished, and the same command goes on with it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..atomic import write_atomically
from ..errors import PlateError, RecipeError
from ..faces.base import LANDMARK_NAMES
from ..frame import HALF_MAX, Attribute, Frame, Part, Window
from ..io import write_frame
from .geometry import CLASS_NAMES, Floats
from .shot import FrameSet, ShotMaker, ShotSettings

VERSION = 1
"""Raise it whenever the same settings make other pictures."""
CHROMATICITIES = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
"""AP1 with the ACES white: ACEScg (S-2014-004)."""
SHOT, TRACK, PLAN = "shot.json", "track.json", ".plan.json"


def exr_frame(picture: Floats, number: int, notes: Mapping[str, str]) -> Frame:
    """A scene-linear ACEScg picture (H, W, 3) as a frame of half floats, with ``notes`` in its header.

    Values beyond what a half can hold are clipped to +-65504.
    """
    height, width = picture.shape[:2]
    window = Window(0, 0, width, height)
    planes = {}
    for index, channel in enumerate("RGB"):
        plane = np.clip(picture[..., index], -HALF_MAX, HALF_MAX).astype(np.float16)
        plane.flags.writeable = False
        planes[channel] = plane
    header = (
        Attribute("chromaticities", "chromaticities", CHROMATICITIES),
        Attribute("colorInteropID", "string", "lin_ap1_scene"),
        Attribute("framesPerSecond", "rational", (24, 1)),
        *(Attribute(name, "string", text) for name, text in notes.items()),
    )
    return Frame((Part("", ("R", "G", "B"), planes, window, window, header=header),), number)


def write_shot(maker: ShotMaker, folder: Path, tell: Callable[[str], None] = lambda line: None) -> int:
    """Render and write a shot; frames that a stopped run has finished are kept. Returns how many were rendered.

    Raises RecipeError if the folder holds another shot, PlateError if it cannot be written.
    """
    settings = maker.settings
    plan = plan_of(maker)
    done = _begun(folder, plan)
    rendered = 0
    for number in settings.numbers:
        if number in done:
            continue
        made = maker.frame(number)
        _write_pictures(folder, settings, number, made)
        done[number] = _entry(number, made)
        _write_json(folder / PLAN, {"plan": plan, "frames": [done[n] for n in sorted(done)]})
        rendered += 1
        tell(f"frame {number} ({len(done)}/{settings.frames})")
    frames = [done[number] for number in settings.numbers]
    size = [settings.width, settings.height]
    _write_json(
        folder / TRACK, {"size": size, "frames": [{"frame": f["frame"], **f["landmarks"]} for f in frames]}
    )
    _write_json(folder / SHOT, {**plan, "frames": frames})
    (folder / PLAN).unlink(missing_ok=True)
    return rendered


def plan_of(maker: ShotMaker) -> dict[str, Any]:
    """Everything that decides the pictures, as plain data."""
    return {
        "version": VERSION,
        "settings": _plain(maker.settings),
        "edits": {
            edit.name: {
                change.attribute: {
                    "asked": str(change),
                    "before": float(getattr(maker.performance.base, change.attribute)),
                    "after": change.of(float(getattr(maker.performance.base, change.attribute))),
                }
                for change in edit.changes
            }
            for edit in maker.settings.edits
        },
        "framing": asdict(maker.framing),
        "base": asdict(maker.performance.base),
        "classes": {str(number): name for number, name in CLASS_NAMES.items()},
        "colourspace": "ACEScg",
        "licence": "CC0-1.0",
    }


def is_finished(folder: Path, settings: ShotSettings) -> bool:
    """True if the folder holds a finished shot of these settings. Raises RecipeError for notes that cannot be read."""
    stored = _read_json(folder / SHOT)
    return stored is not None and _agree(stored, {"version": VERSION, "settings": _plain(settings)})


def _begun(folder: Path, plan: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Frames that are done already, by number, after checking that the folder is for this shot."""
    finished, unfinished = _read_json(folder / SHOT), _read_json(folder / PLAN)
    stored = finished or (unfinished or {}).get("plan")
    if stored is None:
        return {}
    if not _agree(stored, {key: plan[key] for key in ("version", "settings", "base", "framing")}):
        raise RecipeError(
            "The folder holds another shot.", where=str(folder), remedy="Choose another folder with -o."
        )
    frames = (finished or unfinished or {}).get("frames", [])
    return {int(entry["frame"]): entry for entry in frames}


def _agree(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(stored.get(key) == value for key, value in json.loads(json.dumps(wanted)).items())


def _plain(settings: ShotSettings) -> dict[str, Any]:
    return {**asdict(settings), "edits": [str(edit) for edit in settings.edits]}


def _entry(number: int, made: FrameSet) -> dict[str, Any]:
    points = {name: [float(v) for v in p] for name, p in zip(LANDMARK_NAMES, made.landmarks, strict=True)}
    moment = made.moment
    moving = {name: value for name, value in asdict(moment.params).items() if isinstance(value, float)}
    return {
        "frame": number,
        "params": moving,
        "camera": {"offset": moment.offset, "pan": moment.pan, "zoom": moment.zoom},
        "landmarks": points,
    }


def _write_pictures(folder: Path, settings: ShotSettings, number: int, made: FrameSet) -> None:
    words = {str(edit.name): str(edit) for edit in settings.edits}
    note = {"comments": "Lineament truth shot, CC0", "lineament:seed": str(settings.seed)}
    pictures = {"plate": (made.plate, note)}
    for name, picture in made.truths.items():
        pictures[f"truth_{name}"] = (picture, {**note, "lineament:edit": words[name]})
    for name, (picture, notes) in pictures.items():
        path = folder / name / f"{name}.{number:04d}.exr"
        _make_folder(path.parent)
        write_frame(path, exr_frame(picture, number, notes))
    _write_png(folder / "mask" / f"classes.{number:04d}.png", made.classes)
    for name, region in made.regions.items():
        _write_png(folder / "mask" / f"{name}.{number:04d}.png", region.astype(np.uint8) * np.uint8(255))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise _unwritable(folder, err) from err


def _write_png(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    _write(path, data.getvalue())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write(path, (json.dumps(content, indent=1) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as err:
        raise _unwritable(path, err) from err


def _unwritable(path: Path, err: OSError) -> PlateError:
    return PlateError(
        f"The shot cannot be written: {err.strerror or err}.",
        where=str(path),
        remedy="Choose another folder with -o, or free some space; the same command goes on where it stopped.",
    )


def _read_json(path: Path) -> dict[str, Any] | None:
    """A document of ours, or None if there is none. Raises RecipeError for one that cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # the latter is told when something is to be written
        return None
    except (OSError, ValueError) as err:
        raise RecipeError(
            f"The shot's notes cannot be read: {err}.",
            where=str(path),
            remedy="Remove the folder, or use another one.",
        ) from err
    return content if isinstance(content, dict) else None
