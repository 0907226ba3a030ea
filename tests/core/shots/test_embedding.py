"""Identity embeddings of a shot's faces: one place for plate and output, nothing for a face that is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from lineament.core.frame import Frame
from lineament.core.score import cosines
from lineament.core.scorer import ScorerNet
from lineament.core.shots.analyse import analyse
from lineament.core.shots.analysis import Analysis
from lineament.core.shots.embedding import FaceEmbedder, open_embedder
from lineament.core.shots.looks import Opened, open_plate
from lineament.core.sight import read_plate
from lineament.core.tools import Tools


@pytest.fixture
def analysed(small_shot, make_tools: Callable[..., Tools], wandering) -> tuple[FaceEmbedder, Analysis]:
    """An embedder with an untrained network; the face is not seen on the last two frames."""
    tools = make_tools(wandering(blind=frozenset({1007, 1008})))
    analysis = analyse(small_shot.shot, small_shot.plates, tools, small_shot.cache)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        net = ScorerNet(("a", "b", "c", "d"), (8, 8, 8), 16).eval()
    return FaceEmbedder(net, small_shot.shot, analysis, tools), analysis


def repainted(opened: Opened, gain: np.ndarray) -> Opened:
    """The plate times a gain (H, W), as an output of it."""
    rgb = (opened.plate.rgb * gain[..., None]).astype(np.float32)
    frame: Frame = opened.frame.with_rgb(opened.layer, rgb, gain != 1.0)
    return replace(opened, frame=frame, plate=read_plate(frame, opened.layer))


def test_when_an_output_is_its_plate_then_both_have_one_embedding(analysed, small_shot) -> None:
    embedder, _ = analysed
    plate = open_plate(small_shot.plates[0], small_shot.shot)
    first, second = embedder.embed((plate, plate), 1001, "main")
    assert first.shape == (4,) and np.array_equal(first, second)
    alone = embedder.embed((plate,), 1001, "main")[0]
    assert cosines([first], [alone])[0] == pytest.approx(1.0, abs=1e-6)


def test_when_the_face_is_painted_over_then_its_embedding_moves_but_not_for_a_wall(
    analysed, small_shot
) -> None:
    embedder, _ = analysed
    plate = open_plate(small_shot.plates[0], small_shot.shot)
    face, wall = (np.ones(plate.plate.rgb.shape[:2]) for _ in range(2))
    face[20:50, 30:40] = 6.0
    wall[:, -10:] = 6.0
    pictures = (plate, repainted(plate, face), repainted(plate, wall))
    own, painted, beside = embedder.embed(pictures, 1001, "main")
    assert not np.allclose(own, painted, atol=1e-3)
    assert np.allclose(own, beside, atol=1e-5)


def test_when_a_face_is_missing_then_it_has_no_embedding(analysed, small_shot) -> None:
    embedder, analysis = analysed
    assert analysis.face("main").track.statuses[-1] == "missing"
    plate = open_plate(small_shot.plates[-1], small_shot.shot)
    assert embedder.embed((plate, plate), 1008, "main") is None


def test_when_the_model_has_no_identity_network_then_there_is_no_embedder(
    analysed, small_shot, make_tools
) -> None:
    _, analysis = analysed
    assert open_embedder(small_shot.shot, analysis, make_tools()) is None
