"""A plate in a host's working space, named as the host's own OCIO config names it, gives the edit of the built-in
config."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lineament.core.colour import resolve_colour
from lineament.core.errors import ColourError
from lineament.core.frame import Frame
from lineament.core.io import read_frame
from lineament.core.pipeline import ToolOptions, Tools, open_tools, render_frame
from lineament.core.recipe import EditRecipe, Move, Strength

REPOSITORY = Path(__file__).resolve().parents[2]
BLENDERS = ("4.5", "5.0")
SHOT = REPOSITORY / "plugin" / "demo_shot"

HAND_WRITTEN = """ocio_profile_version: 2

roles:
  aces_interchange: ACES2065-1
  cie_xyz_d65_interchange: XYZ
  scene_linear: Linear Rec.709
  rendering: Linear Rec.709
  default_float: Linear Rec.709
  data: Non-Color

file_rules:
  - !<Rule> {name: Default, colorspace: Linear Rec.709}

colorspaces:
  - !<ColorSpace>
    name: XYZ
    isdata: false
  - !<ColorSpace>
    name: Linear Rec.709
    aliases: [Linear]
    isdata: false
    from_scene_reference: !<MatrixTransform>
      matrix: [3.2409699419, -1.5373831776, -0.4986107603, 0, -0.9692436363, 1.8759675015, 0.0415550574, 0,
               0.0556300797, -0.2039769589, 1.0569715142, 0, 0, 0, 0, 1]
  - !<ColorSpace>
    name: ACES2065-1
    isdata: false
    to_scene_reference: !<BuiltinTransform> {style: "UTILITY - ACES-AP0_to_CIE-XYZ-D65_BFD"}
  - !<ColorSpace>
    name: ACEScg
    isdata: false
    to_scene_reference: !<BuiltinTransform> {style: "UTILITY - ACES-AP1_to_CIE-XYZ-D65_BFD"}
  - !<ColorSpace>
    name: Non-Color
    isdata: true
"""
"""Built as Blender's is: linear spaces about XYZ, no name for linear Rec.709 but its own, data called Non-Color."""


@pytest.fixture(autouse=True)
def no_ambient_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture(scope="module", params=["written by hand", *BLENDERS])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a host's config: one made here, and those of the Blenders that are installed."""
    if request.param not in BLENDERS:
        path = tmp_path_factory.mktemp("config") / "config.ocio"
        path.write_text(HAND_WRITTEN)
        return str(path)
    variable = f"LINEAMENT_BLENDER_{request.param.replace('.', '_')}"
    named = os.environ.get(variable)
    folder = Path(named).parent.parent if named else REPOSITORY / ".blender" / request.param
    found = sorted(folder.glob("lib/python*/site-packages/bpy/*/datafiles/colormanagement/config.ocio"))
    if not found:
        pytest.skip(f"no Blender {request.param} in {folder}; set {variable}, or run: make blender")
    return str(found[-1])


@pytest.fixture(scope="module")
def tools() -> Tools:
    return open_tools(ToolOptions(track=str(SHOT / "track.json"), locator="track"))


@pytest.fixture(scope="module")
def a_plate() -> Frame:
    """The demo's first plate around its face in full float, which shows differences that half would round away."""
    frame = read_frame(SHOT / "plate" / "plate.1001.exr")
    part = frame.parts[0]
    planes = {name: plane.astype(np.float32) for name, plane in part.planes.items()}
    return replace(frame, parts=(replace(part, planes=planes, header=()),))


def edited(frame: Frame, tools: Tools, ocio: str, space: str) -> np.ndarray:
    """The pixels (H, W, 3) of an edit with the plate's space named."""
    recipe = EditRecipe((Move("smile", Strength.constant(2.0)),), colourspace=space, exposure=1.0)
    result = render_frame(frame, recipe, replace(tools, ocio=ocio))
    assert result.frame is not frame
    return result.frame.rgb("")


@pytest.mark.parametrize("name", ["Linear Rec.709", "scene_linear", "Linear"])
def test_when_the_host_works_in_rec709_then_its_edit_is_the_built_in_ones(
    name: str, config: str, a_plate: Frame, tools: Tools
) -> None:
    own = edited(a_plate, tools, "", "lin_rec709")
    assert float(np.abs(own - a_plate.rgb("")).max()) > 0.1, "there is an edit to compare"
    assert float(np.abs(edited(a_plate, tools, config, name) - own).max()) <= 1e-6


@pytest.mark.parametrize("name", ["ACEScg", "ACES2065-1"])
def test_when_the_host_works_in_another_linear_space_then_the_edit_agrees_as_its_matrices_do(
    name: str, config: str, a_plate: Frame, tools: Tools
) -> None:
    gap = float(np.abs(unit_colours(name, config) - unit_colours(name, "")).max())
    assert gap <= 5e-4, "4.5 writes its matrices with four digits"
    own = edited(a_plate, tools, "", name)
    difference = np.abs(edited(a_plate, tools, config, name) - own)
    assert float(difference.max()) <= (2 * gap + 5e-5) * float(np.abs(own - a_plate.rgb("")).max())


def unit_colours(name: str, ocio: str) -> np.ndarray:
    """The matrix (3, 3) from a space to linear Rec.709, as a config has it."""
    return resolve_colour(colourspace=name, ocio=ocio).to_linear709(np.eye(3, dtype=np.float32)[None])[0]


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("Linear Rec.709", "Linear Rec.709"),
        ("scene_linear", "Linear Rec.709"),
        ("rendering", "Linear Rec.709"),
        ("aces_interchange", "ACES2065-1"),
        ("ACEScg", "ACEScg"),
        ("ACES2065-1", "ACES2065-1"),
    ],
)
def test_when_the_host_names_a_space_or_a_role_then_it_is_found(name: str, space: str, config: str) -> None:
    colour = resolve_colour("tap.exr", colourspace=name, ocio=config)
    assert (colour.space, colour.evidence, colour.is_linear) == (space, "explicit", True)
    grey = np.full((1, 3), 0.18, np.float32)
    np.testing.assert_allclose(colour.to_linear709(grey), grey, rtol=5e-4)  # 4.5 writes four digits


def test_when_nothing_is_named_then_the_hosts_scene_linear_counts(config: str) -> None:
    assert resolve_colour("tap.exr", ocio=config).space == "Linear Rec.709"


def test_when_the_host_says_that_it_is_data_then_a_real_space_is_asked_for(config: str) -> None:
    with pytest.raises(ColourError, match=r'"Non-Color" is a data space.*such as ACEScg'):
        resolve_colour("tap.exr", colourspace="Non-Color", ocio=config)
