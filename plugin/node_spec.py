"""The Attribute Edit node, declared once: every parameter with its type, bounds, text and destination.

Blender sockets, Nuke knobs, command-line flags, the recipe's JSON schema and the reference page are
generated from ``ATTRIBUTE_EDIT``. Standard library only and no syntax newer than Python 3.9, because hosts
load it in-process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

Value = Union[float, int, str, bool]  # noqa: UP007 - evaluated at import, and hosts still run Python 3.9
KINDS = ("float", "int", "text", "choice", "file", "bool")
TARGETS = ("strength", "recipe", "tools", "request")
TABS = ("Attributes", "Face", "Model", "Colour", "Composite", "System")


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter.

    ``minimum`` and ``maximum`` are refused beyond, ``soft_minimum`` and ``soft_maximum`` are the slider's
    ends (both None for text). ``target`` says where the value goes: "strength" into the recipe's strengths,
    "recipe" into a field of the recipe, "tools" into what is opened once for a shot, "request" into what is
    asked of one frame. ``field`` is the name there, if it differs from ``id``. ``since`` is the version that
    brought the parameter; ``alias`` another spelling that files and command lines may use.
    """

    id: str
    kind: str
    default: Value
    label: str
    tooltip: str
    tab: str
    target: str
    since: str
    minimum: float | None = None
    maximum: float | None = None
    soft_minimum: float | None = None
    soft_maximum: float | None = None
    animatable: bool = False
    choices: tuple[str, ...] = ()
    unit: str = ""
    alias: str = ""
    field: str = ""

    @property
    def destination(self) -> str:
        """The field's name at its target."""
        return self.field or self.id

    @property
    def default_text(self) -> str:
        """The default as people write it: on and off, "empty" for no text."""
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        return "empty" if self.default == "" else str(self.default)


@dataclass(frozen=True)
class NodeSpec:
    """A node: its id and name, what it does, and its parameters in the order of the panel."""

    id: str
    label: str
    description: str
    version: str
    parameters: tuple[ParameterSpec, ...]

    def get(self, parameter_id: str) -> ParameterSpec:
        """The parameter of that id. Raises KeyError listing the ids."""
        for parameter in self.parameters:
            if parameter.id == parameter_id:
                return parameter
        known = ", ".join(parameter.id for parameter in self.parameters)
        raise KeyError(f"the node has no parameter {parameter_id!r}; it has {known}")

    def for_target(self, target: str) -> tuple[ParameterSpec, ...]:
        """The parameters that go to one of TARGETS, in order."""
        return tuple(parameter for parameter in self.parameters if parameter.target == target)

    def on_tab(self, tab: str) -> tuple[ParameterSpec, ...]:
        """The parameters of one of TABS, in order."""
        return tuple(parameter for parameter in self.parameters if parameter.tab == tab)


def problems_of(spec: NodeSpec) -> tuple[str, ...]:
    """What is wrong with a declaration, one sentence each; an empty tuple if nothing is."""
    found = []
    names: set[str] = set()
    for parameter in spec.parameters:
        found += [f"{parameter.id}: {problem}" for problem in _problems_of_parameter(parameter)]
        for name in filter(None, (parameter.id, parameter.alias)):
            if name in names:
                found.append(f"{name}: is declared twice")
            names.add(name)
    return tuple(found)


def _problems_of_parameter(parameter: ParameterSpec) -> list[str]:
    found = []
    if len(parameter.tooltip.split()) < 4 or not parameter.tooltip.endswith("."):
        found.append("the tooltip must be a sentence of at least four words")
    if not parameter.label or not parameter.since:
        found.append("label and since must be given")
    if parameter.kind not in KINDS or parameter.tab not in TABS or parameter.target not in TARGETS:
        found.append("kind, tab or target is not a known one")
    if parameter.kind in ("float", "int"):
        ends = (parameter.minimum, parameter.soft_minimum, parameter.soft_maximum, parameter.maximum)
        known = [end for end in ends if end is not None]
        if len(known) < 4 or known != sorted(known):
            found.append("minimum <= soft minimum <= soft maximum <= maximum must hold")
        elif not isinstance(parameter.default, (float, int)) or not known[0] <= parameter.default <= known[3]:
            found.append("the default is out of range")
    if (parameter.kind == "bool") != isinstance(parameter.default, bool):
        found.append("bool parameters, and no others, are True or False by default")
    if parameter.kind == "choice" and parameter.default not in parameter.choices:
        found.append("the default is not among the choices")
    return found


MAX_STRENGTH = 10.0
"""What the recipe reader takes for any attribute of any model (tested): beyond ten standard deviations no
generator has seen anything."""

SHIPPED_STRENGTH = 4.0
"""What the shipped attributes can take; a direction's own limits lie within, and decide at run time."""

MIN_EXPOSURE = 2.0**-20
"""The smallest exposure gain besides 0: twenty stops down."""

_ATTRIBUTES = (
    ("age", "Age", "Makes the face older (positive) or younger (negative)."),
    ("smile", "Smile", "Raises the corners of the mouth into a smile (positive) or lowers them (negative)."),
    ("mouth_open", "Mouth Open", "Opens the mouth (positive) or closes it (negative)."),
    ("glasses", "Glasses", "Adds glasses (positive) or takes them off (negative)."),
    ("beard", "Beard", "Grows a beard (positive) or shaves it (negative)."),
    ("moustache", "Moustache", "Grows a moustache (positive) or shaves it (negative)."),
    ("lipstick", "Lipstick", "Puts lipstick on (positive) or takes it off (negative)."),
    ("brow_inner", "Inner Brows", "Raises the inner ends of the brows (positive) or lowers them (negative)."),
    ("brow_down", "Brows Down", "Lowers and knits the brows (positive) or lifts them (negative)."),
    ("eyes_closed", "Eyes Closed", "Closes the eyes (positive) or opens them wider (negative)."),
    ("skin_tone", "Skin Tone", "Makes the skin darker (positive) or lighter (negative)."),
    ("grey_hair", "Grey Hair", "Turns the hair grey (positive) or takes the grey away (negative)."),
    ("gender", "Presentation", "Makes the face's shape more male (positive) or more female (negative)."),
    ("light", "Light", "Turns the light on the face towards one side (positive) or the other (negative)."),
)
"""The shipped attributes: id, label, what both signs do. A model with other directions brings its own
names."""


def _attribute(name: str, label: str, tooltip: str) -> ParameterSpec:
    return ParameterSpec(
        name, "float", 0.0, label, f"{tooltip} 0 leaves it alone.", "Attributes", "strength", "0.1",
        minimum=-SHIPPED_STRENGTH, maximum=SHIPPED_STRENGTH, soft_minimum=-3.0, soft_maximum=3.0,
        animatable=True, unit="standard deviations",
    )  # fmt: skip


_FACE = (
    ParameterSpec(
        "face", "int", 0, "Face", "Which face to edit, counted from the largest one (0).", "Face", "recipe",
        "0.1", minimum=0, maximum=63, soft_minimum=0, soft_maximum=7,
    ),
    ParameterSpec(
        "locator", "choice", "auto", "Locate With",
        "Who finds the face: the track if one is given and the embedded network otherwise (auto), or one of "
        "them by name; mediapipe needs the extra of that name.",
        "Face", "tools", "0.1", choices=("auto", "network", "track", "mediapipe"),
    ),
    ParameterSpec(
        "track", "file", "", "Track",
        "JSON file with the face's landmarks per frame, from a tracker or a host.",
        "Face", "tools", "0.1",
    ),
)  # fmt: skip

_MODEL = (
    ParameterSpec(
        "model", "text", "default", "Model",
        "Name of an installed model package or path of its folder; default is the embedded one.",
        "Model", "recipe", "0.1", alias="generator", field="generator",
    ),
    ParameterSpec(
        "inverter", "choice", "encoder", "Inversion",
        "How the face is brought into the model: encoder takes one step, optimise refines it slowly.",
        "Model", "recipe", "0.1", choices=("encoder", "optimise"),
    ),
    ParameterSpec(
        "seed", "int", 0, "Seed", "Seed of everything random; the same seed gives the same pixels.", "Model",
        "recipe", "0.1", minimum=0, maximum=2**31 - 1, soft_minimum=0, soft_maximum=100,
    ),
)  # fmt: skip

_COLOUR = (
    ParameterSpec(
        "layer", "text", "", "Layer",
        "Layer of the plate to edit, for example beauty; empty takes the main one.",
        "Colour", "recipe", "0.1",
    ),
    ParameterSpec(
        "colourspace", "text", "", "Colour Space",
        "Colour space of the plate as the OCIO config names it; empty takes it from the file.",
        "Colour", "recipe", "0.1", alias="colorspace",
    ),
    ParameterSpec(
        "ocio", "file", "", "OCIO Config",
        "OCIO config to use; empty takes the OCIO environment variable, then the built-in ACES config.",
        "Colour", "tools", "0.1",
    ),
    ParameterSpec(
        "exposure", "float", 0.0, "Exposure Gain",
        "Gain that brings the face to middle grey while it is edited, taken out again afterwards: an exact "
        "power of two such as 0.25 or 8; 0 chooses it from the plate.",
        "Colour", "recipe", "0.1", minimum=0.0, maximum=65536.0, soft_minimum=0.0, soft_maximum=16.0,
    ),
)  # fmt: skip

_COMPOSITE = (
    ParameterSpec(
        "mix", "float", 1.0, "Mix", "How much of the finished edit is given back to the plate.", "Composite",
        "recipe", "0.1", minimum=0.0, maximum=1.0, soft_minimum=0.0, soft_maximum=1.0, animatable=False,
    ),
    ParameterSpec(
        "mask", "file", "", "Mask",
        "Picture that limits the edit, of the plate's size: its R, Y or only channel, from 0 (plate) to 1 (edit). A "
        "file, or a pattern with a frame token; empty limits nothing.",
        "Composite", "request", "0.1", field="matte",
    ),
    ParameterSpec(
        "invert_mask", "bool", False, "Invert Mask", "Edits where the mask is 0 instead of where it is 1.",
        "Composite", "request", "0.1", field="invert_matte",
    ),
    ParameterSpec(
        "mask_feather", "float", 0.0, "Mask Feather",
        "Softens the edge of the face's mask further, as a fraction of the face's width.",
        "Composite", "recipe", "0.1", minimum=0.0, maximum=0.25, soft_minimum=0.0, soft_maximum=0.1,
    ),
    ParameterSpec(
        "detail_clamp", "float", 0.0, "Detail Clamp",
        "Largest change of a pixel in the encoded picture, a guard against artefacts; 0 keeps the limit of 0.5.",
        "Composite", "recipe", "0.1", minimum=0.0, maximum=1.0, soft_minimum=0.0, soft_maximum=0.5,
    ),
)  # fmt: skip

_SYSTEM = (
    ParameterSpec(
        "device", "text", "cpu", "Device", "Where the networks run: cpu, cuda, cuda:1 and so on, or auto.",
        "System", "tools", "0.1",
    ),
)  # fmt: skip

ATTRIBUTE_EDIT = NodeSpec(
    id="attribute_edit",
    label="Attribute Edit",
    description="Changes chosen attributes of a face in a plate and leaves every other pixel as it was.",
    version="0.1",
    parameters=tuple(_attribute(*entry) for entry in _ATTRIBUTES)
    + _FACE
    + _MODEL
    + _COLOUR
    + _COMPOSITE
    + _SYSTEM,
)
