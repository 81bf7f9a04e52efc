"""Proposals become grasps of the Allegro hand that touch, and are tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.grasp.object_input import ObjectCloud
from amt_perception.grasp.predictor import GraspProposal
from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.refine import MOST_PENETRATION_M, GraspRefiner
from amt_retarget.grasp.retargeter import GraspRetargeter, RobotGrasp
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.grasp.touch import grasp_by_distance
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import GraspTrial, TrialObject, TrialResult

HOLDS_N = 3.0
"""What a grasp that should hold withstands: see `amt_retarget.grasp.holding`."""
ARM = "ur5e"
"""Any: the hand is all that counts here."""
BY_NAME = ("contacts", "contact_errors")
"""Of a RobotGrasp; all else is numbers."""


def load_robot(side: str) -> Robot:
    """The robot whose hand the proposals are for. Raises RetargetError without Pinocchio."""
    return Robot.load(ARM, side)


def refined(
    robot: Robot, cloud: ObjectCloud, proposals: list[GraspProposal], count: int
) -> list[tuple[GraspProposal, RobotGrasp]]:
    """The first `count` proposals that should hold, made to touch; then others to fill up.

    Each becomes the best grasp that `GraspRefiner` finds near it. It should hold when statics let
    it withstand HOLDS_N and nothing penetrates. Deterministic.
    """
    refiner = GraspRefiner(robot, surface_of(cloud))
    random = np.random.default_rng(0)
    good: list[tuple[GraspProposal, RobotGrasp]] = []
    rest: list[tuple[GraspProposal, RobotGrasp]] = []
    for one in proposals:
        grasp = refiner.refine_best(Configuration(one.rotation, one.position, one.joints), random)
        holds = grasp.withstands >= HOLDS_N and grasp.penetration <= MOST_PENETRATION_M
        (good if holds else rest).append((one, grasp))
        if len(good) == count:
            break
    rest.sort(key=lambda pair: -pair[1].withstands)
    return (good + rest)[:count]


def imitated(robot: Robot, cloud: ObjectCloud, hands: list[np.ndarray]) -> list[RobotGrasp | None]:
    """Grasps of the robot that touch what a person's hands do; None where no finger touches.

    hands: joints [21, 3] of each, of the robot hand's side, in the project's order (m).
    """
    surface, side = surface_of(cloud), Side[robot.hand.upper()]
    retargeter = GraspRetargeter(robot, surface)
    grasps: list[RobotGrasp | None] = []
    for joints in hands:
        try:
            grasps.append(retargeter.retarget(grasp_by_distance(joints, side, surface)))
        except RetargetError:
            grasps.append(None)
    return grasps


def tried(
    robot: Robot, cloud: ObjectCloud, grasps: Sequence[RobotGrasp | None]
) -> list[TrialResult | None]:
    """What becomes of each grasp in MuJoCo: squeezed, then pushed from six sides.

    Raises AmtError for an object without a mesh, which physics needs.
    """
    if cloud.vertices is None or cloud.faces is None:
        raise AmtError(f"{cloud.name} is a cloud of points; give --trial an object with a mesh")
    trial = GraspTrial(robot, TrialObject.from_mesh(cloud.vertices, cloud.faces))
    return [None if grasp is None else trial.run(grasp) for grasp in grasps]


def surface_of(cloud: ObjectCloud) -> ObjectSurface:
    """The object's whole surface, from its mesh or from the cloud's own points."""
    if cloud.vertices is not None and cloud.faces is not None:
        return ObjectSurface.from_mesh(cloud.vertices, cloud.faces)
    assert cloud.surface_points is not None and cloud.surface_normals is not None
    return ObjectSurface(cloud.surface_points, cloud.surface_normals)


def save(path: Path, robot: Robot, cloud: ObjectCloud, grasp: RobotGrasp) -> None:
    """Write a grasp as `python -m amt_retarget.grasp` does, in the mesh file's own frame."""
    values = asdict(grasp)
    for place in ("position", "pre_grasp_position"):
        values[place] = values[place] + cloud.centre
    numbers = {name: value for name, value in values.items() if name not in BY_NAME}
    np.savez(path, joint_names=robot.hand_joint_names, **numbers)
