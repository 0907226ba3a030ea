"""``import_checkpoint``: one foreign file in, one model package out, or a one-line refusal and nothing at
all.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from ..errors import GeneratorError
from ..generators.base import GeneratorCard
from ..generators.package import save_package
from ..generators.samples import SAMPLES_SEED, sample_latents
from ..generators.stylegan2 import StyleGAN2
from .container import LEGACY_START, ZIP_START
from .layout import Checkpoint, check_tensors, config_from_tensors
from .nvidia import read_nvidia
from .opcodes import quote, refuse
from .rosinality import read_rosinality

MAX_FILE_BYTES = 4 << 30
AVERAGE_SAMPLES = 10_000


def import_checkpoint(
    file: str | Path, folder: str | Path, *, name: str | None = None, licence: str = "unknown"
) -> GeneratorCard:
    """Convert an NVIDIA ``.pkl`` or rosinality ``.pt`` checkpoint into the model package ``folder``.

    The file's contents decide its kind, not its suffix. ``name`` defaults to the folder's name. Nothing
    stored in the file is executed; ``folder`` must not exist yet and appears complete or not at all. Raises
    GeneratorError for files that are missing, damaged, hostile, of another family, or not one complete
    StyleGAN2.
    """
    file, folder = Path(file), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GeneratorError(
            f"{folder} already exists.",
            where=file.name,
            remedy="Choose another folder, or remove this one first.",
        )
    data = _read(file)
    where = quote(file.name)
    checkpoint = _parse(data, where)
    generator, notes = _build(checkpoint, len(data), where)
    provenance = {
        "file": file.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        **checkpoint.notes,
        **notes,
    }
    return save_package(
        folder,
        generator,
        name=name or folder.name,
        encoding="srgb",
        alignment={"resolution": generator.resolution, "scale": 1.0, "shift": 0.1},
        licence=licence,
        provenance=provenance,
    )


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise refuse(
                f"The file has {size} bytes; more than {MAX_FILE_BYTES} is no generator.", quote(file.name)
            )
        return file.read_bytes()
    except OSError as err:
        raise GeneratorError(
            f"The checkpoint {quote(str(file))} cannot be read: {err.strerror}.", remedy="Check the path."
        ) from err


def _parse(data: bytes, where: str) -> Checkpoint:
    if data.startswith((ZIP_START, LEGACY_START)):
        return read_rosinality(data, where)
    if data[:1] == b"\x80" and len(data) > 2 and data[1] in range(2, 6):
        return read_nvidia(data, where)
    kind = "is empty" if not data else f"starts with {data[:4].hex(' ')}"
    raise refuse(f"The file {kind}: it is neither an NVIDIA pickle nor a torch checkpoint.", where)


def _build(checkpoint: Checkpoint, budget: int, where: str) -> tuple[StyleGAN2, dict[str, str]]:
    """The network with all its tensors, after they were checked, and remarks on what the file did not say."""
    config = config_from_tensors(checkpoint, where)
    state, notes = dict(checkpoint.state), {}
    added = 0
    if "mapping.w_avg" not in state:
        state["mapping.w_avg"] = torch.zeros(config.w_dim)
        notes["w_avg"] = f"not in the checkpoint; mean of {AVERAGE_SAMPLES} latents, seed {SAMPLES_SEED}"
        added += config.w_dim
    if not any(key.endswith("noise_const") for key in state):  # a network that was trained without noise
        for r in config.resolutions:
            for layer in ("conv1",) if r == 4 else ("conv0", "conv1"):
                state[f"synthesis.b{r}.{layer}.noise_const"] = torch.zeros(r, r)
                state[f"synthesis.b{r}.{layer}.noise_strength"] = torch.zeros(())
        notes["noise"] = "the network has none; stored as zeros"
    if "noise" in notes or "noise" in checkpoint.notes:
        added += sum(2 * r * r + 2 for r in config.resolutions)
    check_tensors(state, config, budget=budget + 4 * added, where=where)
    generator = StyleGAN2(config)
    generator.load_state_dict({key: value.to(torch.float32) for key, value in state.items()})
    generator.requires_grad_(False).eval()
    if "w_avg" in notes:
        average = sample_latents(generator, AVERAGE_SAMPLES).double().mean(dim=0)
        generator.mapping.w_avg.copy_(average.float())
    return generator, notes
