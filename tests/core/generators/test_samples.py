"""Seeded latents: repeatable, whatever the batch, and of real classes where there are classes."""

from __future__ import annotations

import pytest
import torch
from lineament.core.generators import samples
from lineament.core.generators.samples import sample_latents
from lineament.core.generators.stylegan2 import StyleGAN2Config
from lineament.core.generators.tiny import build_tiny

CONDITIONAL = StyleGAN2Config(12, 3, 10, 8, {4: 8, 8: 6}, num_mapping_layers=3, mapping_lr=0.02)


def test_when_drawn_again_or_in_other_batches_then_the_latents_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = build_tiny(config=CONDITIONAL)
    first = sample_latents(generator, 50)
    assert first.shape == (50, 10)
    assert torch.equal(sample_latents(generator, 50), first)
    monkeypatch.setattr(samples, "BATCH", 7)
    assert torch.allclose(sample_latents(generator, 50), first, atol=1e-6)
    assert not torch.allclose(sample_latents(generator, 50, seed=1), first, atol=1e-2)


def test_when_the_network_is_conditional_then_every_class_is_drawn() -> None:
    generator = build_tiny(config=CONDITIONAL)
    drawn = torch.randn(60, 12, generator=(random := torch.Generator().manual_seed(0)))
    classes = torch.randint(3, (60,), generator=random)
    expected = generator.mapping(drawn, torch.eye(3)[classes])
    assert set(classes.tolist()) == {0, 1, 2}
    assert torch.allclose(sample_latents(generator, 60), expected, atol=1e-6)


def test_when_the_network_has_no_classes_then_its_mapping_is_what_is_sampled() -> None:
    generator = build_tiny()
    z = torch.randn(20, generator.z_dim, generator=torch.Generator().manual_seed(3))
    assert torch.equal(sample_latents(generator, 20, seed=3), generator.map(z)[:, 0])
