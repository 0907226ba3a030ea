"""Everything that decides a rendered face, as one explicit value: a picture is a pure function of it.

No render code draws random numbers of its own, so a counterfactual is ``with_attribute(params, "age", 60)`` and nothing
else in the picture changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace

from ..errors import RecipeError

IDENTITY_DIMS = 64
"""Length of the identity vector: shape of the face, standard normal."""

LOOK_DIMS = 32
"""Length of the look vector: skin pattern mix, brow and hair shape, glasses and cloth design; uniform in 0..1."""

HAIR_STYLES = ("bald", "buzz", "short", "parted", "swept", "long", "curly", "fringe")
"""Hair style names, in the order of their class numbers."""


@dataclass(frozen=True)
class AttributeRange:
    """One editable attribute: closed range, unit, and what it does."""

    name: str
    low: float
    high: float
    unit: str
    help: str


ATTRIBUTES: tuple[AttributeRange, ...] = (
    AttributeRange("age", 18, 90, "years", "Shape, wrinkles, spots, sagging; hair stays (see grey)."),
    AttributeRange("gender", 0, 1, "", "Presentation of the face's shape: 0 female, 1 male."),
    AttributeRange("smile", 0, 1, "", "AU12, lip corners pulled, cheeks raised."),
    AttributeRange("mouth_open", 0, 1, "", "AU25/26, lips part, jaw drops."),
    AttributeRange("brow_inner", 0, 1, "", "AU1, inner brows raised."),
    AttributeRange("brow_down", 0, 1, "", "AU4, brows lowered and drawn together."),
    AttributeRange("eyes_closed", 0, 1, "", "AU43, lids close; 1 is shut."),
    AttributeRange("glasses", 0, 1, "", "Clear glasses, worn from 0.5 on."),
    AttributeRange("sunglasses", 0, 1, "", "Dark glasses, worn from 0.5 on; they win over glasses."),
    AttributeRange("beard", 0, 1, "", "Density and length on chin and jaw."),
    AttributeRange("moustache", 0, 1, "", "Density and length on the upper lip."),
    AttributeRange("stubble", 0, 1, "", "Shadow of short hair on chin, jaw and lip."),
    AttributeRange("lipstick", 0, 1, "", "Strength of the colour on the lips."),
    AttributeRange("hair_dark", 0, 1, "", "Eumelanin of hair and brows: 0 light blond, 1 black."),
    AttributeRange("hair_red", 0, 1, "", "Pheomelanin of hair and brows: 1 is red."),
    AttributeRange("grey", 0, 1, "", "Share of grey hair."),
    AttributeRange("hair_length", 0, 1, "", "Length within the style."),
    AttributeRange("recede", 0, 1, "", "How far the hairline has gone back."),
    AttributeRange("skin", 0, 1, "", "Melanin of the skin: 0 very light, 1 very dark."),
    AttributeRange("yaw", -60, 60, "degrees", "Head turned to its left (picture right) when positive."),
    AttributeRange("pitch", -40, 40, "degrees", "Head looking up when positive."),
    AttributeRange("roll", -40, 40, "degrees", "Head tilted clockwise in the picture when positive."),
    AttributeRange("light_azimuth", -120, 120, "degrees", "Key light; positive comes from picture right."),
    AttributeRange("light_elevation", -20, 80, "degrees", "Key light above the eye line."),
)
"""Every attribute with its range. ``hair_style`` (a name), identity and look are the other ways faces differ."""

RANGES = {attribute.name: attribute for attribute in ATTRIBUTES}


@dataclass(frozen=True)
class FaceParams:
    """One face: attributes (see ATTRIBUTES), identity, look and light. Immutable; fully decides the picture.

    ``identity`` has IDENTITY_DIMS standard-normal numbers, ``look`` LOOK_DIMS numbers in 0..1. ``gaze_yaw`` and
    ``gaze_pitch`` are degrees relative to the camera's direction. ``key_softness`` 0..1, ``key_warmth`` -1..1,
    ``fill`` 0..1, ``rim`` 0..1 describe the light, ``environment`` 9 x 3 real SH coefficients are derived from
    ``ambient`` (three RGB triples: sky, horizon, ground; scene-linear, 1 = diffuse white).
    Raises RecipeError for values outside their range, NaN, or vectors of another length.
    """

    age: float = 32.0
    gender: float = 0.5
    smile: float = 0.0
    mouth_open: float = 0.0
    brow_inner: float = 0.0
    brow_down: float = 0.0
    eyes_closed: float = 0.0
    glasses: float = 0.0
    sunglasses: float = 0.0
    beard: float = 0.0
    moustache: float = 0.0
    stubble: float = 0.0
    lipstick: float = 0.0
    hair_dark: float = 0.7
    hair_red: float = 0.1
    grey: float = 0.0
    hair_length: float = 0.5
    recede: float = 0.0
    skin: float = 0.3
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    light_azimuth: float = 30.0
    light_elevation: float = 30.0
    hair_style: str = "short"
    ancestry: tuple[float, float, float] = (0.34, 0.33, 0.33)
    identity: tuple[float, ...] = (0.0,) * IDENTITY_DIMS
    look: tuple[float, ...] = (0.5,) * LOOK_DIMS
    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0
    key_strength: float = 1.0
    key_softness: float = 0.6
    key_warmth: float = 0.0
    fill: float = 0.4
    rim: float = 0.2
    ambient: tuple[tuple[float, float, float], ...] = field(
        default=((0.5, 0.55, 0.62), (0.42, 0.42, 0.42), (0.25, 0.22, 0.2))
    )

    def __post_init__(self) -> None:
        for attribute in ATTRIBUTES:
            value = getattr(self, attribute.name)
            if not math.isfinite(value) or not attribute.low <= value <= attribute.high:
                raise RecipeError(
                    f"{attribute.name} {value} is outside {attribute.low}..{attribute.high}.",
                    where=attribute.name,
                    remedy="Choose a value inside the range.",
                )
        if self.hair_style not in HAIR_STYLES:
            raise RecipeError(
                f"No hair style {self.hair_style!r}.",
                where="hair_style",
                remedy=f"One of: {', '.join(HAIR_STYLES)}.",
            )
        for name, count in (("identity", IDENTITY_DIMS), ("look", LOOK_DIMS)):
            vector = getattr(self, name)
            if len(vector) != count or not all(math.isfinite(v) for v in vector):
                raise RecipeError(
                    f"{name} needs {count} finite numbers.", where=name, remedy="Take it from the sampler."
                )


def with_attribute(params: FaceParams, name: str, value: float) -> FaceParams:
    """The same face with one attribute changed and nothing else: a counterfactual. Raises RecipeError."""
    if name not in RANGES:
        raise RecipeError(f"No attribute {name!r}.", where=name, remedy=f"One of: {', '.join(RANGES)}.")
    return replace(params, **{name: float(value)})  # type: ignore[arg-type]


def field_names() -> tuple[str, ...]:
    """Names of all fields of FaceParams, in order."""
    return tuple(f.name for f in fields(FaceParams))
