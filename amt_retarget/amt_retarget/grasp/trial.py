"""Does a grasp hold? The hand squeezes in MuJoCo, then the object is pushed from all sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.description import HAND_JOINT_NAMES
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.hand_and_object import (
    HAND_PREFIX,
    OBJECT,
    build_hand_and_object,
    place_palm,
)

Array = NDArray[np.float64]

MASS_KG = 0.1
FRICTION = (0.6, 0.005, 1e-4)
"""Sliding, torsional (m) and rolling (m) friction of the object, as MuJoCo takes them."""
PUSH_N = 1.0
CLOSING_S, SETTLING_S, PUSHING_S = 0.3, 0.2, 1.0


@dataclass(frozen=True)
class GraspTrial:
    """How far the object's middle moved (m)."""

    closing: float
    """While the hand squeezed."""
    pushes: tuple[float, ...]
    """During each of the six pushes, along x, y, z, -x, -y and -z of the object's frame."""


def try_grasp(
    robot: Robot, vertices: Array, faces: NDArray[np.int64], grasp: RobotGrasp
) -> GraspTrial:
    """Squeeze an object of 100 g (friction 0.6, no gravity) and push it with 1 N for a second.

    vertices [V, 3] (m) and faces [F, 3] of the object's mesh; MuJoCo lets its convex hull collide,
    so the result counts for convex objects. The palm is held where the grasp has it. Each of the
    six pushes begins with the squeezed object. Raises RetargetError without MuJoCo.
    """
    mujoco = import_mujoco()
    spec = build_hand_and_object(robot.arm, robot.hand, vertices, faces, MASS_KG)
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # less creep of contacts that stick, as MuJoCo's manual advises
    geom = spec.geom(OBJECT)
    geom.friction, geom.condim, geom.priority = FRICTION, 4, 1
    model = spec.compile()
    place_palm(model, grasp.rotation, grasp.position)
    data = mujoco.MjData(model)
    names = [HAND_PREFIX + name for name in HAND_JOINT_NAMES]
    data.qpos[[model.joint(name).qposadr[0] for name in names]] = grasp.joints
    actuators = [model.actuator(name).id for name in names]
    body = model.body(OBJECT).id

    steps = round(CLOSING_S / model.opt.timestep)
    for step in range(steps + round(SETTLING_S / model.opt.timestep)):
        share = min(1.0, step / steps)
        data.ctrl[actuators] = (1.0 - share) * grasp.joints + share * grasp.squeeze
        mujoco.mj_step(model, data)
    closing = float(np.linalg.norm(data.xpos[body]))

    pushes = []
    for direction in (*np.eye(3), *-np.eye(3)):
        pushed = mujoco.MjData(model)
        pushed.qpos[:], pushed.qvel[:], pushed.ctrl[:] = data.qpos, data.qvel, data.ctrl
        pushed.xfrc_applied[body, :3] = PUSH_N * direction
        for _ in range(round(PUSHING_S / model.opt.timestep)):
            mujoco.mj_step(model, pushed)
        pushes.append(float(np.linalg.norm(pushed.xpos[body] - data.xpos[body])))
    return GraspTrial(closing, tuple(pushes))
