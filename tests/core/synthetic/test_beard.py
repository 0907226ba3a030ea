"""Beards: they grow in place where beards grow, and follow the jaw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lineament.core.synthetic.assets import HeadAsset
from lineament.core.synthetic.beard import beard_strands, beard_tint
from lineament.core.synthetic.geometry import BEARD, Floats, Strands
from lineament.core.synthetic.params import FaceParams, with_attribute

PARAMS = FaceParams(gender=1.0, hair_style="bald")


def _beard(asset: HeadAsset, detail: float = 0.3, **values: float) -> Strands:
    params = replace(PARAMS, **values)  # type: ignore[arg-type]
    return beard_strands(asset.morph(params), params, detail)


def _shown(strands: Strands) -> Floats:
    return strands.points[strands.width.max(axis=1) > 1e-4]


def test_when_shaved_then_there_are_no_strands(head_asset: HeadAsset) -> None:
    assert len(_beard(head_asset).points) == 0


@pytest.mark.parametrize("detail", [0.3, 1.0])
@pytest.mark.parametrize("values", [{"beard": 1.0}, {"moustache": 1.0}, {"stubble": 1.0}])
def test_when_grown_then_strands_are_sound_and_on_the_lower_face(
    head_asset: HeadAsset, detail: float, values: dict[str, float]
) -> None:
    beard = _beard(head_asset, detail, **values)
    assert beard.class_id == BEARD and np.isfinite(beard.points).all() and beard.width.min() >= 0
    roots = _shown(beard)[:, 0]
    assert len(roots) > 40 and roots[:, 1].max() < 0.15 and roots[:, 1].min() > -1.6
    assert abs(roots[:, 0].mean()) < 0.05


def test_when_moustache_alone_then_it_stays_on_the_upper_lip(head_asset: HeadAsset) -> None:
    roots = _shown(_beard(head_asset, 1.0, moustache=1.0))[:, 0]
    assert np.abs(roots[:, 0]).max() < 0.42 and np.ptp(roots[:, 1]) < 0.35


def test_when_beard_grows_then_hairs_lengthen_in_place(head_asset: HeadAsset) -> None:
    some, much = _beard(head_asset, beard=0.4), _beard(head_asset, beard=0.9)
    np.testing.assert_array_equal(some.points[:, 0], much.points[:, 0])
    length = [np.linalg.norm(b.points[:, -1] - b.points[:, 0], axis=1) for b in (some, much)]
    assert (length[1] >= length[0] - 1e-5).all() and length[1].max() > length[0].max() + 0.1


def test_when_mouth_opens_then_the_chin_beard_goes_down_with_it(head_asset: HeadAsset) -> None:
    closed, opened = _beard(head_asset, beard=0.5), _beard(head_asset, beard=0.5, mouth_open=1.0)
    chin = (closed.points[:, 0, 1] < -0.95) & (closed.points[:, 0, 2] > 0.1)
    fall = (opened.points - closed.points)[chin, 0, 1]
    assert fall.mean() < -0.1


def test_when_style_is_low_then_cheeks_are_bare(head_asset: HeadAsset) -> None:
    look = np.full(32, 0.5)
    look[31] = 0.0
    goatee = _shown(_beard(head_asset, beard=0.8, look=tuple(look)))[:, 0]  # type: ignore[arg-type]
    full = _shown(_beard(head_asset, beard=0.8))[:, 0]
    assert np.abs(goatee[:, 0]).max() < 0.5 < np.abs(full[:, 0]).max()


def test_when_something_else_changes_then_the_beard_does_not(head_asset: HeadAsset) -> None:
    before = _beard(head_asset, beard=0.6)
    for name in ("hair_length", "recede", "skin", "yaw", "glasses"):
        params = with_attribute(replace(PARAMS, beard=0.6), name, 0.8)
        after = beard_strands(head_asset.morph(params), params, 0.3)
        np.testing.assert_array_equal(before.points, after.points)


def test_when_tinted_then_jaw_takes_the_colour_and_lips_do_not(head_asset: HeadAsset) -> None:
    params = replace(PARAMS, beard=1.0, moustache=1.0)
    head = head_asset.morph(params)
    tint = beard_tint(head.skin, params)
    assert tint.min() >= 0 and tint.max() <= 1 and tint.max() > 0.5
    assert tint[head.mask("lips") > 0.9].max() == 0
    assert beard_tint(head.skin, PARAMS).max() == 0


def test_when_detail_is_out_of_range_then_refused(head_asset: HeadAsset) -> None:
    with pytest.raises(ValueError, match="detail is 2"):
        _beard(head_asset, 2.0, beard=1.0)
