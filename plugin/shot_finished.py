"""Shots that may be finished: their frames are compared with the manifest, and no model is opened for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lineament.core.errors import GeneratorError
from lineament.core.frame import Frame, Part
from lineament.core.generators.cards import card_sha256, find_package, read_card
from lineament.core.shots.analysis_receipt import Receipt, find_receipt
from lineament.core.shots.shot import MaskSource, Shot

from .matte import Matte
from .shot_frame import Rendered, ShotRenderer
from .shot_order import ShotOrder, config_hash, parameters_of


class KnownShot:
    """A ``ShotRenderer`` that says what its frames would be made from, and makes none."""

    def __init__(self, shot: Shot, receipt: Receipt, model: str) -> None:
        self.model = model
        self.mask: MaskSource | None = shot.mask
        self._shot, self._config = shot, config_hash(shot.ocio)
        self._analysis = (receipt.key, receipt.digest, receipt.render_id)
        self._plates = {plate.number: plate.sha256 for plate in receipt.plates}

    def parameters(self, number: int, source: int) -> Mapping[str, Any]:
        """As those of the opened shot."""
        return parameters_of(self._shot, self._analysis, self._config, number, source)

    def plate_sha256(self, number: int) -> str:
        """The plate that the frame was analysed on. Raises KeyError for a frame that was not."""
        return self._plates[number]

    def plate_part(self, frame: Frame) -> Part:
        """The part of the plate that the shot's layer lies in."""
        return frame.parts[frame.layer(self._shot.layer).part]

    def render(self, frame: Frame, number: int, matte: Matte | None) -> Rendered:
        """Nobody may ask for it: a frame that is not valid needs the opened shot."""
        raise AssertionError(f"frame {number} of a shot that was not opened")


def known_shot(order: ShotOrder) -> KnownShot | None:
    """What is known of a shot without opening it; None for one that was never opened with these plates and settings."""
    receipt = find_receipt(order.cache, order.shot, order.plates)
    if receipt is None:
        return None
    try:
        return KnownShot(order.shot, receipt, card_sha256(read_card(find_package(order.shot.model))))
    except GeneratorError:  # whoever opens the model says what is wrong with it
        return None


class LateOpener:
    """Opens shots as ``ShotOpener`` does, which is imported, torch with it, when the first one is to be opened."""

    def __init__(self) -> None:
        self._open: Any = None

    def __call__(self, order: ShotOrder) -> ShotRenderer:
        """Raises what ``ShotOpener`` raises."""
        if self._open is None:
            from .shot_engine import ShotOpener

            self._open = ShotOpener()
        opened: ShotRenderer = self._open(order)
        return opened

    def __reduce__(self) -> tuple[type[LateOpener], tuple[()]]:
        """Another process opens tools of its own."""
        return LateOpener, ()
