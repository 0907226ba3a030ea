"""Analyses on disk: found by shot, settings and model; refused when the plates they were made from have changed.

``<cache>/shots/<key>/`` holds ``analysis.json``, ``latents.safetensors`` and, for a tuned generator,
``tune.safetensors``; ``analysis.json`` is written last and names the others' SHA-256. ``work/`` beside them keeps what
an interrupted analysis has done.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..atomic import write_atomically
from ..errors import DataError, PlateError
from ..faces.track import TrackLocator
from ..io.sequences import FramePath, format_frames
from .analysis import Analysis, FaceAnalysis, FaceTrack, PlateIdentity
from .shot import Shot

if TYPE_CHECKING:  # loads torch, which who only asks whether a shot is finished does without
    from ..tools import Tools

FORMAT = "lineament-analysis-2"
"""Raise it whenever the same shot and settings give another analysis."""
DOCUMENT, LATENTS, TUNING, WORK = "analysis.json", "latents.safetensors", "tune.safetensors", "work"
MODEL_FILES = ("encoder.safetensors", "locator.safetensors", "segmenter.safetensors", "wstats.safetensors")
AGAIN = 'Analyse the shot again with "lineament shot analyse".'
_DEVICE = re.compile(r" device=[a-z]+")
"""Part of an inverter's key, but not of a shot's: what was analysed on one machine is rendered on all."""
PLATES = TypeAdapter(tuple[PlateIdentity, ...])


def analysis_key(shot: Shot, plates: Sequence[FramePath], tools: Tools) -> str:
    """64 hex digits for the shot's plates by path, its faces' choices, its settings, and the model with locator.

    Strengths, mix, feather, masks and the output have no part in it: they change without a new analysis. Neither has
    what the plates hold: ``load_analysis`` compares that.
    """
    card = tools.package.card
    faces = [(face.name, asdict(face.choice), face.recipe.exposure) for face in shot.faces]
    tracks = [face.choice.track for face in shot.faces if face.choice.track]
    subject = {
        "format": FORMAT,
        "plates": [(plate.number, plate.source_number, str(plate.path.absolute())) for plate in plates],
        "faces": faces,
        "tracks": [file_digest(Path(track)) for track in tracks],
        "settings": asdict(shot.analysis),
        "picture": (shot.layer, shot.colourspace, shot.pixel_aspect, tools.ocio, shot.locator, shot.seed),
        "model": (card.id, {name: card.files.get(name, "") for name in MODEL_FILES}),
        "tools": (_DEVICE.sub("", tools.inverter.key), asdict(tools.alignment), card.encoding),
        "locator": locator_key(tools),
    }
    return hashlib.sha256(json.dumps(subject, sort_keys=True, default=str).encode()).hexdigest()


def locator_key(tools: Tools) -> str:
    """What the locator's answers depend on besides the picture, as text; the network's weights are the model's."""
    name = type(tools.locator).__name__
    if not isinstance(tools.locator, TrackLocator):
        return name
    track = tools.locator.track
    points = {number: points.tolist() for number, points in sorted(track.landmarks.items())}
    return f"{name} {track.size} {hashlib.sha256(json.dumps(points).encode()).hexdigest()}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, "" if it cannot be read: whoever needs it will say so."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def folder_of(cache: Path, key: str) -> Path:
    """Where the analysis of a key lies."""
    return cache / "shots" / key[:32]


def identity_of(plate: FramePath) -> PlateIdentity:
    """What a plate is now, its bytes read once. Raises PlateError."""
    try:
        status = plate.path.stat()
        sha = hashlib.sha256()
        with plate.path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                sha.update(block)
        digest = sha.hexdigest()
    except OSError as err:
        raise PlateError(
            f"The plate cannot be read: {err.strerror or err}.",
            where=str(plate.path),
            remedy="Check the file and its permissions.",
        ) from err
    path = str(plate.path.absolute())
    return PlateIdentity(plate.number, plate.source_number, path, status.st_size, status.st_mtime_ns, digest)


def is_same(known: PlateIdentity, plate: FramePath) -> bool:
    """Whether a plate is still what it was: by size and time, and where these differ by its bytes."""
    try:
        status = plate.path.stat()
    except OSError:
        return False
    if (status.st_size, status.st_mtime_ns) == (known.size, known.mtime_ns):
        return True
    return status.st_size == known.size and identity_of(plate).sha256 == known.sha256


def load_analysis(cache: Path, shot: Shot, plates: Sequence[FramePath], tools: Tools) -> Analysis:
    """The stored analysis of a shot; ``plates`` are those of the whole shot, whatever part of it is rendered.

    Raises DataError if there is none, if it is damaged, or if a plate has changed since (other size or time, and
    other bytes), naming the frames.
    """
    key = analysis_key(shot, plates, tools)
    folder = folder_of(cache, key)
    if not (folder / DOCUMENT).is_file():
        raise DataError(
            f'The shot "{shot.name}" has not been analysed with these plates, faces, settings and model.',
            where=str(folder),
            remedy='Run "lineament shot analyse" first.',
        )
    analysis = read_analysis(folder, key)
    changed = [
        plate.number
        for plate, known in zip(plates, analysis.plates, strict=True)
        if not is_same(known, plate)
    ]
    if changed:
        raise DataError(
            f'Plates of the shot "{shot.name}" have changed since it was analysed: frames {format_frames(changed)}.',
            where=str(folder),
            remedy=AGAIN,
        )
    return analysis


def read_analysis(folder: Path, key: str) -> Analysis:
    """The analysis in a folder. Raises DataError if a file is missing, damaged or of another key."""
    try:
        document = json.loads((folder / DOCUMENT).read_bytes())
        if document["format"] != FORMAT or document["key"] != key:
            raise ValueError("it belongs to another shot or version")
        data = (folder / LATENTS).read_bytes()
        if hashlib.sha256(data).hexdigest() != document["latents"]:
            raise ValueError("the latents do not match their checksum")
        if document["tuning"] and file_digest(folder / TUNING) != document["tuning"]:
            raise ValueError("the tuned generator does not match its checksum")
        tensors = load(data)
        return Analysis(
            key=key,
            digest=digest_of(document),
            folder=folder,
            generator_id=str(document["generator"]),
            render_id=str(document["render"]),
            plates=PLATES.validate_python(document["plates"]),
            faces=tuple(_face(one, tensors, index) for index, one in enumerate(document["faces"])),
            problems=tuple(str(one) for one in document["problems"]),
        )
    except (
        OSError,
        SafetensorError,
        ValidationError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as err:
        raise DataError(f"The analysis is damaged: {err}.", where=str(folder), remedy=AGAIN) from err


def digest_of(document: Mapping[str, Any]) -> str:
    """64 hex digits for what an analysis decides about pixels: latents, tuning, exposures, tracks."""
    deciding = {name: document[name] for name in ("key", "latents", "tuning", "faces", "generator", "render")}
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def _face(told: Mapping[str, Any], tensors: Mapping[str, np.ndarray[Any, Any]], index: int) -> FaceAnalysis:
    def tensor(name: str) -> np.ndarray[Any, Any]:
        return tensors[f"{index}.{name}"]

    track = FaceTrack(tuple(told["statuses"]), tensor("landmarks"), tensor("scores"))
    return FaceAnalysis(
        str(told["name"]),
        track,
        float(told["exposure"]),
        tensor("latents"),
        tensor("mattes"),
        tensor("keeps"),
        tensor("covered"),
    )


def write_analysis(analysis: Analysis) -> Analysis:
    """Write an analysis, whole or not at all; returns it with its ``digest``. Raises DataError."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for index, face in enumerate(analysis.faces):
        tensors |= {
            f"{index}.landmarks": face.track.landmarks,
            f"{index}.scores": face.track.scores,
            f"{index}.latents": face.latents,
            f"{index}.mattes": face.mattes,
            f"{index}.keeps": face.keeps,
            f"{index}.covered": face.covered,
        }
    data = save({name: np.ascontiguousarray(values) for name, values in tensors.items()}, {"format": FORMAT})
    document = {
        "format": FORMAT,
        "key": analysis.key,
        "generator": analysis.generator_id,
        "render": analysis.render_id,
        "latents": hashlib.sha256(data).hexdigest(),
        "tuning": file_digest(analysis.folder / TUNING)
        if analysis.render_id != analysis.generator_id
        else "",
        "faces": [
            {"name": face.name, "exposure": face.exposure, "statuses": list(face.track.statuses)}
            for face in analysis.faces
        ],
        "problems": list(analysis.problems),
        "summary": analysis.summary(),
        "plates": [asdict(plate) for plate in analysis.plates],
    }
    with writing(analysis.folder):
        write_atomically(analysis.folder / LATENTS, data)
        write_atomically(analysis.folder / DOCUMENT, json.dumps(document, indent=1).encode())
    return replace(analysis, digest=digest_of(document))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk says into DataError."""
    try:
        yield
    except OSError as err:
        raise DataError(
            f"The analysis cannot be written: {err.strerror or err}.",
            where=str(folder),
            remedy="Choose another folder with --cache, or free some space; the same command goes on where it stopped.",
        ) from err
