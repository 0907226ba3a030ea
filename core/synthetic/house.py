"""What is put on has one design: the house's glasses, lip colour and beard.

A face without glasses says nothing about which glasses it would wear. If every counterfactual chose its own, an edit
could only learn their blur. So faces to which something may be added carry the house design in the part of the look
vector that is invisible until then; what a face wears already keeps its own design.
"""

from __future__ import annotations

from dataclasses import replace

from .params import FaceParams

GLASSES_DESIGN = {14: 0.45, 15: 0.6, 16: 0.45, 17: 0.15, 18: 0.5, 19: 0.55, 20: 0.0}
"""A full rim of black acetate, between round and square."""
LIP_COLOUR = {21: 0.4, 22: 0.15, 23: 0.5}
"""A classic red."""
BEARD_STYLE = {31: 0.85}
"""A full beard."""


def with_house_designs(params: FaceParams) -> FaceParams:
    """The same picture; what the face does not wear yet will have the house design once it is put on."""
    look = dict(enumerate(params.look))
    if params.glasses < 0.5 and params.sunglasses < 0.5:
        look |= GLASSES_DESIGN
    if params.lipstick == 0.0:
        look |= LIP_COLOUR
    if params.beard == params.moustache == params.stubble == 0.0:
        look |= BEARD_STYLE
    return replace(params, look=tuple(look.values()))
