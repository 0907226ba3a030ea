"""A shot that fits into a test: small plates, a face that wanders, the tiny generator, and tools that count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.curve import SHOULDER
from lineament.core.directions.library import DirectionLibrary
from lineament.core.faces.base import Alignment, Face
from lineament.core.frame import Frame, Part, Window
from lineament.core.generators.package import load_package
from lineament.core.io import FramePath, resolve, write_frame
from lineament.core.latent import Direction, Latent
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.shots.shot import AnalysisSettings, FaceEdit, Shot
from lineament.core.tools import Tools

TEMPLATE = np.array([(0.62, 0.42), (0.38, 0.42), (0.5, 0.56), (0.6, 0.7), (0.4, 0.7), (0.5, 0.86)])
SIZE = (72, 96)
FACE_PX = 48.0


def face_at(number: int, x: float = 40.0, score: float = 1.0) -> Face:
    """The wandering face: two pixels to the right a frame."""
    return Face(TEMPLATE * FACE_PX + (x - FACE_PX / 2 + 1.0 * (number - 1001), 12.0), score, "test")


@dataclass
class Wandering:
    """A locator that sees the face on every frame but the blind ones, and counts its looks."""

    blind: frozenset[int] = frozenset()
    looks: list[int] = field(default_factory=list)
    others: bool = False

    def locate(self, picture, number):
        self.looks.append(number)
        found = () if number in self.blind else (face_at(number),)
        return (*found, Face(TEMPLATE * 20.0 + (70.0, 2.0), 0.9, "test")) if self.others else found


class Measuring:
    """An inverter whose latent follows the crop's mean, so that frames differ; it counts, and may fail once."""

    key = "measuring"

    def __init__(self, generator):
        random = torch.Generator().manual_seed(1)
        ws = generator.map(torch.randn(1, generator.z_dim, generator=random))
        self.base, self.generator_id = ws[0].numpy().astype(np.float32), generator.id
        self.calls, self.dies_at = 0, -1

    def invert(self, crop):
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        mean = float((crop.image * crop.matte).mean())
        return Latent((self.base * (1.0 + 0.1 * mean)).astype(np.float32), self.generator_id)


def tiny_tools(locator: object | None = None) -> Tools:
    """Fresh tools around the tiny generator."""
    package = load_package("tiny")
    generator = package.generator
    shape = (generator.num_ws, generator.w_dim)
    push = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    directions = (Direction("push", push, generator.id, (0, shape[0])),)
    return Tools(
        package=package,
        generator=generator,
        alignment=Alignment(generator.resolution, 0.62, 0.32),
        curve=SHOULDER,
        locator=locator or Wandering(),
        segmenter=None,
        inverter=Measuring(generator),
        library=DirectionLibrary(directions, generator.id),
    )


@pytest.fixture
def make_tools() -> Callable[..., Tools]:
    return tiny_tools


@pytest.fixture
def wandering() -> type[Wandering]:
    return Wandering


def picture(number: int) -> np.ndarray:
    """Scene-linear light (H, W, 3) with a brighter disc where the face is."""
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width]
    middle = face_at(number).landmarks.mean(0)
    disc = np.hypot(x - middle[0], y - middle[1]) < 20
    noise = np.random.default_rng(number).random((height, width, 1)) * 0.01
    return (0.1 + 0.15 * disc[..., None] + noise + np.zeros(3)).astype(np.float32)


def write_plate(path: Path, number: int, rgb: np.ndarray) -> None:
    """One EXR of halves."""
    height, width = rgb.shape[:2]
    window = Window(0, 0, width, height)
    planes = {c: np.ascontiguousarray(rgb[..., i].astype(np.float16)) for i, c in enumerate("RGB")}
    write_frame(path, Frame((Part("", ("R", "G", "B"), planes, window, window),), number))


@dataclass(frozen=True)
class SmallShot:
    """A shot on disk, its plates, and where its analysis goes."""

    shot: Shot
    cache: Path

    @property
    def plates(self) -> tuple[FramePath, ...]:
        return resolve(self.shot.plate)

    def with_settings(self, **settings: object) -> SmallShot:
        changed = replace(self.shot, analysis=replace(self.shot.analysis, **settings))
        return replace(self, shot=changed)

    def with_strength(self, strength: float, **more: object) -> SmallShot:
        recipe = EditRecipe((Move("push", Strength.constant(strength)),), **more)
        return replace(self, shot=replace(self.shot, faces=(FaceEdit("main", recipe=recipe),)))


@pytest.fixture
def small_shot(tmp_path: Path) -> SmallShot:
    """Eight frames from 1001 on."""
    (tmp_path / "plate").mkdir()
    for number in range(1001, 1009):
        write_plate(tmp_path / "plate" / f"plate.{number}.exr", number, picture(number))
    recipe = EditRecipe((Move("push", Strength.constant(1.0)),))
    shot = Shot(
        "sh010",
        str(tmp_path / "plate" / "plate.####.exr"),
        str(tmp_path / "out" / "out.####.exr"),
        faces=(FaceEdit("main", recipe=recipe),),
        colourspace="ACEScg",
        analysis=AnalysisSettings(smooth_centre=1.0, smooth_scale=1.0),
    )
    return SmallShot(shot.with_recipes(colourspace="ACEScg"), tmp_path / "cache")


@pytest.fixture
def repaint() -> Callable[[Path, int, np.ndarray], None]:
    return write_plate


@pytest.fixture
def plate_picture() -> Callable[[int], np.ndarray]:
    return picture
