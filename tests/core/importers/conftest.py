"""Writes checkpoints in foreign layouts from our own networks, and holds the cage for the hostile ones."""

from __future__ import annotations

import os
import pickle
import sys
import time
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lineament.core.errors import GeneratorError
from lineament.core.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from lineament.core.generators.tiny import build_tiny
from lineament.core.importers.checkpoint import import_checkpoint

SOURCE = 'raise RuntimeError("checkpoint source was executed")'
SECONDS = 5.0  # a refusal may not take longer


class EasyDict(dict):
    """A dictionary whose pickle names dnnlib.util.EasyDict."""


class Module:
    """Pickles as a call of the persistence function, with source text that must never run."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


@pytest.fixture(autouse=True)
def foreign_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of the names that genuine files mention, so that pickle agrees to write them."""

    def stand_in(meta: object) -> object:
        raise RuntimeError("a stored module was rebuilt")

    stand_in.__module__, stand_in.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"
    persistence: Any = types.ModuleType("torch_utils.persistence")
    persistence._reconstruct_persistent_obj = stand_in
    util: Any = types.ModuleType("dnnlib.util")
    util.EasyDict = EasyDict
    monkeypatch.setattr(EasyDict, "__module__", "dnnlib.util")
    for name in ("torch_utils", "dnnlib"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", persistence)
    monkeypatch.setitem(sys.modules, "dnnlib.util", util)


def module_tree(state: dict[str, torch.Tensor], extra: dict[str, dict[str, Any]], prefix: str = "") -> Module:
    """Nest a flat state dictionary into modules; ``extra`` maps a dotted prefix to further attributes."""
    parameters: Any = OrderedDict()
    buffers: Any = OrderedDict()
    children: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        head, _, rest = name.partition(".")
        if rest:
            children.setdefault(head, {})[rest] = tensor
        elif head in ("w_avg", "noise_const", "resample_filter"):
            buffers[head] = tensor
        else:
            parameters[head] = torch.nn.Parameter(tensor, requires_grad=False)
    modules = OrderedDict(
        (key, module_tree(part, extra, f"{prefix}{key}.")) for key, part in children.items()
    )
    attributes = {"training": False, "_backward_hooks": OrderedDict(), "_non_persistent_buffers_set": set()}
    tables = {"_parameters": parameters, "_buffers": buffers, "_modules": modules}
    return Module("Generator" if not prefix else "Part", {**attributes, **extra.get(prefix, {}), **tables})


@pytest.fixture
def a_generator() -> StyleGAN2:
    """The tiny generator."""
    return build_tiny()


@pytest.fixture
def a_conditional_generator() -> StyleGAN2:
    """A generator of 16 px with three classes."""
    config = StyleGAN2Config(12, 3, 10, 16, {4: 8, 8: 6, 16: 4}, num_mapping_layers=3, mapping_lr=0.02)
    return build_tiny(config=config)


@pytest.fixture
def write_nvidia(tmp_path: Path) -> Callable[..., Path]:
    """Write a state as an NVIDIA pickle: ``keywords`` are its _init_kwargs, ``extra`` is per module."""

    def write(
        state: dict[str, torch.Tensor],
        *,
        keywords: dict[str, Any] | None = None,
        extra: dict[str, dict[str, Any]] | None = None,
        protocol: int = 4,
        wrap: Callable[[Module], Any] = lambda generator: {"G": None, "D": None, "G_ema": generator},
    ) -> Path:
        attributes = {**(extra or {})}
        attributes[""] = {"_init_args": (), "_init_kwargs": EasyDict(keywords or {})}
        path = tmp_path / "network.pkl"
        root = wrap(module_tree({name: value.clone() for name, value in state.items()}, attributes))
        path.write_bytes(pickle.dumps(root, protocol=protocol))
        return path

    return write


@pytest.fixture
def rosinality_state() -> Callable[[StyleGAN2], dict[str, torch.Tensor]]:
    """Rename a generator's tensors as rosinality does, with its extra axes and its filters."""

    def rename(generator: StyleGAN2) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = {}
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = taps[:, None] * taps[None, :] / 16.0
        ours = generator.state_dict()
        for name in [name for name in ours if name.startswith("mapping.fc")]:
            number, _, field = name.removeprefix("mapping.fc").partition(".")
            state[f"style.{int(number) + 1}.{field}"] = ours[name]
        state["input.input"] = ours["synthesis.b4.const"][None]
        for level, resolution in enumerate(generator.config.resolutions):
            layers = {"conv1": f"convs.{2 * level - 1}", "torgb": f"to_rgbs.{level - 1}"}
            layers = {"conv1": "conv1", "torgb": "to_rgb1"} if level == 0 else layers
            layers |= {"conv0": f"convs.{2 * level - 2}"} if level else {}
            for ours_layer, theirs in layers.items():
                prefix = f"synthesis.b{resolution}.{ours_layer}"
                state[f"{theirs}.conv.weight"] = ours[f"{prefix}.weight"][None]
                state[f"{theirs}.conv.modulation.weight"] = ours[f"{prefix}.affine.weight"]
                state[f"{theirs}.conv.modulation.bias"] = ours[f"{prefix}.affine.bias"]
                if ours_layer == "torgb":
                    state[f"{theirs}.bias"] = ours[f"{prefix}.bias"].reshape(1, 3, 1, 1)
                    state |= {f"{theirs}.upsample.kernel": kernel} if level else {}
                    continue
                state[f"{theirs}.activate.bias"] = ours[f"{prefix}.bias"]
                state[f"{theirs}.noise.weight"] = ours[f"{prefix}.noise_strength"].reshape(1)
                number = 0 if level == 0 else 2 * level - (1 if ours_layer == "conv0" else 0)
                state[f"noises.noise_{number}"] = ours[f"{prefix}.noise_const"][None, None]
                state |= {f"{theirs}.conv.blur.kernel": kernel} if ours_layer == "conv0" else {}
        return {name: value.clone() for name, value in state.items()}

    return rename


@pytest.fixture
def canary(tmp_path) -> Path:
    """The file that a payload creates when it runs."""
    (tmp_path / "cage").mkdir()
    return tmp_path / "cage" / "canary"


@pytest.fixture
def payload(canary):
    """An object whose unpickling runs a command."""

    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    return Payload()


@pytest.fixture
def refused(tmp_path, canary):
    """Import some bytes, check that nothing happened but a one-line error, and return that line."""

    def check(data: bytes) -> str:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "out").mkdir(exist_ok=True)
        file = tmp_path / "in" / "network.pkl"
        file.write_bytes(data)
        started = time.monotonic()
        with pytest.raises(GeneratorError) as caught:
            import_checkpoint(file, tmp_path / "out" / "model")
        assert time.monotonic() - started < SECONDS
        assert not canary.exists()
        assert list((tmp_path / "out").iterdir()) == []
        line = str(caught.value)
        assert "\n" not in line and "Traceback" not in line and len(line) < 500
        assert "network.pkl" in line
        return line

    return check
