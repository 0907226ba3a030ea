"""A job for OpenCue, as its servers read it: the XML job specification, version 1.11.

Checked against the published document type and against what OpenCue's own library writes; no server was asked. Layers
are named by the shots, a render layer waits for its analysis layer, and the server puts each task's frames in.
"""

from __future__ import annotations

import getpass
import hashlib
import re
import shlex
from collections.abc import Sequence
from xml.etree import ElementTree

from .farm_frames import openjd_range
from .farm_job import LABEL, FarmFile, FarmJob, FarmShot

NAME = "opencue_job.xml"
FRAMES = "#FRAMESPEC#"
"""The server replaces it by a task's frames, such as 1001-1010 or 1-9x2."""
REVIEW = "review"
"""The last layer; those of shots have a suffix, so that none is called like it."""
_DOCTYPE = (
    '<!DOCTYPE spec PUBLIC "SPI Cue  Specification Language" "http://localhost:8080/spcue/dtd/cjsl-1.11.dtd">'
)


def opencue_files(job: FarmJob) -> tuple[FarmFile, ...]:
    """The one file of the export."""
    spec = ElementTree.Element("spec")
    for tag, text in (("show", _name(job.show)), ("shot", _shot_of(job)), ("user", _name(getpass.getuser()))):
        _child(spec, tag, text)
    name = f"{_name(job.show)}-{_shot_of(job)}-lineament"
    _job(_child(spec, "job", name=name), job)
    depends = _child(spec, "depends")
    for shot in job.shots:
        analyse, render = layer_names(shot)
        _depend(depends, name, render, analyse)
        if job.review:
            _depend(depends, name, REVIEW, render)
    ElementTree.indent(spec)
    body = ElementTree.tostring(spec, encoding="unicode")
    comment = f"<!-- {LABEL}. Checked against the format only. -->"
    return (FarmFile(NAME, f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCTYPE}\n{comment}\n{body}\n'),)


def layer_names(shot: FarmShot) -> tuple[str, str]:
    """What the layers of a shot are called: analyse, render."""
    return f"{_name(shot.name)}_analyse", f"{_name(shot.name)}_render"


def _job(job_element: ElementTree.Element, job: FarmJob) -> None:
    _child(job_element, "paused", "False")
    _child(job_element, "maxretries", "2")
    _child(job_element, "autoeat", "False")
    layers = _child(job_element, "layers")
    for shot in job.shots:
        analyse, render = layer_names(shot)
        _layer(layers, analyse, job.analyse_words(shot), "1", 1)
        _layer(layers, render, job.render_words(shot, FRAMES), _range(shot), job.chunk)
    if job.review:
        _layer(layers, REVIEW, job.review_words(), "1", 1)


def _layer(layers: ElementTree.Element, name: str, words: Sequence[str], frames: str, chunk: int) -> None:
    layer = _child(layers, "layer", name=name, type="Render")
    _child(layer, "cmd", shell_line(words))
    _child(layer, "range", frames)
    _child(layer, "chunk", str(chunk))
    _child(layer, "services")
    _child(layer[-1], "service", "shell")


def shell_line(words: Sequence[str]) -> str:
    """Words as one line for a POSIX shell, in which the server finds no variable of its own but ``FRAMES``."""
    return " ".join(word if word == FRAMES else shlex.quote(word).replace("#", "#''") for word in words)


def _range(shot: FarmShot) -> str:
    """OpenCue writes steps with an x; a range made of numbers alone has no other difference."""
    return openjd_range(shot.frames).replace(":", "x")


def _depend(depends: ElementTree.Element, job: str, layer: str, on: str) -> None:
    """A layer waits for all of another one."""
    depend = _child(depends, "depend", type="LAYER_ON_LAYER", anyframe="False")
    for tag, text in (("depjob", job), ("deplayer", layer), ("onjob", job), ("onlayer", on)):
        _child(depend, tag, text)


def _shot_of(job: FarmJob) -> str:
    return _name(job.shots[0].name) if len(job.shots) == 1 else "shots"


def _name(name: str) -> str:
    """A name as the server keeps it: small letters, digits and underscores. A name that this changes gets a mark of
    its own, so that no two become one."""
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    return plain if plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _child(
    parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element
