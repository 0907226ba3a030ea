"""Data sets: which faces they hold, and folders that survive whatever interrupts them. No face is rendered here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DataError, DeviceError, HostError, RecipeError
from lineament.core.synthetic import dataset, dataset_folder
from lineament.core.synthetic.dataset import (
    FAMILY_INDEX,
    DatasetSettings,
    families,
    make_shard,
    member_value,
    plan,
)
from lineament.core.synthetic.dataset_folder import make_dataset
from lineament.core.synthetic.params import ATTRIBUTES, FaceParams, field_names
from lineament.core.synthetic.sampler import Sampler, check
from lineament.core.synthetic.shards import SHARD_FACES, dataset_shards, read_card, read_shard

HERE = Path(__file__).parent
MADE_WITH = {"assets": "abc", "renderer": "1"}
SMALL = DatasetSettings(faces=7, families=4, attributes=("age", "glasses"), size=32, correlations="none")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of four faces or one family, and few faces for the table; worker processes find the fake renderer."""
    monkeypatch.setattr(dataset, "FEWEST_FACES", 4)
    monkeypatch.setattr(dataset_folder, "MEASURED_FACES", 50)
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def open_draw():
    import fake_draw

    return partial(fake_draw.open_draw, SMALL.size)


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler("none")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar"))}


# ---- what a data set holds


def test_when_a_data_set_is_planned_then_no_family_is_cut_and_nothing_is_left_out() -> None:
    jobs = plan(SMALL)
    assert [(job.number, job.of_families, job.start, job.stop) for job in jobs] == [
        (0, False, 0, 4), (1, False, 4, 7), (2, True, 0, 1), (3, True, 1, 2), (4, True, 2, 3), (5, True, 3, 4),
    ]  # fmt: skip
    assert jobs[3].name == "faces-00003.tar"


@pytest.mark.parametrize("count", [1, 30, 3000, 40_000])
def test_when_a_data_set_is_large_then_its_shards_are_neither_tiny_nor_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.undo()
    names = tuple(attribute.name for attribute in ATTRIBUTES)
    jobs = plan(DatasetSettings(faces=count, families=count, attributes=names, correlations="none"))
    for of_families, unit in ((False, 1), (True, 1 + len(names))):
        sizes = [unit * (job.stop - job.start) for job in jobs if job.of_families == of_families]
        assert sum(sizes) == count * unit and max(sizes) <= SHARD_FACES
        assert len(sizes) == 1 or min(sizes[:-1]) >= 25


def test_when_faces_are_listed_then_their_order_does_not_matter(sampler: Sampler) -> None:
    jobs = plan(SMALL)
    forwards = [family for job in jobs for family in families(job, SMALL, sampler)]
    backwards = [family for job in reversed(jobs) for family in families(job, SMALL, sampler)]
    assert sorted(forwards, key=lambda f: f.key) == sorted(backwards, key=lambda f: f.key)
    keys = [key for family in forwards for key in family.keys]
    assert len(keys) == len(set(keys)) >= 7 + 4 * 2
    assert [family.split for family in forwards if family.members] == ["train", "train", "grade", "grade"]


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.25, 1), (1.0, 4)])
def test_when_a_share_is_for_grading_then_the_last_families_are(
    sampler: Sampler, share: float, kept: int
) -> None:
    settings = replace(SMALL, grade_share=share)
    listed = [
        family for job in plan(settings) for family in families(job, settings, sampler) if family.members
    ]
    assert [family.split for family in listed] == ["train"] * (4 - kept) + ["grade"] * kept


def test_when_a_family_is_made_then_each_member_differs_in_its_attribute_only(sampler: Sampler) -> None:
    names = tuple(attribute.name for attribute in ATTRIBUTES)
    settings = DatasetSettings(faces=0, families=40, attributes=names, correlations="none")
    seen = set()
    for job in plan(settings):
        for family in families(job, settings, sampler):
            check(family.base)
            assert family.index >= FAMILY_INDEX
            for name, member in family.members.items():
                check(member)
                differ = [
                    field for field in field_names() if getattr(member, field) != getattr(family.base, field)
                ]
                assert differ == [name]
                seen.add(name)
    assert seen == set(names)


@pytest.mark.parametrize(
    ("base", "name", "wanted"),
    [
        ({"glasses": 1.0}, "glasses", 0.0),
        ({}, "glasses", 1.0),
        ({"sunglasses": 1.0}, "glasses", None),
        ({"beard": 0.7}, "beard", 0.0),
        ({"beard": 0.7}, "stubble", None),
        ({"sunglasses": 1.0}, "eyes_closed", None),
        ({"hair_style": "bald"}, "hair_length", None),
    ],
)
def test_when_a_member_is_chosen_then_it_can_be_seen_and_does_not_contradict(
    base: dict, name: str, wanted: float | None
) -> None:
    assert member_value(name, FaceParams(**base), np.random.default_rng(1)) == wanted


@pytest.mark.parametrize("name", ["age", "yaw", "smile", "gender", "light_azimuth"])
def test_when_a_member_moves_then_it_moves_far(name: str) -> None:
    low, high = dataset.MARGINALS[name].quantile((0.02, 0.98))
    for seed in range(30):
        value = member_value(name, FaceParams(), np.random.default_rng(seed))
        assert low <= value <= high
        assert abs(value - getattr(FaceParams(), name)) >= 0.24 * (high - low)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"faces": 0}, "faces"),
        ({"faces": -1}, "faces"),
        ({"size": 31}, "size"),
        ({"samples": 9}, "samples"),
        ({"seed": -1}, "seed"),
        ({"framing": "loose"}, "framing"),
        ({"families": 3}, "attributes"),
        ({"attributes": ("age",)}, "attributes"),
        ({"families": 3, "attributes": ("nose",)}, "attributes"),
        ({"families": 3, "attributes": ("age", "age")}, "attributes"),
        ({"correlations": "many"}, "correlations"),
        ({"correlations": {"age,glasses": 3.0}}, "correlations"),
    ],
)
def test_when_settings_make_no_sense_then_the_field_is_named(change: dict, where: str) -> None:
    with pytest.raises(RecipeError) as info:
        DatasetSettings(**change)
    assert info.value.where.startswith(where) and info.value.remedy


def test_when_a_shard_is_made_then_its_labels_say_what_was_drawn(
    tmp_path: Path, sampler: Sampler, open_draw
) -> None:
    job = plan(SMALL)[3]
    with open_draw() as draw:
        done = make_shard(tmp_path, SMALL, sampler, draw, job)
    (family,) = families(job, SMALL, sampler)
    samples = list(read_shard(tmp_path / job.name))
    assert done.faces == len(samples) == 3
    base, age, glasses = samples
    assert (base.key, base.params, base.meta["family"]) == ("family-1_0000001", family.base, None)
    assert (age.key, age.meta["family"], age.meta["attribute"]) == ("family-1_0000001-age", base.key, "age")
    assert age.params == family.members["age"] and age.meta["value"] == age.params.age
    assert age.meta["base_value"] == base.params.age
    assert glasses.meta["frame_six"] == base.meta["frame_six"] == base.meta["six"]
    assert np.shape(base.meta["landmarks68"]) == (70, 2)
    assert len(json.dumps(dict(base.meta))) < 4000


# ---- folders


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data set made by one worker without interruption."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "FEWEST_FACES", 4)
        patch.setattr(dataset_folder, "MEASURED_FACES", 50)
        patch.syspath_prepend(str(HERE))
        import fake_draw

        folder = tmp_path_factory.mktemp("reference")
        opener = partial(fake_draw.open_draw, SMALL.size)
        done = make_dataset(folder, SMALL, opener, made_with=MADE_WITH)
        assert done.found == 0 and done.made > 14
        yield folder


def test_when_a_data_set_is_finished_then_its_card_says_how_it_was_made(reference: Path) -> None:
    card = read_card(reference)
    assert (
        card["complete"] and card["settings"]["seed"] == 1 and MADE_WITH.items() <= card["made_with"].items()
    )
    assert card["settings"]["attributes"] == ["age", "glasses"] and card["classes"]["5"] == "hair"
    assert card["speed"]["faces_per_second"] > 0 and card["measured"]["faces"] == 50
    assert sum(shard["faces"] for shard in card["shards"]) == sum(
        len(list(read_shard(path))) for path in dataset_shards(reference)
    )


def test_when_a_worker_is_killed_and_it_goes_on_then_the_content_is_the_same(
    reference: Path, tmp_path: Path, open_draw
) -> None:
    opener = partial(open_draw, "kill-once", str(tmp_path / "killed"))
    folder = tmp_path / "set"
    with pytest.raises(HostError, match="SIGKILL") as info:
        make_dataset(folder, SMALL, opener, made_with=MADE_WITH)
    assert "same command" in info.value.remedy
    with pytest.raises(DataError, match="not finished"):
        dataset_shards(folder)
    before = len(contents(folder))
    lines: list[str] = []
    make_dataset(folder, SMALL, opener, made_with=MADE_WITH, workers=2, tell=lines.append)
    assert contents(folder) == contents(reference)
    assert len(lines) == len(plan(SMALL)) - before


def test_when_a_worker_is_killed_while_writing_then_no_temporary_file_stays(
    reference: Path, tmp_path: Path, open_draw
) -> None:
    opener = partial(open_draw, "kill-writing", str(tmp_path / "killed"))
    folder = tmp_path / "set"
    with pytest.raises(HostError):
        make_dataset(folder, SMALL, opener, made_with=MADE_WITH)
    assert (tmp_path / "killed").exists()
    assert [path.name for path in folder.iterdir()] == ["dataset.json"]
    make_dataset(folder, SMALL, opener, made_with=MADE_WITH)
    assert contents(folder) == contents(reference)


def test_when_the_whole_run_is_killed_then_its_workers_end_and_the_next_one_goes_on(
    reference: Path, tmp_path: Path, open_draw
) -> None:
    folder = tmp_path / "set"
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(here=str(HERE), folder=str(folder), pids=str(tmp_path / "pid-")))
    run = subprocess.Popen([sys.executable, str(script)])
    try:
        wait_for(lambda: len(contents(folder)) > 0 and len(list(tmp_path.glob("pid-*"))) == 2)
    finally:
        run.kill()
        run.wait()
    before = contents(folder)
    (folder / ".tmp-left").write_bytes(b"half a shard")
    pids = [int(path.name.partition("-")[2]) for path in tmp_path.glob("pid-*")]
    wait_for(lambda: not any(is_running(pid) for pid in pids))
    assert len(before) < len(plan(SMALL))
    done = make_dataset(folder, SMALL, open_draw, made_with=MADE_WITH, workers=2)
    assert done.found > 0 and contents(folder) == contents(reference)
    assert not (folder / ".tmp-left").exists()


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import fake_draw
from functools import partial
from pathlib import Path
from lineament.core.synthetic import dataset
from lineament.core.synthetic.dataset import DatasetSettings
from lineament.core.synthetic.dataset_folder import make_dataset

if __name__ == "__main__":
    dataset.FEWEST_FACES = 4
    settings = DatasetSettings(faces=7, families=4, attributes=("age", "glasses"), size=32, correlations="none")
    opener = partial(fake_draw.open_draw, 32, "slow", {pids!r})
    make_dataset(Path({folder!r}), settings, opener, made_with={{"assets": "abc", "renderer": "1"}}, workers=2)
"""


def wait_for(happens) -> None:
    """Wait until something is true, half a minute at most."""
    end = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_when_everything_is_there_then_nothing_is_made_again(reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(reference, folder)
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    def none():
        raise AssertionError("no renderer is needed")

    done = make_dataset(folder, SMALL, none, made_with=MADE_WITH)
    assert done.made == 0 and done.found > 14 and done.faces_per_second == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps


def test_when_shards_are_damaged_or_missing_then_only_these_are_made_again(
    reference: Path, tmp_path: Path, open_draw
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(reference, folder)
    first, second, third, *_ = dataset_shards(folder)
    first.unlink()
    second.write_bytes(second.read_bytes()[:5000])
    third.write_bytes(first.parent.joinpath("faces-00005.tar").read_bytes())
    lines: list[str] = []
    done = make_dataset(folder, SMALL, open_draw, made_with=MADE_WITH, tell=lines.append)
    assert contents(folder) == contents(reference) and done.found > 0
    assert "faces-00001.tar is made again. The shard is damaged" in lines[0]
    assert lines[1] == "faces-00002.tar is made again. It holds other faces."
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("settings", "made_with", "said"),
    [
        ({"seed": 2}, MADE_WITH, "settings seed was 1, now 2"),
        ({"size": 48}, MADE_WITH, "settings size was 32, now 48"),
        ({"correlations": {"age,grey": 0.5}}, MADE_WITH, "settings correlations was none"),
        ({}, {"assets": "xyz", "renderer": "1"}, "made_with assets was abc, now xyz"),
    ],
)
def test_when_the_folder_was_made_otherwise_then_it_is_refused_with_the_difference(
    reference: Path, open_draw, settings: dict, made_with: dict, said: str
) -> None:
    before = contents(reference)
    asked = dataset.replace(SMALL, **settings)
    with pytest.raises(DataError, match=said) as info:
        make_dataset(reference, asked, open_draw, made_with=made_with)
    assert "another folder" in info.value.remedy and contents(reference) == before


def test_when_the_sampler_draws_other_faces_then_the_folder_is_refused(
    reference: Path, open_draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Sampler.sample
    monkeypatch.setattr(Sampler, "sample", lambda self, seed, index: sample(self, seed, index + 1))
    with pytest.raises(DataError, match="made_with sampler was"):
        make_dataset(reference, SMALL, open_draw, made_with=MADE_WITH)


def test_when_the_card_is_lost_or_damaged_then_the_folder_is_refused(
    reference: Path, tmp_path: Path, open_draw
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(reference, folder)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json is damaged"):
        make_dataset(folder, SMALL, open_draw, made_with=MADE_WITH)
    (folder / "dataset.json").unlink()
    with pytest.raises(DataError, match="how they were made"):
        make_dataset(folder, SMALL, open_draw, made_with=MADE_WITH)


def test_when_two_runs_write_one_folder_then_the_second_is_refused(tmp_path: Path, open_draw) -> None:
    with (
        dataset_folder._locked(tmp_path),
        pytest.raises(DataError, match="Another run"),
    ):
        make_dataset(tmp_path, SMALL, open_draw, made_with=MADE_WITH)


def test_when_the_folder_cannot_be_made_then_it_is_refused(tmp_path: Path, open_draw) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        make_dataset(tmp_path / "file" / "set", SMALL, open_draw, made_with=MADE_WITH)


def test_when_a_worker_has_no_gl_then_its_own_error_arrives(tmp_path: Path, open_draw) -> None:
    with pytest.raises(DeviceError, match="No OpenGL") as info:
        make_dataset(tmp_path / "set", SMALL, partial(open_draw, "no-gl"), made_with=MADE_WITH, workers=2)
    assert info.value.where == "EGL" and info.value.remedy == "Install it."


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 kB."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if mount is None or umount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run([umount, str(folder)], check=True)


def test_when_the_disk_is_full_then_what_is_finished_stays_and_the_next_run_goes_on(
    small_disk: Path, reference: Path, tmp_path: Path, open_draw
) -> None:
    folder = small_disk / "set"
    with pytest.raises(DataError, match="No space left on device") as info:
        make_dataset(folder, SMALL, open_draw, made_with=MADE_WITH, workers=2)
    assert "Free some space" in info.value.remedy
    left = sorted(path.name for path in folder.iterdir())
    assert "dataset.json" in left and not any(name.startswith(".tmp-") for name in left)
    assert 1 < len(left) < 1 + len(plan(SMALL))
    shutil.copytree(folder, tmp_path / "larger")
    done = make_dataset(tmp_path / "larger", SMALL, open_draw, made_with=MADE_WITH)
    assert done.found > 0 and contents(tmp_path / "larger") == contents(reference)


def test_when_it_is_interrupted_then_the_workers_end_and_no_temporary_file_stays(
    tmp_path: Path, open_draw
) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "set"
    opener = partial(open_draw, "slow", str(tmp_path / "pid-"))
    with pytest.raises(KeyboardInterrupt):
        make_dataset(folder, SMALL, opener, made_with=MADE_WITH, workers=2, tell=interrupt)
    pids = [int(path.name.partition("-")[2]) for path in tmp_path.glob("pid-*")]
    assert pids and not any(is_running(pid) for pid in pids)
    assert all(path.suffix in (".tar", ".json") for path in folder.iterdir())
