"""Pictures of what a trained model can do, to be looked at: reconstructions, samples, edits, sweeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..directions.library import DirectionLibrary, load_library
from ..generators.package import load_package
from ..inversion.encoder_net import EncoderNet
from ..preview import Tile, sheet
from .faces_data import FacesData

Picture = npt.NDArray[np.uint8]


def to_pictures(images: Tensor) -> list[Picture]:
    """(B, 3, R, R) in [-1, 1] -> (R, R, 3) uint8 each."""
    scaled = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [np.ascontiguousarray(picture) for picture in scaled.permute(0, 2, 3, 1).numpy()]


def tile_rows(pictures: Sequence[Picture], columns: int, labels: Sequence[str] = ()) -> list[list[Tile]]:
    """Pictures in reading order as rows of tiles."""
    names = list(labels) or [""] * len(pictures)
    tiles = [Tile(picture, label) for picture, label in zip(pictures, names, strict=True)]
    return [tiles[i : i + columns] for i in range(0, len(tiles), columns)]


def write_sheets(folder: Path, package_folder: Path, data: FacesData, library: DirectionLibrary) -> None:
    """Write recon.png, samples.png, edits.png and sweeps.png from the saved package and held-out renders."""
    folder.mkdir(parents=True, exist_ok=True)
    package = load_package(package_folder)
    generator = package.generator
    encoder = EncoderNet.from_tensors(package.tensors("encoder.safetensors")).eval()
    rows = data.train_count + np.arange(24) % data.held_out
    target = torch.from_numpy(data.images[rows].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        ws = encoder(target)[:, None].expand(-1, generator.num_ws, -1)
        drawn = to_pictures(generator.synthesise(ws))
        z = torch.randn(32, generator.z_dim, generator=torch.Generator().manual_seed(1))
        samples = to_pictures(generator.synthesise(generator.map(z, truncation=0.9)))
    pairs: list[list[Tile]] = []
    for start in range(0, 24, 12):
        chunk = slice(start, start + 12)
        pairs.append([Tile(picture, "render") for picture in data.images[rows[chunk]]])
        pairs.append([Tile(picture, "reconstruction") for picture in drawn[chunk]])
    sheet(pairs, tile_height_px=128, title="held-out renders through the encoder").save(folder / "recon.png")
    sheet(tile_rows(samples, 8), tile_height_px=128, title="samples, truncation 0.9").save(
        folder / "samples.png"
    )
    write_edit_sheets(folder, generator.synthesise, ws.clone(), data.images[rows], library)


def write_edit_sheets(
    folder: Path, synthesise: object, ws: Tensor, renders: Picture, library: DirectionLibrary
) -> None:
    """edits.png: every attribute at +3 sigma on six faces; sweeps.png: every attribute from -4 to 4 on one face."""
    assert callable(synthesise)
    edits = []
    for face in range(6):
        row = [Tile(renders[face], "render"), Tile(to_pictures(synthesise(ws[face : face + 1]))[0], "recon")]
        for direction in library.directions:
            moved = ws[face : face + 1] + 3.0 * torch.from_numpy(direction.delta)
            row.append(Tile(to_pictures(synthesise(moved))[0], f"{direction.name} +3"))
        edits.append(row)
    sheet(edits, tile_height_px=128, title="edits at +3 sigma").save(folder / "edits.png")
    sweeps = []
    for i, direction in enumerate(library.directions):
        face = 6 + i % 6
        row = [Tile(renders[face], "render")]
        for strength in (-4, -3, -2, -1, 0, 1, 2, 3, 4):
            moved = ws[face : face + 1] + float(strength) * torch.from_numpy(direction.delta)
            row.append(Tile(to_pictures(synthesise(moved))[0], f"{direction.name} {strength:+d}"))
        sweeps.append(row)
    sheet(sweeps, tile_height_px=128, title="sweeps in sigma").save(folder / "sweeps.png")


def write_evidence(folder: Path, package_folder: Path, data: FacesData, grading: FacesData) -> None:
    """Write interpolation.png, worst.png and pairs.png: what lies between faces, what fails, and edits beside truth."""
    folder.mkdir(parents=True, exist_ok=True)
    package = load_package(package_folder)
    encoder = EncoderNet.from_tensors(package.tensors("encoder.safetensors")).eval()
    synthesise = package.generator.synthesise

    def codes(images: Picture) -> Tensor:
        seen = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        return encoder(seen)[:, None].expand(-1, package.generator.num_ws, -1)  # type: ignore[no-any-return]

    with torch.inference_mode():
        renders = data.images[data.train_count :]
        renders = renders[np.arange(max(12, len(renders))) % len(renders)]
        ws = codes(renders[:12])
        rows = []
        for i in range(0, 12, 2):
            steps = [torch.lerp(ws[i], ws[i + 1], t) for t in torch.linspace(0, 1, 9)]
            tiles = [Tile(picture) for picture in to_pictures(synthesise(torch.stack(steps)))]
            rows.append([Tile(renders[i], "render"), *tiles, Tile(renders[i + 1], "render")])
        sheet(rows, tile_height_px=96, title="between two faces, straight in W").save(
            folder / "interpolation.png"
        )
        drawn = np.concatenate(
            [to_pictures(synthesise(codes(chunk))) for chunk in np.array_split(renders, 8)]
        )
        wrong = ((drawn.astype(np.float32) - renders) ** 2).mean((1, 2, 3))
        worst = np.argsort(wrong)[::-1][:12]
        rows = [
            [Tile(renders[i], f"{10 * np.log10(255**2 / wrong[i]):.1f} dB") for i in worst],
            [Tile(drawn[i], "reconstruction") for i in worst],
        ]
        sheet(rows, tile_height_px=96, title="the twelve worst held-out faces").save(folder / "worst.png")
        write_pairs(folder / "pairs.png", grading, codes, synthesise, load_library(package))


def write_pairs(
    path: Path,
    grading: FacesData,
    codes: Callable[[Picture], Tensor],
    synthesise: Callable[[Tensor], Tensor],
    library: DirectionLibrary,
    faces: int = 4,
) -> None:
    """For every direction found from pairs, on families kept for grading: render, its reconstruction, the rendered
    change, the drawn one at the same change of the label."""
    rows = []
    for direction in library.directions:
        unit = direction.card.get("label_per_sigma")
        if not unit:
            continue
        pairs = grading.pairs.of(direction.card["column"])
        if len(pairs.base) < faces:
            continue
        row = []
        for base, member, delta in zip(
            pairs.base[:faces], pairs.member[:faces], pairs.delta[:faces], strict=True
        ):
            w = codes(grading.images[base : base + 1])
            moved = w + float(delta) / unit * torch.from_numpy(direction.delta)
            drawn = to_pictures(synthesise(torch.cat([w, moved])))
            row += [
                Tile(grading.images[base], "render"),
                Tile(drawn[0], "drawn"),
                Tile(grading.images[member], f"truth {delta:+.2g}"),
                Tile(drawn[1], direction.name),
            ]
        rows.append(row)
    if rows:
        sheet(rows, tile_height_px=80, title="edits beside their truth, faces never trained on").save(path)
