"""The tests' own EXR files are what Blender takes them for."""

from __future__ import annotations

import numpy as np
from plate_files import read_exr, write_exr


def test_when_a_picture_is_written_then_every_bit_comes_back(tmp_path, pixels_of_plate) -> None:
    pixels = pixels_of_plate(1)
    pixels[1, 1] = (np.nan, np.inf, -np.inf, 0.5)
    assert read_exr(write_exr(tmp_path / "a.exr", pixels)).rgba.tobytes() == pixels.tobytes()


def test_when_blender_loads_a_written_picture_then_it_sees_the_same(tmp_path, pixels_of_plate) -> None:
    import bpy

    pixels = pixels_of_plate(1)
    image = bpy.data.images.load(str(write_exr(tmp_path / "a.exr", pixels)))
    image.colorspace_settings.name = "Non-Color"
    seen = np.empty(pixels.size, np.float32)
    image.pixels.foreach_get(seen)
    assert np.array_equal(seen.reshape(pixels.shape)[::-1], pixels)


def test_when_blender_saves_a_picture_then_it_can_be_read(tmp_path, scene) -> None:
    import bpy

    rng = np.random.default_rng(1)
    pixels = np.repeat(rng.random((24, 32, 1), np.float32), 4, axis=2)
    image = bpy.data.images.new("noise", 32, 24, alpha=True, float_buffer=True, is_data=True)
    image.pixels.foreach_set(pixels[::-1].ravel())
    for codec in ("NONE", "ZIP", "ZIPS"):
        scene.render.image_settings.exr_codec = codec
        image.save_render(str(tmp_path / f"{codec}.exr"), scene=scene)
        assert np.array_equal(read_exr(tmp_path / f"{codec}.exr").rgba, pixels)
