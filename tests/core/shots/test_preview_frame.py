"""Previews: at full size what is rendered, smaller what is rendered made small, and nothing is drawn twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.frame import Frame, Part, Window
from lineament.core.io import read_frame, resolve
from lineament.core.recipe import EditRecipe, Move, Strength
from lineament.core.shots.analyse import analyse
from lineament.core.shots.preview_frame import (
    change_between,
    crop_corners,
    face_window,
    preview_frame,
    preview_mask,
    preview_plate,
    preview_tools,
    whole_window,
)
from lineament.core.shots.render import fine_pictures, render_shot_frame
from lineament.core.shots.shot import FaceEdit, Shot
from lineament.core.tools import ToolOptions, open_tools

HALF_ROUNDING = 2.0**-10
"""Relative: the render pass rounds to the plate's halves, a preview does not."""


class Previewed:
    """A shot with its analysis and the tools of a preview."""

    def __init__(self, small, tools):
        self.shot, self.tools = small.shot, tools
        self.analysis = analyse(small.shot, small.plates, tools, small.cache)
        self.plates = {one.number: one for one in small.plates}
        self.preview = preview_tools(tools)

    def frame(self, number=1004):
        return read_frame(self.plates[number].path, number)

    def small(self, window, limits=None, frame=None):
        return preview_plate(frame or self.frame(), self.shot, window, self.preview, limits)

    def edited(self, plate, strength=2.0, **fields):
        return preview_frame(
            plate, 1004, self.shot, self.faces(strength, **fields), self.analysis, self.preview
        )

    def faces(self, strength=2.0, **fields):
        moves = (Move("push", Strength.constant(strength)),)
        return tuple(replace(f, recipe=replace(f.recipe, moves=moves, **fields)) for f in self.shot.faces)

    def rendered(self, strength=2.0, limits=None, frame=None, **fields):
        shot = replace(self.shot, faces=self.faces(strength, **fields))
        return render_shot_frame(frame or self.frame(), 1004, shot, self.analysis, self.tools, matte=limits)


@pytest.fixture
def shown(small_shot, make_tools):
    return Previewed(small_shot, make_tools())


@pytest.mark.parametrize("fields", [{}, {"mix": 0.4}, {"mask_feather": 0.1}, {"detail_clamp": 0.02}])
def test_when_a_preview_has_full_size_then_it_is_what_is_rendered(shown, fields) -> None:
    limits = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (72, 1))
    preview = shown.edited(shown.small(whole_window(96, 72, 1.0, 960), limits), **fields).frame.rgb()
    rendered = shown.rendered(limits=limits, **fields).frame.rgb()
    assert (rendered != shown.frame().rgb()).any(axis=-1).sum() > 100
    np.testing.assert_allclose(preview, rendered, rtol=HALF_ROUNDING, atol=1e-6)


def test_when_a_preview_is_smaller_then_it_is_the_render_made_small(repository, tmp_path) -> None:
    folder = repository / "plugin" / "demo_shot" / "plate"
    recipe = EditRecipe((Move("age", Strength.constant(1.5)),))
    shot = Shot(
        "demo", f"{folder}/plate.####.exr", "out.####.exr", (1001,), faces=(FaceEdit("main", recipe=recipe),)
    )
    plates, tools = resolve(shot.plate, "1001"), open_tools(ToolOptions())
    analysis, frame = analyse(shot, plates, tools, tmp_path), read_frame(plates[0].path, 1001)
    small = preview_plate(frame, shot, whole_window(512, 512, 1.0, 256), tools)
    small = replace(small, fine=fine_pictures(frame, 1001, shot, analysis, tools))
    preview = preview_frame(small, 1001, shot, shot.faces, analysis, preview_tools(tools)).frame.rgb()
    rendered, plate = render_shot_frame(frame, 1001, shot, analysis, tools).frame.rgb(), frame.rgb()
    rendered, plate = (each.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)) for each in (rendered, plate))
    effect, error = np.abs(rendered - plate).mean(), np.abs(preview - rendered).mean()
    assert effect > 1e-3 and error < 0.04 * effect  # measured: 0.019


def test_when_a_close_up_is_shown_then_its_pixels_are_those_of_the_frame(shown) -> None:
    corners = crop_corners(shown.analysis, shown.shot, "main", 1004, 1.0, shown.preview)
    window = face_window(corners, 96, 72, 1.0, 960)
    region = window.region
    assert window.width == region.width < 96 and window.height == region.height
    preview = shown.edited(shown.small(window)).frame.rgb()
    rendered = shown.rendered().frame.rgb()[region.y0 : region.y1, region.x0 : region.x1]
    np.testing.assert_allclose(preview, rendered, rtol=HALF_ROUNDING, atol=1e-6)


def test_when_pixels_are_wide_then_a_preview_has_square_ones_and_the_edit_stays_on_the_face(shown) -> None:
    frame = shown.frame()
    part = frame.parts[0]
    squeezed = {name: np.ascontiguousarray(plane[:, ::2]) for name, plane in part.planes.items()}
    window = Window(0, 0, 48, 72)
    wide = Frame((Part("", part.channels, squeezed, window, window, 2.0),), 1004, frame.path)
    faces = tuple(
        replace(face, track=replace(face.track, landmarks=face.track.landmarks / (2.0, 1.0)))
        for face in shown.analysis.faces
    )
    shown.analysis = replace(shown.analysis, faces=faces)
    shown.shot = replace(shown.shot, pixel_aspect=2.0)
    plate = shown.small(whole_window(48, 72, 2.0, 960), frame=wide)
    assert (plate.window.width, plate.window.height) == (96, 72)
    change = change_between(plate.frame, shown.edited(plate).frame)
    middle = (change.x0 + change.changed.shape[1] / 2, change.y0 + change.changed.shape[0] / 2)
    np.testing.assert_allclose(
        middle, 2 * shown.analysis.faces[0].track.landmarks[3].mean(0) * (1, 0.5), atol=6
    )


def test_when_nothing_is_asked_then_a_preview_is_its_plate_and_there_is_no_change(shown) -> None:
    plate = shown.small(whole_window(96, 72, 1.0, 48))
    result = shown.edited(plate, 0.0)
    assert result.frame is plate.frame and change_between(plate.frame, result.frame).rgb.size == 0


def test_when_a_plate_has_a_nan_then_only_its_preview_pixel_is_lost(shown) -> None:
    frame = shown.frame()
    rgb = frame.rgb()
    rgb[40, 40] = np.nan
    broken = frame.with_rgb("", rgb, np.isnan(rgb).any(-1))
    plate = shown.small(whole_window(96, 72, 1.0, 48), frame=broken)
    edited = shown.edited(plate).frame
    assert np.argwhere(np.isnan(edited.rgb()).any(-1)).tolist() == [[20, 20]]
    assert change_between(plate.frame, edited).changed.sum() > 50


def test_when_a_change_is_cut_out_then_the_plate_and_the_change_make_the_edited_frame(shown) -> None:
    plate = shown.small(whole_window(96, 72, 1.0, 96))
    edited = shown.edited(plate).frame
    change = change_between(plate.frame, edited)
    again = plate.frame.rgb()
    h, w = change.changed.shape
    again[change.y0 : change.y0 + h, change.x0 : change.x0 + w] = change.rgb
    assert (again == edited.rgb()).all() and change.changed[0].any() and change.changed[:, -1].any()


def test_when_a_mask_is_shown_then_it_holds_every_change_and_feather_softens_it(shown) -> None:
    plate = shown.small(whole_window(96, 72, 1.0, 96))
    mask = preview_mask(plate, 1004, shown.faces(), shown.analysis, shown.preview)
    soft = preview_mask(plate, 1004, shown.faces(mask_feather=0.2), shown.analysis, shown.preview)
    change = np.abs(shown.edited(plate, 0.1).frame.rgb() - plate.frame.rgb()).max(-1)
    assert mask.shape == (72, 96) and mask.min() >= 0.0 and 0.9 < mask.max() <= 1.0
    assert change[mask > 0.5].max() > 0.01 and change[mask == 0].max() < 1e-3
    assert np.abs(np.diff(soft)).max() < np.abs(np.diff(mask)).max()


def test_when_a_strength_moves_then_only_the_edited_face_is_drawn_again(shown) -> None:
    plate, generator = shown.small(whole_window(96, 72, 1.0, 96)), shown.preview.generator
    shown.edited(plate, 1.0)
    assert generator.drawn == 2
    shown.edited(plate, 1.5)
    assert generator.drawn == 3
    shown.edited(plate, 1.0)
    assert generator.drawn == 3


def test_when_the_face_is_missing_then_there_are_no_corners(small_shot, make_tools, wandering) -> None:
    shown = Previewed(small_shot, make_tools(wandering(blind=frozenset((1001,)))))
    assert crop_corners(shown.analysis, shown.shot, "main", 1001, 1.0, shown.preview) is None
    assert not preview_mask(
        shown.small(whole_window(96, 72, 1.0, 96)), 1001, shown.faces(), shown.analysis, shown.preview
    ).any()


def test_when_a_preview_has_no_pixel_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="longest"):
        whole_window(96, 72, 1.0, 0)
