"""What an EXR is, without its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import PlateError
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import peek_frame, read_frame, write_frame


def written(folder: Path, tile: tuple[int, int] = (0, 0)) -> Path:
    """A picture of two number formats, in a data window of its own."""
    data, display = Window(3, 5, 67, 45), Window(0, 0, 80, 60)
    noise = np.random.default_rng(1).random((40, 64, 4))
    planes = {name: noise[..., i].astype(np.float16) for i, name in enumerate("RGB")}
    if tile == (0, 0):
        planes["Z"] = noise[..., 3].astype(np.float32)
    path = folder / "p.1001.exr"
    write_frame(
        path, Frame((Part("", tuple(planes), planes, data, display, compression="zip", tile=tile),), 1001)
    )
    return path


@pytest.mark.parametrize("tile", [(0, 0), (16, 16)])
def test_when_a_picture_is_peeked_at_then_all_but_its_pixels_is_there(
    tmp_path: Path, tile: tuple[int, int]
) -> None:
    path = written(tmp_path, tile)
    seen, whole = peek_frame(path, 1001), read_frame(path, 1001)
    assert len(seen.parts) == 1 and seen.number == 1001
    one, other = seen.parts[0], whole.parts[0]
    assert (one.data_window, one.display_window, one.tile) == (
        other.data_window,
        other.display_window,
        other.tile,
    )
    assert one.header == other.header and one.channels == other.channels
    for name, plane in one.planes.items():
        assert plane.dtype == other.planes[name].dtype and not plane.any() and other.planes[name].any()


@pytest.mark.parametrize("tile", [(0, 0), (16, 16)])
def test_when_a_picture_was_cut_short_then_it_is_told(tmp_path: Path, tile: tuple[int, int]) -> None:
    path = written(tmp_path, tile)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(PlateError):
        peek_frame(path, 1001)
    with pytest.raises(PlateError, match="does not exist"):
        peek_frame(tmp_path / "none.1001.exr", 1001)
