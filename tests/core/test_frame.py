"""Layers are found under every naming; an edit touches the pixels it names and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import PlateError
from lineament.core.frame import Attribute, Frame, Layer, Part, Window


def a_part(channels, dtype=np.float16, size=(4, 5), name="", header=()) -> Part:
    planes = {
        channel: np.full(size, 0.25 if np.dtype(dtype).kind == "f" else 64, dtype) for channel in channels
    }
    window = Window(-1, -2, size[1] - 1, size[0] - 2)
    return Part(name, tuple(channels), planes, window, Window(0, 0, 3, 2), header=header)


def a_frame(channels, dtype=np.float16, header=()) -> Frame:
    return Frame((a_part(channels, dtype, header=header),), 1001, "plate.1001.exr")


NAMINGS = {
    "nuke": (
        ["R", "G", "B", "A", "diffuse.red", "diffuse.green", "diffuse.blue", "depth.Z"],
        ["", "diffuse"],
    ),
    "arnold": (["R", "G", "B", "A", "sss.R", "sss.G", "sss.B", "P.X", "P.Y", "P.Z"], ["", "sss"]),
    "lower case": (["spec.r", "spec.g", "spec.b", "spec.a"], ["spec"]),
    "blender": (
        ["V.Combined.R", "V.Combined.G", "V.Combined.B", "V.Env.R", "V.Env.G", "V.Env.B"],
        ["V.Combined", "V.Env"],
    ),
    "cryptomatte": (["R", "G", "B", "crypto_asset00.R", "crypto_asset00.G", "crypto_asset00.B"], [""]),
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_when_layers_are_named_by_an_application_then_they_are_found(naming):
    channels, names = NAMINGS[naming]
    assert [layer.name for layer in a_frame(channels).layers()] == names


@pytest.mark.parametrize("naming", NAMINGS)
def test_when_no_layer_is_asked_for_then_the_main_picture_is_given(naming):
    frame = a_frame(NAMINGS[naming][0])
    assert frame.layer(None) == frame.layer("") == frame.layers()[0]


def test_when_a_cryptomatte_has_a_name_of_its_own_then_its_header_gives_it_away():
    header = (Attribute("cryptomatte/ab12/name", "string", "matte.shot"),)
    frame = a_frame(["R", "G", "B", "matte.shot00.R", "matte.shot00.G", "matte.shot00.B"], header=header)
    assert [layer.name for layer in frame.layers()] == [""]


def test_when_the_triple_is_integer_ids_then_it_is_no_picture():
    with pytest.raises(PlateError, match="No red-green-blue triple"):
        a_frame(["R", "G", "B"], np.uint32).layer()


def test_when_the_plate_is_grey_then_the_error_lists_its_channels():
    with pytest.raises(PlateError, match=r"among the channels Y, Z\..*plate\.1001\.exr.*Grey"):
        a_frame(["Y", "Z"]).layer()


def test_when_a_layer_is_misspelt_then_the_error_lists_names_and_a_guess():
    with pytest.raises(PlateError, match=r"no layer 'difuse'; the layers are main, diffuse\..*'diffuse'\?"):
        a_frame(NAMINGS["nuke"][0]).layer("difuse")


@pytest.mark.parametrize("name", ["main", "(main)", "RGBA", "rgb", "Default", " main "])
@pytest.mark.parametrize("naming", ["arnold", "blender"])
def test_when_the_main_layer_is_named_by_a_usual_word_then_it_is_found(name, naming):
    frame = a_frame(NAMINGS[naming][0])
    assert frame.layer(name) == frame.layers()[0]


def test_when_a_layer_is_called_main_then_that_one_is_meant():
    frame = a_frame([*"RGB", "main.R", "main.G", "main.B"])
    assert frame.layer("Main").rgb[0] == "main.R"
    with pytest.raises(PlateError, match=r"the layers are rgba, main\."):
        frame.layer("other")
    assert frame.layer("rgba").rgb[0] == "R"


def test_when_a_layer_is_misspelt_then_the_names_in_the_error_can_be_typed():
    frame = a_frame(NAMINGS["arnold"][0])
    with pytest.raises(PlateError, match=r"the layers are main, sss\..*'main'\?"):
        frame.layer("Mian")
    assert frame.layer("main").name == ""


def test_when_several_layers_could_be_the_main_one_then_it_must_be_named():
    frame = a_frame([f"{layer}.{c}" for layer in ("one", "two") for c in "RGB"])
    with pytest.raises(PlateError, match="No layer is plainly the main picture; the layers are one, two"):
        frame.layer()


def test_when_the_case_differs_then_the_layer_is_still_found():
    assert a_frame(NAMINGS["arnold"][0]).layer("SSS").name == "sss"


def test_when_parts_hold_the_same_channels_then_layers_are_named_by_part():
    frame = Frame((a_part("RGBA", name="left"), a_part("RGBA", name="right"), a_part("RGBA", name="right")))
    assert [(layer.part, layer.name) for layer in frame.layers()] == [(0, ""), (1, "right"), (2, "right:")]
    assert frame.layer("right").part == 1


def test_when_the_layer_has_alpha_then_it_is_given_as_float():
    frame = a_frame("RGBA")
    alpha = frame.alpha()
    assert alpha is not None and alpha.dtype == np.float32 and (alpha == 0.25).all()
    assert a_frame("RGB").alpha() is None


@pytest.mark.parametrize(
    ("dtype", "value"), [(np.uint8, 64 / 255), (np.uint16, 64 / 65535), (np.float32, 0.25)]
)
def test_when_colours_are_read_then_integers_are_scaled_to_one(dtype, value):
    rgb = a_frame("RGB", dtype).rgb()
    assert rgb.shape == (4, 5, 3) and rgb.dtype == np.float32
    assert np.allclose(rgb, value, rtol=1e-7)


def test_when_pixels_change_then_only_they_do():
    frame = a_frame([*"RGBA", "sss.R", "sss.G", "sss.B"])
    changed = np.zeros((4, 5), bool)
    changed[1, 2] = True
    edited = frame.with_rgb("", np.full((4, 5, 3), 2.0, np.float32), changed)
    assert (edited.rgb()[1, 2] == 2.0).all() and (edited.rgb()[~changed] == 0.25).all()
    assert all(
        edited.parts[0].planes[c] is frame.parts[0].planes[c] for c in ("A", "sss.R", "sss.G", "sss.B")
    )
    assert edited.parts[0].planes["R"].dtype == np.float16 and (frame.rgb() == 0.25).all()


def test_when_nothing_changed_then_the_same_frame_comes_back():
    frame = a_frame("RGB")
    assert frame.with_rgb(None, np.ones((4, 5, 3), np.float32), np.zeros((4, 5), bool)) is frame


def test_when_pixels_are_nan_and_unchanged_then_their_bits_stay():
    frame = a_frame("RGB")
    frame.parts[0].planes["G"].view(np.uint16)[0] = [0x7C01, 0xFE12, 0x8000, 0xFC00, 0x7BFF]
    changed = np.zeros((4, 5), bool)
    changed[3] = True
    edited = frame.with_rgb(None, np.ones((4, 5, 3), np.float32), changed)
    assert edited.parts[0].planes["G"].view(np.uint16)[0].tolist() == [0x7C01, 0xFE12, 0x8000, 0xFC00, 0x7BFF]


@pytest.mark.parametrize(
    ("dtype", "given", "stored"),
    [
        (np.float16, 1e6, 65504.0),
        (np.float16, -1e6, -65504.0),
        (np.float32, 1e6, 1e6),
        (np.uint8, 7.0, 255),
        (np.uint16, -1.0, 0),
    ],
)
def test_when_a_value_does_not_fit_then_it_is_clamped_to_the_plane(dtype, given, stored):
    frame = a_frame("RGB", dtype)
    edited = frame.with_rgb(None, np.full((4, 5, 3), given, np.float32), np.ones((4, 5), bool))
    assert (edited.parts[0].planes["B"] == stored).all()


def test_when_the_edit_has_another_size_then_the_caller_is_told():
    with pytest.raises(ValueError, match="rgb has shape"):
        a_frame("RGB").with_rgb(None, np.zeros((4, 4, 3), np.float32), np.ones((4, 5), bool))


def test_when_the_part_contradicts_itself_then_it_is_refused():
    window = Window(0, 0, 2, 2)
    with pytest.raises(ValueError, match="R has shape"):
        Part("", ("R",), {"R": np.zeros((3, 2), np.float16)}, window, window)
    with pytest.raises(ValueError, match="are not the planes"):
        Part("", ("R", "G"), {"R": np.zeros((2, 2), np.float16)}, window, window)


def test_when_a_header_field_is_missing_in_a_part_then_the_first_part_answers():
    first = a_part("RGB", header=(Attribute("owner", "string", "studio"),))
    frame = Frame((first, a_part("RGB", name="right")))
    assert frame.header_value("right", "owner") == "studio"
    assert frame.header_value(None, "nothing") is None


def test_when_text_is_stamped_then_it_replaces_what_was_there():
    frame = a_frame("RGB").with_text("note", "one").with_text("note", "two")
    assert [field.value for field in frame.parts[0].header] == ["two"]


def test_when_the_frame_module_is_imported_then_no_picture_library_is():
    code = (
        "import sys, lineament.core.frame; sys.exit('OpenImageIO' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent).returncode == 0


def test_when_a_layer_is_given_by_address_then_it_is_taken_as_it_is():
    frame = a_frame(["R", "G", "B", "x.R", "x.G", "x.B"])
    address = Layer(0, "x", ("x.R", "x.G", "x.B"))
    assert frame.layer("x") == address and frame.rgb(address).shape == (4, 5, 3)
