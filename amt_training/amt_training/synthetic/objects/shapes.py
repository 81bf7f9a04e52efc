"""Closed solids to put objects together from, and the objects. Metres; z is up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.spatial.transform import Rotation

Vector: TypeAlias = Sequence[float] | np.ndarray
"""[3] (m)."""

TURNED_SIDES = 36
"""Corners of a turned solid's cross-section: a radius of 40 mm is met to 0.15 mm."""
_FILLET_POINTS = 4

HALF_TURNS = Rotation.from_rotvec(np.pi * np.vstack([np.zeros(3), np.eye(3)])).as_matrix()
"""[4, 3, 3] of a box: none, and about x, y and z."""
Z_AXIS = np.array([0.0, 0.0, 1.0])


class Solid(NamedTuple):
    """A closed component."""

    vertices: np.ndarray
    """[V, 3] (m)."""
    faces: np.ndarray
    """[F, 3] counter-clockwise seen from outside."""

    def moved(self, rotation: Rotation, offset: Vector) -> Solid:
        """Turned, then moved by offset [3] (m)."""
        return Solid(rotation.apply(self.vertices) + offset, self.faces)


@dataclass(frozen=True)
class Shape:
    """Solids by the name of the part that they are, with what turns leave all of them as is."""

    parts: Mapping[str, Solid]
    symmetry_rotations: np.ndarray = field(default_factory=lambda: np.eye(3)[None])
    """[K, 3, 3], the identity among them."""
    symmetry_axis: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """[3] unit axis of a solid of revolution, zero for others."""


@dataclass(frozen=True)
class SyntheticObject:
    """One mesh of several closed components, which may overlap."""

    name: str
    """Its own, such as mug_07."""
    family: str
    """One of OBJECT_CLASSES."""
    vertices: np.ndarray
    """[V, 3] (m); the origin is the middle of the bounding box, z is up when it stands."""
    faces: np.ndarray
    """[F, 3] counter-clockwise seen from outside."""
    part_names: tuple[str, ...]
    part_of_face: np.ndarray
    """[F] index into part_names."""
    symmetry_rotations: np.ndarray
    """[K, 3, 3] turns that leave the shape as it is, the identity among them."""
    symmetry_axis: np.ndarray
    """[3] unit axis about which any turn does; zero for none."""


def assembled(name: str, family: str, shape: Shape) -> SyntheticObject:
    """An object from its parts, moved so that the middle of its bounding box is the origin."""
    solids = list(shape.parts.values())
    starts = np.cumsum([0, *(len(one.vertices) for one in solids)])
    vertices = np.vstack([one.vertices for one in solids])
    faces = np.vstack([one.faces + start for one, start in zip(solids, starts, strict=False)])
    return SyntheticObject(
        name=name,
        family=family,
        vertices=vertices - 0.5 * (vertices.min(axis=0) + vertices.max(axis=0)),
        faces=faces,
        part_names=tuple(shape.parts),
        part_of_face=np.repeat(np.arange(len(solids)), [len(one.faces) for one in solids]),
        symmetry_rotations=shape.symmetry_rotations,
        symmetry_axis=shape.symmetry_axis,
    )


def lofted(first: Vector, rings: np.ndarray, last: Vector) -> Solid:
    """A skin over rings of points [R, K, 3], closed at both ends by the points first and last [3].

    Rings run counter-clockwise seen from `last`.
    """
    count, sides = rings.shape[:2]
    vertices = np.vstack([rings.reshape(-1, 3), first, last])
    a = np.arange(count * sides).reshape(count, sides)
    b = np.roll(a, -1, axis=1)
    start, end = (np.full(sides, count * sides + place) for place in (0, 1))
    corners = [
        (a[:-1], b[:-1], b[1:]),
        (a[:-1], b[1:], a[1:]),
        (start, b[0], a[0]),
        (end, a[-1], b[-1]),
    ]
    faces = [np.stack(np.broadcast_arrays(*corner), axis=-1).reshape(-1, 3) for corner in corners]
    return Solid(vertices, np.vstack(faces))


def turned(profile: Sequence[tuple[float, float]] | np.ndarray) -> Solid:
    """A solid of revolution about z.

    profile: [P, 2] radius and height (m), from the axis around the outside back to the axis; first
    and last radius are 0. A profile that comes back inside itself makes a hollow solid.
    """
    profile = np.asarray(profile, float)
    radius, height = profile[1:-1, :1], profile[1:-1, 1:]
    angle = 2.0 * np.pi * np.arange(TURNED_SIDES) / TURNED_SIDES
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    rings = np.stack([x, y, np.broadcast_to(height, x.shape)], axis=-1)
    return lofted((0.0, 0.0, profile[0, 1]), rings, (0.0, 0.0, profile[-1, 1]))


def swept(
    path: np.ndarray, half_widths: np.ndarray, across: Vector, roundness: float = 1.0
) -> Solid:
    """A rod along a plane curve, flat at its ends.

    path: [R, 3]; half_widths: [R, 2] or [2] of its cross-section (m), in the curve's plane and
    along `across`, the unit normal [3] of that plane. roundness: 1 for an ellipse, towards 0 for a
    rectangle (a superellipse of exponent 2 / roundness).
    """
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    within = np.cross(across, along)
    angle = 2.0 * np.pi * np.arange(24) / 24
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outline = np.sign(outline) * np.abs(outline) ** roundness
    half = np.broadcast_to(half_widths, (len(path), 2))
    # within x across = along: rings are counter-clockwise seen from the end.
    rings = (
        path[:, None]
        + (half[:, :1] * outline[:, 0])[..., None] * within[:, None]
        + (half[:, 1:] * outline[:, 1])[..., None] * np.asarray(across)
    )
    return lofted(path[0], rings, path[-1])


def block(extents: Vector, radius: float) -> Solid:
    """A box of extents [3] about the origin whose edges are rounded with a radius (m)."""
    # A sphere that is pulled apart: between its halves the flat sides open.
    rows, sides = 8, 24
    polar = np.pi * (np.arange(rows) + 0.5)[:, None] / rows
    around = 2.0 * np.pi * (np.arange(sides) + 0.5) / sides
    sphere = np.stack(
        np.broadcast_arrays(
            np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), -np.cos(polar)
        ),
        axis=-1,
    )
    # No ring lies at its poles or middle lines; stretched, it is as large as it should be.
    sphere = sphere / np.abs(sphere).max(axis=(0, 1))
    half = 0.5 * np.asarray(extents, float)
    rings = np.sign(sphere) * (half - radius) + radius * sphere
    return lofted((0.0, 0.0, -half[2]), rings, (0.0, 0.0, half[2]))


def rounded(profile: Sequence[tuple[float, float]], radius: float) -> np.ndarray:
    """A profile [P, 2] whose corners, all but its ends, are cut by arcs.

    radius: how far from a corner its arc begins (m), or nearly half of the way to the next corner
    where that is nearer.
    """
    corners = np.asarray(profile, float)
    t = np.linspace(0.0, 1.0, _FILLET_POINTS)[:, None]
    points = [corners[:1]]
    for before, corner, after in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
        ends = []
        for other in (before, after):
            way = other - corner
            ends.append(corner + way * min(radius / np.linalg.norm(way), 0.45))
        points.append((1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * corner + t**2 * ends[1])
    return np.vstack([*points, corners[-1:]])


def bow(start: np.ndarray, end: np.ndarray, height: float, count: int) -> np.ndarray:
    """[count, 3] half an ellipse from one point [3] to another, `height` (m) out along x."""
    t = np.linspace(0.0, np.pi, count)[:, None]
    middle, half = 0.5 * (start + end), 0.5 * (start - end)
    return middle + half * np.cos(t) + height * np.sin(t) * np.array([1.0, 0.0, 0.0])


def line(start: Vector, end: Vector, count: int) -> np.ndarray:
    """[count, 3] points from one to another."""
    return np.linspace(start, end, count)
