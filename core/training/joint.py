"""Encoder and StyleGAN2 synthesis learnt together on matted faces: the trunk of the default model.

The picture goes through the encoder to one latent of unit variance, and the synthesis network draws it again. Two
choices belong together: the latent is normalised by running statistics before noise is added, and styles start as
1 + 0.2 x affine. The latter is written as an initial scale and a learning rate of 0.2 on the affine layers; Adam's
steps do not depend on the scale of the gradient, so this equals a style gain of 0.2, and the trained network is a plain
StyleGAN2 without anything to fold.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import DataError
from .batches import Batches
from .faces_data import FacesData
from .figures import held_out_figures
from .joint_model import STYLE_GAIN, JointModel, JointSettings
from .objective import (
    Batch,
    code_difference,
    edit_difference,
    moved_codes,
    texture_difference,
    weighted_difference,
)


class JointTrainer:
    """The optimisation itself: one ``step`` at a time, saved to and resumed from one file without pickles."""

    def __init__(
        self, data: FacesData, settings: JointSettings, checkpoint: Path, device: str = "cpu"
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = torch.device(device)
        self.batches = Batches(data, settings, self.device)
        self.data = data
        self.checkpoint = checkpoint
        self.model = JointModel(settings)
        self.average = JointModel(settings).requires_grad_(False)
        for net in (self.model, self.average):
            net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average.load_state_dict(self.model.state_dict())
        self.steps = 0
        self.seconds = 0.0
        self.is_warm = False
        self.curve: list[dict[str, float]] = []
        named = {n: p for n, p in self.model.named_parameters() if ".mapping." not in n and "noise" not in n}
        self.names = list(named)
        affine = [p for n, p in named.items() if ".affine." in n]
        rest = [p for n, p in named.items() if ".affine." not in n]
        self.rates = (STYLE_GAIN, 1.0)
        self.optimiser = torch.optim.Adam(
            [{"params": affine}, {"params": rest}], lr=settings.learning_rate, betas=(0.8, 0.99), eps=1e-8
        )

    def rate(self, share: float) -> float:
        """Learning rate at ``share`` of the budget: short warm-up, flat, cosine to zero."""
        left = (1.0 - min(share, 1.0)) / self.settings.decay_share
        decay = 0.5 - 0.5 * math.cos(math.pi * min(left, 1.0))
        return self.settings.learning_rate * max(decay, 0.01) * min(1.0, (self.steps + 1) / 60)

    def step(self, share: float) -> Tensor:
        """One batch at ``share`` in [0, 1] of the time budget; returns the loss, still on the device."""
        batch = self.batches.at(self.steps)
        coarse = share < self.settings.coarse_share and not self.is_warm
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.loss(batch, self.settings.resolution // (2 if coarse else 1))
        for group, factor in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = self.rate(share) * factor
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 20.0)
        self.optimiser.step()
        self.steps += 1
        self.update_average()
        return loss.detach()

    def loss(self, batch: Batch, resolution: int) -> Tensor:
        """The sum of all terms for one batch, drawn at ``resolution``."""
        settings, model = self.settings, self.model
        w = model.encode(batch.seen, update=True)
        random = torch.Generator().manual_seed(settings.seed * 1_000_003 + self.steps)
        noise = settings.noise * torch.randn(w.shape, generator=random).to(w.device)
        codes = torch.cat([w, moved_codes(w, batch, model.directions)]) + torch.cat(
            [noise, noise[batch.source]]
        )
        drawn = model.decode(codes, resolution).float()
        output, edited = drawn[: len(w)], drawn[len(w) :]
        target, weights = batch.images, batch.weights
        if resolution < settings.resolution:
            target, weights = F.avg_pool2d(target, 2), F.avg_pool2d(weights, 2)
        loss = weighted_difference(output, target, weights, settings.gradient_weight)
        if settings.texture_weight:
            loss = loss + settings.texture_weight * texture_difference(output, target, weights)
        if len(edited):
            either = torch.maximum(weights[batch.source], weights[batch.target])
            loss = loss + settings.edit_weight * edit_difference(
                output[batch.source], edited, target[batch.source], target[batch.target], either,
                settings.gradient_weight,
            )  # fmt: skip
            loss = loss + settings.code_weight * code_difference(w, batch, model.directions)
        loss = loss + settings.head_weight * F.smooth_l1_loss(model.heads(w).float(), batch.labels)
        mean, variance = w.mean(0), w.var(0) + 1e-4
        return loss + settings.prior_weight * 0.5 * (variance - variance.log() + mean.square()).mean()

    def update_average(self) -> None:
        """Exponential moving average of the parameters (faster at the start); running statistics are copied."""
        keep = min(self.settings.ema, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            ours = dict(self.model.named_parameters())
            names = self.names
            mine: list[Tensor] = [self.average.get_parameter(name) for name in names]
            torch._foreach_lerp_(mine, [ours[name].detach() for name in names], 1.0 - keep)
            self.average.mean.copy_(self.model.mean)
            self.average.variance.copy_(self.model.variance)

    def run(self, budget_s: float, *, save_every_s: float = 180.0) -> Iterator[dict[str, float]]:
        """Train until ``budget_s`` seconds are used in all; yields figures at every save.

        On the CPU these are seconds of process time, which other work on the machine does not use up.
        """
        clock = time.process_time if self.device.type == "cpu" else time.monotonic
        last, started, before = clock(), clock(), self.seconds
        loss = torch.zeros((), device=self.device)
        while self.seconds < budget_s:
            loss = loss.lerp(self.step(self.seconds / budget_s), 0.01)
            self.seconds = before + clock() - started
            if self.steps % 50 == 0 and not math.isfinite(float(loss)):
                raise DataError(
                    f"Training diverged at step {self.steps} (loss {float(loss)}).",
                    where=str(self.checkpoint),
                    remedy="Start again with a lower learning rate.",
                )
            if clock() - last > save_every_s or self.seconds >= budget_s:
                figures = {
                    "seconds": self.seconds,
                    "images": self.steps * self.settings.batch,
                    "loss": float(loss),
                }
                figures |= held_out_figures(self.average, self.data, limit=256)
                self.curve.append(figures)
                self.save()
                last = clock()
                yield figures

    def start_from(self, generator: dict[str, Tensor], encoder: dict[str, Tensor]) -> None:
        """Begin with trained weights instead of random ones, at full resolution; moments and heads start afresh.

        ``encoder`` has the latent's normalisation folded in, as packages store it. Raises DataError if the shapes are
        not those of the settings.
        """
        try:
            for net in (self.model, self.average):
                net.generator.load_state_dict(generator)
                net.encoder.load_state_dict(encoder)
        except RuntimeError as err:
            raise DataError(
                f"The model to start from has another shape: {str(err).splitlines()[1].strip()}",
                where=str(self.checkpoint),
                remedy="Start from a model of the same sizes, or from nothing.",
            ) from err
        self.is_warm = True

    def save(self) -> None:
        """Write the checkpoint under a temporary name, then rename."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        parameters = dict(self.model.named_parameters())
        for name in self.names:
            state = self.optimiser.state.get(parameters[name], {})
            if state:
                tensors[f"adam.exp_avg.{name}"] = state["exp_avg"]
                tensors[f"adam.exp_avg_sq.{name}"] = state["exp_avg_sq"]
        run = {"steps": self.steps, "seconds": self.seconds, "curve": self.curve, "warm": self.is_warm}
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        save_file(
            {k: v.contiguous() for k, v in tensors.items()}, temporary, metadata={"run": json.dumps(run)}
        )
        temporary.replace(self.checkpoint)

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one. Raises DataError if it is damaged or of another shape."""
        if not self.checkpoint.exists():
            return False
        try:
            with safe_open(self.checkpoint, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                run: dict[str, Any] = json.loads(file.metadata()["run"])
            self.model.load_state_dict(cut(tensors, "model."))
            self.average.load_state_dict(cut(tensors, "average."))
        except (SafetensorError, RuntimeError, KeyError, OSError, ValueError) as err:
            raise DataError(
                f"Checkpoint cannot be resumed: {str(err).splitlines()[0]}",
                where=str(self.checkpoint),
                remedy="Delete it to start afresh, or train with the settings it was made with.",
            ) from err
        parameters = dict(self.model.named_parameters())
        for name in self.names:
            if f"adam.exp_avg.{name}" in tensors:
                self.optimiser.state[parameters[name]] = {
                    "step": torch.tensor(float(run["steps"])),
                    **{
                        kind: tensors[f"adam.{kind}.{name}"].to(self.device, copy=True)
                        for kind in ("exp_avg", "exp_avg_sq")
                    },
                }
        self.steps, self.seconds, self.curve = run["steps"], run["seconds"], run["curve"]
        self.is_warm = bool(run.get("warm", False))
        return True


def cut(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under ``prefix``, with the prefix removed."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
