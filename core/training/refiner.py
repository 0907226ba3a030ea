"""Train the refiner on counterfactual pairs, with encoder, generator and directions of a finished package held fixed.

What the refiner draws is compared with the change that was rendered.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..devices import choose_device
from ..errors import DataError, GeneratorError
from ..generators.package import ModelPackage, add_files, load_package
from ..refiner import RefinerNet
from ..tools import REFINER, REFINER_NOTE, alignment_of, load_encoder
from .faces_data import LABEL_NAMES, FacesData, load_faces
from .folded import halved
from .joint import cut
from .objective import CHANGE_FULL, UNCHANGED_SHARE, texture_difference
from .refiner_pairs import PairBatch, PairBatches, RefinerSettings, Trunk, pictures
from .refiner_sheet import write_refiner_sheet

SEEN_CHANGE = 0.05
"""A pixel that a truth changes by more, in [-1, 1] units, counts when an edit is graded."""


def refiner_loss(change: Tensor, batch: PairBatch, settings: RefinerSettings) -> Tensor:
    """How far the drawn change is from the rendered one.

    The root of its squared error as a share of the change's own size, so that faint attributes count as much as bold
    ones, and the L1 error of the change and of its differences to neighbours.
    """
    truth = batch.target - batch.source
    size = F.avg_pool2d(truth.abs().mean(1, keepdim=True), 3, 1, 1)
    share = UNCHANGED_SHARE + (1.0 - UNCHANGED_SHARE) * (size / CHANGE_FULL).clamp(max=1.0)
    weights = batch.weights * share
    weights = weights / weights.mean()
    error = change - truth
    whole = (truth.square() * weights).mean((1, 2, 3)).sqrt() + 0.01
    relative = ((error.square() * weights).mean((1, 2, 3)) / whole.square()).clamp(max=50.0)
    dx, dy = error[..., :, 1:] - error[..., :, :-1], error[..., 1:, :] - error[..., :-1, :]
    gradient = (dx.abs() * weights[..., :, 1:]).mean() + (dy.abs() * weights[..., 1:, :]).mean()
    return (
        settings.relative_weight * (relative + 1e-4).sqrt().mean()
        + settings.absolute_weight * (error.abs() * weights).mean()
        + settings.gradient_weight * gradient
        + settings.texture_weight * texture_difference(batch.source + change, batch.target, batch.weights)
    )


class RefinerTrainer:
    """The optimisation: one ``step`` at a time, saved to and resumed from one file without pickles."""

    def __init__(self, data: FacesData, trunk: Trunk, settings: RefinerSettings, checkpoint: Path) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.trunk, self.checkpoint = settings, trunk, checkpoint
        self.batches = PairBatches(data, trunk, settings)
        self.net = RefinerNet(trunk.generator.w_dim, settings.surround).to(
            trunk.device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.average = RefinerNet(trunk.generator.w_dim, settings.surround).requires_grad_(False)
        self.average.to(trunk.device).load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
        self.steps, self.seconds = 0, 0.0

    def rate(self, share: float) -> float:
        """Learning rate at ``share`` of the budget: short warm-up, flat, cosine to zero."""
        left = min((1.0 - min(share, 1.0)) / self.settings.decay_share, 1.0)
        decay = max(0.5 - 0.5 * math.cos(math.pi * left), 0.01)
        return self.settings.learning_rate * decay * min(1.0, (self.steps + 1) / 60)

    def step(self, share: float) -> float:
        """One batch at ``share`` in [0, 1] of the budget; returns the loss."""
        batch = self.batches.at(self.steps)
        w = self.trunk.encode(batch.seen)
        change = self.net(batch.seen, self.trunk.decode(w), self.trunk.decode(w + batch.step), batch.step)
        loss = refiner_loss(change, batch, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(share)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.steps += 1
        keep = min(self.settings.ema, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), [p.detach() for p in self.net.parameters()], 1.0 - keep
            )
        return float(loss.detach())

    def run(self, budget_s: float, *, save_every_s: float = 180.0) -> Iterator[dict[str, float]]:
        """Train until ``budget_s`` seconds are used in all; yields seconds, pairs and loss at every save.

        They are seconds of process time on a processor, of the clock on a GPU. Raises DataError if training diverges.
        """
        clock = time.process_time if self.trunk.device.type == "cpu" else time.monotonic
        started, before, last = clock(), self.seconds, clock()
        mean = 0.0
        while self.seconds < budget_s:
            loss = self.step(self.seconds / budget_s)
            mean = loss if mean == 0.0 else 0.99 * mean + 0.01 * loss
            now = clock()
            self.seconds = before + now - started
            if not math.isfinite(loss):
                raise self._diverged()
            if now - last > save_every_s or self.seconds >= budget_s:
                self.save()
                last = now
                yield {"seconds": self.seconds, "pairs": self.steps * self.settings.batch, "loss": mean}

    def _diverged(self) -> DataError:
        return DataError(
            f"Training diverged at step {self.steps}.",
            where=str(self.checkpoint),
            remedy="Delete the checkpoint and start again.",
        )

    def save(self) -> None:
        """Write the checkpoint under a temporary name, then rename. Raises DataError for weights of NaN."""
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise self._diverged()
        for name, parameter in self.net.named_parameters():
            state = self.optimiser.state.get(parameter, {})
            for kind in ("exp_avg", "exp_avg_sq") if state else ():
                tensors[f"adam.{kind}.{name}"] = state[kind]
        run = {
            "steps": self.steps,
            "seconds": self.seconds,
            "settings": asdict(self.settings),
            "generator_id": self.trunk.generator.id,
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, {"run": json.dumps(run)})
        temporary.replace(self.checkpoint)

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one. Raises DataError if it is damaged, or of another model or size."""
        if not self.checkpoint.exists():
            return False
        try:
            with safe_open(self.checkpoint, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                run: dict[str, Any] = json.loads(file.metadata()["run"])
            self._expect_own(run)
            self.net.load_state_dict(cut(tensors, "net."))
            self.average.load_state_dict(cut(tensors, "average."))
            self.steps, self.seconds = int(run["steps"]), float(run["seconds"])
            for name, parameter in self.net.named_parameters():
                if f"adam.exp_avg.{name}" in tensors:
                    kinds = {
                        kind: tensors[f"adam.{kind}.{name}"].to(parameter.device)
                        for kind in ("exp_avg", "exp_avg_sq")
                    }
                    self.optimiser.state[parameter] = {"step": torch.tensor(float(self.steps)), **kinds}
        except (SafetensorError, RuntimeError, KeyError, OSError, ValueError, TypeError) as err:
            raise DataError(
                f"Checkpoint cannot be resumed: {str(err).splitlines()[0]}",
                where=str(self.checkpoint),
                remedy="Delete it to start afresh.",
            ) from err
        return True

    def _expect_own(self, run: Mapping[str, Any]) -> None:
        """Raise DataError for another model's checkpoint: its tensors fit any generator and size, its answers do not.

        Checkpoints that do not name a generator are taken as they are.
        """
        own, size, margins = self.trunk.generator.id, self.settings.size, list(self.settings.margins)
        made_for, made_at = run.get("generator_id", own), run["settings"]["size"]
        around = run["settings"].get("margins", [0.0] * 4)
        if made_for == own and made_at == size and around == margins:
            return
        raise DataError(
            f"The checkpoint is of a refiner for generator {str(made_for)[:12]} at {made_at} px with margins {around}, "
            f"not for {own[:12]} at {size} px with {margins}.",
            where=str(self.checkpoint),
            remedy="Name another folder with --work, or delete the checkpoint to start afresh.",
        )


def refined_gains(
    net: RefinerNet | None, trunk: Trunk, data: FacesData, per_attribute: int = 160
) -> Mapping[str, float]:
    """Edit gain of every attribute with pairs, as ``figures.pair_gains``; without a net that of the generator alone."""
    gains: dict[str, float] = {}
    for column in np.unique(data.pairs.attribute):
        pairs = data.pairs.of(LABEL_NAMES[column])
        values = []
        rows_of = np.arange(min(len(pairs.base), per_attribute))
        for rows in np.array_split(rows_of, max(1, len(rows_of) // 32)):
            base, member = (
                pictures(data, each[rows]).to(trunk.device) for each in (pairs.base, pairs.member)
            )
            step = torch.from_numpy(pairs.delta[rows])[:, None].to(trunk.device) * trunk.steps[column]
            w = trunk.encode(base)
            before, after = trunk.decode(w), trunk.decode(w + step)
            with torch.inference_mode():
                change = trunk.alone(before, after) if net is None else net(base, before, after, step)
            truth = member - base
            where = (truth.abs().amax(1, keepdim=True) > SEEN_CHANGE).float()
            wrong, whole = ((x * where).square().sum((1, 2, 3)).sqrt() for x in (change - truth, truth))
            values.append(1.0 - wrong / whole.clamp(min=1e-6))
        gains[LABEL_NAMES[column]] = float(torch.cat(values).mean())
    return gains


@dataclass(frozen=True)
class RefinerOptions:
    """``data`` holds the shards with families, ``run`` the checkpoint and the crops; ``model`` names the package whose
    refiner it becomes and ``output`` the copy that receives it; ``minutes`` are those of the processor,
    on a GPU of the clock."""

    data: Path
    run: Path
    output: Path
    model: str = "default"
    minutes: float = 30.0
    device: str = "cpu"
    settings: RefinerSettings = field(default_factory=RefinerSettings)


def train_refiner(options: RefinerOptions, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Train or go on training, and write a copy of the package with the refiner in it.

    Raises DataError for missing or damaged renders or renders without pairs, GeneratorError if the package has no
    encoder, its resolution does not divide the refiner's, or the copy cannot be written, DeviceError.
    """
    torch.set_num_threads(1)
    package = load_package(options.model)
    encoder, device = load_encoder(package), choose_device(options.device)
    size = max(options.settings.size, package.card.resolution)
    if encoder is None or size % package.card.resolution:
        raise GeneratorError(
            f'The model "{package.card.name}" has no encoder, or not {size} px or a whole fraction of it a side.',
            where=str(package.folder),
            remedy="Choose a model of lineament train default.",
        )
    if options.output.exists() and not options.output.is_dir():
        raise unwritable(options.output, "it is no folder")
    alignment = replace(alignment_of(package), resolution=size)
    settings = replace(options.settings, size=size)
    data, grading = (
        load_faces(options.data, options.run / "crops", alignment, split, settings.surround)
        for split in ("train", "grade")
    )
    trunk = Trunk(encoder, package.generator, data, settings.surround, device)
    trainer = RefinerTrainer(data, trunk, settings, options.run / "refiner_state.safetensors")
    tell(f"{len(data.pairs.base)} pairs for training, {len(grading.pairs.base)} for grading")
    if trainer.resume():
        tell(f"resumed after {trainer.seconds / 60:.1f} minutes")
    for figures in trainer.run(options.minutes * 60):
        tell(json.dumps({key: round(value, 3) for key, value in figures.items()}))
        write_refiner_sheet(options.run / "refiner.png", trainer.average, trunk, grading)
    gains = {
        "refined": refined_gains(trainer.average.eval(), trunk, grading),
        "generator alone": refined_gains(None, trunk, grading),
    }
    for name, values in gains.items():
        tell(f"{name}: {json.dumps({key: round(value, 3) for key, value in values.items()})}")
    write_refiner(options.output, package, trainer, gains)
    tell(f"refiner written to {options.output.name}")
    return options.output


def write_refiner(
    output: Path, package: ModelPackage, trainer: RefinerTrainer, gains: Mapping[str, Mapping[str, float]]
) -> None:
    """Copy the package to ``output``, if that is another folder, and add the trained refiner to it.

    Raises GeneratorError if that cannot be written.
    """
    metrics = {
        "cpu_seconds": round(trainer.seconds),
        "pairs_seen": trainer.steps * trainer.settings.batch,
        "pair_gain": {name: {k: round(v, 4) for k, v in values.items()} for name, values in gains.items()},
    }
    surround = trainer.average.surround
    note = {
        "size": surround.size,
        "margins": list(surround.margins),
        "generator_id": package.card.id,
        **metrics,
    }
    try:
        if output.resolve() != package.folder.resolve():
            shutil.copytree(package.folder, output, dirs_exist_ok=True)
        add_files(
            output,
            tensors={REFINER: halved(trainer.average.state_dict())},
            documents={REFINER_NOTE: note},
            metrics={"refiner": metrics},
        )
    except OSError as err:
        raise unwritable(output, err.strerror or "not every file could be copied") from err


def unwritable(output: Path, why: str) -> GeneratorError:
    """What to say of a package that cannot be written."""
    return GeneratorError(
        f"The model package cannot be written: {why}.",
        where=str(output),
        remedy="Choose a folder that can be written to with --output; the training in --work is kept.",
    )
