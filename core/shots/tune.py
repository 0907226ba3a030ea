"""The generator tuned on a shot's frames, kept as what was added to its weights.

``tune.safetensors`` holds the differences as half floats under the weights' names; its metadata names the generator
they belong to. The work folder keeps the state of an interrupted tuning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..atomic import write_atomically
from ..devices import device_errors
from ..errors import DataError, GeneratorError
from ..generators.stylegan2 import StyleGAN2
from ..inversion.matte import input_image, pixel_weight
from ..inversion.pivotal import PivotalSettings, PivotalTuner, Pivots, tunable
from ..inversion.state import FitState, load_state, save_state
from ..tools import Tools, load_scorer, w_statistics
from .analysis_store import writing
from .face_pass import FacePass, Progress
from .shot import Shot

FORMAT = "lineament-tuning-1"
NOTE = "lineament"
"""One note holds everything: the library writes several in any order, and the file's bytes are part of a hash."""
MAX_PIVOT_BYTES = 256 * 2**20
"""Memory for frames: of longer shots or larger generators, evenly spread frames are taken."""
SAVE_EVERY = 25
"""Steps between two states on disk."""


def tune_on(
    passes: Sequence[FacePass], shot: Shot, tools: Tools, work: Path, path: Path, tell: Progress
) -> str:
    """Tune the generator on the shot's visible faces, all with the same weights; write ``path``, return the tuned
    generator's id. Goes on from the state of an interrupted run. Raises GeneratorError, DeviceError or DataError."""
    settings = PivotalSettings(steps=shot.analysis.tune_steps, seed=shot.seed)
    scorer = load_scorer(tools.package)
    features = None if scorer is None else scorer.to(tools.device).features
    with device_errors(tools.device):
        pivots = pivots_of(passes, tools)
        tuner = PivotalTuner(
            tools.generator,
            pivots,
            sigma=w_statistics(tools.package, tools.generator).sigma,
            features=features,
            settings=settings,
            device=tools.device,
        )
        state = _kept(work / "tune.safetensors", tuner)

        def on_step(now: FitState) -> None:
            tell("tune", now.step, settings.steps)
            if now.step % SAVE_EVERY == 0:
                with writing(work):
                    save_state(work / "tune.safetensors", now)

        state = tuner.run(state, on_step)
    added = difference(tools.generator, state.values)
    with writing(path.parent):
        told = json.dumps({"format": FORMAT, "generator_id": tools.generator.id})
        write_atomically(path, save(dict(added), {NOTE: told}))
    return bent(tools.generator, added).id


def pivots_of(passes: Sequence[FacePass], tools: Tools) -> Pivots:
    """Crops, weights and solved latents of all faces, evenly spread if they are too many."""
    size, matte = tools.alignment.resolution, tools.package.card.matte
    several = [(one, place) for one in passes for place in range(len(one.crops)) if _counts(one, place)]
    limit = max(8, MAX_PIVOT_BYTES // (16 * size * size))
    if len(several) > limit:
        several = [several[int(k)] for k in np.linspace(0, len(several) - 1, limit).round()]
    images, weights, ws = [], [], []
    for one, place in several:
        crop = one.crops[place]
        told = crop.crop(one.hidden.mattes[place] * one.hidden.shown[place])
        images.append(torch.from_numpy(input_image(told, size, matte=matte)))
        weights.append(pixel_weight(told, 0)[0])
        ws.append(torch.from_numpy(one.analysis.latents[crop.row]))
    return Pivots(torch.stack(images), torch.stack(weights), torch.stack(ws))


def _counts(one: FacePass, place: int) -> bool:
    """Whether a crop shows enough of a face that is there."""
    status = one.analysis.track.statuses[one.crops[place].row]
    shown = one.hidden.mattes[place] * one.hidden.shown[place] * one.crops[place].valid
    return status == "found" and float(shown.max(initial=0.0)) > 0.0


def _kept(path: Path, tuner: PivotalTuner) -> FitState | None:
    """The state of an interrupted run of the very same tuning, or None."""
    try:
        state = load_state(path)
    except DataError:
        return None
    return state if state.fingerprint == tuner.fingerprint else None


def difference(generator: StyleGAN2, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What tuned weights add to the generator's, half floats on the CPU."""
    base = tunable(generator)
    return {
        name: (value.detach() - base[name].detach()).half().cpu().contiguous()
        for name, value in values.items()
    }


def bent(generator: StyleGAN2, added: Mapping[str, Tensor]) -> StyleGAN2:
    """A copy of the generator with the differences added. Raises ValueError if they do not fit."""
    weights = tunable(generator)
    if set(added) != set(weights) or any(added[name].shape != weights[name].shape for name in weights):
        raise ValueError("the differences are not those of this generator's weights")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in added.values()):
        raise ValueError("a difference is not finite")
    state = {name: tensor.detach().clone() for name, tensor in generator.state_dict().items()}
    for name, tensor in added.items():
        state[name] += tensor.to(state[name])
    device = next(generator.parameters()).device
    copied = StyleGAN2(generator.config)
    copied.load_state_dict(state)
    copied.arrange()
    return copied.to(device).eval().requires_grad_(False)


def tuned(tools: Tools, path: Path, render_id: str) -> Tools:
    """The tools with the generator that was tuned on a shot. Raises GeneratorError if the file is damaged or belongs
    to another generator."""
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get(NOTE, "{}"))
            added = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if told != {"format": FORMAT, "generator_id": tools.generator.id}:
            raise ValueError("it belongs to another generator")
        generator = bent(tools.generator, added)
        if generator.id != render_id:
            raise ValueError("it is not the tuning that the analysis was finished with")
    except (OSError, SafetensorError, ValueError) as err:
        raise GeneratorError(
            f"The generator tuned on the shot cannot be used: {err}.",
            where=str(path),
            remedy='Analyse the shot again with "lineament shot analyse".',
        ) from err
    return replace(tools, generator=generator)
