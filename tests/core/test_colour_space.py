"""Which evidence decides a plate's colour space, and what is said when none can."""

from __future__ import annotations

import copy
import logging
import re
from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio
import pytest
from lineament.core.colour import PINNED_CONFIG, resolve_colour
from lineament.core.errors import ColourError

AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
P3 = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.329)
REC2020 = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)
ARRI_WIDE = (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329)
STUDIO = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"


@pytest.fixture(autouse=True)
def no_ambient_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture
def a_show_config(tmp_path: Path) -> str:
    """The pinned config with one rule that looks at names and one that only looks at the extension."""
    config = copy.deepcopy(ocio.Config.CreateFromFile(PINNED_CONFIG))
    rules = config.getFileRules()
    rules.insertRule(0, "comps", "lin_rec2020", "*/comp/*", "exr")
    rules.insertRule(1, "EXR", "ACES2065-1", "*", "exr")
    config.setFileRules(rules)
    path = tmp_path / "show.ocio"
    path.write_text(config.serialize())
    return str(path)


def same_space(name: str, found: str) -> bool:
    return ocio.Config.CreateFromFile(PINNED_CONFIG).getCanonicalName(name) == found


@pytest.mark.parametrize("name", ["ACEScg", "lin_ap1", "ACES - ACEScg", "scene_linear", "acesCG"])
def test_when_a_space_is_named_then_its_canonical_name_is_used(name: str) -> None:
    colour = resolve_colour("a.exr", colourspace=name)
    assert (colour.space, colour.evidence) == ("ACEScg", "explicit")
    assert name in colour.reason


@pytest.mark.parametrize(
    ("primaries", "space"),
    [
        (AP0, "ACES2065-1"),
        (AP1, "ACEScg"),
        (P3, "lin_p3d65"),
        (REC709, "lin_rec709"),
        (REC2020, "lin_rec2020"),
    ],
)
def test_when_the_header_has_primaries_then_the_linear_space_is_found(primaries: tuple, space: str) -> None:
    colour = resolve_colour("a.exr", chromaticities=primaries)
    assert colour.evidence == "header" and same_space(space, colour.space)


def test_when_the_header_has_camera_primaries_then_a_config_with_them_finds_them() -> None:
    assert resolve_colour("a.exr", chromaticities=ARRI_WIDE, ocio=STUDIO).space == "Linear ARRI Wide Gamut 3"


def test_when_no_space_has_the_primaries_then_nothing_is_guessed() -> None:
    with pytest.raises(ColourError, match=r"0\.684.*a\.exr.*--colorspace"):
        resolve_colour("a.exr", chromaticities=ARRI_WIDE)


@pytest.mark.parametrize("junk", [(0.0,) * 8, (float("nan"),) * 8, (0.3, 0.3) * 4, (0.1,)])
def test_when_primaries_are_junk_then_they_are_ignored_and_that_is_said(
    junk: tuple, caplog: pytest.LogCaptureFixture
) -> None:
    assert resolve_colour("a.exr", chromaticities=junk).evidence == "role"
    assert "describe no colour space" in caplog.text


@pytest.mark.parametrize(
    ("interop_id", "space"),
    [("lin_ap1_scene", "ACEScg"), ("ocio:acescct_ap1_scene", "ACEScct"), ("srgb_rec709_scene", "srgb_tx")],
)
def test_when_the_header_has_an_interop_id_then_it_wins(interop_id: str, space: str) -> None:
    colour = resolve_colour("a.exr", interop_id=interop_id)
    assert colour.evidence == "header" and same_space(space, colour.space)
    assert interop_id in colour.reason


def test_when_the_interop_id_is_unknown_by_its_own_word_then_the_primaries_speak() -> None:
    assert resolve_colour("a.exr", interop_id="unknown", chromaticities=AP0).space == "ACES2065-1"


def test_when_the_interop_id_is_not_in_the_config_then_nothing_is_guessed() -> None:
    with pytest.raises(ColourError, match="lin_martian"):
        resolve_colour("a.exr", interop_id="lin_martian")


def test_when_id_and_primaries_disagree_then_the_id_wins_and_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert resolve_colour("a.exr", interop_id="lin_ap1_scene", chromaticities=REC709).space == "ACEScg"
    assert "the id wins" in caplog.text


def test_when_the_user_contradicts_the_header_then_the_user_wins_and_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert resolve_colour("a.exr", interop_id="lin_ap1_scene", colourspace="ACEScct").space == "ACEScct"
    assert 'says "ACEScg", but "ACEScct" was asked for' in caplog.text


def test_when_header_and_user_agree_then_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        resolve_colour("a.exr", interop_id="lin_ap1_scene", chromaticities=AP1, colourspace="ACEScg")
    assert caplog.text == ""


def test_when_a_rule_only_looks_at_the_extension_then_the_role_is_stronger(a_show_config: str) -> None:
    colour = resolve_colour("/job/plates/sh010.1001.exr", ocio=a_show_config)
    assert (colour.space, colour.evidence) == ("ACEScg", "role")
    assert "ACES2065-1" in colour.reason and "ignored" in colour.reason


def test_when_a_rule_looks_at_the_path_then_it_beats_the_role(a_show_config: str) -> None:
    colour = resolve_colour("/job/comp/sh010.1001.exr", ocio=a_show_config)
    assert colour.evidence == "file rule" and same_space("lin_rec2020", colour.space)
    assert '"comps"' in colour.reason and colour.config_name == a_show_config


def test_when_a_rule_contradicts_the_header_then_the_header_wins_and_it_is_logged(
    a_show_config: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert resolve_colour("/job/comp/a.exr", chromaticities=AP1, ocio=a_show_config).space == "ACEScg"
    assert "the header wins" in caplog.text


def test_when_there_is_no_scene_linear_role_then_the_catch_all_rule_is_used(tmp_path: Path) -> None:
    config = copy.deepcopy(ocio.Config.CreateFromFile(PINNED_CONFIG))
    config.setRole("scene_linear", None)
    path = tmp_path / "bare.ocio"
    path.write_text(config.serialize())
    colour = resolve_colour("a.exr", ocio=str(path))
    assert (colour.space, colour.evidence) == ("ACES2065-1", "default rule")


def test_when_a_still_says_nothing_then_it_is_srgb() -> None:
    colour = resolve_colour("a.png", display_referred=True, chromaticities=AP1)
    assert colour.evidence == "still default" and same_space("srgb_tx", colour.space)


def test_when_the_environment_names_a_config_then_it_is_used(
    a_show_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCIO", a_show_config)
    assert resolve_colour("a.exr").config_name == a_show_config
    assert resolve_colour("a.exr", ocio=PINNED_CONFIG).config_name == PINNED_CONFIG.removeprefix("ocio://")


def test_when_a_config_is_edited_then_it_is_read_again(a_show_config: str) -> None:
    before = resolve_colour("a.exr", ocio=a_show_config)
    text = Path(a_show_config).read_text()
    Path(a_show_config).write_text(text.replace("scene_linear: ACEScg", "scene_linear: ACES2065-1"))
    assert (before.space, resolve_colour("a.exr", ocio=a_show_config).space) == ("ACEScg", "ACES2065-1")


def test_when_the_config_moves_with_the_library_then_its_real_name_is_told() -> None:
    assert "cg-config-v" in resolve_colour("a.exr", ocio="ocio://default").config_name


@pytest.mark.parametrize("name", ["ACESgc", "lin_rec907"])
def test_when_a_name_is_mistyped_then_close_matches_are_offered(name: str) -> None:
    with pytest.raises(ColourError) as caught:
        resolve_colour("a.exr", colourspace=name)
    assert f'"{name}"' in caught.value.what
    assert ("ACEScg" if name == "ACESgc" else "lin_rec709") in caught.value.remedy


def test_when_a_name_resembles_nothing_then_all_spaces_are_listed() -> None:
    with pytest.raises(ColourError, match=r"It knows: .*ACEScg"):
        resolve_colour("a.exr", colourspace="qqqqqqq")


@pytest.mark.parametrize("name", ["nope", "raww", "utility data", "unknwon", "qqqqqqq"])
def test_when_a_name_is_wrong_then_no_data_space_is_offered(name: str) -> None:
    config = ocio.Config.CreateFromFile(PINNED_CONFIG)
    with pytest.raises(ColourError) as caught:
        resolve_colour("a.exr", colourspace=name)
    offered = re.findall(r'"([^"]+)"', caught.value.remedy)
    assert offered, caught.value.remedy
    assert not any(config.getColorSpace(space).isData() for space in offered)


def test_when_matches_are_offered_then_they_are_quoted() -> None:
    with pytest.raises(ColourError, match=r'Did you mean ("[^"]+", )*"[^"]+" or "[^"]+"\?'):
        resolve_colour("a.exr", colourspace="ACESgc")


def test_when_data_is_named_as_colour_then_it_is_refused() -> None:
    with pytest.raises(ColourError, match="data space"):
        resolve_colour("a.exr", colourspace="Raw")


@pytest.mark.parametrize("content", [None, b"", b"ocio_profile_version: [1", bytes(range(256)) * 8])
def test_when_a_config_is_unreadable_then_it_is_an_error_and_no_other_is_used(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "config.ocio"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ColourError, match="cannot be read") as caught:
        resolve_colour("a.exr", ocio=str(path))
    assert str(path) in caught.value.what and caught.value.exit_code == 4


def test_when_a_look_up_table_is_missing_then_the_space_is_named(tmp_path: Path) -> None:
    config = copy.deepcopy(ocio.Config.CreateFromFile(PINNED_CONFIG))
    camera = ocio.ColorSpace(ocio.REFERENCE_SPACE_SCENE, "CameraLog")
    camera.setTransform(ocio.FileTransform("gone.cube"), ocio.COLORSPACE_DIR_TO_REFERENCE)
    config.addColorSpace(camera)
    path = tmp_path / "show.ocio"
    path.write_text(config.serialize())
    with pytest.raises(ColourError, match=r"CameraLog.*gone\.cube"):
        resolve_colour("a.exr", colourspace="CameraLog", ocio=str(path))


def test_when_a_config_has_no_rec709_then_the_interchange_role_links_it(tmp_path: Path) -> None:
    config = copy.deepcopy(ocio.Config.CreateRaw())
    config.setVersion(2, 1)
    config.addColorSpace(ocio.ColorSpace(ocio.REFERENCE_SPACE_SCENE, "house_ap0"))
    config.setRole("aces_interchange", "house_ap0")
    config.setRole("scene_linear", "house_ap0")
    path = tmp_path / "house.ocio"
    path.write_text(config.serialize())
    colour = resolve_colour("a.exr", ocio=str(path))
    expected = resolve_colour(colourspace="ACES2065-1")
    assert colour.space == "house_ap0" and colour.is_linear
    values = np.array([[0.1, 0.5, 0.9]], dtype=np.float32)
    np.testing.assert_allclose(colour.to_linear709(values), expected.to_linear709(values), rtol=1e-5)


def test_when_the_sample_shot_is_read_then_its_header_agrees_with_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    colour = resolve_colour("plate.1001.exr", chromaticities=AP1, interop_id="lin_ap1_scene")
    assert (colour.space, caplog.text) == ("ACEScg", "")
