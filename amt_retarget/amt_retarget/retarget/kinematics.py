"""Kinematics of one robot in the compiled kernel, made from the Pinocchio model.

The kernel (amt_retarget/kernel, C++) computes what one step of the solver needs in a few
microseconds, where the same with Pinocchio's Python bindings spends most of its time in Python. It
knows revolute joints, points, vectors and capsules; all that it knows of a robot comes from here.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.robot.collision import collision_model
from amt_retarget.robot.robot import Robot

if TYPE_CHECKING:
    from amt_retarget._kernel import Kernel

FINGERS = ("thumb", "index", "middle", "ring")
"""Order of the fingertips in every array over fingers, as in hand_frame.TIPS."""
FINGERTIP_RADIUS_M = 0.012
"""Radius of the rubber dome of every Allegro fingertip; a tip frame lies at its outermost point."""
PALM_LENGTH_M = 0.095
"""From the wrist end of the Allegro's palm to the palm frame, along z."""

PALM = 0
WRIST = 1
TIPS = (2, 3, 4, 5)
CENTRES = (6, 7, 8, 9)
MIDDLES = (10, 11, 12, 13)
"""Indices of the kernel's points: palm frame, wrist end of the palm, fingertips, the centres of
their domes and the fingers' joints 2."""


def load_kernel() -> ModuleType:
    """The compiled module; RetargetError where it was not compiled."""
    try:
        from amt_retarget import _kernel
    except ImportError as error:
        raise RetargetError(
            f"the retargeting kernel cannot be loaded ({error}): install it with "
            "'pip install ./amt_retarget', which compiles it and needs a C++ compiler"
        ) from error
    return _kernel


def make_kernel(robot: Robot, vectors: list[tuple[int, int]], with_arm: bool = True) -> Kernel:
    """Kernel of the robot with these vectors (from point, to point), in the palm's axes.

    with_arm: all 22 joints, base frame; else the 16 joints of the hand alone, in the palm frame.
    """
    import pinocchio

    model, data = robot.model, robot.data
    pinocchio.computeJointJacobians(model, data, pinocchio.neutral(model))
    names = robot.joint_names if with_arm else robot.hand_joint_names
    ids = [model.getJointId(name) for name in names]
    palm = model.frames[robot.frame_id(robot.palm_frame)]
    parents, placements, axes = [], [], []
    for joint in ids:
        before = model.parents[joint]
        placement = model.jointPlacements[joint]
        if before == palm.parentJoint and not with_arm:
            placement = palm.placement.actInv(placement)
        parents.append(ids.index(before) if before in ids else -1)
        placements.append(placement)
        column = data.J[3:, model.joints[joint].idx_v]
        axes.append(data.oMi[joint].rotation.T @ column)

    def in_joint(name: str, offset: tuple[float, float, float]) -> tuple[int, np.ndarray]:
        frame = model.frames[robot.frame_id(name)]
        if frame.parentJoint in ids:
            return ids.index(frame.parentJoint), frame.placement.act(np.array(offset))
        return -1, np.array(offset)  # the palm, of the hand alone

    tips = [robot.tip_frames[finger] for finger in FINGERS]
    points = [in_joint(robot.palm_frame, (0.0, 0.0, 0.0))]
    points += [in_joint(robot.palm_frame, (0.0, 0.0, -PALM_LENGTH_M))]
    points += [in_joint(tip, (0.0, 0.0, 0.0)) for tip in tips]
    points += [in_joint(tip, (0.0, 0.0, -FINGERTIP_RADIUS_M)) for tip in tips]
    points += [in_joint(f"{finger}_link_2", (0.0, 0.0, 0.0)) for finger in FINGERS]
    palm_joint, wrist_offset = points[WRIST]
    return load_kernel().Kernel(
        np.array(parents, dtype=np.int32),
        np.array([placement.rotation for placement in placements]),
        np.array([placement.translation for placement in placements]),
        np.array(axes),
        np.array([joint for joint, _ in points], dtype=np.int32),
        np.array([offset for _, offset in points]),
        np.array(vectors, dtype=np.int32),
        palm_joint,
        palm.placement.rotation if with_arm else np.eye(3),
        wrist_offset,
    )


def set_collisions(kernel: Kernel, robot: Robot) -> None:
    """Give the kernel the robot's capsules and the pairs of them that must keep apart."""
    shapes = collision_model(robot)
    kernel.set_collisions(
        shapes.joints,
        shapes.starts,
        shapes.ends,
        shapes.radii,
        shapes.pairs,
        shapes.clearances,
        shapes.table_capsules,
    )
