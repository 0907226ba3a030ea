"""Runs every file of tests/hosts/blender inside both Blenders, each file in a process of its own.

The Blenders are Python environments with the ``bpy`` wheel, ``.blender/4.5`` and ``.blender/5.0``, made by
``make test`` (or ``make blender``). A process that hangs is killed and reported: Blender 4.5 never ends
while something of an add-on is still registered.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
INNER = Path(__file__).parent / "blender"
VERSIONS = ("4.5", "5.0")
LIMIT_S = 420.0
"""A file of inner tests takes less than a minute on an idle machine; what takes longer than this hangs."""

pytestmark = [pytest.mark.blender, pytest.mark.slow]


def blender_python(version: str) -> Path:
    """The interpreter that has that Blender: $LINEAMENT_BLENDER_4_5 and so on, or the checkout's own."""
    named = os.environ.get(f"LINEAMENT_BLENDER_{version.replace('.', '_')}", "")
    return Path(named) if named else REPOSITORY / ".blender" / version / "bin" / "python"


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on which ``lineament`` is importable from the checkout, for interpreters without an install."""
    root = tmp_path_factory.mktemp("layout")
    (root / "lineament").mkdir()
    for layer in ("core", "plugin", "hosts", "gizmos"):
        (root / "lineament" / layer).symlink_to(REPOSITORY / layer, target_is_directory=True)
    return root


def inner_environment(layout: Path, scratch: Path) -> dict[str, str]:
    """A Blender that knows nothing of the user's settings and finds the engine in this interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BLENDER_")}
    return kept | {
        "PYTHONPATH": str(layout),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LINEAMENT_PYTHON": sys.executable,
        "BLENDER_USER_RESOURCES": str(scratch / "user"),
        "OMP_NUM_THREADS": "1",
    }


def run_inside(
    python: Path, file: Path, environment: dict[str, str], scratch: Path
) -> tuple[int | None, str]:
    """The exit status (None if it hung and was killed, with its children) and everything that was said."""
    command = [str(python), "-m", "pytest", str(file), "-q", "-p", "no:cacheprovider",
               "--basetemp", str(scratch / "tests")]  # fmt: skip
    log = scratch / "output.txt"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, env=environment, cwd=REPOSITORY,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            status: int | None = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return status, log.read_text("utf-8", "replace")


Verdict = tuple[int | None, str]


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, layout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[Verdict]]]:
    """Every file that was asked for, in every Blender, on its way: one process a core, in the order of the tests."""
    asked = [
        (item.callspec.params["version"], item.callspec.params["file"])
        for item in request.session.items
        if item.path == request.path and "file" in getattr(getattr(item, "callspec", None), "params", {})
    ]

    def run(version: str, file: str) -> Verdict:
        scratch = tmp_path_factory.mktemp(f"{version}-{Path(file).stem}")
        return run_inside(blender_python(version), INNER / file, inner_environment(layout, scratch), scratch)

    with ThreadPoolExecutor(max_workers=max(1, min(4, os.cpu_count() or 1))) as pool:
        yield {one: pool.submit(run, *one) for one in asked if blender_python(one[0]).exists()}
        pool.shutdown(wait=True, cancel_futures=True)


@pytest.mark.parametrize("file", sorted(path.name for path in INNER.glob("test_*.py")))
@pytest.mark.parametrize("version", VERSIONS)
def test_when_run_inside_blender_then_the_file_passes(
    version: str, file: str, verdicts: dict[tuple[str, str], Future[Verdict]]
) -> None:
    python = blender_python(version)
    if not python.exists():
        pytest.fail(f'There is no Blender {version} at {python}. Run "make blender", then try again.', False)
    status, said = verdicts[version, file].result()
    if status is None:
        pytest.fail(f"{file} hung in Blender {version} and was killed after {LIMIT_S:.0f} s:\n{said}", False)
    if status != 0:
        pytest.fail(f"{file} failed in Blender {version} with exit status {status}:\n{said}", False)
