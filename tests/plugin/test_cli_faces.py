"""``lineament faces``: what is wrong is said in one sentence, and a few small faces are really rendered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lineament.core.synthetic.shards import dataset_shards, read_card, read_shard
from lineament.plugin.cli import main
from PIL import Image

pytest.importorskip("moderngl", reason='rendering needs the extra "faces"')

FEW = ["--n", "3", "--families", "2", "--attributes", "age,glasses", "--size", "48", "--correlations", "none"]


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session")
def facekit(shared_data: Path) -> Path:
    """The unpacked CC0 package."""
    folder = shared_data / "facekit"
    if not folder.is_dir():
        pytest.skip(f"no CC0 head package at {folder}")
    return folder


@pytest.fixture(scope="session")
def asset(facekit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The head asset, built once."""
    path = tmp_path_factory.mktemp("asset") / "head.npz"
    assert main(["faces", "assets", "--assets", str(facekit), "-o", str(path)]) == 0
    return path


def folder_of(*arguments: str | Path) -> list[str]:
    return ["faces", "dataset", *map(str, arguments)]


def test_when_an_asset_is_built_then_its_content_is_listed_and_it_is_not_replaced(
    asset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = asset.read_bytes()
    assert main(["faces", "assets", "--assets", str(asset), "-o", str(asset)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["faces", "assets", "--assets", str(asset), "-o", str(asset), "--overwrite"]) == 0
    said = capsys.readouterr().out
    assert "morph targets" in said and re.search(r"head\.npz: \d\.\d\d MB", said)
    assert asset.read_bytes() == before


@pytest.mark.slow
def test_when_a_data_set_is_made_then_it_can_be_read_and_goes_on_where_it_was(
    gl, asset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    assert main(folder_of("--assets", asset, "-o", folder, *FEW, "--workers", "2")) == 0
    assert "faces/s" in capsys.readouterr().out
    samples = {sample.key: sample for path in dataset_shards(folder) for sample in read_shard(path)}
    assert len([key for key in samples if key.startswith("face-")]) == 3
    base, older = samples["family-1_0000000"], samples["family-1_0000000-age"]
    assert base.picture.shape == (48, 48, 3) and {0, 1} <= set(np.unique(base.mask))
    assert base.picture.std() > 10
    np.testing.assert_array_equal(base.mask[:4, :4] == 0, older.mask[:4, :4] == 0)
    assert base.meta["development"] == older.meta["development"]
    behind = (base.mask == 0) & (older.mask == 0)
    behind[1:] &= behind[:-1].copy()
    behind[:, 1:] &= behind[:, :-1].copy()
    changed = np.abs(base.picture.astype(int) - older.picture).max(axis=-1)
    assert np.median(changed[behind]) == 0 and changed[base.mask == 1].mean() > 1
    assert read_card(folder)["made_with"]["renderer"]
    first = dataset_shards(folder)[0]
    content = first.read_bytes()
    first.unlink()
    assert main(folder_of("--assets", asset, "-o", folder, *FEW, "--workers", "1")) == 0
    assert re.search(r"3 faces made, \d were there", capsys.readouterr().out)
    assert first.read_bytes() == content
    assert main(folder_of("--assets", asset, "-o", folder, *FEW)) == 0
    assert "were there." in capsys.readouterr().out
    assert main(folder_of("--assets", asset, "-o", folder, *FEW, "--seed", "2")) == 3
    assert "seed was 1, now 2" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [[], ["--sweep", "yaw"]])
def test_when_a_sheet_is_drawn_then_it_is_a_picture(
    gl, asset: Path, tmp_path: Path, sweep: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sheet.png"
    where = ["--assets", str(asset), "-o", str(path), "--correlations", "none"]
    size = ["--columns", "3", "--rows", "2", "--size", "48", "--samples", "1"]
    assert main(["faces", "sheet", *where, *size, *sweep]) == 0
    assert str(path) in capsys.readouterr().out
    with Image.open(path) as picture:
        assert picture.width > 3 * 48 and picture.height > 2 * 48
    assert main(["faces", "sheet", *where, *size, *sweep]) == 2


def test_when_correlations_are_asked_for_then_the_table_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({"age,glasses": 0.4}))
    assert main(["faces", "correlations", "--correlations", str(pairs), "--n", "400"]) == 0
    said = capsys.readouterr().out
    assert "age and glasses" in said and "+0.40" in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("[1]", "holds no pairs"),
        ("{", "Expecting property name"),
        ('{"age,glasses": "much"}', "is no number"),
        ('{"age,nose": 0.5}', "No attribute 'nose'"),
        (
            '{"age,grey": 0.9, "glasses,grey": 0.9, "age,glasses": -0.9}',
            "No faces can have these correlations",
        ),
    ],
)
def test_when_correlations_cannot_be_read_then_the_reason_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, why: str
) -> None:
    pairs = tmp_path / "pairs.json"
    if content is not None:
        pairs.write_text(content)
    assert main(["faces", "correlations", "--correlations", str(pairs), "--n", "100"]) == 2
    assert why in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["assets", "dataset", "sheet"])
def test_when_the_assets_are_missing_then_the_remedy_says_where_they_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    output = tmp_path / {"assets": "a.npz", "dataset": "set", "sheet": "a.png"}[command]
    given = ["--assets", str(tmp_path / "none"), "-o", str(output)]
    extra = [] if command == "assets" else ["--correlations", "none"]
    assert main(["faces", command, *given, *extra]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "CC0" in said and "What to do" in said
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--families", "3"], "go together"),
        (["--families", "3", "--attributes", "age,nose"], "No attribute 'nose'"),
        (["--n", "0"], "would be empty"),
        (["--framing", "loose"], "No framing 'loose'"),
        (["--correlations", "many"], "neither ffhq nor none"),
    ],
)
def test_when_the_settings_make_no_sense_then_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert main(folder_of("--assets", tmp_path, "-o", tmp_path / "set", *arguments)) == 2
    assert why in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "set").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["dataset", "sheet"])
def test_when_there_is_no_opengl_then_the_driver_to_install_is_named(
    asset: Path, tmp_path: Path, command: str
) -> None:
    output = tmp_path / {"dataset": "set", "sheet": "a.png"}[command]
    call = [sys.executable, "-m", "lineament.plugin.cli", "faces", command]
    given = ["--assets", str(asset), "-o", str(output), "--correlations", "none"]
    run = subprocess.run(
        [*call, *given],
        env={**os.environ, "__EGL_VENDOR_LIBRARY_FILENAMES": os.devnull},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 5, run.stderr
    assert "libegl1" in run.stderr and "Traceback" not in run.stderr
    assert command == "dataset" or not output.exists()


def test_when_moderngl_is_missing_then_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from lineament.core.errors import DeviceError
    from lineament.core.synthetic import studio

    for name in ("renderer", "gl"):
        monkeypatch.delitem(sys.modules, f"lineament.core.synthetic.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(DeviceError) as info:
        studio.renderer_version()
    assert 'lineament[engine,cli,faces]"' in info.value.remedy


def test_when_the_doctor_looks_then_he_names_driver_and_assets(
    gl, asset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lineament.plugin import doctor

    found = doctor._opengl()
    assert found.status == "ok" and "OpenGL" in found.detail
    assert doctor._head_asset("").status == "note"
    assert "morph targets" in doctor._head_asset(str(asset)).detail
    ill = doctor._guarded("head asset", lambda: doctor._head_asset(str(tmp_path)))
    assert (ill.status, ill.exit_code) == ("problem", 3) and ill.remedy
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert "pip install" in doctor._opengl().remedy


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"age,glasses": true}', "true is no number"),
        ('{"age,glasses": "0.5"}', "is no number"),
        ('{"age,glasses": 0.1, "age,glasses": 0.2}', "given twice"),
        ("[" * 200_000, "recursion"),
    ],
)
def test_when_the_pairs_are_no_numbers_then_the_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    path = tmp_path / "pairs.json"
    path.write_text(content)
    assert main(["faces", "correlations", "--correlations", str(path), "--n", "100"]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_when_two_attributes_always_go_together_then_the_reachable_correlation_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.json"
    path.write_text('{"age,glasses": 1}')
    assert main(["faces", "correlations", "--correlations", str(path), "--n", "1000"]) == 0
    assert "age and glasses" in capsys.readouterr().out
