"""Hair: every style lies on the head, keeps out of it and of the face, and changes only with what it depends on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from lineament.core.synthetic.assets import HeadAsset
from lineament.core.synthetic.geometry import HAIR, Floats, Strands
from lineament.core.synthetic.hair import ScalpFit, hair_strands, hair_tables
from lineament.core.synthetic.params import HAIR_STYLES, IDENTITY_DIMS, LOOK_DIMS, FaceParams, with_attribute
from lineament.core.synthetic.scalp import hair_cover, hairline_distance, scalp_tint
from lineament.core.synthetic.skull import bilinear, measure

STYLES = tuple(style for style in HAIR_STYLES if style != "bald")
LOW = 0.3


def _params(style: str, seed: int = 3, **changes: float) -> FaceParams:
    rng = np.random.default_rng(seed)
    identity = tuple(rng.standard_normal(IDENTITY_DIMS).tolist())
    look = tuple(rng.random(LOOK_DIMS).tolist())
    return FaceParams(hair_style=style, identity=identity, look=look, **changes)


def _hair(asset: HeadAsset, params: FaceParams, detail: float = LOW) -> Strands:
    return hair_strands(asset.morph(params), params, detail)


def _seen(strands: Strands) -> Floats:
    """Points of strands that have a width."""
    return strands.points[strands.width.max(axis=1) > 1e-4]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", [1, 2])
def test_when_styled_then_strands_are_sound_and_outside_the_head(
    head_asset: HeadAsset, style: str, seed: int
) -> None:
    params = _params(style, seed, gender=seed - 1.0, age=20 + 50 * (seed - 1.0))
    head = head_asset.morph(params)
    hair = hair_strands(head, params, LOW)
    assert hair.class_id == HAIR and hair.points.dtype == np.float32
    assert np.isfinite(hair.points).all() and hair.width.shape == hair.points.shape[:2]
    assert hair.width.min() >= 0 and 0.01 < hair.width.max() < 0.08
    assert ((hair.shade >= 0) & (hair.shade <= 1)).all()
    assert len(_seen(hair)) > 1500
    tables = hair_tables(head.surface)
    fit = ScalpFit.between(tables, head.surface.positions)
    skull = measure(tables.cells, fit.to_base(head.surface.positions))
    free, _ = skull.clearance(fit.to_base(hair.points))
    assert (free > -0.01).mean() > 0.999


@pytest.mark.parametrize("style", [style for style in STYLES if style != "fringe"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_when_there_is_no_fringe_then_the_face_is_free(head_asset: HeadAsset, style: str, seed: int) -> None:
    params = _params(style, seed, hair_length=0.8)
    points = _seen(_hair(head_asset, params)).reshape(-1, 3)
    in_front = (
        (np.abs(points[:, 0]) < 0.4) & (points[:, 1] < 0.3) & (points[:, 1] > -1.0) & (points[:, 2] > 0)
    )
    assert in_front.mean() < 0.002


def test_when_there_is_a_fringe_then_it_covers_the_forehead_but_not_the_eyes(head_asset: HeadAsset) -> None:
    points = _seen(_hair(head_asset, _params("fringe"))).reshape(-1, 3)
    middle = points[(np.abs(points[:, 0]) < 0.35) & (points[:, 2] > 0)]
    assert (middle[:, 1] < 0.6).sum() > 100
    assert (middle[:, 1] < 0.05).mean() < 0.01


def test_when_detail_changes_then_the_haircut_stays(head_asset: HeadAsset) -> None:
    params = _params("parted")
    coarse, fine = (_seen(_hair(head_asset, params, detail)).reshape(-1, 3) for detail in (LOW, 1.0))
    assert len(fine) > 5 * len(coarse)
    for quantile in (0.02, 0.5, 0.98):
        difference = np.quantile(coarse, quantile, axis=0) - np.quantile(fine, quantile, axis=0)
        assert np.abs(difference).max() < 0.06


def test_when_made_twice_then_it_is_the_same(head_asset: HeadAsset) -> None:
    params = _params("curly")
    np.testing.assert_array_equal(_hair(head_asset, params).points, _hair(head_asset, params).points)


@pytest.mark.parametrize(
    "name", ["skin", "lipstick", "glasses", "beard", "hair_dark", "light_azimuth", "yaw"]
)
def test_when_something_else_changes_then_hair_does_not(head_asset: HeadAsset, name: str) -> None:
    params = _params("short")
    before, after = _hair(head_asset, params), _hair(head_asset, with_attribute(params, name, 0.9))
    np.testing.assert_array_equal(before.points, after.points)
    np.testing.assert_array_equal(before.shade, after.shade)


def test_when_face_smiles_then_hair_hardly_moves(head_asset: HeadAsset) -> None:
    params = _params("long")
    before, after = _hair(head_asset, params), _hair(head_asset, with_attribute(params, "smile", 1.0))
    assert np.quantile(np.abs(before.points - after.points), 0.99) < 0.03


def test_when_hair_greys_then_only_more_strands_turn_grey(head_asset: HeadAsset) -> None:
    params = _params("swept", grey=0.2)
    before, after = _hair(head_asset, params), _hair(head_asset, with_attribute(params, "grey", 0.7))
    np.testing.assert_array_equal(before.points, after.points)
    assert (after.shade[:, 1] >= before.shade[:, 1]).all()
    assert abs(before.shade[:, 1].mean() - 0.2) < 0.05 and abs(after.shade[:, 1].mean() - 0.7) < 0.05


def test_when_hair_recedes_then_strands_keep_their_index_and_only_thin_out(head_asset: HeadAsset) -> None:
    params = _params("short")
    before, after = _hair(head_asset, params), _hair(head_asset, with_attribute(params, "recede", 0.7))
    assert before.points.shape == after.points.shape
    np.testing.assert_allclose(before.points[:, 0], after.points[:, 0], atol=1e-4)
    assert (after.width.max(axis=1) <= before.width.max(axis=1) + 1e-6).all()
    assert (after.width.max(axis=1) > 1e-4).sum() < 0.8 * (before.width.max(axis=1) > 1e-4).sum()


def test_when_hair_is_longer_then_it_reaches_lower(head_asset: HeadAsset) -> None:
    tips = [_seen(_hair(head_asset, _params("long", hair_length=value)))[:, -1, 1] for value in (0, 0.5, 1)]
    lowest = [np.quantile(tip, 0.1) for tip in tips]
    assert lowest[0] > lowest[1] + 0.15 > lowest[2] + 0.3


def test_when_bald_then_only_a_far_receded_line_leaves_a_ring(head_asset: HeadAsset) -> None:
    assert len(_hair(head_asset, _params("bald", recede=0.3)).points) == 0
    ring = _seen(_hair(head_asset, _params("bald", recede=0.95)))[:, 0]
    assert len(ring) > 300 and ring[:, 1].max() < 0.75


def test_when_detail_is_out_of_range_then_refused(head_asset: HeadAsset) -> None:
    with pytest.raises(ValueError, match="detail is 0"):
        _hair(head_asset, _params("short"), 0.0)


def test_when_tinted_then_scalp_takes_the_colour_and_the_face_does_not(head_asset: HeadAsset) -> None:
    params = _params("short")
    skin = head_asset.morph(params).skin
    tint = scalp_tint(skin, params)
    crown = (skin.rest[:, 1] > 1.0) & (skin.rest[:, 2] < -0.5)
    face = (np.abs(skin.rest[:, 0]) < 0.4) & (np.abs(skin.rest[:, 1]) < 0.5) & (skin.rest[:, 2] > 0)
    assert tint.shape == (len(skin.rest),) and tint.min() >= 0 and tint.max() <= 1
    assert tint[crown].min() > 0.5 and tint[face].max() == 0


def test_when_hairline_recedes_then_cover_never_grows() -> None:
    rest = np.random.default_rng(4).normal(size=(500, 3)).astype(np.float32)
    rest *= 0.9 / np.linalg.norm(rest, axis=1, keepdims=True)
    rest += np.float32([0, 0.28, -0.68])
    lines = [hairline_distance(rest, _params("short", recede=value)) for value in (0, 0.3, 0.6, 1)]
    assert all((after <= before + 1e-5).all() for before, after in pairwise(lines))
    cover = hair_cover(rest, _params("short"))
    assert cover.min() >= 0 and cover.max() == 1


def test_when_table_is_read_between_cells_then_values_are_mixed() -> None:
    table = np.array([[0, 1], [2, 3]], np.float32)
    np.testing.assert_allclose(
        bilinear(table, np.float32([0, 0.5, 9]), np.float32([0.5, 0.5, 9])), [0.5, 1.5, 3], atol=0.01
    )
