"""A shot that was analysed and rendered by a real model in miniature: textured plates, a face on a track."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, write_frame
from lineament.plugin.cli import main

from .conftest import make_model

WIDTH, HEIGHT = 96, 72
NUMBERS = (1001, 1002, 1003, 1004, 1005, 1006)
SHOW = """schema_version: 1
show: {{name: harbour}}
defaults: {{model: {model}, face: {{track: track.json}}, analysis: {{occlusion: false}}}}
shots:
  sh010:
    plate: plate/p.####.exr
    output: out/{{shot}}.####.exr
    strengths: {{age: {age}}}
    notes: {{director: "older <b>please</b>"}}
  sh020: {{plate: plate/p.####.exr, output: "out/{{shot}}.####.exr", frames: 1001-1003, strengths: {{smile: 1}}}}
"""


@dataclass(frozen=True)
class RenderedShow:
    """``folder`` holds shots.yaml, plates, model, analyses, and what was rendered of sh010."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "shots.yaml"

    def output(self, number: int) -> Path:
        return self.folder / "out" / f"sh010.{number}.exr"

    def run(self, *words: object) -> int:
        """A command of the program with this show's analyses; its exit code."""
        return main([*map(str, words), "--cache", str(self.folder / "cache")])

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Puts outputs and show file back in the end."""
        out, kept, text = self.folder / "out", self.folder / "kept", self.file.read_text()
        shutil.copytree(out, kept)
        yield
        shutil.rmtree(out)
        kept.rename(out)
        self.file.write_text(text)

    def brighten(self, number: int, stops: float) -> None:
        """Spoil an output: the whole of what was edited, so many stops brighter."""
        frame = read_frame(self.output(number))
        plate = read_frame(self.folder / "plate" / f"p.{number}.exr").rgb()
        rgb = frame.rgb()
        changed = (rgb != plate).any(axis=-1)
        write_frame(
            self.output(number), frame.with_rgb(None, rgb * np.float32(2.0**stops), changed), overwrite=True
        )


def make_show(folder: Path, age: float = 1.5) -> RenderedShow:
    """Write model, plates and show file, analyse both shots, render sh010."""
    model = _model(folder / "model")
    _plates(folder / "plate")
    points = {"eye_l": (58, 30), "eye_r": (38, 30), "nose": (48, 40)}
    points |= {"mouth_l": (55, 50), "mouth_r": (41, 50), "chin": (48, 60)}
    frames = [{"frame": number, **points} for number in NUMBERS]
    (folder / "track.json").write_text(json.dumps({"size": [WIDTH, HEIGHT], "frames": frames}))
    show = RenderedShow(folder)
    show.file.write_text(SHOW.format(age=age, model=model))
    assert show.run("shot", "analyse", show.file, "sh010") == 0
    assert show.run("shot", "analyse", show.file, "sh020") == 0
    assert show.run("shot", "render", show.file, "sh010") == 0
    return show


def _model(folder: Path) -> Path:
    """The model in miniature; a shot opens its locator, track or not, and the default model's is a real one."""
    make_model(folder, seed=7)
    card = folder / "card.json"
    data = json.loads(card.read_text())
    del data["files"]["locator.safetensors"]
    card.write_text(json.dumps(data))
    return folder


def _plates(folder: Path) -> None:
    """A still picture with texture, and grain that is new on every frame."""
    folder.mkdir()
    noise = np.random.default_rng(5).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    texture = 0.05 + 0.8 * cv2.GaussianBlur(noise, (0, 0), 2.0)
    window = Window(0, 0, WIDTH, HEIGHT)
    for number in NUMBERS:
        grain = np.random.default_rng(number).normal(1.0, 0.02, texture.shape)
        rgb = (texture * grain).astype(np.float16)
        planes = {name: np.ascontiguousarray(rgb[..., index]) for index, name in enumerate("RGB")}
        write_frame(
            folder / f"p.{number}.exr", Frame((Part("", ("R", "G", "B"), planes, window, window),), number)
        )
