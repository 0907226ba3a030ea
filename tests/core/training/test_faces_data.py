"""Reading labelled renders for training: crops, pairs, what is held out, caches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DataError
from lineament.core.faces.base import Alignment, Surround
from lineament.core.training.faces_data import LABEL_NAMES, face_of, load_faces

from tests.data.toy_shards import write_toy_set

SQUARE = Alignment(32, 0.62, 0.32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_set(tmp_path_factory.mktemp("shards"))


def test_when_loaded_then_pairs_differ_only_in_their_attribute(folder: Path, tmp_path: Path) -> None:
    data = load_faces(folder, tmp_path, SQUARE)
    assert len(data.pairs.base) == 8
    for base, member, column, delta in zip(
        data.pairs.base, data.pairs.member, data.pairs.attribute, data.pairs.delta, strict=True
    ):
        change = data.labels[member] - data.labels[base]
        assert change[column] == pytest.approx(delta)
        assert np.count_nonzero(change) == 1
        assert data.keys[member].startswith(data.keys[base])
    smiles = data.pairs.of("smile")
    assert np.allclose(smiles.delta, 0.8) and len(smiles.base) == 4
    brighter = data.images[smiles.member].astype(float) - data.images[smiles.base]
    assert (brighter.max((1, 2, 3)) > 50).all()


def test_when_loaded_then_held_out_faces_are_the_last_rows_and_in_no_family(
    folder: Path, tmp_path: Path
) -> None:
    data = load_faces(folder, tmp_path, SQUARE)
    assert 0 < data.held_out < 10
    assert all(key.startswith("face-") for key in data.keys[data.train_count :])
    assert max(data.pairs.base.max(), data.pairs.member.max()) < data.train_count
    again = load_faces(folder, tmp_path, SQUARE)  # from the cache
    assert again.keys == data.keys and np.array_equal(again.images, data.images)
    assert np.array_equal(again.identity, data.identity)


def test_when_grading_faces_are_loaded_then_training_has_none_of_them(folder: Path, tmp_path: Path) -> None:
    train, grade = (load_faces(folder, tmp_path, SQUARE, split) for split in ("train", "grade"))
    assert len(grade.pairs.base) == 8 and grade.held_out == 0
    assert not set(train.keys) & set(grade.keys)
    assert all(key.startswith("family-") for key in grade.keys)


def test_when_halves_are_made_then_a_family_is_in_one_of_them(folder: Path, tmp_path: Path) -> None:
    data = load_faces(folder, tmp_path, SQUARE)
    halves = data.halves()
    assert 0.2 < halves.mean() < 0.8
    for family in {face_of(key) for key in data.keys}:
        assert len({halves[i] for i, key in enumerate(data.keys) if face_of(key) == family}) == 1


def test_when_glasses_are_half_on_then_the_label_says_worn(folder: Path, tmp_path: Path) -> None:
    data = load_faces(folder, tmp_path, SQUARE)
    assert set(np.unique(data.labels[:, LABEL_NAMES.index("glasses")])) == {0.0, 1.0}


def test_when_the_folder_has_no_shards_then_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No training shards.*--data"):
        load_faces(tmp_path, tmp_path / "cache", Alignment(16))


def test_when_a_surround_is_asked_for_then_the_square_in_it_is_the_same(folder: Path, tmp_path: Path) -> None:
    around = Surround(48, (8, 4, 8, 12))
    whole = load_faces(folder, tmp_path, SQUARE, surround=around)
    assert whole.images.shape[1:] == (48, 48, 3) and whole.classes.shape[1:] == (48, 48)
    alone = load_faces(folder, tmp_path, SQUARE)  # the cache knows one from the other
    inner = whole.images[(slice(None), *around.inside)].astype(int)
    assert np.abs(inner - alone.images).mean() < 0.02 * alone.images.std()
    assert (whole.classes[(slice(None), *around.inside)] == alone.classes).mean() > 0.99


def test_when_the_surroundings_were_not_rendered_then_it_is_said_and_what_to_render(
    folder: Path, tmp_path: Path
) -> None:
    wide = Surround(96, (32, 32, 32, 32))
    with pytest.raises(DataError, match=r"only \d+% of the square") as caught:
        load_faces(folder, tmp_path, SQUARE, surround=wide)
    assert "--framing neck" in str(caught.value.remedy)


def test_when_a_shard_is_damaged_then_it_is_named_and_no_cache_stays(tmp_path: Path) -> None:
    (tmp_path / "broken.tar").write_bytes(b"not a tar at all" * 100)
    with pytest.raises(DataError, match=r"broken\.tar"):
        load_faces(tmp_path, tmp_path / "cache", Alignment(16))
    assert not list(tmp_path.glob("cache/*"))


def test_when_a_cache_is_damaged_or_of_another_crop_then_it_is_made_anew(
    folder: Path, tmp_path: Path
) -> None:
    data = load_faces(folder, tmp_path, SQUARE)
    cache = sorted(tmp_path.glob("*.npz"))[0]
    cache.write_bytes(cache.read_bytes()[:1000])
    again = load_faces(folder, tmp_path, SQUARE)
    assert np.array_equal(again.images, data.images)
    wider = load_faces(folder, tmp_path, Alignment(32, 1.0, 0.1))
    assert not np.array_equal(wider.images, data.images)
