"""What a generator is known by, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lineament.core.generators.package import load_package
from lineament.core.generators.stylegan2 import generator_id
from lineament.core.generators.tiny import TINY_CONFIG, build_tiny
from lineament.core.importers.checkpoint import import_checkpoint


def test_when_only_the_clamp_differs_then_the_ids_differ() -> None:
    state = build_tiny().state_dict()
    assert len({generator_id(state), generator_id(state, 256.0), generator_id(state, 1.5)}) == 3
    clamped = build_tiny(config=replace(TINY_CONFIG, conv_clamp=1.5))
    assert clamped.id == generator_id(state, 1.5) != build_tiny().id


def test_when_two_goldens_share_weights_but_not_the_clamp_then_a_latent_cannot_be_mixed_up(
    shared_data: Path, tmp_path: Path
) -> None:
    ids = [
        import_checkpoint(shared_data / "golden" / f"{name}.pkl", tmp_path / name).id
        for name in ("sg2_small", "sg2_small_ada", "sg2_small_clamp")
    ]
    assert ids[0] == ids[1] != ids[2]
    assert load_package(tmp_path / "sg2_small_clamp").generator.id == ids[2]


def test_when_styles_end_with_a_coarse_block_then_its_picture_is_drawn_and_other_lengths_are_refused() -> (
    None
):
    generator = build_tiny()
    styles = generator.styles(generator.mapping.w_avg.expand(1, generator.num_ws, -1))
    assert generator.synthesise_from_styles(styles[:5]).shape == (1, 3, 8, 8)
    for wrong in (styles[:4], [*styles, styles[0]], []):
        with pytest.raises(ValueError, match="do not end with a block"):
            generator.synthesise_from_styles(wrong)
