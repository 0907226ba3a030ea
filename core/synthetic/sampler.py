"""Faces by number: ``Sampler("ffhq").sample(seed, index)`` is always the same face, whatever was asked for before.

A latent z of standard normals decides everything, so z itself can condition a network. The first numbers go through a
Gaussian copula with declared correlations (correlations.py), the others are identity, look, gaze and light. One face in
twenty ignores the correlations: a network that never saw a woman with a beard could not tell beard from gender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ..errors import RecipeError
from .correlation_report import CorrelationReport, correlation_matrix, report
from .correlations import Declaration, Declared, Doubles, calibrate, declare
from .marginals import HAIR_RANK, MARGINALS, NAMES, STYLE_NUMBER, STYLE_ORDER
from .params import HAIR_STYLES, IDENTITY_DIMS, LOOK_DIMS, RANGES, FaceParams
from .shape import ANCESTRIES

Values = dict[str, Doubles]
"""Attribute values by name, arrays of equal shape; HAIR_RANK is the place in STYLE_ORDER."""

EXCEPTIONS = 0.05
"""Share of faces whose attributes ignore the correlations; below 0.03 rare pairs vanish from small sets."""

_LIGHT = ("gaze_mode", "gaze_yaw", "gaze_pitch", "key", "softness", "warmth", "fill", "rim",
          "level", "sky", "ground", "tint", "tint_sky", "tint_ground")  # fmt: skip
_COPULA = len(NAMES)
_EXCEPTION = _COPULA
_IDENTITY = slice(_EXCEPTION + 1, _EXCEPTION + 1 + IDENTITY_DIMS)
_LOOK = slice(_IDENTITY.stop, _IDENTITY.stop + LOOK_DIMS)
LATENT_DIMS: int = _LOOK.stop + len(_LIGHT)
"""Length of the latent z."""

_SOFTMAX = 2.2  # larger makes ancestries purer
_CALIBRATION_FACES = 20000


def latent(seed: int, index: int) -> Doubles:
    """The latent (LATENT_DIMS,) float64 of one face; depends on nothing but the two numbers.

    Philox (Salmon et al. 2011) is a function of key and counter, so no face waits for another one. Raises RecipeError
    for numbers outside 0..2^63-1.
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 2**63:
            raise RecipeError(
                f"{name} {value} is outside 0..2^63-1.", where=name, remedy="Choose another one."
            )
    raw = np.random.Philox(key=np.array([seed, 0x11A], np.uint64), counter=[0, 0, index, 0]).random_raw(
        LATENT_DIMS
    )
    return np.asarray(ndtri(((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53))


class Sampler:
    """Draws faces with declared correlations ("ffhq", "none", pairs or a matrix; see ``correlations.declare``).

    Building one calibrates the latent matrix (about a second for "ffhq"; kept for the process). Raises RecipeError for
    impossible correlations.
    """

    def __init__(self, correlations: Declaration = "ffhq") -> None:
        self.declared: Declared = declare(correlations)
        self.latent_matrix = _calibrated(self.declared.title, self.declared.matrix.tobytes())
        self._mix = _factor(self.latent_matrix)

    def params(self, z: npt.ArrayLike) -> FaceParams:
        """The face of a latent ``z`` (LATENT_DIMS,), standard normal. Raises RecipeError for another length or NaN."""
        point = np.asarray(z, dtype=np.float64)
        if point.shape != (LATENT_DIMS,) or not np.isfinite(point).all():
            raise RecipeError(
                f"The latent has shape {point.shape}, or numbers that are not finite.",
                where="z",
                remedy=f"Give {LATENT_DIMS} finite numbers.",
            )
        values = {name: float(column[0]) for name, column in _values(point[None], self._mix).items()}
        shares = _ancestry(np.array([values.pop(name) for name in ANCESTRIES]))
        style = HAIR_STYLES[STYLE_NUMBER[int(values.pop(HAIR_RANK))]]
        return FaceParams(
            hair_style=style,
            ancestry=(shares[0], shares[1], shares[2]),
            identity=tuple(float(v) for v in np.clip(point[_IDENTITY], -3.0, 3.0)),
            look=tuple(float(v) for v in ndtr(point[_LOOK])),
            **values,  # type: ignore[arg-type]
            **_light(point[_LOOK.stop :]),  # type: ignore[arg-type]
        )

    def sample(self, seed: int, index: int) -> FaceParams:
        """Face number ``index`` of ``seed``; independent of order. Raises RecipeError."""
        return self.params(latent(seed, index))

    def values(self, seed: int, count: int) -> Values:
        """Attributes, hair rank and ancestry shares of the first ``count`` faces of ``seed``, arrays (count,)."""
        table = _values(np.stack([latent(seed, index) for index in range(count)]), self._mix)
        return _with_shares(table)

    def report(self, seed: int = 0, count: int = 5000) -> CorrelationReport:
        """Declared against measured correlations of the first ``count`` faces of ``seed``; renders nothing."""
        return report(self.declared, self.values(seed, count))


def _values(z: Doubles, mix: Doubles) -> Values:
    """Resolved values (N,) by name of latents (N, LATENT_DIMS); ancestries are scores."""
    independent = z[:, :_COPULA]
    follows = ndtr(z[:, _EXCEPTION, None]) >= EXCEPTIONS
    uniform = ndtr(np.where(follows, independent @ mix.T, independent))
    return resolve_values({name: MARGINALS[name].quantile(uniform[:, i]) for i, name in enumerate(NAMES)})


def _ancestry(scores: Doubles) -> tuple[float, ...]:
    powers = np.exp(_SOFTMAX * (scores - scores.max()))
    return tuple(float(v) for v in powers / powers.sum())


def _with_shares(values: Values) -> Values:
    scores = np.stack([values[name] for name in ANCESTRIES])
    powers = np.exp(_SOFTMAX * (scores - scores.max(0)))
    return {**values, **dict(zip(ANCESTRIES, powers / powers.sum(0), strict=True))}


def _factor(matrix: Doubles) -> Doubles:
    return np.asarray(np.linalg.cholesky(matrix), np.float64)


@lru_cache(maxsize=8)
def _calibrated(title: str, matrix: bytes) -> Doubles:
    declared = Declared(title, np.frombuffer(matrix).reshape(_COPULA, _COPULA))
    count = _CALIBRATION_FACES
    raw = np.random.Philox(key=[0, 0xCA1]).random_raw(count * (_COPULA + 1)).reshape(count, -1)
    z = np.asarray(ndtri(((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53))

    def measure(matrix: Doubles) -> Doubles:
        return correlation_matrix(_with_shares(_values(z, _factor(matrix))))

    found = calibrate(declared, measure)
    found.flags.writeable = False
    return found


def _light(z: Doubles) -> Mapping[str, object]:
    """Gaze and light fields of FaceParams from their standard normals."""
    n = dict(zip(_LIGHT, (float(v) for v in np.clip(z, -3.0, 3.0)), strict=True))
    wide = float(ndtr(n["gaze_mode"])) > 0.75
    reach = 20.0 if wide else 6.0
    level = 0.32 * 2.0 ** (0.5 * n["level"])
    tint = 0.04 * n["tint"]
    sky, horizon, ground = (
        _coloured(level * 2.0 ** (0.25 + 0.25 * n["sky"]), tint - 0.05 + 0.06 * n["tint_sky"]),
        _coloured(level, tint),
        _coloured(level * 2.0 ** (-0.8 + 0.3 * n["ground"]), tint + 0.06 + 0.05 * n["tint_ground"]),
    )
    return {
        "gaze_yaw": reach * (2.0 * float(ndtr(n["gaze_yaw"])) - 1.0),
        "gaze_pitch": 0.6 * reach * (2.0 * float(ndtr(n["gaze_pitch"])) - 1.0),
        "key_strength": 2.0 ** float(np.clip(0.3 * n["key"], -0.8, 0.8)),
        "key_softness": 0.25 + 0.75 * float(ndtr(n["softness"])),
        "key_warmth": float(np.clip(0.12 + 0.33 * n["warmth"], -1.0, 1.0)),
        "fill": 0.12 + 0.58 * float(ndtr(n["fill"])),
        "rim": float(ndtr(n["rim"])) ** 2 * 0.8,
        "ambient": (sky, horizon, ground),
    }


def _coloured(level: float, warmth: float) -> tuple[float, float, float]:
    """Light of one level, red up and blue down by ``warmth``."""
    return level * (1.0 + warmth), level, level * (1.0 - 1.3 * warmth)


# ---- contradictions


def resolve_values(values: Values) -> Values:
    """Make sampled values agree with each other: dark glasses replace clear ones, a beard replaces stubble, raised and
    lowered brows share what the muscles allow, and a fringe covers the hairline."""
    out = dict(values)
    out["glasses"] = np.where(out["sunglasses"] >= 0.5, 0.0, out["glasses"])
    out["stubble"] = np.where((out["beard"] > 0.0) & (out["stubble"] > 0.0), 0.0, out["stubble"])
    both = out["brow_inner"] + out["brow_down"]
    share = np.where(both > BROWS_TOGETHER + _ROUNDING, BROWS_TOGETHER / np.maximum(both, 1.0), 1.0)
    out["brow_inner"], out["brow_down"] = out["brow_inner"] * share, out["brow_down"] * share
    fringe = out[HAIR_RANK] == STYLE_ORDER.index("fringe")
    out["recede"] = np.where(fringe, np.minimum(out["recede"], FRINGE_RECEDES), out["recede"])
    return out


BROWS_TOGETHER = 1.4
"""Largest sum of raised and lowered brows; both muscles at full pull cancel out."""
FRINGE_RECEDES = 0.3
"""Largest recession under a fringe; behind it there is no hair left to fall forward."""
_ROUNDING = 1e-3  # values that were written with few digits must not contradict themselves for that


def resolve(params: FaceParams) -> FaceParams:
    """The face with contradictions settled as in ``resolve_values``; for faces put together by a program."""
    rank = STYLE_ORDER.index(params.hair_style)
    values = {name: np.asarray(getattr(params, name), np.float64) for name in RANGES}
    settled = resolve_values({**values, HAIR_RANK: np.asarray(rank, np.float64)})
    return replace(params, **{name: float(settled[name]) for name in RANGES})  # type: ignore[arg-type]


def check(params: FaceParams) -> None:
    """Raise RecipeError if a face was asked for that contradicts itself; what is asked for is never changed."""
    for contradicts, what, remedy in (
        (
            params.glasses >= 0.5 and params.sunglasses >= 0.5,
            "Glasses and sunglasses are both worn.",
            "Set one of them to 0.",
        ),
        (
            params.beard > 0.0 and params.stubble > 0.0,
            f"Beard {params.beard:g} and stubble {params.stubble:g} grow in the same place.",
            "Set one of them to 0.",
        ),
        (
            params.brow_inner + params.brow_down > BROWS_TOGETHER + _ROUNDING,
            f"Brows cannot be raised {params.brow_inner:g} and lowered {params.brow_down:g} at once.",
            f"Keep their sum below {BROWS_TOGETHER:g}.",
        ),
        (
            params.hair_style == "fringe" and params.recede > FRINGE_RECEDES + _ROUNDING,
            f"A fringe cannot hang from a hairline that recedes {params.recede:g}.",
            f"Keep recede below {FRINGE_RECEDES:g} or choose another hair style.",
        ),
    ):
        if contradicts:
            raise RecipeError(what, where="face", remedy=remedy)
