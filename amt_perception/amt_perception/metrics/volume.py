"""Volumes of closed triangle meshes that may cut through themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Volume(NamedTuple):
    """What a surface encloses, in cubic units of its vertices."""

    filled: float
    """Inside the surface, counted once."""
    doubled: float
    """The part of it that is inside twice: where the surface cuts through itself."""


def enclosed_volume(vertices: np.ndarray, faces: np.ndarray, spacing: float) -> Volume:
    """Volume inside a closed mesh by its winding number along parallel lines.

    vertices: [N, 3]; faces: [F, 3] counter-clockwise seen from outside; spacing: between the lines,
    along z, in the vertices' unit. Along a line the winding number goes up by one where it enters
    through a face and down where it leaves (Jacobson et al., "Robust inside-outside segmentation
    using generalized winding numbers", SIGGRAPH 2013, for what it means).
    """
    # Lines lie off the grid of round numbers, so that they do not run through vertices and edges.
    plane = (vertices[:, :2] - vertices[:, :2].min(axis=0)) / spacing + (0.4142, 0.3183)
    width = int(plane[:, 0].max()) + 1
    lines, heights, signs = [], [], []
    for face in faces:
        a, b, c = plane[face]
        area = _cross(b - a, c - a)
        u, v = (np.arange(np.ceil(x.min()), np.ceil(x.max())) for x in plane[face].T)
        point = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        if len(point) == 0 or area == 0.0:
            continue
        shares = np.column_stack(
            [_cross(end - point, start - point) for end, start in ((b, c), (c, a), (a, b))]
        )
        shares /= area
        inside = (shares >= 0.0).all(axis=1)
        lines.append(point[inside] @ [1.0, width])
        heights.append(shares[inside] @ vertices[face, 2])
        signs.append(np.full(np.count_nonzero(inside), -np.sign(area)))
    line, height, sign = map(np.concatenate, (lines, heights, signs))
    order = np.lexsort((height, line))
    line, height, winding = line[order], height[order], np.cumsum(sign[order])
    # Each line starts anew, whatever an edge that it touched left behind.
    first = np.searchsorted(line, line)
    winding -= (winding - sign[order])[first]
    length, winding = np.diff(height) * (np.diff(line) == 0), winding[:-1]
    column = spacing**2
    return Volume(
        float(length[winding > 0.5].sum()) * column, float(length[winding > 1.5].sum()) * column
    )


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """z of the cross product of vectors [..., 2]."""
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
