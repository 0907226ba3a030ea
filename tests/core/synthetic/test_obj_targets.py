"""Reading base mesh and targets: what is accepted, and that damage is told with where and what to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from lineament.core.errors import DataError
from lineament.core.synthetic.build import build_tables
from lineament.core.synthetic.obj import read_obj
from lineament.core.synthetic.targets import read_target

HEADER = "# This asset was explicitly released as CC0 in september 2020.\n"
QUAD = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\ng body\nf 1/1 2/2 3/3 4/4\n"


def test_when_mesh_is_sound_then_quads_and_groups_are_read(tmp_path: Path) -> None:
    path = tmp_path / "base.obj"
    path.write_text(HEADER + QUAD)
    mesh = read_obj(path)
    assert mesh.groups == ("body",)
    np.testing.assert_array_equal(mesh.quads, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(mesh.positions[2], [1, 1, 0])


@pytest.mark.parametrize(
    "content",
    [
        QUAD,
        HEADER,
        HEADER + QUAD.replace("f 1/1 2/2 3/3 4/4", "f 1/1 2/2 3/3"),
        HEADER + QUAD.replace("4/4", "9/4"),
        HEADER + QUAD.replace("4/4", "0/4"),
        HEADER + QUAD.replace("v 0 0 0", "v a b c"),
        HEADER + QUAD.replace("v 0 0 0", "v nan 0 0"),
        HEADER + QUAD.replace("v 0 0 0", "v 0 0"),
        HEADER + QUAD.replace("1/1 2/2 3/3 4/4", "1 2 3 4"),
    ],
)
def test_when_mesh_is_damaged_or_of_unknown_licence_then_it_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "base.obj"
    path.write_text(content)
    with pytest.raises(DataError, match="makehumancommunity"):
        read_obj(path)


def test_when_mesh_is_missing_then_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_obj(tmp_path / "base.obj")


def test_when_mesh_is_another_than_hm08_then_counts_are_told(tmp_path: Path) -> None:
    (tmp_path / "3dobjs").mkdir()
    (tmp_path / "3dobjs" / "base.obj").write_text(HEADER + QUAD)
    with pytest.raises(DataError, match="19158"):
        build_tables(tmp_path)


def test_when_target_is_sound_then_offsets_are_thousandths(tmp_path: Path) -> None:
    path = tmp_path / "a.target.gz"
    path.write_bytes(gzip.compress(b"# comment\n3 .001 -.25 0\n1 0 0 4.5\n"))
    index, steps = read_target(path, 10)
    np.testing.assert_array_equal(index, [3, 1])
    np.testing.assert_array_equal(steps, [[1, -250, 0], [0, 0, 4500]])


def test_when_target_is_empty_then_it_moves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.target.gz"
    path.write_bytes(gzip.compress(b""))
    assert read_target(path, 10)[1].shape == (0, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b"1 0 0 1\n" * 200)[:-12],
        gzip.compress(b"1 0 0\n"),
        gzip.compress(b"1 0 x 0\n"),
        gzip.compress(b"10 0 0 1\n"),
        gzip.compress(b"-1 0 0 1\n"),
        gzip.compress(b"1 0 0 99\n"),
        gzip.compress(b"1 0 0 nan\n"),
        gzip.compress(b"1 0 0 1\n2 0 0\n"),
    ],
)
def test_when_target_is_damaged_then_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.target.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.target\.gz"):
        read_target(path, 10)
