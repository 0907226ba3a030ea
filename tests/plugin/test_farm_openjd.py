"""The job bundle, by the reference programs of Open Job Description: checked, counted, run with injected failures."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from lineament.core.io.sequences import parse_frames
from lineament.core.shots.shot_file import read_show
from lineament.plugin.farm_export import export_files, write_export
from lineament.plugin.farm_job import FarmJob, FarmShot, farm_job
from lineament.plugin.farm_openjd import openjd_files, template

OPENJD = Path(sys.executable).with_name("openjd")
LIMIT_S = 120


@pytest.fixture(scope="module")
def fake(repository: Path) -> ModuleType:
    """The module fake_farm.py."""
    sys.path.insert(0, str(repository / "tests" / "plugin"))
    import fake_farm

    return fake_farm


@pytest.fixture(scope="module")
def a_set(fake: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A show and the outputs of a serial run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("set")
    file = fake.make_show(folder)
    assert fake.main(["shot", "render", str(file), "sh010", "--frames", "1001-1012"]) == 0
    return file.parent


@dataclass
class Farm:
    """An exported job and the machine that runs it."""

    folder: Path
    fake: ModuleType
    file: Path
    seen: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def bundle(self) -> Path:
        return self.folder / "job bundle"

    def export(self, chunk: int = 4, **settings: Any) -> FarmJob:
        program = self.fake.make_program(self.folder)
        cache = str(self.folder / "cache")
        job = farm_job(
            read_show(self.file), self.file, [], program=str(program), cache=cache, chunk=chunk, **settings
        )
        write_export(self.bundle, export_files(job, "openjd"), overwrite=True)
        return job

    def openjd(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of openjd-cli on the bundle."""
        values = [] if verb == "check" else ["-p", f"file://{self.bundle / 'local_parameters.yaml'}"]
        done = subprocess.run(
            [str(OPENJD), verb, str(self.bundle / "template.yaml"), *values, *words],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=self.surroundings(),
        )
        self.seen = done.stdout + done.stderr
        return done

    def surroundings(self) -> dict[str, str]:
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return {**os.environ, "TMPDIR": str(scratch), "XDG_CACHE_HOME": str(scratch)}

    def wish(self, **wishes: Any) -> None:
        (self.file.parent / "orders.json").write_text(json.dumps(wishes))

    def outputs(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.file.parent / "out").glob("*.exr"))}

    def workers(self) -> list[str]:
        """Command lines of resident workers of this farm that run, or wait to be buried."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if "resident-worker" in words and str(self.file) in words.replace("\\u00fc", "ü"):
                    found.append(words)
        return found


@pytest.fixture
def farm(fake: ModuleType, a_set: Path, tmp_path: Path) -> Farm:
    place = tmp_path / fake.NAME
    shutil.copytree(a_set, place, ignore=shutil.ignore_patterns("out", "died"))
    return Farm(tmp_path, fake, place / "shots.yaml")


def serial(a_set: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((a_set / "out").glob("*.exr"))}


def test_when_a_job_is_exported_then_it_passes_check_and_its_tasks_are_counted(farm: Farm) -> None:
    (farm.file.parent / "plate" / "p.1006.exr").unlink()
    farm.export(chunk=4)
    assert farm.openjd("check").returncode == 0, farm.seen
    assert farm.openjd("summary", "--output", "json").returncode == 0, farm.seen
    told = json.loads(farm.seen)
    tasks = {step["name"]: step["total_tasks"] for step in told["steps"]}
    assert tasks == {"Analyse sh010": 1, "Render sh010": 11}
    assert told["steps"][1]["dependencies"] and told["total_environments"] == 1


def test_when_frames_have_holes_then_chunks_have_none(farm: Farm) -> None:
    from openjd.model import StepParameterSpaceIterator, create_job, decode_job_template

    for number in (1004, 1009):
        (farm.file.parent / "plate" / f"p.{number}.exr").unlink()
    job = farm.export(chunk=4)
    data = decode_job_template(template=template(job), supported_extensions=["TASK_CHUNKING"])
    values = yaml.safe_load((farm.bundle / "local_parameters.yaml").read_text())
    from openjd.model import preprocess_job_parameters

    parameters = preprocess_job_parameters(
        job_template=data,
        job_parameter_values=values,
        job_template_dir=farm.bundle,
        current_working_dir=farm.bundle,
    )
    step = create_job(job_template=data, job_parameter_values=parameters).steps[1]
    pieces = [task["Frame"].value for task in StepParameterSpaceIterator(space=step.parameterSpace)]
    assert pieces == ["1001-1003", "1005-1008", "1010-1012"]


def test_when_a_job_is_run_then_its_pictures_are_those_of_the_serial_run(farm: Farm, a_set: Path) -> None:
    farm.export(chunk=6)
    done = farm.openjd("run")
    assert done.returncode == 0, farm.seen
    assert farm.outputs() == serial(a_set) and len(farm.outputs()) == 12
    assert "openjd_progress: 100.0" in farm.seen and "openjd_status: sh010: 6 frames to render" in farm.seen
    assert (farm.file.parent / "analysed").read_text() == "sh010 0\n"
    assert "The worker has ended." in farm.seen and farm.workers() == []
    task = json.dumps([{"Frame": "1001-1004"}])
    again = farm.openjd("run", "--step", "Render sh010", "--tasks", task)
    assert again.returncode == 0 and "0 of 0 frames written, 4 skipped as they are valid" in farm.seen


def test_when_five_frames_fail_then_they_are_named_and_the_rest_is_on_disk(farm: Farm, a_set: Path) -> None:
    farm.export(chunk=12)
    farm.wish(fail_at=[1002, 1003, 1006, 1009, 1012])
    done = farm.openjd("run")
    assert done.returncode == 1, farm.seen
    named = re.search(r"openjd_fail: sh010: not rendered: --frames (\S+)", farm.seen)
    assert named and parse_frames(named[1]) == (1002, 1003, 1006, 1009, 1012)
    names = {f"sh010.{number}.exr" for number in (1001, 1004, 1005, 1007, 1008, 1010, 1011)}
    assert set(farm.outputs()) == names and farm.workers() == []
    farm.wish()
    tasks = json.dumps([{"Frame": text} for text in ("1002-1003", "1006-1012")])
    assert farm.openjd("run", "--step", "Render sh010", "--tasks", tasks).returncode == 0, farm.seen
    assert farm.outputs() == serial(a_set)


def test_when_the_worker_is_killed_then_the_task_fails_and_the_next_session_finishes(
    farm: Farm, a_set: Path
) -> None:
    farm.export(chunk=6)
    farm.wish(die_at=[1009])
    done = farm.openjd("run")
    assert done.returncode == 1, farm.seen
    assert "openjd_fail: The resident worker is lost: It died during the task." in farm.seen
    assert farm.workers() == [] and "sh010.1009.exr" not in farm.outputs()
    assert len(farm.outputs()) >= 6
    assert farm.openjd("run").returncode == 0, farm.seen
    assert farm.outputs() == serial(a_set)


def test_when_the_analysis_fails_then_nothing_is_rendered(farm: Farm) -> None:
    farm.export()
    farm.wish(analysis=3)
    done = farm.openjd("run", "--step", "Render sh010", "--run-dependencies")
    assert done.returncode == 1 and "Render" not in farm.seen.split("Running step", 2)[1].split("\n")[0]
    assert not farm.outputs() and "Entering Environment: Model" not in farm.seen


def test_when_the_model_cannot_be_loaded_then_the_session_ends_with_the_reason(farm: Farm) -> None:
    farm.export()
    farm.wish(model=4)
    done = farm.openjd("run")
    assert done.returncode == 1 and "The model is broken." in farm.seen, farm.seen
    assert "Bring it back." in farm.seen and not farm.outputs() and farm.workers() == []


def test_when_the_run_is_cancelled_then_the_frame_at_hand_arrives_and_no_worker_stays(
    farm: Farm, a_set: Path
) -> None:
    farm.export(chunk=12)
    farm.wish(pause_s=0.4)
    command = [str(OPENJD), "run", str(farm.bundle / "template.yaml")]
    values = ["-p", f"file://{farm.bundle / 'local_parameters.yaml'}"]
    log = (farm.folder / "log").open("w+")
    with log, subprocess.Popen([*command, *values], stdout=log, stderr=log, env=farm.surroundings()) as run:
        limit = time.monotonic() + 60
        while len(farm.outputs()) < 2 and time.monotonic() < limit:
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) != 0
        log.seek(0)
        text = log.read()
    assert farm.workers() == [], text
    pictures = farm.outputs()
    assert 2 <= len(pictures) < 12, text
    assert {name: serial(a_set)[name] for name in pictures} == pictures
    farm.wish()
    assert farm.openjd("run").returncode == 0 and farm.outputs() == serial(a_set)


def test_when_many_shots_are_exported_then_each_has_its_steps_and_long_names_fit() -> None:
    shots = tuple(FarmShot("x" * 90 + str(index), (1, 3, 5, 7)) for index in range(30))
    data = template(FarmJob("show", "/s.yaml", shots, chunk=2, device="cuda:0"))
    names = [step["name"] for step in data["steps"]]
    assert len(set(names)) == 60 and max(map(len, names)) <= 64
    frames = data["steps"][1]["parameterSpace"]["taskParameterDefinitions"][0]
    assert frames["range"] == "1-7:2" and frames["chunks"]["rangeConstraint"] == "CONTIGUOUS"
    assert data["steps"][0]["hostRequirements"]["amounts"][0]["name"] == "amount.worker.gpu"
    sparse = template(FarmJob("show", "/s.yaml", (FarmShot("a", tuple(range(1, 99, 2))),), chunk=10))
    frames = sparse["steps"][1]["parameterSpace"]["taskParameterDefinitions"][0]
    assert frames["chunks"]["rangeConstraint"] == "NONCONTIGUOUS"


def test_when_a_review_is_wanted_then_it_is_the_last_step_and_waits_for_all(farm: Farm) -> None:
    farm.export(review=str(farm.folder / "re view"))
    assert farm.openjd("check").returncode == 0, farm.seen
    assert farm.openjd("summary", "--output", "json").returncode == 0, farm.seen
    last = yaml.safe_load((farm.bundle / "template.yaml").read_text())["steps"][-1]
    assert last["name"] == "Review" and last["dependencies"] == [{"dependsOn": "Render sh010"}]
    assert last["script"]["actions"]["onRun"]["args"][:4] == [
        "review",
        "{{Param.ShowFile}}",
        "sh010",
        "--output",
    ]


def test_when_paths_look_like_variables_then_they_stay_what_they_are() -> None:
    file = '/a {{Param.Device}}/"b" $HOME `c`/shots.yaml'
    files = {
        file.name: file.text for file in openjd_files(FarmJob("s", file, (FarmShot("a", (1,)),), "lineament"))
    }
    assert "{{Param.Device}}/" not in files["template.yaml"]
    values = yaml.safe_load(files["parameter_values.yaml"])["parameterValues"]
    assert {"name": "ShowFile", "value": file} in values
    assert yaml.safe_load(files["asset_references.yaml"])["assetReferences"]["inputs"]["filenames"] == [file]
