"""The rows of the benchmark: every way to find directions on equal terms, and rows that any of them has to beat."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lineament.core.atomic import write_atomically
from lineament.core.directions.base import DirectionFinder, LabelledLatents
from lineament.core.directions.build import SHIPPED as SPECS
from lineament.core.directions.build import AttributeSpec, build_direction
from lineament.core.directions.evaluate import random_directions
from lineament.core.directions.finders import FINDERS
from lineament.core.errors import GeneratorError, RecipeError
from lineament.core.generators.samples import sample_latents
from lineament.core.latent import Direction
from lineament.core.tools import Tools, load_encoder, load_scorer, w_statistics

NOTHING, SHIPPED, CROP_ORACLE, INVERTED_ORACLE, TRUTH = (
    "do nothing", "shipped", "oracle: truth through the crop", "oracle: truth inverted", "truth",
)  # fmt: skip
PLAIN = "shipped, generator alone"
"""The shipped direction without the refiner: what the generator by itself gives back."""
RANDOM = "random direction"
RANDOM_SEED = 7
NULL_FINDERS = ("random_direction",)
"""Finders that are null rows themselves; the benchmark draws several random directions instead of one."""

SCORER_FILE = "scorer.safetensors"
SAMPLED, SAMPLED_SEED = 3000, 11
"""Faces drawn from the model and labelled by its scorer, where no labelled renders are given."""
BATCH = 50


@dataclass(frozen=True)
class Method:
    """One row: a direction of an attribute. ``kind`` is "shipped", "plain" (without refiner), "finder" or "null"."""

    name: str
    kind: str
    direction: Direction


def spec_of(attribute: str) -> AttributeSpec:
    """The slider of that name. Raises RecipeError."""
    for spec in SPECS:
        if spec.name == attribute:
            return spec
    raise RecipeError(
        f'There is no attribute "{attribute}".', remedy=f"One of: {', '.join(spec.name for spec in SPECS)}."
    )


def labelled_latents(tools: Tools, data: Path | None, cache: Path) -> tuple[LabelledLatents, str]:
    """What directions are found from, and what that was in words.

    ``data`` is a folder of labelled renders, which the model's encoder reads; without it the model's own faces are
    labelled by its scorer. ``cache`` is a folder that keeps crops or labels. Raises GeneratorError if the model lacks
    encoder or scorer, DataError for damaged renders.
    """
    if data is None:
        return _sampled(tools, cache / "labels.npz"), f"{SAMPLED} faces of the model, labelled by its scorer"
    latents = _rendered(tools, data, cache / "faces.npz")
    return latents, f"{len(latents.w)} labelled renders, read by the model's encoder"


def _sampled(tools: Tools, cache: Path) -> LabelledLatents:
    scorer = load_scorer(tools.package)
    if scorer is None:
        raise _lacking("scorer", tools, "Give labelled renders with --data.")
    made_from = (
        f"{tools.generator.id} {tools.package.card.files.get(SCORER_FILE, '')} {SAMPLED} {SAMPLED_SEED}"
    )
    w = sample_latents(tools.generator, SAMPLED, SAMPLED_SEED)
    labels = _kept_labels(cache, made_from)
    if labels is None:
        scorer = scorer.to(tools.device)
        found = []
        with torch.inference_mode():
            for rows in torch.split(w.to(tools.device), BATCH):
                ws = rows[:, None].expand(-1, tools.generator.num_ws, -1)
                found.append(scorer(tools.generator.synthesise(ws)).float().cpu())
        labels = torch.cat(found).numpy().astype(np.float32)
        content = io.BytesIO()
        np.savez(content, labels=labels, made_from=np.array(made_from))
        write_atomically(cache, content.getvalue())
    return LabelledLatents(w.float().numpy(), labels, scorer.names, tools.generator.id)


def _kept_labels(cache: Path, made_from: str) -> npt.NDArray[np.float32] | None:
    """Labels that an earlier run made of the same faces with the same scorer, or None."""
    try:
        with np.load(cache, allow_pickle=False) as stored:
            fits = str(stored["made_from"]) == made_from
            return np.asarray(stored["labels"], np.float32) if fits else None
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
    ):  # none, or cut off: they are made again
        return None


def _rendered(tools: Tools, data: Path, cache: Path) -> LabelledLatents:
    from lineament.core.training.faces_data import LABEL_NAMES, load_faces

    encoder = load_encoder(tools.package)
    if encoder is None:
        raise _lacking("encoder", tools, "Leave --data out.")
    encoder = encoder.to(tools.device)
    faces = load_faces(data, cache, tools.alignment)
    rows = np.arange(faces.train_count)
    found = []
    with torch.inference_mode():
        for chunk in np.array_split(rows, max(1, len(rows) // BATCH)):
            images = torch.from_numpy(faces.images[chunk].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
            found.append(encoder(images.to(tools.device)).float().cpu())
    labels = faces.labels[rows]
    varies = labels.std(0) > 1e-6
    names = tuple(name for name, keep in zip(LABEL_NAMES, varies, strict=True) if keep)
    return LabelledLatents(
        torch.cat(found).numpy().astype(np.float32), labels[:, varies], names, tools.generator.id
    )


def _lacking(what: str, tools: Tools, remedy: str) -> GeneratorError:
    return GeneratorError(
        f'The model "{tools.package.card.name}" has no {what}.',
        where=str(tools.package.folder),
        remedy=remedy,
    )


def methods_for(attribute: str, data: LabelledLatents, tools: Tools, randoms: int) -> tuple[Method, ...]:
    """Every row of one attribute that has a direction: the shipped one, each finder's, and ``randoms`` random ones.

    Raises RecipeError for an attribute that the model or the labels do not have, DataError if a finder fails.
    """
    spec = spec_of(attribute)
    covariance = w_statistics(tools.package, tools.generator).covariance
    num_ws = tools.generator.num_ws

    def found(finder: DirectionFinder) -> Direction:
        return build_direction(data, covariance, spec, finder, num_ws=num_ws, seed=0, refits=0, cap=4.0)

    rows = [Method(SHIPPED, "shipped", tools.library.get(attribute))]
    if tools.refiner is not None:
        rows.append(Method(PLAIN, "plain", tools.library.get(attribute)))
    rows += [
        Method(name, "finder", found(finder)) for name, finder in FINDERS.items() if name not in NULL_FINDERS
    ]
    nulls = random_directions(
        covariance, randoms, seed=RANDOM_SEED, generator_id=tools.generator.id, num_ws=num_ws
    )
    rows += [Method(f"{RANDOM} {i + 1}", "null", null) for i, null in enumerate(nulls)]
    return tuple(rows)
