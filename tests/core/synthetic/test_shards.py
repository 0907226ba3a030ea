"""Shards: what is written comes back exactly, and no damage goes unnoticed."""

from __future__ import annotations

import errno
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DataError, LineamentError
from lineament.core.faces.base import LANDMARK_NAMES
from lineament.core.synthetic import shards
from lineament.core.synthetic.params import FaceParams
from lineament.core.synthetic.shards import (
    SHARD_FACES,
    Sample,
    dataset_shards,
    label_from_params,
    params_from_label,
    read_card,
    read_shard,
    verify_shard,
    write_shard,
)

PARAMS = FaceParams(age=61.25, hair_style="curly", identity=tuple(np.linspace(-1, 1, 64).round(5).tolist()))


def make_sample(number: int, size: int = 48) -> Sample:
    rng = np.random.default_rng(number)
    picture = rng.integers(0, 256, (size, size, 3), np.uint8)
    mask = rng.choice(np.array([0, 1, 5, 10], np.uint8), (size, size))
    six = {name: [0.1 * i, 0.2] for i, name in enumerate(LANDMARK_NAMES)}
    return Sample(
        f"face-{number:07d}", picture, mask, {"params": label_from_params(PARAMS), "six": six, "seed": 7}
    )


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "faces-00000.tar"
    write_shard(path, (make_sample(number) for number in range(5)))
    return path


def test_when_a_shard_is_read_then_every_value_is_what_was_written(shard: Path) -> None:
    for number, sample in enumerate(read_shard(shard)):
        wanted = make_sample(number)
        assert sample.key == wanted.key
        np.testing.assert_array_equal(sample.picture, wanted.picture)
        np.testing.assert_array_equal(sample.mask, wanted.mask)
        assert sample.meta["seed"] == 7 and sample.params == PARAMS
        np.testing.assert_allclose(sample.six_points()[2], (0.2, 0.2))
    assert number == 4


def test_when_the_same_faces_are_written_then_the_bytes_are_the_same(shard: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    assert write_shard(again, [make_sample(number) for number in range(5)]) == 5
    assert again.read_bytes() == shard.read_bytes()


def test_when_a_shard_is_listed_then_it_looks_like_webdataset(shard: Path) -> None:
    with tarfile.open(shard) as tar:
        names = tar.getnames()
        label = json.load(tar.extractfile("face-0000000.json"))
    assert names[:3] == ["face-0000000.webp", "face-0000000.mask.png", "face-0000000.json"]
    assert label["key"] == "face-0000000" and set(label["params"]) >= {"age", "identity", "ambient"}


def test_when_a_shard_is_verified_then_its_keys_are_given(shard: Path) -> None:
    assert verify_shard(shard) == tuple(f"face-{number:07d}" for number in range(5))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_when_a_shard_is_cut_off_then_it_is_refused(
    shard: Path, broken_copy: Callable[..., Path], share: float
) -> None:
    broken = broken_copy(shard, cut=int(shard.stat().st_size * share))
    with pytest.raises(DataError, match="damaged") as info:
        list(read_shard(broken))
    assert "run lineament faces dataset again" in info.value.remedy


def test_when_a_shard_ends_between_two_faces_then_it_is_refused(shard: Path, broken_copy) -> None:
    with tarfile.open(shard) as tar:
        boundary = tar.getmembers()[6].offset
    with pytest.raises(DataError, match="in the middle of its faces"):
        verify_shard(broken_copy(shard, cut=boundary))


def test_when_any_part_of_a_face_is_altered_then_it_is_refused(shard: Path, broken_copy) -> None:
    with tarfile.open(shard) as tar:
        members = tar.getmembers()[3:6]
    for member in members:
        for place in (member.offset + 20, member.offset_data + member.size // 2):  # header, content
            with pytest.raises(DataError, match="damaged"):
                verify_shard(broken_copy(shard, flip=place))


def test_when_a_shard_is_missing_or_no_tar_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such shard"):
        verify_shard(tmp_path / "none.tar")
    (tmp_path / "text.tar").write_text("not a tar " * 1000)
    with pytest.raises(DataError, match="damaged"):
        verify_shard(tmp_path / "text.tar")


def test_when_members_are_foreign_then_the_shard_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "foreign.tar", "w") as tar:
        for name in ("a.webp", "b.mask.png", "a.json"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    with pytest.raises(DataError, match="belong"):
        list(read_shard(tmp_path / "foreign.tar"))


def test_when_a_picture_is_no_picture_then_the_shard_is_refused(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "encode_picture", lambda picture: b"RIFFxxxxWEBPnonsense")
    write_shard(shard, [make_sample(0)])
    with pytest.raises(DataError, match="face-0000000"):
        list(read_shard(shard))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"key": "No.Key"}, "is no key"),
        ({"picture": np.zeros((8, 8, 3), np.float32)}, "must be"),
        ({"mask": np.zeros((4, 4), np.uint8)}, "mask must be"),
        ({"mask": np.full((48, 48), 9, np.uint8)}, "no class"),
    ],
)
def test_when_a_sample_cannot_be_stored_then_it_is_the_callers_mistake(
    tmp_path: Path, listing: Callable[[], list[str]], change: dict, why: str
) -> None:
    bad = Sample(**{**vars(make_sample(0)), **change})
    with pytest.raises(ValueError, match=why):
        write_shard(tmp_path / "x.tar", [bad])
    assert listing() == []


def test_when_there_are_too_many_faces_then_it_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(SHARD_FACES)):
        write_shard(tmp_path / "x.tar", (make_sample(number, 4) for number in range(SHARD_FACES + 1)))


def test_when_the_disk_is_full_then_nothing_is_left_and_the_remedy_says_so(
    tmp_path: Path, listing: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left on device") as info:
        write_shard(tmp_path / "x.tar", [make_sample(0)])
    assert listing() == [] and "Free some space" in info.value.remedy


@pytest.mark.parametrize(
    "change", [{"age": None}, {"nose": 3}, {"identity": 7}, {"ambient": 7}, {"hair_style": "wig"}]
)
def test_when_a_label_is_of_another_version_then_it_is_refused(change: dict) -> None:
    label = {**label_from_params(PARAMS), **change}
    with pytest.raises(LineamentError):
        params_from_label(label, "face-0000000")


def test_when_a_folder_is_no_finished_data_set_then_it_is_refused(tmp_path: Path, shard: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset\.json"):
        read_card(tmp_path)
    card = tmp_path / "dataset.json"
    for text, why in (
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps({"format": 99}), "format 99"),
        (json.dumps({"format": 1, "complete": False}), "not finished"),
        (json.dumps({"format": 1, "complete": True}), "damaged"),
        (json.dumps({"format": 1, "complete": True, "shards": [{"name": "../x.tar"}]}), "missing"),
        (json.dumps({"format": 1, "complete": True, "shards": [{"name": "faces-00009.tar"}]}), "missing"),
    ):
        card.write_text(text)
        with pytest.raises(DataError, match=why):
            dataset_shards(tmp_path)
    card.write_text(json.dumps({"format": 1, "complete": True, "shards": [{"name": shard.name}]}))
    assert dataset_shards(tmp_path) == (shard,)
