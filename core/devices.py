"""The one place that knows about devices: choose one, and tell its failures in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import DeviceError


def choose_device(name: str) -> str:
    """Return a usable torch device name. "auto" prefers CUDA; raises DeviceError if a named one is missing.

    Choosing a CUDA device also makes torch exact and repeatable on it, see ``prepare_cuda``.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
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
    prepare_cuda()
    return name


def prepare_cuda() -> None:
    """Switch off what would let a card's pictures differ from the processor's, or from run to run.

    TF32 keeps 10 bits of a factor, which shows in dark plates; cuDNN may choose its algorithm by a race.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


_NO_MEMORY = "can't allocate memory"


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
    except RuntimeError as err:
        if _NO_MEMORY not in str(err):  # the processor's allocator has no class of its own for it
            raise
        raise DeviceError(
            "Out of memory on the processor.",
            where=str(err).splitlines()[0][:200],
            remedy="Close other programs or use fewer --jobs.",
        ) from err
