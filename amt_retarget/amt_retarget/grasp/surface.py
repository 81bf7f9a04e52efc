"""An object's surface as points with outward normals: from a mesh, or as a point cloud has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError

Array = NDArray[np.float64]

SAMPLE_SPACING_M = 0.003
"""Distance between neighbouring samples of a mesh: a fingertip (radius 12 mm) that is 0.1 mm deep
in a flat surface already covers one."""
CANDIDATES_PER_SAMPLE = 8
"""Points drawn for each one that is kept, so that no cell of the sampling grid stays empty."""
ROBERTS_R2 = np.array([0.7548776662466927, 0.5698402909980532])
"""Steps of the two-dimensional sequence: 1/g and 1/g^2 for g^3 = g + 1."""
SIGN_DEPTH_M = 0.003
"""Samples that are at most so much farther than the nearest one vote with it on whether a point is
inside: at a sharp edge, where samples of two sides are near, one alone may be wrong."""


@dataclass(frozen=True, eq=False)
class ObjectSurface:
    """Samples of an object's surface in the object's frame.

    The object may be concave and need not be closed; what counts is that the samples lie close
    together compared with a fingertip, about SAMPLE_SPACING_M.

    Raises RetargetError for arrays of the wrong shape, no points, or values that are not finite.
    """

    points: Array
    """[N, 3] m."""
    normals: Array
    """[N, 3] unit vectors out of the object."""

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=float)
        normals = np.array(self.normals, dtype=float)
        if points.ndim != 2 or points.shape[1] != 3 or not len(points):
            raise RetargetError(f"An object's points have shape (N, 3), not {points.shape}.")
        if normals.shape != points.shape:
            raise RetargetError(
                f"Every point of an object needs its normal: {points.shape} points came with "
                f"{normals.shape} normals."
            )
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        if not np.all(np.isfinite(points)) or not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise RetargetError(
                "An object's points must be finite and its normals must have a direction."
            )
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "normals", normals / lengths)

    @classmethod
    def from_mesh(
        cls, vertices: Array, faces: NDArray[np.int64], spacing: float = SAMPLE_SPACING_M
    ) -> ObjectSurface:
        """Even samples of a triangle mesh; the same mesh gives the same samples.

        vertices: [V, 3] m; faces: [F, 3] vertex indices, all wound alike; spacing: m. Candidates
        are spread over the area by a low-discrepancy sequence (Roberts' R2) and thinned to one a
        grid cell. A mesh that is wound inside out, whose volume is negative, is turned.
        """
        vertices, faces = np.asarray(vertices, dtype=float), np.asarray(faces)
        if vertices.ndim != 2 or faces.ndim != 2 or vertices.shape[1] != 3 or faces.shape[1] != 3:
            raise RetargetError(
                "A mesh has vertices of shape (V, 3) and triangles of shape (F, 3), not "
                f"{vertices.shape} and {faces.shape}."
            )
        corners = vertices[faces]
        crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas = np.linalg.norm(crosses, axis=1) / 2.0
        if not areas.sum() > 0.0:
            raise RetargetError("The object's mesh has no area: give a mesh with triangles.")
        relative = corners - vertices.mean(axis=0)
        volume = np.einsum("ij,ij->", relative[:, 0], np.cross(relative[:, 1], relative[:, 2]))
        outward = crosses if volume >= 0.0 else -crosses

        count = int(np.ceil(CANDIDATES_PER_SAMPLE * areas.sum() / spacing**2))
        position = (np.arange(count) + 0.5) / count * areas.sum()
        face = np.minimum(np.searchsorted(np.cumsum(areas), position), len(faces) - 1)
        u, v = (np.arange(1, count + 1)[:, None] * ROBERTS_R2 % 1.0).T
        over = u + v > 1.0
        u, v = np.where(over, 1.0 - u, u)[:, None], np.where(over, 1.0 - v, v)[:, None]
        a, b, c = corners[face].transpose(1, 0, 2)
        candidates = a + u * (b - a) + v * (c - a)
        cells = np.floor(candidates / spacing).astype(np.int64)
        _, kept = np.unique(cells, axis=0, return_index=True)
        return cls(candidates[kept], outward[face[kept]])

    @classmethod
    def load(cls, path: Path, spacing: float = SAMPLE_SPACING_M) -> ObjectSurface:
        """As `from_mesh` for a mesh file (OBJ, STL, PLY ...; m); RetargetError if unreadable."""
        return cls.from_mesh(*load_mesh(path), spacing)

    def squared_distances(self, points: Array) -> Array:
        """Squared distances [n, N] (m^2) of points [n, 3] to all samples."""
        squares = (points**2).sum(axis=1)[:, None] + (self.points**2).sum(axis=1)
        squares -= 2.0 * points @ self.points.T
        return np.maximum(squares, 0.0, out=squares)

    def nearest(self, points: Array) -> NDArray[np.int64]:
        """Index [n] of the sample nearest to each of the points [n, 3] (m)."""
        return np.argmin(self.squared_distances(points), axis=1)

    def signed_distance(self, points: Array, squared: Array | None = None) -> tuple[Array, Array]:
        """Distance [n] (m) of points [n, 3] to the nearest sample, negative inside; its gradient.

        A point is inside where it lies behind its nearest samples, on the side against their
        normals. The gradient [n, 3] is the unit vector in which the distance grows.
        squared: the points' `squared_distances`, where they are known already.
        """
        if squared is None:
            squared = self.squared_distances(points)
        best = np.argmin(squared, axis=1)
        offset = points - self.points[best]
        distance = np.linalg.norm(offset, axis=1)
        point, sample = np.nonzero(squared <= (distance[:, None] + SIGN_DEPTH_M) ** 2)
        heights = ((points[point] - self.points[sample]) * self.normals[sample]).sum(axis=1)
        height = np.bincount(point, weights=heights, minlength=len(points))
        sign = np.where(height < 0.0, -1.0, 1.0)
        at_sample = distance < 1e-9
        direction = offset / np.where(at_sample, 1.0, distance)[:, None]
        gradient = np.where(at_sample[:, None], self.normals[best], sign[:, None] * direction)
        return sign * distance, gradient


def load_mesh(path: Path) -> tuple[Array, NDArray[np.int64]]:
    """Vertices [V, 3] (m) and triangles [F, 3] of a mesh file; RetargetError if it is unreadable.

    Coal, which comes with Pinocchio, reads every format that assimp knows.
    """
    if not Path(path).is_file():
        raise RetargetError(f"{path} does not exist: give the object's mesh file.")
    try:
        import coal
    except ImportError as error:
        raise RetargetError("Reading a mesh needs coal: pip install pin") from error
    try:
        mesh = coal.MeshLoader().load(str(path), np.ones(3))
    except ValueError as error:
        raise RetargetError(
            f"{path} is no mesh that can be read: give an OBJ, STL or PLY file."
        ) from error
    triangles = [mesh.tri_indices(i) for i in range(mesh.num_tris)]
    faces = [[triangle[k] for k in range(3)] for triangle in triangles]
    return np.array(mesh.vertices(), dtype=float), np.array(faces, dtype=np.int64).reshape(-1, 3)
