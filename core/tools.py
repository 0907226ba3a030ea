"""What is opened once for a shot: the model, its directions, and the ways to find and invert faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .curve import Curve, curve_named
from .devices import choose_device, device_errors
from .directions.library import DirectionLibrary, load_library
from .errors import FaceError, GeneratorError, RecipeError
from .faces.base import Alignment, FaceLocator, Surround
from .faces.mediapipe import MediaPipeLocator
from .faces.network import NetworkLocator, Segmenter
from .faces.track import TrackLocator
from .generators.package import CARD, ModelPackage, load_package, open_package
from .generators.package_files import package_errors
from .generators.samples import sample_latents
from .generators.stylegan2 import StyleGAN2
from .inversion.base import Inverter
from .inversion.encoder import EncoderInverter
from .inversion.encoder_net import EncoderNet
from .inversion.loss import WStatistics
from .inversion.optimise import FROM_MEAN, OptimiseInverter, OptimiseSettings
from .latent_cache import CachedInverter, LatentCache
from .refiner import RefinerNet
from .scorer import ScorerNet

INVERTERS = ("encoder", "optimise")
LOCATORS = ("auto", "network", "track", "mediapipe")
FFHQ = Alignment(resolution=0)
STATISTICS_SAMPLES = 4096
ENCODER = "encoder.safetensors"
LOCATOR = "locator.safetensors"
SEGMENTER = "segmenter.safetensors"
IDENTITY = "identity.safetensors"
REFINER = "refiner.safetensors"
REFINER_NOTE = "refiner.json"
LARGEST_REFINER = 2048
STATISTICS = "wstats.safetensors"
LABELS = "labels.json"
LARGEST = 1e3  # of the numbers of an alignment, which are about 1


@dataclass(frozen=True)
class ToolOptions:
    """What to open. ``track`` is a JSON file, ``ocio`` a config, ``cache`` a folder for latents ("": none).

    ``seed`` is the recipe's; of the tools, only inversion by optimisation draws random numbers.
    """

    model: str = "default"
    inverter: str = "encoder"
    device: str = "cpu"
    track: str = ""
    locator: str = "auto"
    ocio: str = ""
    cache: str = ""
    seed: int = 0


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
    refiner: RefinerNet | None = None


def open_tools(options: ToolOptions) -> Tools:
    """Load and connect everything. Raises GeneratorError, DeviceError, FaceError or RecipeError."""
    device = choose_device(options.device)
    package = load_package(options.model)
    with device_errors(device):
        generator = package.generator.to(device)
        inverter = build_inverter(package, generator, options.inverter, device, options.seed)
        refiner = load_refiner(package)
        refiner = None if refiner is None else refiner.to(device)
    if options.cache:
        inverter = CachedInverter(inverter, LatentCache(Path(options.cache)), generator.id)
    return Tools(
        package=package,
        generator=generator,
        alignment=alignment_of(package),
        curve=curve_named(package.card.encoding),
        locator=build_locator(package, options),
        segmenter=build_segmenter(package),
        inverter=inverter,
        library=load_library(package),
        device=device,
        ocio=options.ocio,
        refiner=refiner,
    )


def alignment_of(package: ModelPackage) -> Alignment:
    """How the model wants faces framed: its card's word, or FFHQ's alignment for imported models."""
    told = package.card.alignment
    with package_errors(str(package.folder / CARD)):
        scale, shift = (number(told, key, getattr(FFHQ, key)) for key in ("scale", "shift"))
        if scale <= 0:
            raise ValueError(f"the alignment's scale is {scale}, which is no size")
    return Alignment(package.card.resolution, scale=scale, shift=shift)


def number(values: Mapping[str, Any], key: str, default: float) -> float:
    """A number of the card's alignment. Raises ValueError for what is none, or beyond all reason."""
    value = values.get(key, default)
    if type(value) not in (int, float) or not abs(value) < LARGEST:  # NaN is not less
        raise ValueError(f"the alignment's {key} is {value!a:.40}, not a number of about 1")
    return float(value)


def package_with(package: ModelPackage, filename: str) -> ModelPackage:
    """The package itself if it has the file, else the default one, whose generator is not built for that."""
    return package if package.has(filename) else open_package("default")


def build_segmenter(package: ModelPackage) -> Segmenter | None:
    """The model's segmenter, or the default model's; None if there is neither."""
    source = package_with(package, SEGMENTER)
    return Segmenter(source.tensors(SEGMENTER)) if source.has(SEGMENTER) else None


def build_locator(package: ModelPackage, options: ToolOptions) -> FaceLocator:
    """The locator of the options; "auto" takes the track if there is one, else the network.

    The network is the model's own, or the default model's.
    """
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
    return NetworkLocator(package_with(package, LOCATOR).tensors(LOCATOR))


def build_inverter(
    package: ModelPackage, generator: StyleGAN2, kind: str, device: str, seed: int = 0
) -> Inverter:
    """The inversion method by name. Raises GeneratorError if the model lacks what the method needs.

    ``seed`` is that of the exploration noise, which the encoder does without.
    """
    if kind not in INVERTERS:
        raise RecipeError(f'Unknown inverter "{kind}".', remedy=f"Choose one of {', '.join(INVERTERS)}.")
    net = load_encoder(package)
    encoder = None if net is None else EncoderInverter(net, generator, device, matte=package.card.matte)
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
        features=None if scorer is None else scorer.to(device).features,
        settings=replace(OptimiseSettings() if encoder else FROM_MEAN, seed=seed),
        device=device,
        matte=package.card.matte,
    )


def load_encoder(package: ModelPackage) -> EncoderNet | None:
    """The model's encoder, or None if it has none."""
    if not package.has(ENCODER):
        return None
    tensors = package.tensors(ENCODER)
    with package_errors(str(package.folder / ENCODER)):
        net = EncoderNet.from_tensors(tensors)
        check_network(net, package.card.resolution, package.card.w_dim)
    return net.eval().requires_grad_(False)


def load_refiner(package: ModelPackage) -> RefinerNet | None:
    """The model's refiner, or None if it has none. Raises GeneratorError if it was made for another generator."""
    if not package.has(REFINER):
        return None
    document, tensors = package.document(REFINER_NOTE), package.tensors(REFINER)
    with package_errors(str(package.folder / REFINER_NOTE)):
        size, made_for = document["size"], document["generator_id"]
        if type(size) is not int or not 32 <= size <= LARGEST_REFINER:
            raise ValueError(f"the size {size!a:.40} is none from 32 to {LARGEST_REFINER}")
        surround = Surround(size, margins_of(document.get("margins", [0, 0, 0, 0])))
        if surround.inner % package.card.resolution:
            raise ValueError(
                f"the generator's square has {surround.inner} pixels, which is no multiple of its own "
                f"{package.card.resolution}"
            )
        if made_for != package.card.id:
            raise ValueError(f"the refiner was made for generator {made_for!a:.40}, not {package.card.id}")
    with package_errors(str(package.folder / REFINER)):
        net = RefinerNet.from_tensors(tensors, surround)
        if net.w_dim != package.card.w_dim:
            raise ValueError(f"the refiner wants steps of {net.w_dim} numbers, not {package.card.w_dim}")
        for name, tensor in net.state_dict().items():
            if not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"{name} holds NaN or infinity")
    return net.eval().requires_grad_(False)


def margins_of(values: Any) -> tuple[int, int, int, int]:
    """The margins of a refiner's note. Raises ValueError for anything but four whole numbers."""
    if not isinstance(values, list) or len(values) != 4 or any(type(value) is not int for value in values):
        raise ValueError(f"the margins {values!a:.40} are not four whole numbers")
    left, top, right, bottom = values
    return left, top, right, bottom


def load_scorer(package: ModelPackage, name: str = "scorer") -> ScorerNet | None:
    """The model's attribute scorer, or None if it has none."""
    filename = f"{name}.safetensors"
    if not package.has(filename):
        return None
    document, tensors = package.document(LABELS), package.tensors(filename)
    with package_errors(str(package.folder / LABELS)):
        names = document["names"]
        if not isinstance(names, list) or not all(isinstance(label, str) for label in names):
            raise TypeError('"names" is no list of texts')
    with package_errors(str(package.folder / filename)):
        net = ScorerNet.from_tensors(tensors, tuple(names))
        check_network(net, package.card.resolution, len(names))
    return net.eval().requires_grad_(False)


def load_identity(package: ModelPackage) -> ScorerNet | None:
    """The model's identity embedding, or None if it has none; its outputs are called identity0, identity1 and so on.

    ``standardised`` is the embedding: the cosine of two faces' tells whether they are the same person.
    """
    if not package.has(IDENTITY):
        return None
    tensors = package.tensors(IDENTITY)
    with package_errors(str(package.folder / IDENTITY)):
        names = tuple(f"identity{i}" for i in range(tensors["offset"].numel()))
        net = ScorerNet.from_tensors(tensors, names)
        check_network(net, package.card.resolution, len(names))
    return net.eval().requires_grad_(False)


def check_network(net: nn.Module, resolution: int, answers: int) -> None:
    """Raise unless the weights are finite and the network maps (1, 3, R, R) to (1, ``answers``).

    Only shapes are worked out, on torch's meta device; a network that does not fit raises RuntimeError there.
    """
    state = net.state_dict()
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds NaN or infinity")
    shapes = {name: tensor.to("meta") for name, tensor in state.items()}
    picture = torch.empty(1, 3, resolution, resolution, device="meta")
    answer = torch.func.functional_call(net, shapes, (picture,))
    if tuple(answer.shape) != (1, answers):
        raise ValueError(f"it answers {answer.shape[-1]} numbers, not {answers}")


def w_statistics(package: ModelPackage, generator: StyleGAN2) -> WStatistics:
    """Where the model's latents lie: stored with it, or measured on mapped samples of a fixed seed."""
    if not package.has(STATISTICS):
        return WStatistics.from_samples(sample_latents(generator, STATISTICS_SAMPLES).double().numpy())
    tensors = package.tensors(STATISTICS)
    with package_errors(str(package.folder / STATISTICS)):
        statistics = WStatistics.from_tensors(tensors)
        statistics.check(generator.w_dim)
    return statistics
