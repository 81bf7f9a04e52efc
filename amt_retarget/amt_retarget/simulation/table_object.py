"""An object that stands or lies on the robot's table, for the robot to grasp."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.surface import load_mesh
from amt_retarget.simulation.convex_pieces import convex_pieces
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.hand_and_object import (
    OBJECT,
    OBJECT_COLOUR,
    OBJECT_GROUP,
    add_pieces,
)

if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]

FRICTION = 0.6
"""Of the object with all that it touches."""
IN_FRONT_M = (0.5, 0.0)
"""Where the middle of an object comes whose place is not given: x and y in base_link."""
IN_TABLE_M = 0.002
"""The object may begin so deep in the table, which then pushes it out gently."""


@dataclass(frozen=True, eq=False)
class TableObject:
    """An object and where it is at first. Raises RetargetError for what cannot be simulated."""

    vertices: Array
    """[V, 3] of its mesh, in the object's frame (m)."""
    faces: NDArray[np.int64]
    """[F, 3], counter-clockwise seen from outside."""
    pieces: tuple[Array, ...]
    """Corners [C, 3] of the convex pieces that collide, in the object's frame (m)."""
    pose: Array
    """[4, 4] object's frame to base_link (m); the table top is at height 0."""
    mass: float
    """kg."""

    def __post_init__(self) -> None:
        if not 0.0 < self.mass < np.inf:
            raise RetargetError(f"The object's mass must be above 0 kg, not {self.mass}.")
        lowest = float((self.vertices @ self.pose[2, :3]).min() + self.pose[2, 3])
        if lowest < -IN_TABLE_M:
            raise RetargetError(
                f"The object would begin {-100.0 * lowest:.1f} cm inside the table: give it a "
                f"height z of {self.pose[2, 3] - lowest:.3f} m or more."
            )

    @classmethod
    def load(cls, mesh: Path, pose: ArrayLike | None, mass: float) -> TableObject:
        """The object of a mesh file (m). pose: x y z qx qy qz qw of its frame in base_link; None
        puts it on the table in front of the robot, its own z upwards.

        The mesh is taken apart into convex pieces, which can take some seconds. Raises
        RetargetError for a file that cannot be read and a pose that is none.
        """
        vertices, faces = load_mesh(mesh)
        middle = 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
        in_front = [*(IN_FRONT_M - middle[:2]), -vertices[:, 2].min(), 0.0, 0.0, 0.0, 1.0]
        values = np.asarray(in_front if pose is None else pose, dtype=float)
        if values.shape != (7,) or not abs(np.linalg.norm(values[3:]) - 1.0) < 1e-2:
            raise RetargetError(
                "The object's pose needs seven numbers: x y z (m) and a unit quaternion qx qy qz "
                f"qw, not {values.tolist()}."
            )
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_quat(values[3:]).as_matrix()
        matrix[:3, 3] = values[:3]
        return cls(vertices, faces, convex_pieces(vertices, faces).corners, matrix, mass)

    @property
    def size(self) -> Array:
        """[3] of the bounding box along the object's axes (m)."""
        return np.ptp(self.vertices, axis=0)


def add_object(spec: mujoco.MjSpec, thing: TableObject) -> None:
    """Add the object to a robot's model, free to move."""
    mujoco = import_mujoco()
    mesh = spec.add_mesh(name=OBJECT)
    mesh.uservert = np.asarray(thing.vertices, dtype=np.float32).ravel()
    mesh.userface = np.asarray(thing.faces, dtype=np.int32).ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # the mesh need not be closed
    x, y, z, w = Rotation.from_matrix(thing.pose[:3, :3]).as_quat()
    body = spec.worldbody.add_body(name=OBJECT, pos=thing.pose[:3, 3], quat=[w, x, y, z])
    body.add_freejoint(name=OBJECT)
    body.add_geom(
        name=OBJECT,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=OBJECT,
        mass=thing.mass,
        rgba=OBJECT_COLOUR,
        group=OBJECT_GROUP,
        contype=0,
        conaffinity=0,
    )
    add_pieces(spec, thing.pieces, FRICTION)
