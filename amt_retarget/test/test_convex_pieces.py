"""Convex pieces: what is convex stays, holes stay free, files are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import Delaunay

from amt_retarget.errors import RetargetError
from amt_retarget.simulation.convex_pieces import ConvexPieces, convex_pieces

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
BOX_FACES = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])
BOX = np.array([0.03, 0.04, 0.06]) * CORNERS
RING_M, ROD_M = 0.035, 0.008


def ring() -> tuple[np.ndarray, np.ndarray]:
    """A torus about z, like a handle."""
    count, sides = 32, 12
    around = 2 * np.pi * np.arange(count)[:, None] / count
    angle = 2 * np.pi * np.arange(sides) / sides
    radius = RING_M + ROD_M * np.cos(angle)
    height = np.broadcast_to(ROD_M * np.sin(angle), (count, sides))
    vertices = np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=-1)
    a = np.arange(count * sides).reshape(count, sides)
    b, c = np.roll(a, -1, axis=0), np.roll(a, -1, axis=1)
    d = np.roll(b, -1, axis=1)
    faces = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])
    return vertices.reshape(-1, 3), faces.reshape(-1, 3)


def inside(pieces: ConvexPieces, points: np.ndarray) -> np.ndarray:
    """[n] whether points [n, 3] are in any piece."""
    return np.any([Delaunay(piece).find_simplex(points) >= 0 for piece in pieces.corners], axis=0)


@pytest.fixture(scope="module")
def ring_pieces() -> ConvexPieces:
    return convex_pieces(*ring())


def test_convex_components_stay_as_they_are() -> None:
    aside = np.array([0.05, 0.0, 0.0])
    vertices = np.concatenate([BOX, BOX + aside])  # they overlap
    faces = np.concatenate([BOX_FACES, BOX_FACES + len(BOX)])
    pieces = convex_pieces(vertices, faces)
    assert [len(corners) for corners in pieces.corners] == [8, 8]
    assert pieces.outside_max < 1e-6
    assert pieces.missing_max < 1e-6


def test_seams_of_a_file_do_not_open_a_mesh() -> None:
    """Every triangle with vertices of its own, as files with textures have them."""
    pieces = convex_pieces(BOX[BOX_FACES].reshape(-1, 3), np.arange(36).reshape(-1, 3))
    assert [len(corners) for corners in pieces.corners] == [8]


def test_hole_of_a_ring_stays_free(ring_pieces: ConvexPieces) -> None:
    angle = np.linspace(0.0, 2 * np.pi, 40)
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    assert inside(ring_pieces, RING_M * circle).mean() > 0.9  # there is nothing between two pieces
    hole = np.concatenate([share * circle for share in (0.0, 0.010, 0.020, 0.024)])
    assert not inside(ring_pieces, hole).any()
    assert len(ring_pieces.corners) > 8


def test_errors_say_how_far_the_pieces_are(ring_pieces: ConvexPieces) -> None:
    assert 0.0 < ring_pieces.outside_mean < 0.0005 < ring_pieces.outside_max < 0.004
    assert 0.0 < ring_pieces.missing_mean < 0.0005 < ring_pieces.missing_max < 0.003
    corners = np.concatenate(ring_pieces.corners)
    from_rod = np.hypot(np.hypot(*corners[:, :2].T) - RING_M, corners[:, 2]) - ROD_M
    assert from_rod.max() <= ring_pieces.outside_max + 1e-4


def test_open_box_is_not_filled() -> None:
    """A box without its lid, of surfaces without thickness."""
    lid = np.all(BOX[BOX_FACES][:, :, 2] > 0.0, axis=1)
    pieces = convex_pieces(BOX, BOX_FACES[~lid])
    assert not inside(pieces, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.05]])).any()


def test_cache_gives_the_same_and_tells_damage(tmp_path: Path) -> None:
    first = convex_pieces(BOX, BOX_FACES, tmp_path)
    (path,) = tmp_path.iterdir()
    again = convex_pieces(BOX, BOX_FACES, tmp_path)
    np.testing.assert_array_equal(first.corners[0], again.corners[0])
    assert again.missing_max == first.missing_max
    convex_pieces(0.5 * BOX, BOX_FACES, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    path.write_bytes(b"PK nothing")
    with pytest.raises(RetargetError, match="damaged"):
        convex_pieces(BOX, BOX_FACES, tmp_path)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (BOX * [1.0, 1.0, 0.0], BOX_FACES, "flat"),
        (np.where(BOX > 0.05, np.nan, BOX), BOX_FACES, "finite"),
        (BOX, BOX_FACES[:0], "triangles"),
    ],
)
def test_meshes_that_are_none(vertices: np.ndarray, faces: np.ndarray, message: str) -> None:
    with pytest.raises(RetargetError, match=message):
        convex_pieces(vertices, faces)
