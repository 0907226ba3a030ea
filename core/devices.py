"""The one place that knows about devices: choose one, and tell its failures in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import DeviceError


def choose_device(name: str) -> str:
    """Return a usable torch device name. "auto" prefers CUDA; raises DeviceError if a named one is missing."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name)
    except RuntimeError as err:
        raise DeviceError(
            f'Unknown device "{name}".', remedy='Use "cpu", "cuda", "cuda:1" or "auto".'
        ) from err
    if kind.type == "cpu":
        return "cpu"
    if kind.type != "cuda" or not torch.cuda.is_available() or (kind.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f'The device "{name}" is not available on this machine.',
            where=f"torch {torch.__version__}, {torch.cuda.device_count()} CUDA devices",
            remedy="Use --device cpu, or install a CUDA build of torch and its driver.",
        )
    return name


@contextmanager
def device_errors(device: str) -> Iterator[None]:
    """Turn out-of-memory errors inside the block into DeviceError."""
    try:
        yield
    except torch.OutOfMemoryError as err:
        raise DeviceError(
            f"Out of memory on {device}.",
            where=str(err).splitlines()[0],
            remedy="Close other jobs on this device, or use --device cpu.",
        ) from err
