"""From cells to tables: means over shots with bootstrap intervals, signed attribute dependency, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from lineament.core.directions.evaluate import Estimate, bootstrap_means, estimate, report

from .bench_truth_methods import NOTHING, RANDOM, SHIPPED, TRUTH

Doubles = npt.NDArray[np.float64]
Record = Mapping[str, Any]
"""One line of cells.jsonl: seed, inverter, attribute, target, and a cell's figures."""

SEED = 0


OTHERS = ("identity", "outside", "flicker", "jitter")


@dataclass(frozen=True)
class Summary:
    """One row of a table over all shots; every Estimate has a 95 % bootstrap interval over shots.

    ``gain`` the edit gain, ``inside`` the same where the edit may act; ``versus_shipped`` the same shots' gain minus
    the shipped direction's; ``share`` the target's change as a share of the truth's, both as the grader reads them;
    ``dependency`` the signed change of every other attribute per unit of the target's (empty where the target was not
    moved for certain), ``floor`` what random directions of that strength give; ``leak_mean`` the mean distance of the
    dependencies from the truth's own; ``others`` the means of OTHERS, as far as they are defined.
    """

    inverter: str
    attribute: str
    row: str
    strength: float
    shots: int
    gain: Estimate
    inside: Estimate
    versus_shipped: Estimate | None
    share: Estimate | None
    effects: Mapping[str, Estimate]
    dependency: Mapping[str, Estimate]
    floor: Mapping[str, float]
    others: Mapping[str, float]
    leak_mean: float | None = None

    @property
    def largest_leak(self) -> tuple[str, Estimate] | None:
        """The dependency of the largest magnitude, with its attribute."""
        return max(self.dependency.items(), key=lambda one: abs(one[1].mean), default=None)


@dataclass
class _Group:
    """All shots of one row: figures by seed; several random directions share one."""

    strength: float = 0.0
    gains: dict[int, list[float]] = field(default_factory=dict)
    inside: dict[int, list[float]] = field(default_factory=dict)
    changes: dict[int, list[Doubles]] = field(default_factory=dict)
    others: dict[str, list[float]] = field(default_factory=dict)


def summarise(records: Sequence[Record]) -> list[Summary]:
    """Every row of every inverter and attribute, in the order in which cells were measured.

    Shots that lack a row are left out of that row only. Raises ValueError if cells name different scores.
    """
    tables: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        tables.setdefault((record["inverter"], record["attribute"]), []).append(record)
    found: list[Summary] = []
    for (inverter, attribute), rows in tables.items():
        found += _table(inverter, attribute, rows)
    return found


def _table(inverter: str, attribute: str, records: Sequence[Record]) -> list[Summary]:
    names, target = tuple(records[0]["changes"]), str(records[0]["target"])
    if any(tuple(record["changes"]) != names for record in records):
        raise ValueError(f"{inverter}, {attribute}: cells were judged by different graders")
    groups: dict[str, _Group] = {}
    for record in sorted(records, key=lambda one: int(one["seed"])):
        name = RANDOM if str(record["row"]).startswith(RANDOM) else str(record["row"])
        _collect(groups.setdefault(name, _Group()), record)
    nulls = _null_changes(records, len(names))
    truth = _means(groups[TRUTH].changes) if TRUTH in groups else None
    reference = _means(groups[SHIPPED].gains) if SHIPPED in groups else {}
    own = names.index(target)
    found = []
    for name, group in groups.items():
        gains, changes = _means(group.gains), _means(group.changes)
        samples = np.stack([changes[seed] for seed in sorted(changes)])
        effects = report(name, target, names, samples, 1.0, SEED)
        is_moved = truth is not None and name != NOTHING
        summary = Summary(
            inverter=inverter,
            attribute=attribute,
            row=name,
            strength=group.strength,
            shots=len(gains),
            gain=_estimate(list(gains.values())),
            inside=_estimate(list(_means(group.inside).values())),
            versus_shipped=_difference(gains, reference) if name != SHIPPED else None,
            share=_ratio(changes, truth, own) if truth is not None and is_moved else None,
            effects=effects.effects,
            dependency=effects.dependency,
            floor=_floor(nulls, samples, names, own),
            others={key: float(np.mean(values)) for key, values in group.others.items() if values},
        )
        found.append(summary)
    return [_with_leak(summary, found) for summary in found]


def _collect(group: _Group, record: Record) -> None:
    seed = int(record["seed"])
    group.strength = float(record["strength"])
    for key, gains in (("gains", group.gains), ("gains_inside", group.inside)):
        gains.setdefault(seed, []).append(float(np.mean([gain for gain in record[key] if gain is not None])))
    group.changes.setdefault(seed, []).append(np.array(list(record["changes"].values()), np.float64))
    for key in OTHERS:
        values = group.others.setdefault(key, [])
        if record[key] is not None:
            values.append(float(record[key]))


def _means(by_seed: Mapping[int, Sequence[Any]]) -> dict[int, Any]:
    return {seed: np.mean(values, axis=0) for seed, values in by_seed.items()}


def _estimate(values: Sequence[float]) -> Estimate:
    samples = np.asarray(values, np.float64)[:, None]
    return estimate(float(samples.mean()), bootstrap_means(samples, SEED)[:, 0])


def _difference(gains: Mapping[int, float], reference: Mapping[int, float]) -> Estimate | None:
    """Mean of the differences on the shots that both have."""
    both = [gains[seed] - reference[seed] for seed in gains if seed in reference]
    return _estimate(both) if both else None


def _ratio(changes: Mapping[int, Doubles], truth: Mapping[int, Doubles], own: int) -> Estimate | None:
    """Mean change of the target over the truth's mean change, resampled together."""
    both = np.array([[changes[seed][own], truth[seed][own]] for seed in changes if seed in truth])
    if not len(both) or both[:, 1].mean() == 0:
        return None
    resampled = bootstrap_means(both, SEED)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = resampled[:, 0] / resampled[:, 1]
    return estimate(float(both[:, 0].mean() / both[:, 1].mean()), ratios[np.isfinite(ratios)])


def _null_changes(records: Sequence[Record], count: int) -> Doubles:
    """(K, A) magnitude of each random direction's mean change; (0, A) if there are none."""
    by_row: dict[str, list[Doubles]] = {}
    for record in records:
        if str(record["row"]).startswith(RANDOM):
            by_row.setdefault(record["row"], []).append(
                np.array(list(record["changes"].values()), np.float64)
            )
    if not by_row:
        return np.empty((0, count))
    means = np.stack([np.mean(rows, axis=0) for rows in by_row.values()])
    return np.asarray(np.abs(means), np.float64)


def _floor(nulls: Doubles, samples: Doubles, names: Sequence[str], own: int) -> dict[str, float]:
    """What a random direction of the same strength changes, per unit of this row's change of the target."""
    moved = abs(float(samples[:, own].mean()))
    if not len(nulls) or moved == 0:
        return {}
    levels = nulls.mean(axis=0) / moved
    return {name: float(levels[i]) for i, name in enumerate(names) if i != own}


def _with_leak(summary: Summary, table: Sequence[Summary]) -> Summary:
    truth = next((one for one in table if one.row == TRUTH), None)
    own = truth.dependency if truth is not None else {}
    distances = [
        abs(one.mean - (own[name].mean if name in own else 0.0)) for name, one in summary.dependency.items()
    ]
    return replace(summary, leak_mean=float(np.mean(distances)) if distances else None)


# ---- for people


def markdown(summaries: Sequence[Summary], head: Sequence[str]) -> str:
    """The report: ``head`` lines, then for each inverter and attribute one table of figures and one of dependencies."""
    lines = ["# Truth benchmark", "", *head, "", *_LEGEND, ""]
    for inverter in dict.fromkeys(one.inverter for one in summaries):
        for attribute in dict.fromkeys(one.attribute for one in summaries if one.inverter == inverter):
            rows = [one for one in summaries if (one.inverter, one.attribute) == (inverter, attribute)]
            lines += [f"## {attribute}, inverter {inverter} ({rows[0].shots} shots)", "", *_figures(rows), ""]
            lines += [*_dependencies(rows), ""]
    return "\n".join(lines)


_LEGEND = (
    "Edit gain: 0 = did nothing, 1 = the truth, negative = harm; inside: where the edit may act. Share: the target's",
    "change over the truth's, as the grader reads both. Leak: mean distance of the other attributes' signed",
    "dependencies from the truth's own; largest dependency with its sign. Outside: share of the change's energy where",
    "the truth changes nothing. Flicker: relative to the plate. Jitter: unsteadiness of the edit over its size.",
    "Brackets: 95 % bootstrap intervals over shots. In the second table every number is the change of that attribute",
    "per unit of the target's, in standard deviations; a star marks one whose interval excludes 0 and that exceeds",
    "what random directions of that strength do.",
)


_TITLES = ("row", "sigma", "edit gain", "gain inside", "minus shipped", "share", "leak", "largest", *OTHERS)


def _figures(rows: Sequence[Summary]) -> list[str]:
    lines = ["| " + " | ".join(_TITLES) + " |", "|" + " --- |" * len(_TITLES)]
    for one in rows:
        leak = one.largest_leak
        cells = (
            one.row,
            f"{one.strength:g}" if one.strength else "",
            _interval(one.gain),
            f"{one.inside.mean:+.3f}",
            _interval(one.versus_shipped),
            _interval(one.share),
            _number(one.leak_mean),
            f"{leak[0]} {leak[1].mean:+.2f}" if leak else "",
            *(_number(one.others.get(key), 3 if key == "identity" else 2) for key in OTHERS),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _dependencies(rows: Sequence[Summary]) -> list[str]:
    told = [one for one in rows if one.dependency]
    names = list(dict.fromkeys(name for one in told for name in one.dependency))
    if not names:
        return ["No row moved the target for certain."]
    lines = ["| signed AD | " + " | ".join(names) + " |", "|" + " --- |" * (len(names) + 1)]
    for one in told:
        known = one.dependency
        cells = [_leak(known[name], one.floor.get(name, 0.0)) if name in known else "" for name in names]
        lines.append(f"| {one.row} | " + " | ".join(cells) + " |")
    return lines


def _leak(value: Estimate, floor: float) -> str:
    is_certain = (value.low > 0 or value.high < 0) and abs(value.mean) > floor
    return f"{value.mean:+.2f}{'*' if is_certain else ''}"


def _interval(value: Estimate | None) -> str:
    return "" if value is None else f"{value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def as_data(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Everything as plain data for programs; estimates of attributes as [mean, low, high]."""
    return [
        {**asdict(one), "effects": _plain(one.effects), "dependency": _plain(one.dependency)}
        for one in summaries
    ]


def _plain(values: Mapping[str, Estimate]) -> dict[str, list[float]]:
    return {name: value.rounded() for name, value in values.items()}
