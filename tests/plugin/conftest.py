"""A studio in miniature: an untrained model that has everything a real one has, a plate with a track, a
clean user."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from .rendered_shot import RenderedShow

WIDTH, HEIGHT = 96, 72
FRAMES = (1001, 1002, 1003)


@dataclass(frozen=True)
class Studio:
    """``model`` is a package folder, ``plate`` a pattern with three frames, ``track`` their landmarks."""

    folder: Path
    model: Path
    plate: str
    track: Path

    def arguments(self, output: Path | str, *more: str) -> list[str]:
        """A complete ``edit`` command, with ``more`` behind it."""
        tools = ["--model", str(self.model), "--track", str(self.track), "--cache", ""]
        return ["edit", self.plate, "-o", str(output), *tools, *more]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Made once: tests read it and write elsewhere."""
    folder = tmp_path_factory.mktemp("studio")
    model = make_model(folder / "model", seed=7)
    return Studio(folder, model, make_plate(folder / "plate"), make_track(folder / "track.json"))


@pytest.fixture(scope="session")
def rendered_show(tmp_path_factory: pytest.TempPathFactory) -> RenderedShow:
    """A show that was analysed and rendered; read only, ``spoilt_show`` is what tests may damage."""
    from .rendered_shot import make_show

    handler = signal.getsignal(signal.SIGTERM)
    try:
        return make_show(tmp_path_factory.mktemp("rendered"))
    finally:
        signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def spoilt_show(rendered_show: RenderedShow) -> Iterator[RenderedShow]:
    """The rendered show; outputs, show file and signals are put back afterwards."""
    handler = signal.getsignal(signal.SIGTERM)
    with rendered_show.kept():
        yield rendered_show
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the person who runs the tests leaks in, and no error file is left in the system's folder."""
    import os
    import tempfile

    for name in list(os.environ):
        if name == "OCIO" or (name.startswith("LINEAMENT_") and name != "LINEAMENT_SHARED"):
            monkeypatch.delenv(name)
    system = tmp_path_factory.mktemp("system")
    monkeypatch.setattr(tempfile, "tempdir", str(system))
    monkeypatch.setenv("XDG_CACHE_HOME", str(system / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(system / "data"))


def make_model(folder: Path, seed: int) -> Path:
    """A model package with random weights: generator, encoder, two directions."""
    import torch
    from lineament.core.directions.library import DirectionLibrary, library_files
    from lineament.core.generators.package import add_files, load_package
    from lineament.core.generators.tiny import save_tiny
    from lineament.core.inversion.encoder_net import EncoderNet
    from lineament.core.latent import Direction

    save_tiny(folder, seed)
    card = load_package(folder).card
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = EncoderNet(card.w_dim, (8, 8, 8), 16)
    numbers = np.random.default_rng(seed).standard_normal((2, card.num_ws, card.w_dim)).astype(np.float32)
    directions = tuple(
        Direction(name, delta, card.id, (0, card.num_ws))
        for name, delta in zip(("age", "smile"), numbers, strict=True)
    )
    library = library_files(DirectionLibrary(directions, card.id))
    extra = {"encoder.safetensors": encoder.state_dict()}
    extra["locator.safetensors"] = {"none": torch.zeros(1)}  # never opened: faces come from the track
    add_files(folder, tensors={**extra, **library["tensors"]}, documents=library["documents"])
    return folder


def make_plate(folder: Path) -> str:
    """Three half-float frames of a soft ramp, with highlights, alpha and a depth channel."""
    from lineament.core.frame import Frame, Part, Window
    from lineament.core.io import write_frame

    folder.mkdir()
    window = Window(0, 0, WIDTH, HEIGHT)
    ramp = np.linspace(0.02, 3.0, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    planes = {name: (ramp * gain).astype(np.float16) for name, gain in (("R", 1.0), ("G", 0.8), ("B", 0.6))}
    planes["A"] = np.ones((HEIGHT, WIDTH), np.float16)
    planes["Z"] = ramp.astype(np.float32)
    part = Part("", tuple(planes), planes, window, window, compression="zip")
    for number in FRAMES:
        write_frame(folder / f"shot.{number}.exr", Frame((part,), number))
    return str(folder / "shot.####.exr")


def make_track(path: Path) -> Path:
    """The same landmarks on every frame, a face of 20 pixels between the eyes."""
    points = {"eye_l": (58, 30), "eye_r": (38, 30), "nose": (48, 40)}
    points |= {"mouth_l": (55, 50), "mouth_r": (41, 50), "chin": (48, 60)}
    frames = [{"frame": number, **points} for number in FRAMES]
    path.write_text(json.dumps({"size": [WIDTH, HEIGHT], "frames": frames}))
    return path
