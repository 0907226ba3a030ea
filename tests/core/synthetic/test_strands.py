"""The tools of strands: roots stick to a mesh, tables are even, noise and ramps keep to their ranges."""

from __future__ import annotations

import numpy as np
import pytest
from lineament.core.synthetic import strands
from lineament.core.synthetic.geometry import BROWS, Mesh


@pytest.fixture
def square() -> Mesh:
    """The unit square in the plane z = 0 as two triangles."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    return strands.bare_mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32))


def test_when_mesh_moves_then_roots_move_with_it(square: Mesh) -> None:
    roots = strands.scatter(square, np.ones(4, bool), 500, 3)
    moved = square.rest * 2 + np.array([1, 0, 5], np.float32)
    np.testing.assert_allclose(roots.at(square.rest), roots.rest, atol=1e-6)
    np.testing.assert_allclose(roots.at(moved), roots.rest * 2 + [1, 0, 5], atol=1e-5)
    np.testing.assert_allclose(roots.normals, [[0, 0, 1]] * 500, atol=1e-6)


def test_when_scattered_then_density_is_even(square: Mesh) -> None:
    roots = strands.scatter(square, np.ones(4, bool), 4000, 3)
    counts = np.histogram2d(roots.rest[:, 0], roots.rest[:, 1], bins=4, range=[[0, 1], [0, 1]])[0]
    assert counts.min() > 190 and counts.max() < 310


def test_when_no_triangle_is_allowed_then_refused(square: Mesh) -> None:
    with pytest.raises(ValueError, match="No triangle"):
        strands.scatter(square, np.zeros(4, bool), 10, 3)


def test_when_taken_then_order_is_the_index(square: Mesh) -> None:
    roots = strands.scatter(square, np.ones(4, bool), 50, 3)
    np.testing.assert_array_equal(roots.take(np.array([7, 2])).rest, roots.rest[[7, 2]])
    np.testing.assert_array_equal(roots.first(9).rest, roots.rest[:9])


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_when_even_table_is_cut_then_it_is_still_even(columns: int) -> None:
    table = strands.even_table(1000, columns)
    np.testing.assert_array_equal(table[:100], strands.even_table(100, columns))
    for part in (table[:64], table):
        counts = np.stack([np.histogram(part[:, c], bins=8, range=(0, 1))[0] for c in range(columns)])
        assert np.abs(counts / len(part) - 1 / 8).max() < 0.05


def test_when_read_twice_then_tables_and_noise_are_the_same() -> None:
    points = strands.uniform_table(200, 3, 5)
    np.testing.assert_array_equal(points[:50], strands.uniform_table(50, 3, 5))
    noise = strands.waves(points, 4.0, 9)
    np.testing.assert_array_equal(noise, strands.waves(points, 4.0, 9))
    assert np.abs(noise).max() < 2 and noise.std() > 0.2


def test_when_ramp_falls_then_smoothstep_is_mirrored() -> None:
    x = np.linspace(-1, 2, 31, dtype=np.float32)
    rising, falling = strands.smoothstep(0, 1, x), strands.smoothstep(1, 0, x)
    np.testing.assert_allclose(rising + falling, 1, atol=1e-5)
    assert rising[0] == 0 and rising[-1] == 1 and (np.diff(rising) >= 0).all()


def test_when_framed_then_frames_are_across_the_curve() -> None:
    t = np.linspace(0, 1, 6, dtype=np.float32)
    curve = np.stack([t, t * t, 0 * t], axis=1)[None]
    sideways, upward = strands.side_frames(curve, np.broadcast_to(np.float32([0, 1, 0]), curve.shape))
    tangent = np.gradient(curve[0], axis=0)
    assert np.abs((sideways[0] * tangent).sum(axis=1)).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(upward, axis=2), 1, atol=1e-5)


def test_when_nothing_grows_then_there_are_no_strands() -> None:
    empty = strands.no_strands(BROWS)
    assert empty.class_id == BROWS and empty.points.shape == (0, 2, 3)
    assert empty.width.shape == (0, 2) and empty.shade.shape == (0, 2)
