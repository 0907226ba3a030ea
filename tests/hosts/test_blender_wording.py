"""Errors of a frame in the words of Blender's node."""

from __future__ import annotations

import pytest
from lineament.core.errors import DeviceError, FaceError, LineamentError, PlateError
from lineament.hosts.blender.wording import in_node_words

TAP = "/dev/shm/lineament-taps-77-ab12/0/plate1004.exr"


def told(error: LineamentError) -> LineamentError:
    """The error as the node Grade / Attribute Edit tells it of frame 1004."""
    return in_node_words(error, "Grade / Attribute Edit", 1004)


@pytest.mark.parametrize(
    ("remedy", "words"),
    [
        ("Give a track with --track, or wait.", 'Give a track with "Track" (tab Face), or wait.'),
        ("Choose a smaller --face number.", 'Choose a smaller "Face" (tab Face) number.'),
        ("Name it with --colorspace.", 'Name it with "Colour Space" (tab Colour).'),
        ("Use --device cpu, or buy one.", 'Use "Device" "cpu" (tab System), or buy one.'),
        (
            "Use --inverter optimise, which needs none.",
            'Use "Inversion" "optimise" (tab Model), which needs none.',
        ),
        ("Add --track FILE.json.", 'Add "Track" (tab Face).'),
        ("Name a config with --ocio.", 'Name a config with "OCIO Config" (tab Colour).'),
        ("Use --overwrite, or a new folder.", "Use --overwrite, or a new folder."),
        ("Make room.", "Make room."),
    ],
)
def test_when_a_remedy_names_a_flag_then_the_node_names_its_field(remedy: str, words: str) -> None:
    assert told(FaceError("No.", remedy=remedy)).remedy == words


def test_when_a_file_in_memory_is_named_then_the_node_and_its_frame_are() -> None:
    error = told(PlateError(f"{TAP} is damaged.", where=TAP, remedy=f"Look at {TAP}."))
    assert error.what == "the plate is damaged."
    assert (error.where, error.remedy) == ("Grade / Attribute Edit, frame 1004", "Look at the plate.")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("", "Grade / Attribute Edit, frame 1004"),
        ("frame 1004", "Grade / Attribute Edit, frame 1004"),
        ("Grade / Attribute Edit", "frame 1004, Grade / Attribute Edit"),
        (f"{TAP}, frame 1004", "Grade / Attribute Edit, frame 1004"),
        ("--track", 'Grade / Attribute Edit, frame 1004, "Track" (tab Face)'),
        ("/shots/plate.1004.exr", "Grade / Attribute Edit, frame 1004, /shots/plate.1004.exr"),
    ],
)
def test_when_an_error_says_where_then_node_and_frame_are_said_once(where: str, words: str) -> None:
    assert told(DeviceError("No.", where=where)).where == words


def test_when_an_error_is_reworded_then_it_keeps_its_kind() -> None:
    error = told(DeviceError("No.", remedy="Use --device cpu."))
    assert isinstance(error, DeviceError) and error.exit_code == 5
