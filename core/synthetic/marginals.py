"""How often each value of an attribute occurs, whatever the other attributes do: one quantile table per attribute.

The shares are chosen for teaching and judging, not for realism: smiles, open mouths, lowered brows and shut eyes are
commoner than on photographs, so that a network sees both ends of each (a judge of 26 shut eyes in 400 learns nothing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

from .params import HAIR_STYLES, RANGES
from .shape import ANCESTRIES

Doubles = npt.NDArray[np.float64]

HAIR_RANK = "hair_rank"
"""Name of the place of a hair style in STYLE_ORDER, as a number from 0."""

STYLE_ORDER = ("bald", "buzz", "short", "swept", "parted", "curly", "fringe", "long")
"""Hair styles from cropped to long, so that one number can follow gender and age."""

STYLE_SHARES = (0.04, 0.08, 0.23, 0.15, 0.16, 0.11, 0.08, 0.15)
"""Share of each style of STYLE_ORDER."""

STYLE_NUMBER: npt.NDArray[np.intp] = np.array([HAIR_STYLES.index(name) for name in STYLE_ORDER])
"""Number in HAIR_STYLES of each place in STYLE_ORDER."""

_STEPS = 2048
_JUMP = 1e-9


@dataclass(frozen=True)
class Marginal:
    """A distribution as its quantile function: knots ``shares`` rising in 0..1 and ``values``, straight in between."""

    shares: Doubles
    values: Doubles

    def quantile(self, share: npt.ArrayLike) -> Doubles:
        """Values (...) float64 below which ``share`` (...) in 0..1 of all faces lie."""
        return np.interp(np.asarray(share, np.float64), self.shares, self.values)


def pieces(*parts: tuple[float, float, float]) -> Marginal:
    """Uniform pieces ``(share, low, high)`` with rising values; the shares sum to 1. Raises ValueError."""
    ends = np.cumsum([share for share, _, _ in parts])
    if abs(ends[-1] - 1.0) > 1e-9:
        raise ValueError(f"the shares sum to {ends[-1]}")
    starts = np.concatenate([[0.0], ends[:-1] + _JUMP])
    shares = np.stack([starts, ends], 1).ravel()
    values = np.array([(low, high) for _, low, high in parts]).ravel()
    if np.any(np.diff(values) < 0):
        raise ValueError("the pieces must rise")
    return Marginal(shares, values)


def beta(low: float, high: float, a: float, b: float, *, zero: float = 0.0) -> Marginal:
    """``low + (high - low) * Beta(a, b)``; a share ``zero`` of all faces gets ``low`` itself."""
    u = np.linspace(0.0, 1.0, _STEPS + 1)
    values = low + (high - low) * np.asarray(betaincinv(a, b, u))
    if zero == 0.0:
        return Marginal(u, values)
    return Marginal(np.concatenate([[0.0], zero + (1.0 - zero) * u]), np.concatenate([[low], values]))


def bell(mean: float, deviation: float, low: float, high: float) -> Marginal:
    """A normal distribution, clipped to low..high."""
    u = (np.arange(_STEPS) + 0.5) / _STEPS
    return Marginal(u, np.clip(mean + deviation * np.asarray(ndtri(u)), low, high))


def _style_marginal() -> Marginal:
    return pieces(*((share, float(i), float(i)) for i, share in enumerate(STYLE_SHARES)))


MARGINALS: Mapping[str, Marginal] = {
    "age": beta(18.0, 90.0, 1.25, 1.9),
    "gender": pieces((0.44, 0.0, 0.12), (0.12, 0.12, 0.88), (0.44, 0.88, 1.0)),
    "smile": beta(0.0, 1.0, 1.3, 0.9, zero=0.35),
    "mouth_open": pieces((0.48, 0.0, 0.0), (0.28, 0.04, 0.4), (0.24, 0.4, 1.0)),
    "brow_inner": pieces((0.70, 0.0, 0.05), (0.30, 0.25, 1.0)),
    "brow_down": pieces((0.70, 0.0, 0.05), (0.30, 0.25, 1.0)),
    "eyes_closed": pieces((0.80, 0.0, 0.06), (0.12, 0.15, 0.8), (0.08, 0.92, 1.0)),
    "glasses": pieces((0.71, 0.0, 0.0), (0.29, 1.0, 1.0)),
    "sunglasses": pieces((0.97, 0.0, 0.0), (0.03, 1.0, 1.0)),
    "beard": pieces((0.80, 0.0, 0.0), (0.20, 0.3, 1.0)),
    "moustache": pieces((0.82, 0.0, 0.0), (0.18, 0.3, 1.0)),
    "stubble": pieces((0.78, 0.0, 0.0), (0.22, 0.25, 1.0)),
    "lipstick": pieces((0.64, 0.0, 0.0), (0.36, 0.35, 1.0)),
    "hair_dark": beta(0.0, 1.0, 1.8, 0.9),
    "hair_red": pieces((0.84, 0.0, 0.2), (0.08, 0.2, 0.5), (0.08, 0.5, 1.0)),
    "grey": pieces((0.56, 0.0, 0.02), (0.27, 0.02, 0.6), (0.17, 0.6, 1.0)),
    "hair_length": beta(0.0, 1.0, 1.6, 1.6),
    "recede": beta(0.0, 1.0, 0.9, 1.9, zero=0.6),
    "skin": beta(0.0, 1.0, 0.95, 1.35),
    "yaw": bell(0.0, 14.0, -40.0, 40.0),
    "pitch": bell(0.0, 7.0, -20.0, 20.0),
    "roll": bell(0.0, 5.0, -18.0, 18.0),
    "light_azimuth": bell(0.0, 45.0, -100.0, 100.0),
    "light_elevation": bell(32.0, 17.0, -10.0, 75.0),
    HAIR_RANK: _style_marginal(),
    **{name: bell(0.0, 1.0, -3.0, 3.0) for name in ANCESTRIES},
}
"""Distribution of everything that correlations can be declared for: all attributes, the hair rank, the ancestries (as
scores; their softmax is the share)."""

NAMES: tuple[str, ...] = tuple(MARGINALS)
"""What correlations can be declared between, in the order of full matrices."""

if not set(RANGES) <= set(NAMES):  # an attribute without a distribution would silently stay at its default
    raise ValueError(f"no distribution for {sorted(set(RANGES) - set(NAMES))}")
