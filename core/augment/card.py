"""The card of a set, as Hugging Face shows it: what is in it, what was left out, who may use it for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .draws import Draws
from .filters import Limits

Row = Mapping[str, Any]
_BINS = 6
_BAR = 30


def dataset_card(
    draws: Draws,
    limits: Limits,
    accepted: Sequence[Row],
    rejected: Sequence[Row],
    refused: Sequence[Row],
    model: Mapping[str, str],
    *,
    is_packed: bool = False,
) -> str:
    """Markdown with front matter. ``accepted`` are rows of the table, ``rejected`` records with reasons, ``refused``
    pictures that gave nothing; ``model`` has ``name``, ``licence`` and ``sha256``; ``is_packed`` tells of shards."""
    sources = len({row["source"] for row in accepted})
    parts = [
        _front(len(accepted), is_packed=is_packed),
        "# Edited pictures of one person\n",
        f"{len(accepted)} pictures from {sources} photographs or frames, edited with Lineament along directions in the "
        f"latent space of the model *{model['name']}* (licence of the weights: {model['licence']}; SHA-256 of its "
        f"files {model['sha256'][:16]}). Every picture whose `synthetic` is true **is synthetic** and says so in "
        "its header, with its source, model and strengths.\n",
        "## Strengths\n",
        "In standard deviations of the model's latents; "
        + (
            "drawn anew for every picture."
            if draws.is_per_image
            else "variant k has the same ones on every picture."
        )
        + f" Seed {draws.seed}.\n",
        *(_histogram(name, accepted) for name in draws.limits()),
        "## What was left out\n",
        _left_out(rejected, refused),
        "Limits of the filters:\n",
        "\n".join(f"- `{name}`: {value}" for name, value in asdict(limits).items()) + "\n",
        "## Use and limits\n",
        "- The person shown must have agreed to being edited and to what is trained with this set. Nothing here checks "
        "that.\n"
        "- Edits carry the model's errors and its idea of an attribute; a network trained on them learns these. Keep "
        "unedited pictures for testing.\n"
        "- Attribute strengths are causes, not labels: +2 of age is the same step for all, not the same age.\n",
        "`metadata.jsonl` has a line a picture, `rejected.jsonl` what was left out and why, `manifest.jsonl` what was "
        "done when.\n",
    ]
    return "\n".join(parts)


def _front(count: int, *, is_packed: bool) -> str:
    size = next((text for most, text in _SIZES if count < most), "1M<n")
    return (
        "---\nannotations_creators: [machine-generated]\ntask_categories: [image-classification, image-to-image]\n"
        f"tags: [synthetic, faces, lineament]\nsize_categories: [{size}]\nlicense: other\n"
        f"{_SHARDS if is_packed else _FILES}---\n"
    )


_FILES = """configs:
- config_name: default
  data_files:
  - split: train
    path: [metadata.jsonl, "pictures/**"]
"""
_SHARDS = """configs:
- config_name: default
  data_files:
  - split: train
    path: "data/*.tar"
"""
"""Which files are the data, for ``datasets.load_dataset`` on the folder: not the manifest, not the contact sheet."""
_SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def _histogram(name: str, rows: Sequence[Row]) -> str:
    values = [float(row[f"strength_{name}"]) for row in rows if f"strength_{name}" in row]
    if not values:
        return f"`{name}`: no picture passed.\n"
    low, high = min(values), max(values)
    if low == high:
        return f"`{name}`: {low:+g} on {len(values)} pictures.\n"
    width = (high - low) / _BINS
    counts = Counter(min(_BINS - 1, int((value - low) / width)) for value in values)
    most = max(counts.values())
    lines = [
        f"{low + index * width:+7.2f} .. {low + (index + 1) * width:+6.2f}  "
        f"{'#' * round(_BAR * counts[index] / most):<{_BAR}} {counts[index]}"
        for index in range(_BINS)
    ]
    return f"`{name}`:\n\n```\n" + "\n".join(lines) + "\n```\n"


def _left_out(rejected: Sequence[Row], refused: Sequence[Row]) -> str:
    if not rejected and not refused:
        return "Nothing.\n"
    causes = Counter(str(reason).split(" ")[0] for row in rejected for reason in row["rejected"])
    lines = [f"- {len(rejected)} edited pictures, by the first word of the reason: "] if rejected else []
    if rejected:
        lines[0] += ", ".join(f"{name} {count}" for name, count in sorted(causes.items())) + "."
    if refused:
        lines.append(f"- {len(refused)} pictures without a usable face, or unreadable.")
    return "\n".join(lines) + "\n"
