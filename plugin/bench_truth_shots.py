"""The shots of the benchmark: rendered once for a seed, kept in a folder, read frame by frame."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from lineament.core.errors import DataError, PlateError
from lineament.core.faces.track import TrackLocator
from lineament.core.frame import Frame
from lineament.core.io import read_frame
from lineament.core.synthetic.assets import HeadAsset
from lineament.core.synthetic.backgrounds import background
from lineament.core.synthetic.edits import parse_edits, plate_face
from lineament.core.synthetic.sampler import Sampler
from lineament.core.synthetic.shot import Renderer, ShotMaker, ShotSettings
from lineament.core.synthetic.shot_files import is_finished, write_shot
from lineament.core.synthetic.studio import asset_digest, built_asset, renderer_version

from .options import default_cache

DEVELOPMENT_SEEDS = range(100)
"""Seeds that anybody may look at and tune on; results are quoted on others."""
DEVELOPMENT_FRAMES = 2
"""Frames of a development shot: strengths are chosen on them, and neighbours say the same."""


@dataclass(frozen=True)
class BenchEdit:
    """An attribute as three parties call it: ``direction`` in the model's library, ``edit`` of the renderer, and
    ``truth``, the folder of the frames that show it."""

    direction: str
    edit: str

    @property
    def truth(self) -> str:
        """Folder of the truth inside a shot."""
        return f"truth_{self.edit.partition('=')[0]}"


EDITS = {
    one.direction: one
    for one in (
        BenchEdit("age", "age=+25"),
        BenchEdit("smile", "smile=0.9"),
        BenchEdit("mouth_open", "mouth_open=0.7"),
        BenchEdit("glasses", "glasses=1"),
        BenchEdit("lipstick", "lipstick=0.9"),
        BenchEdit("beard", "beard=0.8"),
        BenchEdit("eyes_closed", "eyes_closed=0.9"),
        BenchEdit("brow_inner", "brow_inner=0.9"),
        BenchEdit("grey_hair", "grey=+0.5"),
        BenchEdit("skin_tone", "skin=+0.25"),
    )
}
"""What can be benchmarked, by direction name. Pose and light are left out: they are no edits of a face."""


@dataclass(frozen=True)
class ShotPlan:
    """How every shot of a run is rendered; ``attributes`` are directions of EDITS, ``made_with`` names the renderer."""

    attributes: tuple[str, ...]
    frames: int
    width: int
    height: int
    grain: float = 0.25
    samples: int = 2
    made_with: str = ""

    def frames_of(self, seed: int) -> int:
        """Frames of one shot: strengths need no more than two of a development shot."""
        return min(self.frames, DEVELOPMENT_FRAMES) if seed in DEVELOPMENT_SEEDS else self.frames

    def settings(self, seed: int) -> ShotSettings:
        """The renderer's settings of one shot. Raises RecipeError."""
        return ShotSettings(
            seed=seed,
            edits=parse_edits([EDITS[name].edit for name in self.attributes]),
            frames=self.frames_of(seed),
            width=self.width,
            height=self.height,
            grain=self.grain,
            samples=self.samples,
            made_with=self.made_with,
        )


@dataclass(frozen=True)
class TruthShot:
    """A shot on disk: frame ``numbers``, and the truths it has by direction name."""

    seed: int
    folder: Path
    numbers: tuple[int, ...]

    def plate(self, number: int) -> Frame:
        """One plate. Raises PlateError."""
        return read_frame(self.folder / "plate" / f"plate.{number:04d}.exr")

    def truth(self, attribute: str, number: int) -> Frame:
        """The same frame with the attribute changed. Raises PlateError."""
        name = EDITS[attribute].truth
        return read_frame(self.folder / name / f"{name}.{number:04d}.exr")

    def has(self, attribute: str) -> bool:
        """True if the shot has frames with this attribute changed."""
        return (self.folder / EDITS[attribute].truth).is_dir()

    def locator(self) -> TrackLocator:
        """The shot's own track. Raises FaceError."""
        return TrackLocator.from_file(self.folder / "track.json")


def open_shot(folder: Path, seed: int = 0) -> TruthShot:
    """A shot that lies on disk. Raises DataError if it has no track or its plates are missing."""
    try:
        track = json.loads((folder / "track.json").read_text(encoding="utf-8"))
        numbers = tuple(sorted(int(entry["frame"]) for entry in track["frames"]))
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"This is no truth shot: {err}.", where=str(folder), remedy="Make one: lineament faces shot."
        ) from err
    shot = TruthShot(seed, folder, numbers)
    try:
        shot.plate(numbers[0])
    except (PlateError, IndexError) as err:
        raise DataError(
            f"The shot's plates are missing: {err}", where=str(folder), remedy="Render the shot again."
        ) from err
    return shot


def shot_folder(shots: Path, plan: ShotPlan, seed: int) -> Path:
    """Where the shot of a seed is kept; shots of another plan have folders of their own."""
    words = " ".join(
        [
            *(EDITS[name].edit for name in plan.attributes),
            f"{plan.grain:g}",
            f"{plan.samples}",
            plan.made_with,
        ]
    )
    kind = f"{plan.width}x{plan.height}x{plan.frames_of(seed)}-{zlib.crc32(words.encode()):08x}"
    return shots / kind / f"seed{seed:05d}"


def shot_at(shots: Path, plan: ShotPlan, seed: int) -> TruthShot | None:
    """The finished shot of a seed, or None if it has to be rendered. Raises RecipeError for damaged notes."""
    folder = shot_folder(shots, plan, seed)
    return open_shot(folder, seed) if is_finished(folder, plan.settings(seed)) else None


def render_shot(shots: Path, plan: ShotPlan, seed: int, sampler: Sampler, renderer: Renderer) -> TruthShot:
    """Render the shot of a seed, or what is missing of it. Raises RecipeError, PlateError."""
    settings = plan.settings(seed)
    maker = ShotMaker(settings, plate_face(sampler, seed, settings.edits), renderer, background)
    folder = shot_folder(shots, plan, seed)
    write_shot(maker, folder)
    return open_shot(folder, seed)


def asset_file(source: Path) -> Path:
    """The built head asset that ``source`` names, built into the user's cache at the first call. Raises DataError."""
    return built_asset(source, Path(default_cache()).parent / "faces")


def made_with(asset: Path) -> str:
    """Renderer and head asset in words; with others a seed gives other pictures. Raises DataError, DeviceError."""
    return f"renderer {renderer_version()}, assets {asset_digest(HeadAsset.load(asset))[:12]}"
