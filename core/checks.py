"""Shape checks at the door of tensor functions.

Axes used throughout: B batch, C channels, H W plate rows and columns, R generator resolution, num_ws w_dim latent.
"""

from __future__ import annotations

from typing import Protocol


class HasShape(Protocol):
    """Anything with a shape: numpy arrays and torch tensors."""

    @property
    def shape(self) -> tuple[int, ...]: ...


def expect_shape(array: HasShape, pattern: str, *, name: str, **sizes: int) -> None:
    """Raise ValueError unless ``array`` has the shape described by ``pattern``.

    ``pattern`` is a blank-separated list of axes: a number must match exactly, a letter matches any size but the
    same letter the same size (``"B 3 R R"``), a keyword in ``sizes`` fixes a letter.
    """
    axes = pattern.split()
    known = dict(sizes)
    shape = tuple(int(n) for n in array.shape)
    fits = len(axes) == len(shape)
    for axis, size in zip(axes, shape, strict=False):
        wanted = int(axis) if axis.isdigit() else known.setdefault(axis, size)
        fits = fits and wanted == size
    if not fits:
        fixed = ", ".join(f"{key}={value}" for key, value in sizes.items())
        raise ValueError(f"{name} has shape {shape}; expected ({pattern}){' with ' + fixed if fixed else ''}")
