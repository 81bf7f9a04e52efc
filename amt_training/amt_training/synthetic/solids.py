"""Objects and the backdrop as meshes of MuJoCo, with normals and places in their textures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from amt_training.synthetic.objects.surface import import_igl

if TYPE_CHECKING:
    import mujoco

    from amt_training.synthetic.objects.shapes import SyntheticObject

SHARP_EDGE_DEG = 35.0
"""Triangles that meet at a larger angle have an edge between them."""


def add_solid(
    spec: mujoco.MjSpec, name: str, solid: SyntheticObject, cells: tuple[int, int]
) -> None:
    """Add the mesh of an object.

    cells: across and down its texture; each part has the cell of its number.
    """
    igl = import_igl()
    vertices, faces = np.asarray(solid.vertices, dtype=float), np.asarray(solid.faces)
    normals = igl.per_corner_normals(vertices, faces.astype(np.int64), SHARP_EDGE_DEG)
    corners = vertices[faces.ravel()]
    _add_mesh(spec, name, corners, normals, _coordinates(corners, solid.part_of_face, cells))


def add_body(spec: mujoco.MjSpec, name: str, mesh: str, material: str) -> None:
    """Add a body that goes where it is told, looking like a mesh in a material."""
    import mujoco

    spec.worldbody.add_body(name=name, mocap=True).add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh, material=material,
        contype=0, conaffinity=0,
    )  # fmt: skip


def add_backdrop(spec: mujoco.MjSpec, name: str, width: float, height: float) -> None:
    """Add a rectangle (m) that faces the camera: of its own light, in the material of its name.

    Lamps that shine downwards (y >= 0) leave it dark, for its normals point down.
    """
    x, y = 0.5 * width, 0.5 * height
    corners = np.array([(-x, -y, 0), (-x, y, 0), (x, y, 0), (-x, -y, 0), (x, y, 0), (x, -y, 0)])
    coordinates = np.array([(0, 0), (0, 1), (1, 1), (0, 0), (1, 1), (1, 0)], dtype=float)
    normals = np.tile((0.0, 1.0, 0.0), (6, 1))
    _add_mesh(spec, name, corners, normals, coordinates)
    add_body(spec, name, name, name)


def _add_mesh(
    spec: mujoco.MjSpec,
    name: str,
    corners: np.ndarray,
    normals: np.ndarray,
    coordinates: np.ndarray,
) -> None:
    """Triangles from every three of corners [3 F, 3], which look as they stand."""
    import mujoco

    mesh = spec.add_mesh(name=name)
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    mesh.uservert = corners.ravel().tolist()
    mesh.usernormal = normals.ravel().tolist()
    mesh.usertexcoord = coordinates.ravel().tolist()
    mesh.userface = list(range(len(corners)))


def _coordinates(
    corners: np.ndarray, part_of_face: np.ndarray, cells: tuple[int, int]
) -> np.ndarray:
    """[3 F, 2] place in the texture: a look along the axis that a triangle faces most."""
    triangles = corners.reshape(-1, 3, 3)
    facing = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    axis = np.abs(facing).argmax(axis=1)
    seen = np.array([(1, 2), (0, 2), (0, 1)])[axis]
    low, size = corners.min(axis=0), np.ptp(corners, axis=0).max()
    place = np.take_along_axis((triangles - low) / size, seen[:, None], axis=2)
    part = np.asarray(part_of_face) % (cells[0] * cells[1])
    cell = np.column_stack([part % cells[0], part // cells[0]])
    # A margin keeps the neighbouring cells' colours out.
    return ((cell[:, None] + 0.04 + 0.92 * place) / cells).reshape(-1, 2)
