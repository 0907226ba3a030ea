"""How a bake goes on and how it ended, as data: what the panel, the console and a farm are told."""

from __future__ import annotations

from dataclasses import dataclass, field

from lineament.core.errors import LineamentError

from .frames import format_frames

CANCELLED_CODE = 130


@dataclass(frozen=True)
class Step:
    """A moment of a bake: ``stage`` is "tap", "open", "read", "render", "write" or how the node's frame ended:
    "edited", "valid", "identity", "failed". ``done`` of ``total`` frames have ended."""

    frame: int
    node: str
    stage: str
    done: int
    total: int


@dataclass
class BakeReport:
    """Frames by outcome; filled while the bake goes on.

    ``done`` were edited anew in at least one node, ``skipped`` needed nothing, ``failed`` show the plate. ``warnings``
    are sentences about what fails no frame. ``engine_s`` is the time that the engine took for all frames, in seconds.
    """

    frames: tuple[int, ...]
    done: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    failed: dict[int, LineamentError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    is_cancelled: bool = False
    engine_s: float = 0.0

    @property
    def left(self) -> tuple[int, ...]:
        """Frames that were asked for and are not right, failed ones included."""
        right = {*self.done, *self.skipped}
        return tuple(frame for frame in self.frames if frame not in right)

    @property
    def right(self) -> tuple[int, ...]:
        """Frames that may be rendered: every node shows what it should."""
        return tuple(sorted({*self.done, *self.skipped}))

    @property
    def exit_code(self) -> int:
        """0 all right; the errors' own code if everything failed alike; 1 some failed; 130 cancelled."""
        if self.is_cancelled:
            return CANCELLED_CODE
        codes = {error.exit_code for error in self.failed.values()}
        if codes and not self.right and len(codes) == 1:
            return codes.pop()
        return 1 if codes or self.left else 0

    @property
    def summary(self) -> str:
        """One line with the counts, and the frames to ask for again."""
        words = [f"{len(self.done)} of {len(self.frames)} frames edited"]
        if self.skipped:
            words.append(f"{len(self.skipped)} were valid")
        if self.failed:
            words.append(f"{len(self.failed)} failed")
        if self.is_cancelled:
            words.append("cancelled")
        if self.left:
            words.append(f"to do again: {format_frames(self.left)}")
        return ", ".join(words) + "."
