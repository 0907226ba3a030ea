"""Tuning on a shot: closer to the frames, unchanged elsewhere, resumable, and kept as a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lineament.core.errors import DataError, GeneratorError
from lineament.core.generators.package import load_package
from lineament.core.generators.samples import sample_latents
from lineament.core.inversion.pivotal import PivotalSettings, PivotalTuner, Pivots, tunable
from lineament.core.inversion.state import load_state, save_state
from lineament.core.shots.analyse import analyse
from lineament.core.shots.analysis_store import TUNING, load_analysis
from lineament.core.shots.render import tools_for
from lineament.core.shots.tune import bent, difference

SETTINGS = PivotalSettings(steps=12, lr=3e-3, last_lr=1e-3, batch=2, perceptual=0.0)


@pytest.fixture(scope="module")
def generator():
    return load_package("tiny").generator


@pytest.fixture(scope="module")
def pivots(generator) -> Pivots:
    """What the generator draws, a little brighter and tinted: it can learn that."""
    random = torch.Generator().manual_seed(5)
    ws = generator.map(torch.randn(5, generator.z_dim, generator=random))
    tint = torch.tensor([0.3, 0.0, -0.2])[None, :, None, None]
    images = (generator.synthesise(ws).detach() + tint).contiguous()
    return Pivots(images, torch.ones_like(images[:, :1]), ws.detach())


def error(tuner: PivotalTuner, values, pivots: Pivots) -> float:
    with torch.no_grad():
        return float((tuner.drawn(values, pivots.ws) - pivots.images).abs().mean())


def test_when_it_is_tuned_then_it_draws_the_frames_better_and_the_generator_is_untouched(
    generator, pivots
) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    tuner = PivotalTuner(generator, pivots, sigma=0.5, settings=replace(SETTINGS, steps=40))
    state = tuner.run()
    assert error(tuner, state.values, pivots) < 0.8 * error(tuner, tunable(generator), pivots)
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    assert all("torgb.bias" not in name and "mapping" not in name for name in state.values)


def test_when_it_is_interrupted_then_the_rest_gives_the_same_bits(generator, pivots, tmp_path: Path) -> None:
    whole = PivotalTuner(generator, pivots, sigma=0.5, settings=SETTINGS).run()

    def stop(state) -> None:
        if state.step == 5:
            save_state(tmp_path / "state", state)
            raise KeyboardInterrupt

    tuner = PivotalTuner(generator, pivots, sigma=0.5, settings=SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        tuner.run(on_step=stop)
    resumed = tuner.run(load_state(tmp_path / "state"))
    assert resumed.curve == whole.curve
    assert all(torch.equal(resumed.values[name], value) for name, value in whole.values.items())


def test_when_locality_is_asked_for_then_other_faces_change_less(generator, pivots) -> None:
    other = torch.from_numpy(sample_latents(generator, 16).numpy()).float()
    ws = other[:, None, :].repeat(1, generator.num_ws, 1) if other.ndim == 2 else other

    def drift(locality: float) -> float:
        settings = replace(SETTINGS, steps=40, locality=locality, locality_every=1)
        tuner = PivotalTuner(generator, pivots, sigma=0.5, settings=settings)
        with torch.no_grad():
            after, before = tuner.drawn(tuner.run().values, ws), generator.synthesise(ws)
            return float((after - before).abs().mean())

    assert drift(5.0) < 0.8 * drift(0.0)


def test_when_the_state_is_of_other_frames_then_it_is_refused(generator, pivots) -> None:
    state = PivotalTuner(generator, pivots, sigma=0.5, settings=SETTINGS).fresh()
    fewer = Pivots(pivots.images[:2], pivots.weights[:2], pivots.ws[:2])
    with pytest.raises(DataError, match="belongs to other frames"):
        PivotalTuner(generator, fewer, sigma=0.5, settings=SETTINGS).run(state)


def test_when_the_difference_is_added_again_then_the_picture_is_that_of_the_tuning(generator, pivots) -> None:
    tuner = PivotalTuner(generator, pivots, sigma=0.5, settings=SETTINGS)
    state = tuner.run()
    added = difference(generator, state.values)
    assert {tensor.dtype for tensor in added.values()} == {torch.float16}
    again = bent(generator, added)
    assert again.id != generator.id
    with torch.no_grad():
        drawn, kept = tuner.drawn(state.values, pivots.ws), again.synthesise(pivots.ws)
    assert (drawn - kept).abs().max() < 2e-2
    with pytest.raises(ValueError, match="not those of this generator"):
        bent(generator, dict(list(added.items())[1:]))


def test_when_a_shot_is_tuned_then_it_is_rendered_with_that_generator_and_no_other(
    small_shot, make_tools
) -> None:
    small = small_shot.with_settings(tune_steps=3)
    analysis = analyse(small.shot, small.plates, make_tools(), small.cache)
    tools = make_tools()
    rendering = tools_for(tools, analysis)
    assert rendering.generator.id == analysis.render_id != analysis.generator_id
    assert (analysis.folder / TUNING).is_file()
    again = analyse(small.shot, small.plates, make_tools(), small.cache)
    assert again.digest == analysis.digest
    stored = analysis.folder / TUNING
    stored.write_bytes(stored.read_bytes()[:-8])
    with pytest.raises(GeneratorError, match="tuned on the shot cannot be used"):
        tools_for(tools, analysis)
    with pytest.raises(DataError, match="damaged"):
        load_analysis(small.cache, small.shot, small.plates, tools)


def test_when_a_tuning_is_killed_then_it_resumes_to_the_same_weights(
    small_shot, make_tools, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("lineament.core.shots.tune.SAVE_EVERY", 1)
    small = small_shot.with_settings(tune_steps=4)
    whole = analyse(small.shot, small.plates, make_tools(), tmp_path / "other")

    def die(stage: str, done: int, total: int) -> None:
        if stage == "tune" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyse(small.shot, small.plates, make_tools(), small.cache, on_progress=die)
    told = []
    tools = make_tools()
    resumed = analyse(small.shot, small.plates, tools, small.cache, on_progress=lambda *one: told.append(one))
    assert resumed.digest == whole.digest and resumed.render_id == whole.render_id
    assert tools.inverter.calls == 0
    assert next(one for one in told if one[0] == "tune") == ("tune", 3, 4)
    assert np.isfinite(resumed.faces[0].latents).all()
