"""StyleGAN2 and StyleGAN2-ADA pickles of the TensorFlow releases: named arrays, converted by name.

A file is a tuple (G, D, Gs) of networks with ``static_kwargs``, ``variables`` and ``components``. Dense
matrices are stored transposed, convolutions as (H, W, I, O), style biases without their 1, and the kernel of
an up-sampling convolution is flipped.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import GeneratorError
from .container import Storages, array_from_record
from .layout import MAX_RESOLUTION, Checkpoint
from .opcodes import Made, Name, quote, refuse

NETWORK: Name = ("dnnlib.tflib.network", "Network")
FIRST_VERSION = 4
MAX_VARIABLES = 10_000


def read_tensorflow(network: Made, storages: Storages, where: str) -> Checkpoint:
    """The averaged generator (the third network of the tuple) in our tensor names."""
    state = _network_state(network, where)
    version = state.get("version")
    if type(version) is not int or version < FIRST_VERSION:
        what = f"The TensorFlow pickle has version {quote(version)}; {FIRST_VERSION} or later is needed."
        raise GeneratorError(what, where=where, remedy="StyleGAN1 checkpoints cannot be imported.")
    arrays = _collect(network, storages, where)
    if "synthesis/4x4/Const/const" not in arrays:
        raise refuse("The TensorFlow generator is no StyleGAN2: it has no synthesis/4x4/Const/const.", where)
    keywords = state.get("static_kwargs")
    keywords = keywords if isinstance(keywords, dict) else {}
    try:
        tensors = _convert(arrays)
    except (KeyError, IndexError, RuntimeError) as err:
        raise refuse(f"The TensorFlow generator lacks {quote(str(err))}.", where) from err
    return Checkpoint(
        tensors,
        _number(keywords, "conv_clamp", None, where),
        _number(keywords, "mapping_lrmul", 0.01, where) or 0.01,
        {"format": f"NVIDIA StyleGAN2 TensorFlow pickle, version {version}"},
    )


def _network_state(network: object, where: str) -> dict[Any, Any]:
    if isinstance(network, Made) and network.kind == NETWORK and isinstance(network.state, dict):
        return network.state
    raise refuse("A TensorFlow network is not stored in the known way.", where)


def _collect(network: Made, storages: Storages, where: str) -> dict[str, Tensor]:
    """Slashed name -> array of the network and its components."""
    arrays: dict[str, Tensor] = {}
    waiting: list[tuple[str, object]] = [("", network)]
    while waiting:
        prefix, part = waiting.pop()
        state = _network_state(part, where)
        variables, components = state.get("variables") or [], state.get("components") or {}
        if not isinstance(variables, list | tuple) or not isinstance(components, dict):
            raise refuse("A TensorFlow network is not stored in the known way.", where)
        if len(arrays) + len(variables) + len(waiting) + len(components) > MAX_VARIABLES or len(prefix) > 256:
            raise refuse(f"The network has more than {MAX_VARIABLES} variables.", where)
        for entry in variables:
            match entry:
                case (str(name), Made() as value):
                    arrays[f"{prefix}{name}"] = array_from_record(value, name, where, storages)
        waiting += [(f"{prefix}{name}/", component) for name, component in components.items()]
    return arrays


def _number(keywords: dict[Any, Any], key: str, default: float | None, where: str) -> float | None:
    value = keywords.get(key, default)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < 1e6:
        raise refuse(f"{key} is {quote(value)}; a positive number is expected.", where)
    return float(value)


def _convert(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = {"mapping.w_avg": arrays["dlatent_avg"]}
    names = {"mapping/LabelEmbed": "mapping.embed"} if "mapping/LabelEmbed/weight" in arrays else {}
    layer = 0
    while f"mapping/Dense{layer}/weight" in arrays:
        names[f"mapping/Dense{layer}"] = f"mapping.fc{layer}"
        layer += 1
    for source, target in names.items():
        tensors[f"{target}.weight"] = arrays[f"{source}/weight"].t()
        tensors[f"{target}.bias"] = arrays[f"{source}/bias"]
    resolution = 4
    while f"synthesis/{resolution}x{resolution}/ToRGB/weight" in arrays and resolution <= MAX_RESOLUTION:
        tensors |= _convert_block(arrays, resolution)
        resolution *= 2
    return tensors


def _convert_block(arrays: dict[str, Tensor], resolution: int) -> dict[str, Tensor]:
    source, target = f"synthesis/{resolution}x{resolution}", f"synthesis.b{resolution}"
    level = int(math.log2(resolution))
    tensors: dict[str, Tensor] = {}
    if resolution == 4:
        tensors[f"{target}.const"] = arrays[f"{source}/Const/const"][0]
        layers = [("Conv", "conv1", 0)]
    else:
        layers = [("Conv0_up", "conv0", 2 * level - 5), ("Conv1", "conv1", 2 * level - 4)]
    for theirs, ours, noise in layers:
        tensors |= _convert_layer(arrays, f"{source}/{theirs}", f"{target}.{ours}", flip=theirs == "Conv0_up")
        tensors[f"{target}.{ours}.noise_const"] = arrays[f"synthesis/noise{noise}"][0, 0]
        tensors[f"{target}.{ours}.noise_strength"] = arrays[f"{source}/{theirs}/noise_strength"]
    return tensors | _convert_layer(arrays, f"{source}/ToRGB", f"{target}.torgb", flip=False)


def _convert_layer(arrays: dict[str, Tensor], source: str, target: str, *, flip: bool) -> dict[str, Tensor]:
    weight = arrays[f"{source}/weight"]  # (H, W, I, O)
    weight = torch.flip(weight, (0, 1)) if flip else weight
    return {
        f"{target}.weight": weight.permute(3, 2, 0, 1),  # (O, I, H, W)
        f"{target}.bias": arrays[f"{source}/bias"],
        f"{target}.affine.weight": arrays[f"{source}/mod_weight"].t(),
        f"{target}.affine.bias": arrays[f"{source}/mod_bias"] + 1.0,
    }
