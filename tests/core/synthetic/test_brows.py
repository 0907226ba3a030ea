"""Brows and lashes: they sit where they should and follow expressions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.synthetic.assets import HeadAsset
from lineament.core.synthetic.brows import brow_strands, lash_strands
from lineament.core.synthetic.geometry import BROWS, EYES, Floats
from lineament.core.synthetic.params import FaceParams, with_attribute

PARAMS = FaceParams(hair_style="bald")


def _brows(asset: HeadAsset, params: FaceParams, detail: float = 0.3) -> Floats:
    return brow_strands(asset.morph(params), params, detail).points


def _with_look(index: int, value: float) -> FaceParams:
    look = list(PARAMS.look)
    look[index] = value
    return replace(PARAMS, look=tuple(look))


@pytest.mark.parametrize("detail", [0.3, 1.0])
def test_when_drawn_then_brows_lie_above_the_eyes_on_both_sides(head_asset: HeadAsset, detail: float) -> None:
    head = head_asset.morph(PARAMS)
    brows = brow_strands(head, PARAMS, detail)
    assert brows.class_id == BROWS and np.isfinite(brows.points).all() and brows.width.min() >= 0
    half = len(brows.points) // 2
    assert (brows.points[:half, 0, 0] > 0).all() and (brows.points[half:, 0, 0] < 0).all()
    assert brows.points[..., 1].min() > 0.08 and brows.points[..., 1].max() < 0.5
    distance = np.linalg.norm(brows.points[:, 0, None] - head.brows.reshape(-1, 3)[None], axis=2).min(axis=1)
    assert distance.max() < 0.2


def test_when_inner_brows_rise_then_the_inner_hairs_rise_most(head_asset: HeadAsset) -> None:
    before, after = _brows(head_asset, PARAMS), _brows(head_asset, with_attribute(PARAMS, "brow_inner", 1.0))
    rise = (after - before)[..., 1].mean(axis=1)
    inner = np.abs(before[:, 0, 0]) < 0.22
    assert rise[inner].mean() > 0.02 and rise[inner].mean() > 2 * abs(
        rise[np.abs(before[:, 0, 0]) > 0.45].mean()
    )


def test_when_brows_lower_then_they_come_down(head_asset: HeadAsset) -> None:
    before, after = _brows(head_asset, PARAMS), _brows(head_asset, with_attribute(PARAMS, "brow_down", 1.0))
    inner = np.abs(before[:, 0, 0]) < 0.25
    assert (after - before)[inner, :, 1].mean() < -0.01


def test_when_drawn_then_hairs_turn_from_up_to_sideways(head_asset: HeadAsset) -> None:
    points = _brows(head_asset, PARAMS, 1.0)
    way = points[:, -1] - points[:, 0]
    steep = np.arctan2(way[:, 1], np.abs(way[:, 0]))
    x = np.abs(points[:, 0, 0])
    assert np.median(steep[x < 0.16]) > 0.6 and np.median(steep[x > 0.45]) < 0.2


def test_when_brows_are_thicker_then_they_are_higher(head_asset: HeadAsset) -> None:
    spread = [np.ptp(_brows(head_asset, _with_look(7, value))[:, 0, 1]) for value in (0.0, 1.0)]
    assert spread[1] > spread[0] + 0.02


def test_when_brows_are_denser_then_more_hairs_show(head_asset: HeadAsset) -> None:
    shown = []
    for value in (0.0, 1.0):
        params = _with_look(9, value)
        brows = brow_strands(head_asset.morph(params), params, 0.3)
        shown.append((brows.width.max(axis=1) > 1e-4).mean())
    assert shown[1] > 1.5 * shown[0]


def test_when_drawn_then_lashes_root_on_the_lids_and_upper_ones_are_longer(head_asset: HeadAsset) -> None:
    head = head_asset.morph(PARAMS)
    lashes = lash_strands(head, PARAMS, 1.0)
    edges = np.concatenate([curve for eye in head.eyes for curve in (eye.upper, eye.lower)])
    roots = lashes.points[:, 0]
    assert lashes.class_id == EYES
    assert np.linalg.norm(roots[:, None] - edges[None], axis=2).min(axis=1).max() < 0.03
    length = np.linalg.norm(lashes.points[:, -1] - roots, axis=1)
    upper = lashes.points[:, -1, 1] > roots[:, 1]
    assert length[upper].mean() > 1.5 * length[~upper].mean()
    assert (lashes.points[:, -1, 2] > roots[:, 2]).mean() > 0.9


def test_when_eyes_close_then_upper_lashes_come_down(head_asset: HeadAsset) -> None:
    tips = []
    for value in (0.0, 1.0):
        params = with_attribute(PARAMS, "eyes_closed", value)
        tips.append(lash_strands(head_asset.morph(params), params, 0.3).points[:, -1, 1].max())
    assert tips[1] < tips[0] - 0.05


@pytest.mark.parametrize("maker", [brow_strands, lash_strands])
def test_when_detail_is_out_of_range_then_refused(head_asset: HeadAsset, maker: object) -> None:
    assert callable(maker)
    with pytest.raises(ValueError, match=r"detail is 1\.5"):
        maker(head_asset.morph(PARAMS), PARAMS, 1.5)
