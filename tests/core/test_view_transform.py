"""Plates as people look at them: every view of the config, exposure in stops, and nothing that is not a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.colour_config import load_config
from lineament.core.errors import ColourError
from lineament.core.view_transform import View, displayed, view_processor, views_of

GREYS = np.linspace(0.01, 0.6, 12, dtype=np.float32)[:, None].repeat(3, axis=1)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OCIO", raising=False)
    return load_config()


def test_when_views_are_listed_then_the_default_of_the_config_is_first_and_none_is_twice(config) -> None:
    views = views_of(config)
    display = config.config.getDefaultDisplay()
    assert views[0] == View(display, config.config.getDefaultView(display))
    assert len(set(views)) == len(views) > 3


def test_when_a_grey_ramp_is_shown_then_it_is_neutral_and_rises(config) -> None:
    shown = displayed(GREYS, view_processor(config, "ACEScg", views_of(config)[0]))
    assert shown.dtype == np.uint8 and (np.ptp(shown, axis=1) <= 1).all()
    assert (np.diff(shown[:, 1].astype(int)) > 0).all()


@pytest.mark.parametrize("stops", [-3.0, 0.25, 2.0])
def test_when_stops_are_added_then_it_is_as_if_the_light_were_multiplied(config, stops: float) -> None:
    view = views_of(config)[0]
    brighter = displayed(GREYS, view_processor(config, "ACEScg", view, stops)).astype(int)
    multiplied = displayed(GREYS * np.float32(2.0**stops), view_processor(config, "ACEScg", view)).astype(int)
    assert abs(brighter - multiplied).max() <= 1


def test_when_a_plate_is_logarithmic_then_stops_count_light(config) -> None:
    view = views_of(config)[0]
    log = view_processor(config, "ACEScg", View("sRGB - Display", "Raw"))(GREYS)
    assert (
        displayed(log, view_processor(config, "ACEScct", view, 1.0)).max()
        > displayed(log, view_processor(config, "ACEScct", view)).min()
    )


def test_when_pixels_are_not_numbers_then_they_are_black_and_the_others_are_right(config) -> None:
    processor = view_processor(config, "ACEScg", views_of(config)[0])
    light = GREYS.copy()
    light[3] = np.nan
    shown, clean = displayed(light, processor), displayed(GREYS, processor)
    assert (shown[3] == 0).all() and (np.delete(shown, 3, 0) == np.delete(clean, 3, 0)).all()


def test_when_there_is_no_such_view_then_the_message_lists_those_there_are(config) -> None:
    with pytest.raises(ColourError, match="no view") as caught:
        view_processor(config, "ACEScg", View("sRGB - Display", "Sepia"))
    assert views_of(config)[0].name in caught.value.remedy


@pytest.mark.parametrize("stops", [np.nan, 21.0, -1e9])
def test_when_stops_are_useless_then_they_are_refused(config, stops: float) -> None:
    with pytest.raises(ValueError, match="stops"):
        view_processor(config, "ACEScg", views_of(config)[0], stops)
