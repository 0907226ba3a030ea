"""What is opened once for a shot: the model, its directions, and the ways to find and invert faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from .curve import Curve, curve_named
from .devices import choose_device
from .directions.library import DirectionLibrary, load_library
from .errors import FaceError, GeneratorError, RecipeError
from .faces.base import Alignment, FaceLocator
from .faces.mediapipe import MediaPipeLocator
from .faces.network import NetworkLocator, Segmenter
from .faces.track import TrackLocator
from .generators.package import ModelPackage, load_package
from .generators.stylegan2 import StyleGAN2
from .inversion.base import Inverter
from .inversion.encoder import EncoderInverter
from .inversion.encoder_net import EncoderNet
from .inversion.loss import WStatistics
from .inversion.optimise import OptimiseInverter
from .latent_cache import CachedInverter, LatentCache
from .scorer import ScorerNet

INVERTERS = ("encoder", "optimise")
LOCATORS = ("auto", "network", "track", "mediapipe")
FFHQ = Alignment(resolution=0)
STATISTICS_SAMPLES = 4096


@dataclass(frozen=True)
class ToolOptions:
    """What to open. ``track`` is a JSON file, ``ocio`` a config, ``cache`` a folder for latents ("": none)."""

    model: str = "default"
    inverter: str = "encoder"
    device: str = "cpu"
    track: str = ""
    locator: str = "auto"
    ocio: str = ""
    cache: str = ""


@dataclass(frozen=True)
class Tools:
    """Everything ``render_frame`` needs besides the frame and the recipe."""

    package: ModelPackage
    generator: StyleGAN2
    alignment: Alignment
    curve: Curve
    locator: FaceLocator
    segmenter: Segmenter | None
    inverter: Inverter
    library: DirectionLibrary
    device: str = "cpu"
    ocio: str = ""


def open_tools(options: ToolOptions) -> Tools:
    """Load and connect everything. Raises GeneratorError, DeviceError, FaceError or RecipeError."""
    device = choose_device(options.device)
    package = load_package(options.model)
    generator = package.generator.to(device)
    faces = package if package.has("locator.safetensors") else load_package("default")
    inverter = build_inverter(package, generator, options.inverter, device)
    if options.cache:
        inverter = CachedInverter(inverter, LatentCache(Path(options.cache)), generator.id)
    segmenter = (
        Segmenter(faces.tensors("segmenter.safetensors")) if faces.has("segmenter.safetensors") else None
    )
    return Tools(
        package=package,
        generator=generator,
        alignment=alignment_of(package),
        curve=curve_named(package.card.encoding),
        locator=build_locator(faces, options),
        segmenter=segmenter,
        inverter=inverter,
        library=load_library(package),
        device=device,
        ocio=options.ocio,
    )


def alignment_of(package: ModelPackage) -> Alignment:
    """How the model wants faces framed: its card's word, or FFHQ's alignment for imported models."""
    told = package.card.alignment
    return Alignment(
        package.card.resolution,
        scale=float(told.get("scale", FFHQ.scale)),
        shift=float(told.get("shift", FFHQ.shift)),
    )


def build_locator(package: ModelPackage, options: ToolOptions) -> FaceLocator:
    """The locator of the options; "auto" takes the track if there is one, else the model's network."""
    kind = options.locator
    if kind not in LOCATORS:
        raise RecipeError(f'Unknown locator "{kind}".', remedy=f"Choose one of {', '.join(LOCATORS)}.")
    if kind == "auto":
        kind = "track" if options.track else "network"
    if kind == "track":
        if not options.track:
            raise FaceError(
                "The locator is a track, but no track was named.", remedy="Add --track FILE.json."
            )
        return TrackLocator.from_file(Path(options.track))
    if kind == "mediapipe":
        return MediaPipeLocator()
    return NetworkLocator(package.tensors("locator.safetensors"))


def build_inverter(package: ModelPackage, generator: StyleGAN2, kind: str, device: str) -> Inverter:
    """The inversion method by name. Raises GeneratorError if the model lacks what the method needs."""
    if kind not in INVERTERS:
        raise RecipeError(f'Unknown inverter "{kind}".', remedy=f"Choose one of {', '.join(INVERTERS)}.")
    encoder: EncoderInverter | None = None
    if package.has("encoder.safetensors"):
        net = EncoderNet.from_tensors(package.tensors("encoder.safetensors"))
        encoder = EncoderInverter(net, generator, device, matte=package.card.matte)
    if kind == "encoder":
        if encoder is None:
            raise GeneratorError(
                f'The model "{package.card.name}" has no encoder.',
                where=str(package.folder),
                remedy="Use --inverter optimise, which needs none.",
            )
        return encoder
    scorer = load_scorer(package)
    return OptimiseInverter(
        generator,
        w_statistics(package, generator),
        start=encoder,
        features=None if scorer is None else scorer_features(scorer.to(device)),
        device=device,
        matte=package.card.matte,
    )


def load_scorer(package: ModelPackage, name: str = "scorer") -> ScorerNet | None:
    """The model's attribute scorer, or None if it has none."""
    if not package.has(f"{name}.safetensors"):
        return None
    names = tuple(package.document("labels.json")["names"])
    return ScorerNet.from_tensors(package.tensors(f"{name}.safetensors"), names).eval().requires_grad_(False)


def scorer_features(scorer: ScorerNet) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """The scorer as a perceptual network for inversion."""
    return scorer.features


def w_statistics(package: ModelPackage, generator: StyleGAN2) -> WStatistics:
    """Where the model's latents lie: stored with it, or measured on mapped samples of a fixed seed."""
    if package.has("wstats.safetensors"):
        return WStatistics.from_tensors(package.tensors("wstats.safetensors"))
    random = torch.Generator().manual_seed(0)
    z = torch.randn(STATISTICS_SAMPLES, generator.z_dim, generator=random)
    c = torch.zeros(STATISTICS_SAMPLES, generator.c_dim) if generator.c_dim else None
    device = next(generator.parameters()).device
    with torch.inference_mode():
        ws = generator.map(z.to(device), None if c is None else c.to(device))
    return WStatistics.from_samples(ws[:, 0].cpu().double().numpy())


def describe(tools: Tools) -> str:
    """One JSON line on what was opened, for logs."""
    card = tools.package.card
    return json.dumps(
        {"model": card.name, "generator": card.id, "inverter": tools.inverter.key, "device": tools.device}
    )
