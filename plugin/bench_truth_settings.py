"""What one run of the truth benchmark is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lineament.core.errors import RecipeError
from lineament.core.tools import INVERTERS, ToolOptions, Tools, open_tools

from .bench_truth_shots import DEVELOPMENT_SEEDS, EDITS, ShotPlan
from .bench_truth_strengths import CRITERIA, GAIN

QUICK_ATTRIBUTES = ("age", "smile", "mouth_open", "glasses", "lipstick")
FULL_ATTRIBUTES = (*QUICK_ATTRIBUTES, "beard", "eyes_closed", "grey_hair")


@dataclass(frozen=True)
class Profile:
    """How much is done: shots and their size, seeds for results and for choosing strengths, and inverters."""

    plan: ShotPlan
    seeds: int
    development: int
    inverters: tuple[str, ...]


PROFILES = {
    "quick": Profile(ShotPlan(QUICK_ATTRIBUTES, frames=2, width=960, height=540), 6, 4, ("encoder",)),
    "full": Profile(
        ShotPlan(FULL_ATTRIBUTES, frames=48, width=1920, height=1080, samples=3),
        12,
        12,
        ("encoder", "optimise"),
    ),
}


@dataclass(frozen=True)
class BenchSettings:
    """One run: ``shots`` and results go below ``output``; ``data`` are labelled renders to find directions from.

    ``seeds`` are what results are quoted on, ``development`` those that strengths are chosen on, ``criterion`` how (see
    bench_truth_strengths); ``randoms`` random directions are drawn. Raises RecipeError for seeds on the wrong side,
    unknown attributes, inverters and criteria.
    """

    output: Path
    assets: Path
    plan: ShotPlan
    seeds: tuple[int, ...]
    development: tuple[int, ...]
    inverters: tuple[str, ...] = ("encoder",)
    model: str = "default"
    device: str = "cpu"
    data: Path | None = None
    shots: Path | None = None
    randoms: int = 4
    criterion: str = GAIN
    workers: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        for seed in self.seeds:
            if seed in DEVELOPMENT_SEEDS:
                raise RecipeError(
                    f"Seed {seed} is for development.",
                    where="seeds",
                    remedy=f"Results are quoted on seeds from {DEVELOPMENT_SEEDS.stop} on.",
                )
        for seed in self.development:
            if seed not in DEVELOPMENT_SEEDS:
                raise RecipeError(
                    f"Seed {seed} is not for development.",
                    where="development seeds",
                    remedy=f"Strengths are chosen on seeds below {DEVELOPMENT_SEEDS.stop}.",
                )
        _refuse_unknown("attribute", self.plan.attributes, tuple(EDITS))
        _refuse_unknown("inverter", self.inverters, INVERTERS)
        _refuse_unknown("criterion", (self.criterion,), CRITERIA)
        for what, values in (("seeds", self.seeds), ("development seeds", self.development)):
            if not values:
                raise RecipeError(f"There are no {what}.", where=what, remedy="Ask for one at least.")

    @property
    def shots_folder(self) -> Path:
        """Where rendered shots are kept."""
        return self.shots or self.output / "shots"

    def tools(self, inverter: str) -> Tools:
        """The product's tools with one way to invert, keeping latents below ``output``. Raises like open_tools."""
        options = ToolOptions(
            model=self.model, inverter=inverter, device=self.device, cache=str(self.output / "latents")
        )
        return open_tools(options)


def settings_of(
    profile: str,
    output: Path,
    assets: Path,
    *,
    attributes: Sequence[str] = (),
    inverters: Sequence[str] = (),
    seeds: int = 0,
    first_seed: int = DEVELOPMENT_SEEDS.stop,
    frames: int = 0,
    size: tuple[int, int] | None = None,
    model: str = "default",
    device: str = "cpu",
    data: Path | None = None,
    shots: Path | None = None,
    criterion: str = GAIN,
    workers: int = 1,
) -> BenchSettings:
    """A profile with some of its choices replaced; 0, None and empty keep the profile's. Raises RecipeError."""
    _refuse_unknown("profile", (profile,), tuple(PROFILES))
    base = PROFILES[profile]
    plan = base.plan
    width, height = size or (plan.width, plan.height)
    plan = replace(
        plan,
        attributes=tuple(dict.fromkeys(attributes)) or plan.attributes,
        frames=frames or plan.frames,
        width=width,
        height=height,
    )
    count = seeds or base.seeds
    return BenchSettings(
        output,
        assets,
        plan,
        tuple(range(first_seed, first_seed + count)),
        tuple(DEVELOPMENT_SEEDS[: base.development]),
        tuple(dict.fromkeys(inverters)) or base.inverters,
        model,
        device,
        data,
        shots,
        criterion=criterion,
        workers=workers,
    )


def _refuse_unknown(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    if not given:
        raise RecipeError(f"There is no {what}.", where=what, remedy=f"Choose of: {', '.join(known)}.")
    for name in given:
        if name not in known:
            raise RecipeError(
                f'Unknown {what} "{name}".', where=what, remedy=f"Choose of: {', '.join(known)}."
            )
