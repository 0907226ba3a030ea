"""Train the default model from labelled renders and write it as a package: one command that resumes.

Stages: crops -> joint encoder and synthesis -> scorer and grader -> mapping network -> directions -> package -> sheets.
Every stage leaves its result in the run folder; a stage whose result is there is not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..devices import choose_device
from ..directions.base import LabelledLatents
from ..directions.build import SHIPPED, TARGETS, build_library
from ..directions.counterfactual import Counterfactual, PairedLatents, slope
from ..directions.evaluate import Bench, evaluate_directions, noise_floor, random_directions, with_scores
from ..directions.library import DirectionLibrary, library_files
from ..directions.partial_effects import PartialEffects
from ..errors import DataError
from ..faces.base import Alignment
from ..generators.package import add_files, load_package, save_package
from ..inversion.loss import WStatistics
from ..scorer import ScorerNet
from ..synthetic.params import IDENTITY_DIMS
from .faces_data import LABEL_NAMES, MIRRORED, FacesData, load_faces
from .figures import held_out_figures, pair_gains
from .folded import folded_encoder, folded_scorer, halved
from .joint import JointTrainer
from .joint_model import JointModel, JointSettings
from .mapping import fit_mapping
from .profiles import profile_named
from .report import report
from .scorer import (
    GRADER,
    IDENTITY,
    ScorerSettings,
    identity_figures,
    scorer_figures,
    train_identity,
    train_scorer,
)
from .sheets import write_evidence, write_sheets

NULLS = 32
"""Random directions that a floor is the mean of; of four the floor of one attribute was off by half."""


@dataclass(frozen=True)
class TrainOptions:
    """``data`` holds the shards, ``run`` the checkpoints, ``output`` becomes the package; times are CPU minutes.

    ``start`` names a package to go on from where the run folder has no checkpoint yet, "default" for the embedded one.
    ``profile`` names the size (see profiles), ``device`` where the trunk is trained ("cpu", "cuda"); times are then
    minutes of the clock.
    """

    data: Path
    run: Path
    output: Path
    minutes: float = 90.0
    scorer_minutes: float = 7.0
    mapping_minutes: float = 2.0
    start: str = ""
    profile: str = "cpu"
    device: str = "cpu"

    @property
    def settings(self) -> JointSettings:
        """Sizes and rates."""
        return profile_named(self.profile).settings

    @property
    def alignment(self) -> Alignment:
        """The crop."""
        return profile_named(self.profile).alignment


def train(options: TrainOptions, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Run all stages and return the package folder. Raises DataError for missing or damaged data."""
    torch.set_num_threads(1)
    device = choose_device(options.device)
    data = load_faces(options.data, options.run / "crops", options.alignment)
    if not data.held_out:
        raise DataError(
            f"Of {len(data.images)} renders none is left for grading.",
            where=str(options.data),
            remedy="Render at least 200 independent faces: lineament faces dataset --n 200.",
        )
    tell(
        f"{len(data.images)} renders, {data.train_count} for training, {len(data.pairs.base)} pairs, on {device}"
    )
    trainer = JointTrainer(data, options.settings, options.run / "joint.safetensors", device)
    if trainer.resume():
        tell(f"resumed after {trainer.seconds / 60:.1f} CPU minutes")
    elif options.start:
        package = load_package(options.start)
        encoder = {name: tensor.float() for name, tensor in package.tensors("encoder.safetensors").items()}
        trainer.start_from(package.generator.state_dict(), encoder)
        tell(f"started from {package.card.name} {package.card.id}")
    for figures in trainer.run(options.minutes * 60):
        tell(json.dumps({key: round(value, 3) for key, value in figures.items()}))
    scorers = {"scorer": folded_scorer(trainer)} | {
        name: scorer_stage(options, data, name, settings, tell)
        for name, settings in (("grader", GRADER), ("identity", IDENTITY))
    }
    return export(options, data, trainer, scorers, tell)


def scorer_stage(
    options: TrainOptions, data: FacesData, name: str, settings: ScorerSettings, tell: Callable[[str], None]
) -> ScorerNet:
    """Train one scorer, or load it from the run folder."""
    path = options.run / f"{name}.safetensors"
    learn = train_identity if name == "identity" else train_scorer
    names = tuple(f"identity{i}" for i in range(IDENTITY_DIMS)) if name == "identity" else LABEL_NAMES
    made_from = json.dumps(
        {"data": data.source, "settings": asdict(settings), "minutes": options.scorer_minutes}
    )
    if path.exists():
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("made_from") == made_from:
                return ScorerNet.from_tensors(load_file(path), names).eval()
    tell(f"training the {name}")
    net = learn(data, settings, options.scorer_minutes * 60)
    temporary = path.with_suffix(".tmp")
    tensors = {key: value.contiguous() for key, value in net.state_dict().items()}
    save_file(tensors, temporary, metadata={"made_from": made_from})
    temporary.replace(path)
    return net


def encode_all(model: JointModel, data: FacesData, rows: np.ndarray[Any, Any], *, flip: bool) -> Tensor:
    """Latents (N, w_dim) of the given renders."""
    found = []
    for chunk in np.array_split(rows, max(1, len(rows) // 64)):
        images = torch.from_numpy(data.images[chunk].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        with torch.inference_mode():
            found.append(model.encode(images.flip(3) if flip else images))
    return torch.cat(found)


def labelled_latents(model: JointModel, data: FacesData, generator_id: str) -> LabelledLatents:
    """Every training render and its mirror image, with labels; this doubles the data and centres the signed ones."""
    rows = np.arange(data.train_count)
    mirror = np.array([-1.0 if name in MIRRORED else 1.0 for name in LABEL_NAMES], np.float32)
    w = torch.cat([encode_all(model, data, rows, flip=flip) for flip in (False, True)])
    labels = np.concatenate([data.labels[rows], data.labels[rows] * mirror])
    varying = labels.std(0) > 1e-6
    names = tuple(name for name, keep in zip(LABEL_NAMES, varying, strict=True) if keep)
    return LabelledLatents(w.numpy().astype(np.float32), labels[:, varying], names, generator_id)


def paired_names(data: FacesData) -> tuple[str, ...]:
    """The attributes that have pairs."""
    return tuple(LABEL_NAMES[column] for column in np.unique(data.pairs.attribute))


def paired_latents(model: JointModel, data: FacesData, name: str) -> PairedLatents:
    """The training pairs of one attribute as latents."""
    pairs = data.pairs.of(name)
    step = encode_all(model, data, pairs.member, flip=False) - encode_all(model, data, pairs.base, flip=False)
    return PairedLatents(step.numpy(), pairs.delta, (name,) * len(pairs.delta))


def export(
    options: TrainOptions,
    data: FacesData,
    trainer: JointTrainer,
    scorers: dict[str, ScorerNet],
    tell: Callable[[str], None],
) -> Path:
    """Fit the mapping, save the package, find and grade the directions, draw the sheets."""
    model = trainer.average.eval().cpu()
    grading = load_faces(options.data, options.run / "crops", options.alignment, "grade")
    w = encode_all(model, data, np.arange(data.train_count), flip=False).double().numpy()
    statistics = WStatistics.from_samples(w)
    tell("fitting the mapping network")
    generator = model.generator
    generator.mapping.requires_grad_(True)
    fit = fit_mapping(
        generator, statistics.mean, statistics.covariance, budget_s=60 * options.mapping_minutes
    )
    figures = held_out_figures(model, data)
    metrics: dict[str, Any] = {
        "held_out": {key: round(value, 4) for key, value in figures.items()},
        "held_out_count": len(data.images) - data.train_count,
        "images_seen": trainer.steps * options.settings.batch,
        "cpu_seconds": round(trainer.seconds),
        "mapping": {key: round(value, 4) for key, value in asdict(fit).items()},
        "scorer": scorer_figures(scorers["scorer"], data),
        "grader": scorer_figures(scorers["grader"], data),
        "identity": identity_figures(scorers["identity"], grading),
    }
    steps = {name: slope(*paired_latents(model, data, name).of(name)) for name in paired_names(data)}
    metrics["pair_gain"] = {
        key: round(value, 4)
        for key, value in pair_gains(
            model, grading, {name: torch.from_numpy(step).float() for name, step in steps.items()}
        ).items()
    }
    tell(json.dumps(metrics["pair_gain"]))
    write_package(options, model, statistics, scorers, metrics, list(data.keys[data.train_count :]))
    library = find_directions(options.output, model, data, statistics, scorers["grader"], tell)
    write_sheets(options.run / "sheets", options.output, data, library)
    write_evidence(options.run / "sheets", options.output, data, grading)
    tell("measuring")
    add_files(options.output, metrics={"report": report(load_package(options.output), data)})
    tell(f"package written to {options.output.name}; sheets in {options.run.name}/sheets")
    return options.output


def write_package(
    options: TrainOptions,
    model: JointModel,
    statistics: WStatistics,
    scorers: dict[str, ScorerNet],
    metrics: dict[str, Any],
    held_out: list[str],
) -> None:
    """Save generator, encoder, scorers and W's statistics, all but the last in half precision."""
    locator_tensors, locator_documents = keep_foreign_files(options.output)
    save_package(
        options.output,
        model.generator,
        name="facekit",
        encoding="lineament-709",
        alignment=asdict(options.alignment),
        matte=True,
        licence="CC0-1.0",
        provenance={
            "data": "renders of the CC0 MakeHuman/MPFB head; no photographs",
            "settings": asdict(options.settings),
            "command": "lineament train default",
        },
        metrics=metrics,
        tensors={
            "encoder.safetensors": halved(folded_encoder(model).state_dict()),
            **{f"{name}.safetensors": halved(net.state_dict()) for name, net in scorers.items()},
            "wstats.safetensors": {
                "mean": torch.from_numpy(statistics.mean).float(),
                "covariance": torch.from_numpy(statistics.covariance).float(),
            },
            **locator_tensors,
        },
        documents={
            "labels.json": {"names": list(LABEL_NAMES)},
            "held_out.json": {"keys": held_out},
            **locator_documents,
        },
        half=True,
        overwrite=True,
    )


def keep_foreign_files(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Files of an existing package that other commands make (locator, segmenter): they are carried over."""
    tensors = {
        name: load_file(folder / name)
        for name in ("locator.safetensors", "segmenter.safetensors")
        if (folder / name).exists()
    }
    documents = {
        name: json.loads((folder / name).read_text())
        for name in ("locator_metrics.json",)
        if (folder / name).exists()
    }
    return tensors, documents


def find_directions(
    folder: Path,
    model: JointModel,
    data: FacesData,
    statistics: WStatistics,
    grader: ScorerNet,
    tell: Callable[[str], None],
) -> DirectionLibrary:
    """Directions of the shipped attributes, graded on held-out faces by the grader, saved into the package.

    From counterfactual pairs where the data has them for the attribute, by partial effects elsewhere.
    """
    package = load_package(folder)
    labelled = labelled_latents(model, data, package.card.id)
    pairs = PairedLatents.joined([paired_latents(model, data, name) for name in paired_names(data)])
    library = build_library(
        labelled,
        statistics.covariance,
        SHIPPED,
        PartialEffects(),
        num_ws=package.card.num_ws,
        instead=dict.fromkeys(paired_names(data), Counterfactual(pairs)),
    )
    rows = np.arange(data.train_count, len(data.images))[:64]
    start = encode_all(model, data, rows, flip=False)[:, None].expand(-1, package.card.num_ws, -1)
    names = tuple(dict.fromkeys((*TARGETS.values(), "yaw", "pitch", "light_elevation")))
    columns = [LABEL_NAMES.index(name) for name in names]
    train_labels = data.labels[: data.train_count]
    bench = Bench(
        start.contiguous(),
        lambda ws: package.generator.synthesise(ws, "none"),
        lambda images: grader(images)[:, columns],
        names,
        spread=train_labels[:, columns].std(0).astype(np.float64),
    )
    tell("grading directions")
    reports = evaluate_directions(library.directions, bench, TARGETS, step=2.0)
    nulls = random_directions(
        statistics.covariance, NULLS, generator_id=package.card.id, num_ws=package.card.num_ws, seed=5
    )
    floor = noise_floor(nulls, bench, step=2.0)
    library = with_scores(library, reports, floor)
    add_files(folder, **library_files(library))
    for one in reports:
        leak = f"largest leak {one.leak_largest:.2f} ({one.leak_name})"
        tell(f"{one.name:12s} {one.target_effect.mean:+.2f} sd per sigma, {leak}")
    return library
