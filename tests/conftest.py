"""What every test may lean on: the data folder, one torch thread, and short ways to make files."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

# Before anything loads torch: tests share the machine, and results must not depend on its number of cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


def _neighbour(name: str) -> ModuleType:
    """A module beside this one; tests are no packages, and their folder is not on the path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


browser = _neighbour("browser").browser


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that the tests were collected from."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with facekit, shot_a and golden: $LINEAMENT_SHARED, or shared/data beside the checkout."""
    named = os.environ.get("LINEAMENT_SHARED", "")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"no data folder at {folder}; set LINEAMENT_SHARED to the folder with facekit, shot_a and golden"
        )
    return folder.resolve()


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Hold torch to one thread, but only where a test module has loaded torch already."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    yield


@pytest.fixture
def listing(tmp_path: Path) -> Callable[[], list[str]]:
    """Every file under tmp_path as sorted relative names: for "leaves no partial file behind"."""

    def names() -> list[str]:
        return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())

    return names


@pytest.fixture
def broken_copy(tmp_path: Path) -> Callable[..., Path]:
    """Copy a file with damage: ``cut`` keeps so many bytes, ``flip`` inverts the byte at an offset."""

    def damage(source: Path, *, cut: int | None = None, flip: int | None = None) -> Path:
        content = bytearray(source.read_bytes()[:cut])
        if flip is not None:
            content[flip] ^= 0xFF
        target = tmp_path / f"broken_{source.name}"
        target.write_bytes(bytes(content))
        return target

    return damage


@pytest.fixture(scope="session")
def plate_tools() -> ModuleType:
    """The module tests/data/nasty_plates.py: write_nasty_plates, differences, write_exr and friends."""
    folder = str(REPOSITORY / "tests" / "data")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("nasty_plates")
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="session")
def nasty_plates(plate_tools: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every nasty plate by name, written once per session; read only."""
    return plate_tools.write_nasty_plates(tmp_path_factory.mktemp("nasty"))


@pytest.fixture(scope="session")
def gl() -> None:
    """Skips where there is no OpenGL driver."""
    from lineament.core.errors import DeviceError
    from lineament.core.synthetic.gl import open_context

    try:
        open_context(1).release()
    except DeviceError as err:
        pytest.skip(err.what)
