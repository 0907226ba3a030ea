"""Where an optimisation stands: everything needed to go on as if it had never been interrupted.

``save_state`` and ``load_state`` are for programs that fit for long and may be stopped: hand the state to
``OptimiseInverter.run`` again. The pipeline itself does not keep states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..atomic import write_atomically
from ..errors import DataError

FORMAT = "lineament-inversion-1"
BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8
NO_LOSS = float("inf")


@dataclass
class FitState:
    """A fit after ``step`` steps.

    ``values`` are the parameters by name ("ws", and "noise.*" if noise is fitted), ``first`` and ``second``
    their Adam moments, ``best`` the latent (1, num_ws, w_dim) of the lowest loss so far, ``curve`` the loss
    of every step. ``fingerprint`` names crop, generator and settings: a state resumes only what it came from.
    """

    fingerprint: str
    values: dict[str, Tensor]
    best: Tensor
    first: dict[str, Tensor] = field(default_factory=dict)
    second: dict[str, Tensor] = field(default_factory=dict)
    best_loss: float = NO_LOSS
    curve: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            self.first.setdefault(name, torch.zeros_like(value))
            self.second.setdefault(name, torch.zeros_like(value))

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.curve)

    def copied_to(self, device: str) -> FitState:
        """A copy that shares no tensor with this one."""

        def copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.detach().clone().to(device) for name, tensor in tensors.items()}

        return FitState(
            self.fingerprint, copies(self.values), self.best.detach().clone().to(device), copies(self.first),
            copies(self.second), self.best_loss, list(self.curve),
        )  # fmt: skip

    def record(self, loss: float, ws: Tensor) -> None:
        """Note the loss of the current parameters, and keep them if they are the best so far."""
        self.curve.append(loss)
        if loss < self.best_loss:
            self.best_loss, self.best = loss, ws.detach().clone()

    def descend(self, gradients: Mapping[str, Tensor], rates: Mapping[str, float]) -> None:
        """One Adam step (Kingma and Ba 2015, arXiv:1412.6980), one learning rate a parameter."""
        count = self.step  # record() has counted this step already
        for name, gradient in gradients.items():
            first = self.first[name].mul_(BETAS[0]).add_(gradient, alpha=1 - BETAS[0])
            second = self.second[name].mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            scale = (second / (1 - BETAS[1] ** count)).sqrt_().add_(ADAM_EPSILON)
            move = (first / (1 - BETAS[0] ** count)) / scale
            self.values[name] = self.values[name].detach() - rates[name] * move


def save_state(path: Path, state: FitState) -> None:
    """Write a state as safetensors, atomically. Raises OSError."""
    tensors = {"best": state.best}
    for group in ("values", "first", "second"):
        tensors |= {f"{group}/{name}": tensor for name, tensor in getattr(state, group).items()}
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    numbers = {"curve": state.curve, "best_loss": None if state.best_loss == NO_LOSS else state.best_loss}
    metadata = {"format": FORMAT, "fingerprint": state.fingerprint, "numbers": json.dumps(numbers)}
    write_atomically(path, save(tensors, metadata))


def load_state(path: Path) -> FitState:
    """Read a state. Raises DataError if the file is missing, damaged, or of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
        numbers = json.loads(metadata["numbers"])
        groups: dict[str, dict[str, Tensor]] = {"values": {}, "first": {}, "second": {}}
        best = tensors.pop("best")
        for name, tensor in tensors.items():
            group, _, parameter = name.partition("/")
            groups[group][parameter] = tensor
        best_loss = NO_LOSS if numbers["best_loss"] is None else float(numbers["best_loss"])
        curve = [float(value) for value in numbers["curve"]]
        return FitState(metadata["fingerprint"], best=best, best_loss=best_loss, curve=curve, **groups)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as err:
        raise DataError(
            f"The inversion state cannot be read: {err}.",
            where=str(path),
            remedy="Delete the file and start the inversion afresh.",
        ) from err
