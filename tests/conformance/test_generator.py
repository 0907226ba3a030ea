"""The Generator protocol, asked of every network that can be loaded: tiny, default, all goldens."""

from __future__ import annotations

import pytest
import torch
from lineament.core.generators.package import load_model
from lineament.core.importers.checkpoint import import_checkpoint

GOLDEN = ["sg2_small.pkl", "sg2_small_ada.pkl", "sg2_small_ada_p3.pkl", "sg2_small_clamp.pkl"]
GOLDEN += ["ros_small.pt", "ros_small_legacy.pt", "ros_small_train.pt", "ros_from_sg2.pt"]
TOLERANCE = 1e-5  # of the largest magnitude: a batch may be summed in another order


@pytest.fixture(scope="module", params=["tiny", "default", *GOLDEN])
def generator(request, tmp_path_factory):
    name = request.param
    if name in GOLDEN:
        folder = tmp_path_factory.mktemp("conformance") / name
        import_checkpoint(request.getfixturevalue("shared_data") / "golden" / name, folder)
        name = folder
    return load_model(name)


@pytest.fixture
def ws(generator):
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(4))
    return generator.map(z)


def largest_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def test_when_asked_then_id_and_sizes_are_plain_and_consistent(generator, ws):
    assert len(generator.id) == 16 and int(generator.id, 16) >= 0
    assert generator.num_ws == 2 * (generator.resolution.bit_length() - 1) - 2
    assert ws.shape == (2, generator.num_ws, generator.w_dim) and ws.dtype == torch.float32


def test_when_synthesised_then_the_picture_is_finite_rgb_of_the_resolution(generator, ws):
    picture = generator.synthesise(ws)
    assert picture.shape == (2, 3, generator.resolution, generator.resolution)
    assert picture.dtype == torch.float32 and bool(torch.isfinite(picture).all())
    assert float(picture.std()) > 0


def test_when_synthesised_twice_then_the_pictures_are_bit_equal(generator, ws):
    assert torch.equal(generator.synthesise(ws), generator.synthesise(ws))


def test_when_latents_differ_then_the_pictures_differ(generator, ws):
    first, second = generator.synthesise(ws)
    assert not torch.equal(first, second)


def test_when_synthesised_one_by_one_then_it_equals_the_batch(generator, ws):
    batch = generator.synthesise(ws)
    for index in range(2):
        alone = generator.synthesise(ws[index : index + 1])
        assert largest_error(alone[0], batch[index]) <= TOLERANCE


def test_when_differentiated_then_every_row_of_ws_gets_a_finite_gradient(generator, ws):
    latent = ws.clone().requires_grad_(True)
    generator.synthesise(latent).square().mean().backward()
    assert latent.grad is not None and bool(torch.isfinite(latent.grad).all())
    assert bool((latent.grad.abs().amax(dim=(0, 2)) > 0).all())


def test_when_synthesised_from_styles_then_it_equals_the_picture_from_ws(generator, ws):
    styles = generator.styles(ws)
    assert all(style.ndim == 2 and style.shape[0] == 2 for style in styles)
    assert torch.equal(generator.synthesise_from_styles(styles), generator.synthesise(ws))


def test_when_truncated_then_the_algebra_of_psi_and_cutoff_holds(generator):
    z = torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(6))
    free, centre = generator.map(z), generator.map(z, truncation=0.0)
    half = generator.map(z, truncation=0.5)
    assert torch.allclose(centre, centre[:1, :1].expand_as(centre))
    assert torch.allclose(half, (free + centre) / 2, atol=1e-5)
    partly = generator.map(z, truncation=0.5, cutoff=2)
    assert torch.equal(partly[:, 2:], free[:, 2:]) and torch.equal(partly[:, :2], half[:, :2])


def test_when_the_latent_has_another_shape_then_the_caller_is_told(generator, ws):
    with pytest.raises(ValueError, match="ws has shape"):
        generator.synthesise(ws[:, 1:])
    with pytest.raises(ValueError, match="z has shape"):
        generator.map(torch.zeros(1, generator.z_dim + 1))
