"""Any mesh as convex pieces: what MuJoCo lets collide.

A closed component that is convex stays as it is. The rest is taken apart by V-HACD 4 (Mamou,
"Volumetric hierarchical approximate convex decomposition", 2016; package vhacdx), which
works on voxels and so needs no closed mesh. How far the pieces are from the mesh is measured.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.surface import ObjectSurface

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

VOXELS = 50_000
"""In which V-HACD fills a component: twice as many take twice as long, for the same errors."""
MOST_PIECES = 64
"""Of one component. With 32 the inside of a mug is 50 % rounder."""
MOST_CORNERS = 64
VOLUME_ERROR_PERCENT = 1.0
DEEPEST_SPLIT = 15

CONVEX_WITHIN_M = 0.0005
"""A component is convex where its surface lies no deeper than this in its convex hull."""
LEAST_VOLUME_M3 = 1e-10
"""Smaller pieces, a tenth of a cubic millimetre, are flat but for rounding."""
_FORMAT = 1
"""Of the cached files; another number makes old files be ignored."""


@dataclass(frozen=True, eq=False)
class ConvexPieces:
    """Convex pieces that together stand for a mesh, and how far from it they are (m)."""

    corners: tuple[Array, ...]
    """[C, 3] of each piece, in the mesh's frame (m)."""
    outside_mean: float
    """Mean distance of the pieces' surface from the mesh, 0 where it is not outside of it."""
    outside_max: float
    missing_mean: float
    """Mean distance of the mesh's surface from the pieces, 0 where it is in one of them."""
    missing_max: float


def convex_pieces(vertices: Array, faces: Faces, cache: Path | None = None) -> ConvexPieces:
    """Take a mesh apart: vertices [V, 3] (m), faces [F, 3] counter-clockwise from outside.

    cache: folder of earlier results, found by the mesh's content; None keeps none.
    Raises RetargetError for a mesh without volume, and without vhacdx or libigl.
    """
    vertices = np.ascontiguousarray(vertices, dtype=np.float64)
    faces = np.ascontiguousarray(faces, dtype=np.int64)
    if cache is None:
        return _decompose(vertices, faces)
    settings = (_FORMAT, VOXELS, MOST_PIECES, MOST_CORNERS, VOLUME_ERROR_PERCENT, DEEPEST_SPLIT)
    digest = hashlib.sha256(repr((settings, vertices.shape, faces.shape)).encode())
    digest.update(vertices.tobytes())
    digest.update(faces.tobytes())
    path = cache / f"{digest.hexdigest()[:32]}.npz"
    if path.is_file():
        return _read(path)
    pieces = _decompose(vertices, faces)
    _write(path, pieces)
    return pieces


def _decompose(vertices: Array, faces: Faces) -> ConvexPieces:
    if not len(faces) or not np.isfinite(vertices).all():
        raise RetargetError("Convex pieces need a mesh with triangles and finite vertices.")
    corners: list[Array] = []
    for part_vertices, part_faces, closed in _components(vertices, faces):
        if closed and _is_convex(part_vertices, part_faces):
            corners.append(part_vertices)
        else:
            corners += _v_hacd(part_vertices, part_faces)
    solid = [(piece, hull) for piece in corners if (hull := _hull(piece)) is not None]
    if not solid:
        raise RetargetError("The object's mesh is flat: give one that encloses a volume.")
    errors = _errors(vertices, faces, [hull for _, hull in solid])
    return ConvexPieces(tuple(piece[hull.vertices] for piece, hull in solid), *errors)


def _components(vertices: Array, faces: Faces) -> list[tuple[Array, Faces, bool]]:
    """Vertices, faces and whether it is closed, of each closed component, and of all open ones.

    Vertices at the same place count as one: files repeat them along seams of textures.
    """
    vertices, same = np.unique(vertices, axis=0, return_inverse=True)
    faces = same.reshape(-1)[faces]
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    links = coo_array((np.ones(len(edges)), edges.T), shape=(len(vertices), len(vertices)))
    count, of_vertex = connected_components(links, directed=False)
    edges, uses = np.unique(edges, axis=0, return_counts=True)
    closed = np.ones(count, bool)
    closed[of_vertex[edges[uses != 2, 0]]] = False
    of_face = of_vertex[faces[:, 0]]
    groups = [(of_face == component, True) for component in np.unique(of_face[closed[of_face]])]
    if not closed[of_face].all():
        groups.append((~closed[of_face], False))
    found = []
    for chosen, is_closed in groups:
        used, part_faces = np.unique(faces[chosen], return_inverse=True)
        found.append((vertices[used], part_faces.reshape(-1, 3), is_closed))
    return found


def _is_convex(vertices: Array, faces: Faces) -> bool:
    hull = _hull(vertices)
    if hull is None:
        return False
    samples = ObjectSurface.from_mesh(vertices, faces).points
    return bool(_height(hull, samples).min() > -CONVEX_WITHIN_M)


def _v_hacd(vertices: Array, faces: Faces) -> list[Array]:
    try:
        import vhacdx
    except ImportError as error:
        raise RetargetError("Convex pieces need V-HACD: pip install vhacdx") from error
    counted = np.column_stack([np.full(len(faces), 3), faces])  # its format: corners' number first
    pieces = vhacdx.compute_vhacd(
        vertices,
        counted.astype(np.uint32).ravel(),
        maxConvexHulls=MOST_PIECES,
        resolution=VOXELS,
        minimumVolumePercentErrorAllowed=VOLUME_ERROR_PERCENT,
        maxRecursionDepth=DEEPEST_SPLIT,
        shrinkWrap=True,
        fillMode="flood",
        maxNumVerticesPerCH=MOST_CORNERS,
        asyncACD=False,
        minEdgeLength=2,
        findBestPlane=False,
    )
    return [np.array(corners, dtype=np.float64) for corners, _ in pieces]


def _hull(corners: Array) -> ConvexHull | None:
    """None where the corners lie in a plane: pieces of less than a voxel can be flat."""
    try:
        hull = ConvexHull(corners)
    except QhullError:
        return None
    return hull if hull.volume > LEAST_VOLUME_M3 else None


def _height(hull: ConvexHull, points: Array) -> Array:
    """Of points [n, 3] above the hull's highest plane (m): negative inside, exact there."""
    return np.asarray((points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1))


def _errors(
    vertices: Array, faces: Faces, hulls: list[ConvexHull]
) -> tuple[float, float, float, float]:
    """Mean and largest distance outside the mesh, then those of what is missing (m)."""
    try:
        import igl
    except ImportError as error:
        raise RetargetError("Measuring convex pieces needs libigl: pip install libigl") from error
    samples = [ObjectSurface.from_mesh(hull.points, hull.simplices).points for hull in hulls]
    # Corners stick out farthest.
    skin = np.concatenate([*samples, *(hull.points[hull.vertices] for hull in hulls)])
    squared, _, _ = igl.point_mesh_squared_distance(skin, vertices, faces)
    inside = igl.fast_winding_number(vertices, faces, skin) > 0.5
    outside = np.where(inside, 0.0, np.sqrt(squared))
    surface = ObjectSurface.from_mesh(vertices, faces).points
    missing = np.full(len(surface), np.inf)
    for hull in hulls:
        np.minimum(missing, _height(hull, surface), out=missing)
    missing = np.maximum(missing, 0.0)
    return (
        float(outside.mean()),
        float(outside.max()),
        float(missing.mean()),
        float(missing.max()),
    )


def _write(path: Path, pieces: ConvexPieces) -> None:
    """Under another name first: other processes may read at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = [
        pieces.outside_mean,
        pieces.outside_max,
        pieces.missing_mean,
        pieces.missing_max,
    ]
    with NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez(
            file,
            corners=np.concatenate(pieces.corners),
            counts=[len(piece) for piece in pieces.corners],
            errors=errors,
        )
    os.replace(file.name, path)


def _read(path: Path) -> ConvexPieces:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            ends = np.cumsum(arrays["counts"])[:-1]
            corners = tuple(np.split(arrays["corners"], ends))
            return ConvexPieces(corners, *arrays["errors"].tolist())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise RetargetError(f"{path} is damaged ({error}): delete it.") from error
