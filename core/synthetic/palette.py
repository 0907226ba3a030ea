"""Colours and strengths of materials, from FaceParams: linear Rec.709 unless a name says ACEScg.

Every function reads only the parameters that its subject names, so an edit of one attribute cannot touch another.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .geometry import Floats
from .lights import ACESCG_FROM_SRGB
from .params import FaceParams

Colour = npt.NDArray[np.float32]

_LIPSTICKS = np.array(
    [[.46, .17, .14], [.56, .15, .09], [.47, .022, .02], [.36, .012, .045], [.16, .022, .06], [.58, .10, .20]]
)  # fmt: skip
_IRISES = np.array(
    [[.030, .013, .006], [.062, .028, .011], [.105, .052, .019], [.118, .085, .032], [.075, .092, .042],
     [.055, .088, .122], [.092, .112, .126]]
)  # fmt: skip


def acescg(srgb: npt.ArrayLike) -> Colour:
    """Linear Rec.709 (3,) to ACEScg, float32."""
    return (ACESCG_FROM_SRGB @ np.asarray(srgb, np.float64)).astype(np.float32)


def along(colours: npt.NDArray[np.float64], place: float) -> npt.NDArray[np.float64]:
    """The colour at ``place`` 0..1 along a row of colours (N, 3), interpolated."""
    at = np.clip(place, 0.0, 1.0) * (len(colours) - 1)
    i = min(int(at), len(colours) - 2)
    result: npt.NDArray[np.float64] = colours[i] + (colours[i + 1] - colours[i]) * (at - i)
    return result


def hair_colour(params: FaceParams) -> Colour:
    """Diffuse colour of ungreyed hair: a light base behind eumelanin and pheomelanin (d'Eon et al. 2011)."""
    eumelanin = 0.12 + 3.6 * params.hair_dark**1.3
    pheomelanin = 0.10 + 1.15 * params.hair_red * (1.0 - 0.35 * params.hair_dark)
    absorbed = eumelanin * np.array([1.0, 1.27, 1.6]) + pheomelanin * np.array([0.2, 0.85, 1.6])
    return np.asarray(np.array([0.70, 0.60, 0.45]) * np.exp(-absorbed) + 0.007, np.float32)


def grey_colour() -> Colour:
    """Diffuse colour of a grey hair."""
    return np.array([0.36, 0.355, 0.35], np.float32)


def mixed_hair(params: FaceParams) -> Colour:
    """What hair and grey hair look like together, for the skin below."""
    share = 0.75 * params.grey
    return np.asarray(hair_colour(params) * (1 - share) + grey_colour() * share, np.float32)


def skin_uniforms(params: FaceParams) -> dict[str, object]:
    """Everything about skin and lips that the shader needs beside the baked fields."""
    look = params.look
    old = float(np.clip((params.age - 22.0) / 60.0, 0.0, 1.0))
    late = float(np.clip((params.age - 38.0) / 42.0, 0.0, 1.0))
    lines = 0.10 * old + 1.0 * late**1.15
    smile, raised, down = params.smile, params.brow_inner, params.brow_down
    groups = (
        lines * (0.75 + 0.35 * look[1]) + raised * (0.38 + 0.4 * old),
        lines * (0.8 + 0.3 * look[2]) + smile * (0.10 + 0.45 * old),
        lines * (0.72 + 0.3 * look[3]) + 0.10 * old + smile * (0.20 + 0.35 * old),
        0.42 * lines + down * (0.45 + 0.45 * old),
    )
    # Full beards hide the skin; only their shade shows between the hairs.
    chin = max(0.72 * params.stubble, 0.75 * min(1.0, 1.6 * params.beard))
    lip = max(0.62 * params.stubble, 0.65 * min(1.0, 1.6 * params.moustache))
    shade = along(_LIPSTICKS, look[21]) * (1.0 - 0.55 * look[22])
    return {
        "u_melanin": params.skin**1.22,
        "u_old": old * 0.35 + 0.65 * late,
        "u_blotches": 0.45 + 0.55 * look[0],
        "u_redness": (0.18 + 0.75 * look[5] ** 1.5 + 0.2 * late) * (1.0 - 0.6 * params.skin),
        "u_freckles": float(np.clip((look[4] - 0.5) / 0.5, 0.0, 1.0)) * (1.0 - 0.8 * params.skin),
        "u_oil": 0.08 + 0.62 * look[6] ** 1.5,
        "u_line_depth": groups,
        "u_stubble": (chin, lip, 1.0, 0.30 * look[9]),
        "u_hair_srgb": mixed_hair(params),
        "u_lipstick": (*(float(c) for c in shade), 0.9 * params.lipstick),
        "u_lip_gloss": 0.25 + params.lipstick * 0.75 * look[23],
    }


def skin_albedo(params: FaceParams) -> Colour:
    """Mean colour of the skin, ACEScg; the same formula as in skin.frag."""
    melanin, blood = params.skin**1.22, 0.3
    srgb = np.array([0.81, 0.595, 0.485]) * np.exp(
        -melanin * np.array([2.0, 2.38, 2.62]) - blood * np.array([0.10, 0.62, 0.52])
    )
    return acescg(srgb)


def eye_uniforms(params: FaceParams) -> dict[str, object]:
    """Iris and sclera."""
    iris = along(_IRISES, params.look[24]) * (0.65 + 0.7 * params.look[25])
    inner = iris * np.array([1.5, 1.15, 0.8]) + np.array([0.03, 0.016, 0.004])
    return {
        "u_iris": iris.astype(np.float32),
        "u_iris_inner": inner.astype(np.float32),
        "u_old": float(np.clip((params.age - 30.0) / 55.0, 0.0, 1.0)),
        "u_redness": params.look[5],
        "u_white": 1.0 - 0.3 * params.skin,
    }


def strand_uniforms(params: FaceParams) -> dict[str, Floats]:
    """Colours of hair strands, ACEScg."""
    return {"u_hair_albedo": acescg(hair_colour(params)), "u_grey_albedo": acescg(grey_colour())}
