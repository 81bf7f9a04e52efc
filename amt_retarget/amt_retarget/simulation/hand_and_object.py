"""MuJoCo model of the hand without its arm, and an object: for pictures and trials of grasps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amt_retarget.robot.description import FINGERS, PALM_FRAME
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.model import build_spec

if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]

OBJECT = "object"
"""Name of the object's body, joint, mesh and visible geom."""
HAND_PREFIX = "robot/"
"""Before every name of the hand's bodies, joints and actuators."""
OBJECT_GROUP = 0
PIECES_GROUP = 4
"""Of the pieces that collide: a viewer hides it."""
OBJECT_COLOUR = (0.93, 0.76, 0.22, 1.0)
TORSION_M, ROLLING_M = 0.005, 1e-4
"""Torsional and rolling friction, as MuJoCo's defaults."""


def build_hand_and_object(
    arm: str, hand: str, vertices: Array, faces: NDArray[np.int64], mass: float
) -> mujoco.MjSpec:
    """The hand, whose palm_link stands where the world's origin is, and an object that is free.

    arm, hand: as in `Robot.load`; only the hand is taken. vertices [V, 3] (m) and faces [F, 3] of
    the object's mesh; mass: kg. The mesh is seen and does not collide: `add_pieces` gives what
    does. `place_palm` puts the palm elsewhere. There is no gravity.
    """
    mujoco = import_mujoco()
    robot = build_spec(arm, hand)
    spec = mujoco.MjSpec()
    spec.option.timestep = robot.option.timestep
    spec.option.integrator = robot.option.integrator
    spec.option.gravity = [0.0, 0.0, 0.0]
    spec.worldbody.add_frame().attach_body(robot.body(PALM_FRAME), HAND_PREFIX, "")
    # MuJoCo leaves out collisions with a parent only where the parent is not fixed to the world.
    for link in ("thumb_link_1", *(f"{finger}_link_0" for finger in FINGERS)):
        spec.add_exclude(bodyname1=HAND_PREFIX + PALM_FRAME, bodyname2=HAND_PREFIX + link)

    mesh = spec.add_mesh(name=OBJECT)
    mesh.uservert = np.asarray(vertices, dtype=np.float32).ravel()
    mesh.userface = np.asarray(faces, dtype=np.int32).ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # the mesh need not be closed
    body = spec.worldbody.add_body(name=OBJECT)
    body.add_freejoint(name=OBJECT)
    body.add_geom(
        name=OBJECT,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=OBJECT,
        mass=mass,
        rgba=OBJECT_COLOUR,
        group=OBJECT_GROUP,
        contype=0,
        conaffinity=0,
    )
    return spec


def add_pieces(spec: mujoco.MjSpec, pieces: Sequence[Array], friction: float) -> None:
    """Let convex pieces, corners [C, 3] each (object's frame, m), of the object collide.

    friction: sliding friction of the object with all that it touches. With elliptic cones and this
    impratio, as MuJoCo's manual advises, contacts that stick do not creep: at 10 they do so by
    3 mm/s, and at 100 as little as with MuJoCo's no-slip solver, which takes 40 % longer.
    """
    mujoco = import_mujoco()
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 100.0
    for i, corners in enumerate(pieces):
        name = f"{OBJECT}_piece_{i}"
        spec.add_mesh(name=name).uservert = np.asarray(corners, dtype=np.float32).ravel()
        spec.body(OBJECT).add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            mass=0.0,
            friction=[friction, TORSION_M, ROLLING_M],
            condim=4,
            priority=1,
            group=PIECES_GROUP,
        )


def add_studio(spec: mujoco.MjSpec) -> None:
    """A light sky and soft light from all sides, for pictures without shadows."""
    mujoco = import_mujoco()
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[1.0, 1.0, 1.0],
        rgb2=[0.86, 0.89, 0.93],
        width=64,
        height=64,
    )
    spec.visual.quality.offsamples = 8
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.45, 0.45, 0.45]
    spec.visual.headlight.specular = [0.2, 0.2, 0.2]
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0, 0, 1],
        dir=[-0.3, 0.4, -1.0],
        diffuse=[0.4, 0.4, 0.4],
        castshadow=False,
    )


def place_palm(model: mujoco.MjModel, rotation: Array, position: Array) -> None:
    """Put palm_link of a `build_hand_and_object` model at rotation [3, 3] and position [3] (m)."""
    mujoco = import_mujoco()
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation, dtype=float).ravel())
    palm = model.body(HAND_PREFIX + PALM_FRAME).id
    model.body_pos[palm], model.body_quat[palm] = position, quaternion
