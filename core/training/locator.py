"""Trains the networks that find faces, landmarks and mattes, from shards of labelled renders.

Each network learns for a fixed budget of CPU seconds with a learning rate that falls to zero; a checkpoint is
written every few minutes by atomic replacement, so that an interrupted run goes on where it was. The last
shard of each data set is never trained on.
"""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import DataError
from ..faces.align import side_px, square_from_landmarks, transform_points
from ..faces.base import Alignment, Matrix
from ..faces.nets import (
    WINDOW,
    LandmarkNet,
    MatteNet,
    ScanNet,
    channels_last,
)
from ..faces.network import LOOK, load_network
from ..generators.package import open_package
from . import locator_samples as samples
from .locator_losses import Batch, landmark_loss, matte_loss, scan_loss
from .locator_negatives import mine_windows, negative_of
from .locator_samples import FaceSet, Rng

log = logging.getLogger(__name__)

FRAMING = Alignment(resolution=WINDOW, scale=1.0, shift=0.1)
"""The square that measures a face's size; the renders fill it."""
START_RATE = 0.5
"""Trained weights that meet the full rate are forgotten before they are improved."""
HARD_SHARE = 0.1
"""Share of the landmark network's samples that are mined negatives; as many again are random ones."""
Make = Callable[[Rng, FaceSet], tuple[object, ...]]
CANVAS = 96
"""Side of ScanNet's training pictures, twice the unit face."""
NETWORKS: dict[str, Callable[[], nn.Module]] = {"scan": ScanNet, "landmark": LandmarkNet, "matte": MatteNet}
FILES = {"locator.safetensors": ("scan", "landmark"), "segmenter.safetensors": ("matte",)}


@dataclass(frozen=True)
class Options:
    """``shards`` holds data sets, ``work`` takes checkpoints, ``output`` the weight files;
    ``seconds`` is the CPU budget of each network. Networks without a checkpoint begin with the weights of the model
    package ``start`` (a name or a folder), if one is given, and then learn at ``START_RATE`` of ``rate``.
    ``bfloat16`` computes the networks in that precision, which is faster where the processor knows it; the weights
    and the losses stay float32. ``hard_negatives`` windows that deceive the starting package's locator are mined for
    the landmark network."""

    shards: Path
    work: Path
    output: Path
    networks: tuple[str, ...] = ("landmark", "scan", "matte")
    seconds: float = 600.0
    batch: int = 32
    rate: float = 2e-3
    seed: int = 1
    save_every_s: float = 120.0
    start: str = ""
    bfloat16: bool = False
    hard_negatives: int = 0


def train(options: Options) -> None:
    """Train the networks one after the other, each resumed from its checkpoint, and write the weight files.

    Raises DataError if the shards or a checkpoint are missing or damaged, GeneratorError if the package to start from
    is.
    """
    torch.set_num_threads(1)
    faces = samples.read_shards(split_shards(options.shards)[0])
    for name in options.networks:
        _train_network(name, faces, options)
    for file, names in FILES.items():
        trained = [_checkpoint(options, name).is_file() for name in names]
        if all(trained) or (any(trained) and options.start):
            export(options, file, names)


def split_shards(folder: Path) -> tuple[list[Path], list[Path]]:
    """The shards for training and the held-out ones (the last of each data set below ``folder``)."""
    paths = sorted(folder.rglob("*.tar"))
    last = {path.parent: path for path in paths}
    held_out = sorted(last.values())
    if not paths:
        raise DataError(
            "No shards (*.tar) here.",
            where=str(folder),
            remedy="Name a folder that lineament faces dataset made.",
        )
    return [path for path in paths if path not in held_out], held_out


def _train_network(name: str, faces: FaceSet, options: Options) -> None:
    torch.manual_seed(options.seed)
    net = channels_last(_first(name, options).train())
    highest = options.rate * (START_RATE if options.start else 1.0)
    optimiser = torch.optim.AdamW(net.parameters(), lr=highest, weight_decay=1e-2)
    spent, steps = _resume(_checkpoint(options, name), net, optimiser)
    rng = np.random.default_rng([options.seed, steps])
    make, loss_of = RECIPES[name]
    if name == "landmark" and options.start and options.hard_negatives:
        make = _with_hard_negatives(make, faces, options)
    saved_at, start, mean = spent, time.process_time() - spent, 0.0
    while spent < options.seconds:
        progress = spent / options.seconds
        rate = highest * min(1.0, (steps + 1) / 100) * 0.5 * (1 + math.cos(math.pi * progress))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = collate([make(rng, faces) for _ in range(options.batch)])
        # The losses, which take the heat maps' expectations, see float32 again.
        loss = loss_of(_Rounded(net) if options.bfloat16 else net, batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        steps, spent, mean = steps + 1, time.process_time() - start, 0.98 * mean + 0.02 * float(loss.detach())
        if steps % 200 == 0:
            log.info("%s: step %d, %.0f of %.0f s, loss %.4f", name, steps, spent, options.seconds, mean)
        if spent - saved_at > options.save_every_s or spent >= options.seconds:
            _save(_checkpoint(options, name), net, optimiser, spent, steps)
            saved_at = spent


def _first(name: str, options: Options) -> nn.Module:
    """The network with the start's weights, or with random ones."""
    net = NETWORKS[name]()
    if not options.start:
        return net
    package = open_package(options.start)
    file = next(file for file, names in FILES.items() if name in names)
    return load_network(net, package.tensors(file), name)


def _with_hard_negatives(make: Make, faces: FaceSet, options: Options) -> Make:
    """The samples, of which a share are windows that deceive the locator of ``start``."""
    tensors = open_package(options.start).tensors("locator.safetensors")
    windows = mine_windows(tensors, faces, options.hard_negatives, seed=options.seed)
    log.info("landmark: %d windows deceive the locator", len(windows))

    def sample(rng: Rng, faces: FaceSet) -> tuple[object, ...]:
        if len(windows) and rng.random() < HARD_SHARE:
            return negative_of(windows, rng), np.full((6, 2), WINDOW / 2.0), 0.0
        return make(rng, faces)

    return sample


class _Rounded(nn.Module):
    """A network computed in bfloat16 with float32 in and out."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor) -> Tensor | tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            out = self.net(picture)
        return out.float() if isinstance(out, Tensor) else tuple(part.float() for part in out)


def _checkpoint(options: Options, name: str) -> Path:
    return options.work / f"{name}.checkpoint.pt"


def _save(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, spent: float, steps: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "spent": spent, "steps": steps}
    torch.save(state, part)
    part.replace(path)


def _resume(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[float, int]:
    if not path.is_file():
        return 0.0, 0
    try:
        state = torch.load(path, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        return float(state["spent"]), int(state["steps"])
    except (RuntimeError, pickle.UnpicklingError, KeyError, OSError, ValueError, EOFError) as err:
        raise DataError(f"The checkpoint is damaged: {err}.", where=str(path), remedy="Delete it.") from err


def export(options: Options, file: str, names: tuple[str, ...]) -> None:
    """Write the networks' weights as fp16 safetensors with the network's name as prefix.

    What was not trained is the start's.
    """
    tensors: dict[str, Tensor] = {}
    for name in names:
        net = _first(name, options)
        _resume(_checkpoint(options, name), net, torch.optim.AdamW(net.parameters()))
        for key, value in net.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                tensors[f"{name}.{key}"] = value.half().contiguous()
    options.output.mkdir(parents=True, exist_ok=True)
    part = options.output / f"{file}.part"
    save_file(tensors, str(part))
    part.replace(options.output / file)


# --- samples ---------------------------------------------------------------------------------------------


def collate(rows: list[tuple[object, ...]]) -> Batch:
    """Stack samples; pictures (S, S, C) become (B, C, S, S)."""
    columns = [
        np.stack([np.asarray(value, np.float32) for value in column]) for column in zip(*rows, strict=True)
    ]
    # Without a copy: the strides that result are the channels-last ones that the network prefers.
    return tuple(torch.from_numpy(c.transpose(0, 3, 1, 2) if _is_picture(c) else c) for c in columns)


def _is_picture(column: samples.Floats) -> bool:
    return column.ndim == 4 and column.shape[1] == column.shape[2]


def _similarity(rng: Rng, scale: float, degrees: float, shift: float, size: int, centre: Matrix) -> Matrix:
    """(2, 3) canvas_from_tile that puts tile point ``centre`` near the canvas's middle."""
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    goal = size / 2 + rng.uniform(-shift, shift, 2) * size
    return np.column_stack([linear, goal - linear @ centre])


def landmark_sample(rng: Rng, faces: FaceSet) -> tuple[object, ...]:
    """A 64-pixel window, its landmarks (6, 2), 1 if it frames a face."""
    kind = rng.random()
    if kind < 0.25:
        return _negative_window(rng, faces)
    index = int(rng.integers(len(faces)))
    # Half of the windows are as rough as a first guess, half as close as the last refinement leaves them.
    rough = kind < 0.6
    square = square_from_landmarks(faces.landmarks[index], LOOK)
    centre = transform_points(square, np.full(2, WINDOW / 2))
    scale = WINDOW / side_px(square, WINDOW) * np.exp(rng.normal(0, 0.22 if rough else 0.08))
    matrix = _similarity(rng, scale, 35 if rough else 10, 0.16 if rough else 0.05, WINDOW, centre)
    below = samples.background(rng, faces, WINDOW) if rng.random() < 0.6 else None
    placed = samples.place(rng, faces, index, matrix, WINDOW, below)
    picture = samples.hide(rng, placed.picture)[0] if rng.random() < 0.2 else placed.picture
    return samples.disturb(rng, picture), placed.landmarks.clip(0, WINDOW), 1.0


def _negative_window(rng: Rng, faces: FaceSet) -> tuple[object, ...]:
    """No face, or one that is far off, tiny or huge, or a single eye, ear or mouth, which deceive most."""
    picture = samples.background(rng, faces, WINDOW)
    kind, index = rng.random(), int(rng.integers(len(faces)))
    if kind < 0.35:
        spot = rng.uniform(16, 112, 2) if rng.random() < 0.5 else faces.landmarks[index][rng.integers(5)]
        matrix = _similarity(rng, float(rng.uniform(1.6, 6.0)), 180, 0.1, WINDOW, spot)
        picture = samples.place(rng, faces, index, matrix, WINDOW, None).picture
    elif kind < 0.65:
        scale = float(rng.choice([rng.uniform(0.05, 0.16), rng.uniform(1.6, 4.0), rng.uniform(0.3, 0.7)]))
        angle = rng.uniform(0, 2 * np.pi)
        away = WINDOW / 2 + 1.05 * max(64 * scale, 30) * np.array([np.cos(angle), np.sin(angle)])
        matrix = _similarity(rng, scale, 180, 0.0, WINDOW, np.full(2, 64.0))
        matrix[:, 2] += away - WINDOW / 2
        picture = samples.place(rng, faces, index, matrix, WINDOW, picture).picture
    return samples.disturb(rng, picture), np.full((6, 2), WINDOW / 2.0), 0.0


def scan_sample(rng: Rng, faces: FaceSet) -> tuple[object, ...]:
    """A 96-pixel canvas with no, one or two faces; the landmarks of both, (2, 6, 2), NaN where absent."""
    picture = samples.background(rng, faces, CANVAS)
    truth = np.full((2, 6, 2), np.nan)
    for slot in range(int(rng.choice([0, 1, 2], p=[0.25, 0.55, 0.2]))):
        index = int(rng.integers(len(faces)))
        scale = np.exp(rng.uniform(np.log(18), np.log(150))) / 128.0
        matrix = _similarity(rng, scale, 35, 0.5, CANVAS, np.full(2, 64.0))
        below = None if slot == 0 and rng.random() < 0.4 else picture
        placed = samples.place(rng, faces, index, matrix, CANVAS, below)
        if slot == 1 and _close(truth[0], placed.landmarks):
            continue
        picture, truth[slot] = placed.picture, placed.landmarks
    return samples.disturb(rng, picture), truth


def _close(one: Matrix, other: Matrix) -> bool:
    """Whether a second face would cover the first one's landmarks."""
    reach = max(float(np.ptp(one, 0).max()), float(np.ptp(other, 0).max()))
    return bool(np.linalg.norm(one.mean(0) - other.mean(0)) < 1.6 * reach)


def matte_sample(rng: Rng, faces: FaceSet) -> tuple[object, ...]:
    """A 64-pixel crop, mostly framed tightly, and its soft masks (person, face, hair)."""
    index = int(rng.integers(len(faces)))
    alignment = Alignment(WINDOW, 0.62, 0.32) if rng.random() < 0.75 else FRAMING
    square = square_from_landmarks(faces.landmarks[index], alignment)
    centre = transform_points(square, np.full(2, WINDOW / 2))
    scale = WINDOW / side_px(square, WINDOW) * np.exp(rng.normal(0, 0.12))
    matrix = _similarity(rng, scale, 15, 0.07, WINDOW, centre)
    below = samples.background(rng, faces, WINDOW) if rng.random() < 0.7 else None
    placed = samples.place(rng, faces, index, matrix, WINDOW, below)
    picture, masks = placed.picture, placed.masks[..., 1:].astype(np.float32) / 255.0
    if rng.random() < 0.12:
        picture, where = samples.hide(rng, picture)
        masks[where] = 0.0
    return samples.disturb(rng, picture), masks


Recipe = tuple[Make, Callable[[nn.Module, Batch], Tensor]]
RECIPES: dict[str, Recipe] = {
    "landmark": (landmark_sample, landmark_loss),
    "matte": (matte_sample, matte_loss),
    "scan": (scan_sample, scan_loss),
}
