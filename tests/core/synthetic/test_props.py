"""Eyes, mouth, glasses and cloth: that they fit every head, read as what they are and change only what is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.synthetic.assets import HeadAsset
from lineament.core.synthetic.camera import View, project, rotation
from lineament.core.synthetic.cloth import CLOTH_MASKS, cloth_meshes, garment_of
from lineament.core.synthetic.cloth_pattern import CENTRE, GARMENTS, farthest_hits
from lineament.core.synthetic.eyes import (
    EYE_MASKS,
    LIMBUS,
    MAX_ROTATION,
    camera_in_head,
    eye_meshes,
    gaze_axes,
)
from lineament.core.synthetic.geometry import Mesh
from lineament.core.synthetic.glasses import FRAME_MASKS, LENS_MASKS, glasses_meshes
from lineament.core.synthetic.glasses_design import design_of
from lineament.core.synthetic.mouth import MOUTH_MASKS, mouth_meshes
from lineament.core.synthetic.params import IDENTITY_DIMS, LOOK_DIMS, FaceParams, with_attribute

COLUMNS = {
    "eye": EYE_MASKS, "tooth": MOUTH_MASKS, "gum": MOUTH_MASKS, "tongue": MOUTH_MASKS, "frame": FRAME_MASKS,
    "lens": LENS_MASKS, "dark_lens": LENS_MASKS, "cloth": CLOTH_MASKS,
}  # fmt: skip

FACES = (
    FaceParams(),
    FaceParams(age=80, gender=1, smile=1, ancestry=(1, 0, 0), yaw=30, glasses=1, look=(0.9,) * LOOK_DIMS),
    FaceParams(
        age=20,
        gender=0,
        mouth_open=1,
        pitch=-20,
        glasses=1,
        ancestry=(0, 1, 0),
        look=(0.2,) * LOOK_DIMS,
        identity=tuple(np.random.default_rng(2).standard_normal(IDENTITY_DIMS)),
    ),
    FaceParams(age=50, eyes_closed=1, sunglasses=1, roll=15, look=(0.35,) * LOOK_DIMS),
)


def _props(asset: HeadAsset, params: FaceParams) -> list[Mesh]:
    head = asset.morph(params)
    makers = (eye_meshes, mouth_meshes, glasses_meshes, cloth_meshes)
    return [mesh for maker in makers for mesh in maker(head, params)]


def _look(**numbers: float) -> tuple[float, ...]:
    look = [0.5] * LOOK_DIMS
    for name, value in numbers.items():
        look[int(name[1:])] = value
    return tuple(look)


def _same(first: list[Mesh], second: list[Mesh]) -> bool:
    return len(first) == len(second) and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(first, second, strict=True)
        for name in ("positions", "normals", "rest", "uv", "masks", "faces")
    )


@pytest.mark.parametrize("params", FACES)
def test_when_props_are_made_then_meshes_are_sound(head_asset: HeadAsset, params: FaceParams) -> None:
    for mesh in _props(head_asset, params):
        arrays = (mesh.positions, mesh.normals, mesh.rest, mesh.uv, mesh.masks)
        assert all(a.dtype == np.float32 and len(a) == len(mesh.positions) for a in arrays)
        assert all(np.isfinite(a).all() for a in arrays)
        assert mesh.faces.dtype == np.int32 and 0 <= mesh.faces.min() <= mesh.faces.max() < len(
            mesh.positions
        )
        assert mesh.masks.shape[1] == len(COLUMNS[mesh.material])
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
        corners = mesh.positions[mesh.faces]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        agree = (facing * mesh.normals[mesh.faces[:, 0]]).sum(axis=1) > -1e-9
        assert agree.mean() > 0.94, mesh.material


@pytest.mark.parametrize("params", FACES)
def test_when_made_again_then_props_are_the_same(head_asset: HeadAsset, params: FaceParams) -> None:
    assert _same(_props(head_asset, params), _props(head_asset, params))


@pytest.mark.parametrize("angles", [(0, 0, 0), (11, 5, 0), (-10, -8, 20)])
def test_when_gaze_is_zero_then_both_eyes_meet_at_the_camera(
    head_asset: HeadAsset, angles: tuple[float, float, float]
) -> None:
    params = FaceParams(yaw=angles[0], pitch=angles[1], roll=angles[2])
    head = head_asset.morph(params)
    camera = camera_in_head(params)
    towards = (camera - head.eye_centres) / np.linalg.norm(camera - head.eye_centres, axis=1, keepdims=True)
    assert np.degrees(np.arccos(towards[:, 2])).max() < 0.8 * MAX_ROTATION
    np.testing.assert_allclose(gaze_axes(head, params), towards, atol=1e-4)


def test_when_gaze_turns_then_the_picture_shows_it(head_asset: HeadAsset) -> None:
    params = FaceParams(yaw=10, gaze_yaw=8, gaze_pitch=5)
    head = head_asset.morph(params)
    seen = gaze_axes(head, params) @ rotation(10, 0, 0).T
    straight = gaze_axes(head, replace(params, gaze_yaw=0, gaze_pitch=0)) @ rotation(10, 0, 0).T
    assert (seen[:, 0] > straight[:, 0] + 0.1).all() and (seen[:, 1] > straight[:, 1] + 0.05).all()


@pytest.mark.parametrize(("yaw", "gaze"), [(60, 0), (-60, -30), (0, 60), (40, -40)])
def test_when_the_head_turns_far_then_eyes_stay_in_their_range(
    head_asset: HeadAsset, yaw: float, gaze: float
) -> None:
    params = FaceParams(yaw=yaw, gaze_yaw=gaze, pitch=20)
    axes = gaze_axes(head_asset.morph(params), params)
    assert np.degrees(np.arccos(axes[:, 2])).max() <= MAX_ROTATION + 1e-3
    assert np.degrees(np.arccos(np.clip(axes[0] @ axes[1], -1, 1))) < 8


def test_when_seen_from_the_front_then_pupil_is_in_the_middle_of_the_iris(head_asset: HeadAsset) -> None:
    params = FaceParams()
    head = head_asset.morph(params)
    pose_free = View(100, 100, np.diag([1000.0, 1000.0, 1.0]))
    for eye in eye_meshes(head, params):
        radius = np.linalg.norm(eye.uv, axis=1)
        pixels = project(pose_free, eye.positions)
        limbus = np.abs(np.linalg.norm(eye.rest[:, :2], axis=1) - LIMBUS) < 1e-3
        middle = pixels[limbus & (eye.rest[:, 2] > 0)].mean(axis=0)
        assert np.linalg.norm(pixels[radius.argmin()] - middle) < 0.6
        assert radius.min() < 0.1 and np.all(radius[limbus & (eye.rest[:, 2] > 0)] > 0.95)


def test_when_lids_close_then_the_cornea_is_flat(head_asset: HeadAsset) -> None:
    for value, tallest in ((0.0, 1.05), (1.0, 1.0)):
        params = FaceParams(eyes_closed=value)
        head = head_asset.morph(params)
        for eye, centre, radius in zip(
            eye_meshes(head, params), head.eye_centres, head.eye_radii, strict=True
        ):
            reach = np.linalg.norm(eye.positions - centre, axis=1).max() / radius
            assert reach == pytest.approx(tallest, abs=2e-3)


def test_when_the_mouth_opens_then_lower_teeth_and_tongue_go_down_and_upper_stay(
    head_asset: HeadAsset,
) -> None:
    shut, wide = (mouth_meshes(head_asset.morph(p), p) for p in (FaceParams(), FaceParams(mouth_open=1)))
    drop = [float((b.positions - a.positions)[:, 1].mean()) for a, b in zip(shut, wide, strict=True)]
    assert abs(drop[0]) < 0.01 and drop[2] < -0.08 and drop[4] < -0.05
    assert wide[0].masks[:, 0].mean() > shut[0].masks[:, 0].mean()


def test_when_mouth_is_shut_then_teeth_do_not_come_through_the_lips(head_asset: HeadAsset) -> None:
    for params in FACES[:2]:
        head = head_asset.morph(replace(params, smile=0.0, mouth_open=0.0))
        for mesh in mouth_meshes(head, params):
            assert mesh.positions[:, 2].max() < head.landmarks[60:68, 2].max()


def test_when_none_are_worn_then_there_are_no_glasses(head_asset: HeadAsset) -> None:
    params = FaceParams(glasses=0.49, sunglasses=0.2)
    assert glasses_meshes(head_asset.morph(params), params) == []


def test_when_both_are_worn_then_sunglasses_win(head_asset: HeadAsset) -> None:
    params = FaceParams(glasses=1, sunglasses=1)
    lenses = glasses_meshes(head_asset.morph(params), params)[1:]
    assert [lens.material for lens in lenses] == ["dark_lens"] * 2
    assert all(0.73 <= lens.masks[:, 3].min() <= lens.masks[:, 3].max() <= 0.95 for lens in lenses)


@pytest.mark.parametrize("seed", range(6))
def test_when_glasses_are_fitted_then_lenses_stay_clear_of_eyes_and_skin(
    head_asset: HeadAsset, seed: int
) -> None:
    random = np.random.default_rng(seed)
    params = FaceParams(
        age=float(random.uniform(18, 90)),
        gender=float(random.random()),
        smile=float(random.random()),
        ancestry=tuple(random.dirichlet([1, 1, 1])),
        identity=tuple(random.standard_normal(IDENTITY_DIMS)),
        look=tuple(random.random(LOOK_DIMS)),
        glasses=1,
    )
    head = head_asset.morph(params)
    frame, *lenses = glasses_meshes(head, params)
    for lens, centre, radius in zip(lenses, head.eye_centres, head.eye_radii, strict=True):
        assert np.linalg.norm(lens.positions - centre, axis=1).min() > 1.25 * radius
        plane = lens.positions[0] - np.array([0, 0, 0.02])
        skin = head.surface.positions
        near = np.linalg.norm((skin - centre)[:, :2], axis=1) < 0.16
        assert (skin[near & (head.surface.normals[:, 2] > 0), 2] < plane[2] + 0.05).all()
    span = np.linalg.norm(head.eye_centres[0] - head.eye_centres[1])
    assert 1.7 * span < np.ptp(frame.positions[frame.positions[:, 2] > 0][:, 0]) < 3.0 * span


def test_when_eyes_or_mouth_change_then_the_design_of_glasses_does_not() -> None:
    params = FaceParams(glasses=1, look=_look(i14=0.3, i19=0.7))
    for name, value in (("age", 70.0), ("yaw", 20.0), ("hair_dark", 0.1), ("skin", 0.9)):
        assert design_of(with_attribute(params, name, value)) == design_of(params)


def test_when_glasses_are_put_on_then_other_props_do_not_change(head_asset: HeadAsset) -> None:
    bare = FaceParams()
    worn = with_attribute(bare, "glasses", 1.0)
    for maker in (eye_meshes, mouth_meshes, cloth_meshes):
        assert _same(maker(head_asset.morph(bare), bare), maker(head_asset.morph(worn), worn))


@pytest.mark.parametrize("kind", GARMENTS)
def test_when_dressed_then_the_cut_of_the_shoulders_is_inside_the_cloth(
    head_asset: HeadAsset, kind: str
) -> None:
    looks = (_look(i28=k / 40) for k in range(41))
    look = next(look for look in looks if garment_of(FaceParams(look=look)) == kind)
    for gender, age in ((0.0, 20.0), (1.0, 85.0)):
        params = FaceParams(gender=gender, age=age, look=look)
        head = head_asset.morph(params)
        cloth = cloth_meshes(head, params)[0]
        rest = head.surface.rest
        cut = (rest[:, 1] < -1.8) & (np.abs(rest[:, 0]) > 0.4)
        rays = head.surface.positions[cut] - CENTRE
        distance = np.linalg.norm(rays, axis=1)
        index, _, far = farthest_hits(
            CENTRE, (rays / distance[:, None]).astype(np.float32), cloth.positions, cloth.faces
        )
        front = head.surface.positions[cut, 2] > CENTRE[2]
        assert (index >= 0).all() and (far > distance)[front].all()
        assert (far > distance - 0.005).all(), "half a millimetre may show at the nape, which no camera sees"
        assert cloth.positions[:, 1].min() < -5
