"""The cache may save time; it may never cost a render, or hand out the wrong latent."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import numpy as np
import pytest
from lineament.core.faces.base import FaceCrop
from lineament.core.latent import Latent
from lineament.core.latent_cache import STALE_S, CachedInverter, LatentCache

ID = "a" * 16


@pytest.fixture
def a_crop():
    image = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8)).astype(np.float32)
    one = np.ones((1, 8, 8), np.float32)
    return FaceCrop(image, np.eye(3), one, one, one)


@pytest.fixture
def a_latent():
    return Latent(np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32), ID, "w")


@pytest.fixture
def cache(tmp_path):
    return LatentCache(tmp_path / "cache")


class Counting:
    """An inverter that counts its calls."""

    def __init__(self, latent, key="counting"):
        self.latent, self.key, self.calls = latent, key, 0

    def invert(self, crop):
        self.calls += 1
        return self.latent


def test_when_stored_then_the_same_latent_comes_back(cache, a_latent):
    cache.put("0" * 64, a_latent)
    found = cache.get("0" * 64, ID)
    assert np.array_equal(found.ws, a_latent.ws)
    assert (found.space, found.generator_id) == ("w", ID)
    assert cache.get("1" * 64, ID) is None


def test_when_anything_an_inverter_reads_changes_then_so_does_the_key(a_crop):
    moved = a_crop.plate_from_crop.copy()
    moved[0, 2] += 1e-9
    pixel = a_crop.image.copy()
    pixel[2, 7, 7] = np.nextafter(pixel[2, 7, 7], 2, dtype=np.float32)
    crops = [
        a_crop,
        replace(a_crop, image=pixel),
        replace(a_crop, plate_from_crop=moved),
        replace(a_crop, matte=a_crop.matte * 0.5),
        replace(a_crop, valid=a_crop.valid * 0),
    ]
    keys = [LatentCache.key(crop, ID, "encoder") for crop in crops]
    keys += [LatentCache.key(a_crop, "b" * 16, "encoder"), LatentCache.key(a_crop, ID, "optimise")]
    assert len(set(keys)) == 7
    assert LatentCache.key(replace(a_crop, image=a_crop.image.copy()), ID, "encoder") == keys[0]


def test_when_wrapped_then_the_second_look_costs_no_inversion(cache, a_crop, a_latent):
    inner = Counting(a_latent)
    inverter = CachedInverter(inner, cache, ID)
    first, second = inverter.invert(a_crop), inverter.invert(a_crop)
    assert inner.calls == 1
    assert np.array_equal(first.ws, second.ws)
    assert inverter.key == "counting"
    CachedInverter(Counting(a_latent, "other settings"), cache, ID).invert(a_crop)
    assert len(list(cache.folder.iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "header", "payload", "text", "link to nothing"])
def test_when_an_entry_is_damaged_then_it_is_a_miss_and_goes(cache, a_latent, caplog, damage):
    cache.put("0" * 64, a_latent)
    path = cache.folder / f"{'0' * 64}.safetensors"
    data = bytearray(path.read_bytes())
    data[{"header": 20, "payload": -5}.get(damage, 0)] ^= 0xFF
    content = {"empty": b"", "cut": bytes(data[:100]), "text": b"not a tensor in sight"}
    path.write_bytes(content.get(damage, bytes(data)))
    assert cache.get("0" * 64, ID) is None
    assert not path.exists()
    assert "Removed unusable latent cache entry" in caplog.text


def test_when_an_entry_is_of_another_generator_or_key_then_it_is_a_miss_and_goes(cache, a_latent, caplog):
    cache.put("0" * 64, a_latent)
    assert cache.get("0" * 64, "b" * 16) is None
    assert "its generator_id is" in caplog.text
    cache.put("0" * 64, a_latent)
    (cache.folder / f"{'0' * 64}.safetensors").rename(cache.folder / f"{'1' * 64}.safetensors")
    assert cache.get("1" * 64, ID) is None
    assert list(cache.folder.iterdir()) == []


def test_when_the_folder_grows_beyond_its_limit_then_the_oldest_entries_go(cache, a_latent):
    keys = [f"{i:064d}" for i in range(5)]
    for age, key in enumerate(keys[:4]):
        cache.put(key, a_latent)
        os.utime(cache.folder / f"{key}.safetensors", (1000 + age, 1000 + age))
    size = (cache.folder / f"{keys[0]}.safetensors").stat().st_size
    LatentCache(cache.folder, limit_bytes=3 * size).put(keys[4], a_latent)
    assert sorted(path.stem for path in cache.folder.iterdir()) == keys[2:]


def test_when_the_limit_is_below_one_entry_then_the_newest_stays(tmp_path, a_latent):
    cache = LatentCache(tmp_path, limit_bytes=1)
    cache.put("0" * 64, a_latent)
    cache.put("1" * 64, a_latent)
    assert [path.stem for path in tmp_path.iterdir()] == ["1" * 64]


def test_when_a_writer_died_then_its_stale_file_is_swept_and_a_fresh_one_left(cache, a_latent):
    cache.put("0" * 64, a_latent)
    now = (cache.folder / f"{'0' * 64}.safetensors").stat().st_mtime
    for name, age in ((".tmp-old", STALE_S + 60), (".tmp-new", 10)):
        (cache.folder / name).write_bytes(b"half")
        os.utime(cache.folder / name, (now - age, now - age))
    cache.put("1" * 64, a_latent)
    assert not (cache.folder / ".tmp-old").exists()
    assert (cache.folder / ".tmp-new").exists()


def test_when_many_write_read_and_sweep_at_once_then_every_answer_is_right(cache, a_latent):
    latents = [replace(a_latent, ws=a_latent.ws + i) for i in range(4)]
    small = LatentCache(cache.folder, limit_bytes=1500)  # sweeps all the time
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(25):
            i = int(rng.integers(4))
            small.put(f"{i:064d}", latents[i])
            found = small.get(f"{i:064d}", ID)
            if found is not None and not np.array_equal(found.ws, latents[i].ws):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not list(cache.folder.glob(".tmp-*"))


def test_when_the_folder_cannot_be_written_then_the_render_goes_on(tmp_path, a_crop, a_latent, caplog):
    blocked = tmp_path / "a_file"
    blocked.write_text("in the way")
    inverter = CachedInverter(Counting(a_latent), LatentCache(blocked), ID)
    assert inverter.invert(a_crop) is a_latent
    assert "Could not store a latent" in caplog.text
    assert blocked.read_text() == "in the way"
