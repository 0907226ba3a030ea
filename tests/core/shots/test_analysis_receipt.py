"""Shots that were opened before are known without their model."""

from __future__ import annotations

from dataclasses import replace

from lineament.core.shots.analyse import analyse
from lineament.core.shots.analysis_receipt import NOTES, find_receipt, note_analysis


def noted(small, tools):
    """An analysed shot whose key is noted, as opening it does."""
    analysis = analyse(small.shot, small.plates, tools, small.cache)
    note_analysis(small.cache, small.shot, small.plates, analysis.key)
    return analysis


def test_when_a_shot_was_opened_then_its_receipt_says_what_it_is_rendered_from(small_shot, make_tools):
    assert find_receipt(small_shot.cache, small_shot.shot, small_shot.plates) is None
    analysis = noted(small_shot, make_tools())
    receipt = find_receipt(small_shot.cache, small_shot.shot, small_shot.plates)
    assert (receipt.key, receipt.digest, receipt.render_id) == (
        analysis.key,
        analysis.digest,
        analysis.render_id,
    )
    assert receipt.plates == analysis.plates


def test_when_only_the_strength_changes_then_the_receipt_stays(small_shot, make_tools):
    noted(small_shot, make_tools())
    changed = small_shot.with_strength(2.0, colourspace="ACEScg")
    assert find_receipt(changed.cache, changed.shot, changed.plates) is not None


def test_when_plates_or_settings_change_then_there_is_no_receipt(
    small_shot, make_tools, repaint, plate_picture
):
    noted(small_shot, make_tools())
    for other in (
        small_shot.with_settings(temporal_weight=0.0),
        replace(small_shot, shot=replace(small_shot.shot, seed=3)),
    ):
        assert find_receipt(other.cache, other.shot, other.plates) is None
    assert find_receipt(small_shot.cache, small_shot.shot, small_shot.plates[1:]) is None
    repaint(small_shot.plates[2].path, 1003, 2.0 * plate_picture(1003))
    assert find_receipt(small_shot.cache, small_shot.shot, small_shot.plates) is None


def test_when_note_or_analysis_is_damaged_then_there_is_no_receipt(small_shot, make_tools):
    analysis = noted(small_shot, make_tools())
    (note,) = (small_shot.cache / "shots" / NOTES).iterdir()
    for path in (note, analysis.folder / "analysis.json"):
        data = path.read_bytes()
        for broken in (b"", b"[]", data[:-9], b"\xff" + data):
            path.write_bytes(broken)
            assert find_receipt(small_shot.cache, small_shot.shot, small_shot.plates) is None
        path.write_bytes(data)
    assert find_receipt(small_shot.cache, small_shot.shot, small_shot.plates) is not None
