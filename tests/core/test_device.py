"""Devices: what is missing is said at once, and a card draws what the processor draws."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from lineament.core.devices import choose_device, device_errors
from lineament.core.errors import DeviceError
from lineament.core.generators.tiny import build_tiny


def test_when_the_processor_is_asked_for_then_it_is_given() -> None:
    assert choose_device("cpu") == "cpu"


def test_when_a_device_is_misspelt_then_the_choices_are_told() -> None:
    with pytest.raises(DeviceError, match=r'Unknown device "gpu".*"cuda"'):
        choose_device("gpu")


def test_when_no_such_card_exists_then_the_processor_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r'"cuda" is not available.*--device cpu'):
        choose_device("cuda")
    assert choose_device("auto") == "cpu"


def test_when_a_numbered_card_is_beyond_the_last_then_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(DeviceError, match="cuda:2"):
        choose_device("cuda:2")


FLAGS = (
    (torch.backends.cuda.matmul, "allow_tf32", False),
    (torch.backends.cudnn, "allow_tf32", False),
    (torch.backends.cudnn, "deterministic", True),
    (torch.backends.cudnn, "benchmark", False),
)


@pytest.fixture
def loose_flags() -> Iterator[None]:
    """Torch as fast and inexact as it can be; afterwards as it was."""
    before = [getattr(module, name) for module, name, _ in FLAGS]
    for module, name, wanted in FLAGS:
        setattr(module, name, not wanted)
    yield
    for (module, name, _), value in zip(FLAGS, before, strict=True):
        setattr(module, name, value)


@pytest.mark.parametrize("name", ["cuda", "auto"])
def test_when_a_card_is_chosen_then_torch_is_exact_and_repeatable(
    monkeypatch: pytest.MonkeyPatch, loose_flags: None, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device(name) == "cuda"
    assert [getattr(module, flag) for module, flag, _ in FLAGS] == [wanted for _, _, wanted in FLAGS]


def test_when_memory_runs_out_then_it_is_our_error() -> None:
    with pytest.raises(DeviceError, match="Out of memory on cuda:0"), device_errors("cuda:0"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def test_when_the_processor_has_no_memory_then_it_is_our_error() -> None:
    with pytest.raises(DeviceError, match="Out of memory on the processor"), device_errors("cpu"):
        torch.empty(1 << 58, dtype=torch.uint8)


def test_when_torch_fails_otherwise_then_its_error_stays() -> None:
    with pytest.raises(RuntimeError, match="shapes"), device_errors("cpu"):
        torch.ones(2, 3) @ torch.ones(2, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_when_a_card_synthesises_then_it_agrees_with_the_processor() -> None:
    device = choose_device("cuda")
    generator = build_tiny()
    ws = generator.map(torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        expected = generator.synthesise(ws)
        found = generator.to(device).synthesise(ws.to(device)).cpu()
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
