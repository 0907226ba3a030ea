"""Faces as pictures of a data set: backdrop, render, exposure and white balance; no blur and no grain.

Whoever trains on the pictures makes them worse himself, differently each time. Encoding and exposure are those of the
pipeline (photograph.py), so a render and the crop of a plate look alike.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DeviceError
from ..faces.base import Alignment
from .assets import ASSET_NAME, HeadAsset, asset_from
from .backgrounds import background
from .dataset import Draw, Drawn
from .params import FaceParams
from .photograph import PhotoSettings, develop, draw_settings, expose, suited_exposure

if TYPE_CHECKING:
    from .renderer import FaceRenderer

_EXTRA = ("moderngl", "glcontext", "_moderngl")
NEAREST_DM, FARTHEST_DM = 7.0, 14.0
"""Distance of the camera: an arm's length to a long lens; each is as frequent as its double."""


def renderer_version() -> str:
    """Version of the renderer: another one may draw the same face otherwise. Raises DeviceError if it is not there."""
    return str(_renderer_module().VERSION)


@contextmanager
def open_renderer(asset: Path) -> Iterator[FaceRenderer]:
    """A renderer of a built head asset on one core. Raises DataError for the asset, DeviceError without OpenGL."""
    renderer_class = _renderer_module().FaceRenderer
    with renderer_class(HeadAsset.load(asset), threads=1) as renderer:
        yield renderer


def _renderer_module() -> ModuleType:
    """OpenGL is an extra, which whoever only reads data sets does not have."""
    try:
        return importlib.import_module(".renderer", __package__)
    except ModuleNotFoundError as err:
        if err.name not in _EXTRA:
            raise
        raise DeviceError(
            f"Faces cannot be rendered: {err}.",
            where="moderngl",
            remedy='Install it with: pip install "lineament[engine,cli,faces]".',
        ) from err


@contextmanager
def open_studio(asset: Path, alignment: Alignment, seed: int, samples: int) -> Iterator[Draw]:
    """What draws the faces of a data set, see ``dataset.Draw``. ``asset`` is the built file. Raises DataError and
    DeviceError like :func:`open_renderer`."""
    with open_renderer(asset) as renderer:

        def draw(base: FaceParams, members: Sequence[FaceParams], number: int) -> Iterator[Drawn]:
            distance, camera = _camera(seed, number)
            view = renderer.frame(base, alignment.resolution, alignment, distance=distance)
            behind = background(base, view.width, view.height)
            exposure: float | None = None
            for params in (base, *members):
                rendered = renderer.render(params, view, samples=samples, background=behind)
                light = expose(rendered.colour, camera)
                exposure = exposure or suited_exposure(light, rendered.six)
                yield Drawn(
                    develop(light, exposure),
                    rendered.classes,
                    np.asarray(rendered.landmarks, np.float64) / alignment.resolution,
                    rendered.six / alignment.resolution,
                    _development(camera, exposure, distance),
                )

        yield draw


def built_asset(source: Path, cache: Path) -> Path:
    """The built asset file that ``source`` names, for processes that open it themselves: ``source`` itself, the one
    inside it, or one that is built in ``cache`` from the unpacked CC0 package. Raises DataError."""
    for path in (source, source / ASSET_NAME):
        if path.is_file():
            return path
    asset_from(source, cache)
    return cache / ASSET_NAME


def asset_digest(asset: HeadAsset) -> str:
    """SHA-256 of the asset's tables, names included; the same however the file is compressed."""
    digest = hashlib.sha256()
    for name in sorted(asset.tables):
        table = np.ascontiguousarray(asset.tables[name])
        digest.update(f"{name} {table.dtype.str} {table.shape}\n".encode())
        digest.update(table.tobytes())
    return digest.hexdigest()


def _camera(seed: int, number: int) -> tuple[float, PhotoSettings]:
    """Distance in decimetres, and exposure and white balance alone of the camera that ``photograph`` would draw."""
    drawn = draw_settings(seed, number)
    rng = np.random.default_rng((seed, number, 0xD157))
    distance = NEAREST_DM * (FARTHEST_DM / NEAREST_DM) ** float(rng.random())
    plain = PhotoSettings(
        exposure_stops=round(drawn.exposure_stops, 4),
        temperature=round(drawn.temperature, 4),
        tint=round(drawn.tint, 4),
    )
    return round(distance, 3), plain


def _development(camera: PhotoSettings, exposure: float, distance: float) -> dict[str, float]:
    return {
        "exposure": exposure,
        "exposure_stops": camera.exposure_stops,
        "temperature": camera.temperature,
        "tint": camera.tint,
        "distance": distance,
    }
