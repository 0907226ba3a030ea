"""Morphed heads: that every attribute moves what it names and nothing else, and that meshes are sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from lineament.core.synthetic.assets import HeadAsset
from lineament.core.synthetic.head import MorphedHead
from lineament.core.synthetic.identity import DETAILS, detail_weights
from lineament.core.synthetic.params import IDENTITY_DIMS, FaceParams, with_attribute
from lineament.core.synthetic.shape import age_shares, shape_weights
from lineament.core.synthetic.surface import build_surface, subdivision

PARAMS = FaceParams(identity=tuple(np.random.default_rng(5).standard_normal(IDENTITY_DIMS)))


@pytest.fixture(scope="module")
def head(head_asset: HeadAsset) -> MorphedHead:
    return head_asset.morph(PARAMS)


def _moved(asset: HeadAsset, before: MorphedHead, name: str, value: float) -> np.ndarray:
    after = asset.morph(with_attribute(before.params, name, value))
    return np.linalg.norm(after.landmarks - before.landmarks, axis=1)


def test_when_morphed_then_eye_midpoint_is_the_origin(head: MorphedHead) -> None:
    np.testing.assert_allclose(head.eye_centres.mean(axis=0), 0, atol=1e-6)
    assert head.eye_centres[0, 0] > 0 > head.eye_centres[1, 0]
    np.testing.assert_allclose(head.six[:2], head.eye_centres, atol=1e-6)


@pytest.mark.parametrize("level", [0, 1])
def test_when_morphed_then_meshes_are_sound(head_asset: HeadAsset, level: int) -> None:
    head = head_asset.morph(PARAMS, level)
    for mesh in (head.skin, head.surface, head.teeth_upper, head.teeth_lower, head.tongue):
        count = len(mesh.positions)
        assert mesh.faces.max() < count and mesh.faces.min() >= 0
        assert all(len(a) == count for a in (mesh.normals, mesh.rest, mesh.uv, mesh.masks))
        assert all(
            a.dtype == np.float32 for a in (mesh.positions, mesh.normals, mesh.rest, mesh.uv, mesh.masks)
        )
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)


def test_when_level_is_1_then_skin_is_finer_and_close(head_asset: HeadAsset, head: MorphedHead) -> None:
    fine = head_asset.morph(PARAMS, 1)
    assert len(fine.skin.faces) == 4 * len(head.skin.faces)
    np.testing.assert_array_equal(fine.landmarks, head.landmarks)
    assert np.abs(fine.skin.positions.max(axis=0) - head.skin.positions.max(axis=0)).max() < 0.05
    with pytest.raises(ValueError, match="level is 2"):
        head_asset.morph(PARAMS, 2)


def test_when_faces_are_drawn_then_they_wind_outwards(head: MorphedHead) -> None:
    a, b, c = (head.skin.positions[head.skin.faces[:, k]] for k in range(3))
    centre = (a + b + c) / 3
    front = (centre[:, 2] > 0.1) & (np.abs(centre[:, 1] - 0.45) < 0.2)
    assert front.sum() > 50
    assert (np.cross(b - a, c - a)[front, 2] > 0).all()


def test_when_morphed_twice_then_result_is_identical(head_asset: HeadAsset, head: MorphedHead) -> None:
    again = head_asset.morph(PARAMS)
    np.testing.assert_array_equal(again.skin.positions, head.skin.positions)
    np.testing.assert_array_equal(again.skin.masks, head.skin.masks)


def test_when_landmarks_are_read_then_they_lie_as_ibug_orders_them(head_asset: HeadAsset) -> None:
    points = head_asset.morph(FaceParams()).landmarks
    x, y = points[:, 0], points[:, 1]
    assert (np.diff(x[0:17]) > 0).all() and (np.diff(x[17:27]) > 0).all()
    assert (np.diff(y[27:31]) < 0).all() and (np.diff(x[31:36]) > 0).all()
    assert (np.diff(x[36:40]) > 0).all() and (np.diff(x[42:46]) > 0).all()
    assert (np.diff(x[48:55]) > 0).all() and (np.diff(x[54:60]) < 0).all()
    assert (np.diff(x[60:65]) > 0).all() and (y[61:64] >= y[[67, 66, 65]]).all()
    assert x[68] < 0 < x[69]
    assert y[8] < y[:60].min() + 1e-3


def test_when_smiling_then_corners_rise_and_brows_stay(head_asset: HeadAsset, head: MorphedHead) -> None:
    smiling = head_asset.morph(with_attribute(PARAMS, "smile", 1))
    rise = smiling.landmarks - head.landmarks
    assert rise[[48, 54], 1].min() > 0.04
    assert rise[54, 0] > 0.03 and rise[48, 0] < -0.03
    assert np.abs(rise[17:27]).max() < 0.01
    assert np.abs(rise[8]).max() < 0.03


def test_when_mouth_opens_then_lips_part_and_jaw_drops(head_asset: HeadAsset, head: MorphedHead) -> None:
    opened = head_asset.morph(with_attribute(PARAMS, "mouth_open", 1))

    def gap(h: MorphedHead) -> float:
        return float(h.landmarks[62, 1] - h.landmarks[66, 1])

    assert gap(head) < 0.03
    assert gap(opened) > 0.15
    assert opened.landmarks[8, 1] < head.landmarks[8, 1] - 0.1
    lower = opened.teeth_lower.positions.mean(axis=0) - head.teeth_lower.positions.mean(axis=0)
    upper = opened.teeth_upper.positions.mean(axis=0) - head.teeth_upper.positions.mean(axis=0)
    assert lower[1] < -0.08 and abs(upper[1]) < 1e-4


def test_when_eyes_close_then_lid_edges_meet_before_the_ball(head_asset: HeadAsset) -> None:
    shut = head_asset.morph(FaceParams(eyes_closed=1))
    for side in (0, 1):
        eye = shut.eyes[side]
        middle = eye.upper[3:-3]
        lower = np.interp(middle[:, 0] * (1 - 2 * side), eye.lower[:, 0] * (1 - 2 * side), eye.lower[:, 1])
        assert (middle[:, 1] < lower + 0.01).all()
        ball = np.linalg.norm(eye.upper - shut.eye_centres[side], axis=1)
        assert (ball > shut.eye_radii[side]).all()


@pytest.mark.parametrize("name", ["brow_inner", "brow_down"])
def test_when_a_brow_moves_then_it_is_visible_and_mouth_stays(
    head_asset: HeadAsset, head: MorphedHead, name: str
) -> None:
    moved = _moved(head_asset, head, name, 1)
    assert moved[[21, 22]].min() > 0.04
    assert moved[48:68].max() < 1e-4


def test_when_age_grows_then_the_shape_changes_visibly_at_every_step(head_asset: HeadAsset) -> None:
    heads = [head_asset.morph(FaceParams(age=age)).landmarks for age in (18, 30, 45, 60, 75, 90)]
    steps = [np.linalg.norm(b - a, axis=1).mean() for a, b in pairwise(heads)]
    assert min(steps) > 0.006


def test_when_age_grows_then_the_body_stays_where_it_is(head_asset: HeadAsset, head: MorphedHead) -> None:
    old = head_asset.morph(with_attribute(PARAMS, "age", 85))
    still = head.mask("turn") == 0.0
    assert 50 < still.sum() < 0.9 * len(still)
    np.testing.assert_allclose(old.skin.positions[still], head.skin.positions[still], atol=1e-5)
    assert np.abs(old.landmarks - head.landmarks).max() > 0.02


def test_when_look_or_light_changes_then_shape_does_not() -> None:
    assert shape_weights(FaceParams(look=(0.1,) * 32, glasses=1, beard=1, yaw=30, skin=1)) == shape_weights(
        FaceParams()
    )


def test_when_faces_are_drawn_at_random_then_eyes_and_mouth_keep_their_places(head_asset: HeadAsset) -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        identity = tuple(random.standard_normal(IDENTITY_DIMS))
        ancestry = tuple(random.dirichlet((0.5, 0.5, 0.5)))
        params = FaceParams(
            age=18 + 72 * random.random(), gender=random.random(), identity=identity, ancestry=ancestry
        )
        head = head_asset.morph(params)
        assert 0.5 < head.six[0, 0] - head.six[1, 0] < 0.68
        assert -0.85 < head.six[3:5, 1].mean() < -0.5
        assert head.eye_radii.min() > 0.12 and head.eye_radii.max() < 0.18


def test_when_identity_is_extreme_then_it_is_limited() -> None:
    assert detail_weights([9.0] * IDENTITY_DIMS) == detail_weights([2.5] * IDENTITY_DIMS)


def test_when_details_are_listed_then_every_target_exists(head_asset: HeadAsset) -> None:
    known = set(head_asset.targets.names)
    assert len(DETAILS) == IDENTITY_DIMS
    assert {n for d in DETAILS for n in d.plus + d.minus} <= known
    extreme = FaceParams(age=90, smile=1, mouth_open=1, brow_inner=1, brow_down=1, eyes_closed=0.5)
    assert {n for n in shape_weights(extreme) if "universal" not in n} <= known


@pytest.mark.parametrize("age", [18.0, 24.9, 25.0, 57.0, 90.0])
def test_when_ages_are_shared_then_shares_sum_to_one(age: float) -> None:
    assert sum(age_shares(age).values()) == pytest.approx(1)


def test_when_ancestry_is_a_mixture_then_macro_weights_sum_to_one() -> None:
    weights = shape_weights(FaceParams(ancestry=(2.0, 1.0, 1.0), gender=0.3, age=40))
    races = [
        v
        for n, v in weights.items()
        if n.startswith(("macrodetails/af", "macrodetails/as", "macrodetails/ca"))
    ]
    assert sum(races) == pytest.approx(1)


def test_when_a_grid_is_subdivided_then_flat_stays_flat_and_weights_sum_to_one() -> None:
    grid = np.arange(16).reshape(4, 4)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1).reshape(-1, 4)
    linear, smooth, finer = subdivision(quads.astype(np.int32), 16)
    assert finer.shape == (36, 4) and linear.shape == smooth.shape == (49, 16)
    np.testing.assert_allclose(np.asarray(smooth.sum(axis=1)).ravel(), 1, atol=1e-6)
    points = np.stack([*np.divmod(np.arange(16), 4), np.zeros(16)], axis=1).astype(np.float32)
    np.testing.assert_allclose((smooth @ points)[:, 2], 0, atol=1e-6)


def test_when_texture_has_a_seam_then_vertices_split_but_normals_do_not() -> None:
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4]], np.int32)
    uv_quads = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.int32)
    surface = build_surface(quads, uv_quads, np.zeros((8, 2), np.float32), 6, 0)
    assert len(surface.source) == 8
    bent = np.array([[0, 0, 0], [1, 0, 0], [1, 0, -1], [0, 1, 0], [1, 1, 0], [1, 1, -1]], np.float32)
    np.testing.assert_allclose(surface.normals(bent)[1], np.array([1, 0, 1]) / 2**0.5, atol=1e-6)
