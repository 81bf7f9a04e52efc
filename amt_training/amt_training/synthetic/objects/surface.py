"""Signed distance to a mesh, exact to its triangles."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from amt_perception.errors import AmtError


def import_igl() -> ModuleType:
    """libigl. Raises AmtError when it is missing."""
    try:
        import igl
    except ImportError as error:
        raise AmtError("The synthetic world needs libigl: pip install libigl") from error
    return igl


class Surface:
    """The surface of a closed mesh, or of several closed components that may overlap.

    Distances come from libigl's tree of boxes; what is inside, from its fast winding number
    (Barill et al., "Fast winding numbers for soups and clouds", SIGGRAPH 2018). Where components
    overlap, a triangle of one that lies inside another counts as surface for points inside, so
    depth there is to the nearest of all triangles.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        """vertices [V, 3] (m); faces [F, 3], counter-clockwise seen from outside.

        Raises AmtError when libigl is missing.
        """
        igl = import_igl()
        self.vertices = np.array(vertices, np.float64, order="C")
        self.faces = np.array(faces, np.int64, order="C")
        self._low, self._high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        self._tree = igl.AABB()
        self._tree.init(self.vertices, self.faces)
        self._winding = igl.FastWindingNumberBVH()
        self._winding.init(self.vertices, self.faces)

    def distance(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of points [N, 3] in the mesh's frame.

        Returns the signed distances [N] (m), negative inside, and the nearest point of the surface
        to each [N, 3].
        """
        points = np.ascontiguousarray(points, np.float64)
        squared, _, nearest = self._tree.squared_distance(self.vertices, self.faces, points)
        return np.where(self.inside(points), -1.0, 1.0) * np.sqrt(squared), nearest

    def inside(self, points: np.ndarray) -> np.ndarray:
        """[N] bool: are points [N, 3] inside?"""
        # Few points are in the bounding box, and the winding number takes most of the time.
        found = ((points > self._low) & (points < self._high)).all(axis=1)
        candidates = np.ascontiguousarray(points[found], np.float64)
        found[found] = self._winding.winding_number(candidates) > 0.5
        return found

    def __reduce__(self) -> tuple[type[Surface], tuple[np.ndarray, np.ndarray]]:
        # libigl's trees cannot be pickled; they are quickly made again.
        return Surface, (self.vertices, self.faces)
