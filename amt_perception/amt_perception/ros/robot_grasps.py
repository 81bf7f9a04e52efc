"""Proposals of the grasp model as messages, with the robot's joints filled in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from amt_msgs.msg import Grasp
from scipy.spatial.transform import Rotation

from amt_perception.grasp.object_input import ObjectCloud
from amt_perception.grasp.predictor import GraspProposal
from amt_perception.grasp.sample.robot_grasps import refined, surface_of
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mano_files import load_hand_model
from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.retargeter import GraspRetargeter, RobotGrasp
from amt_retarget.grasp.touch import grasp_by_distance
from amt_retarget.retarget.grasp_plan import HandGrasp
from amt_retarget.retarget.hand_frame import Side as RobotSide
from amt_retarget.robot.robot import Robot
from amt_retarget.ros.grasp_messages import fill_robot_grasp

PARTS = 6


def grasp_messages(
    proposals: list[GraspProposal], cloud: ObjectCloud, robot: Robot, count: int
) -> list[Grasp]:
    """At most `count` messages, one a proposal, in the frame of the cloud's own file or message.

    Of grasps of the robot's hand, those that should hold (`refined`). Those that it reaches as they
    are come first; else the proposals' order stays.
    A person's grasp that cannot become one of the robot has no robot joints, and comes last.
    """
    if proposals and proposals[0].hand == "mano":
        pairs = list(_persons(proposals, cloud, robot))
    else:
        chosen = refined(robot, cloud, proposals, count)
        pairs = [(_message(proposal), grasp) for proposal, grasp in chosen]
    for message, grasp in pairs:
        message.side = int(Side[robot.hand.upper()])
        if grasp is not None:
            fill_robot_grasp(message, _moved(HandGrasp.of(grasp), cloud.centre), robot)
    pairs.sort(key=lambda pair: 2 if pair[1] is None else 0 if pair[1].reached else 1)
    return [message for message, _ in pairs]


def _persons(
    proposals: list[GraspProposal], cloud: ObjectCloud, robot: Robot
) -> Iterator[tuple[Grasp, RobotGrasp | None]]:
    """Grasps of a person's hand with its MANO parameters, and what becomes of each."""
    kinematics = HandKinematics(load_hand_model(Side[robot.hand.upper()]))
    surface = surface_of(cloud)
    retargeter = GraspRetargeter(robot, surface)
    side = RobotSide[robot.hand.upper()]
    for proposal in proposals:
        wrist = Rotation.from_matrix(proposal.rotation).as_rotvec()
        pose = np.concatenate([wrist[None], proposal.joints])
        joints = kinematics.joints21(pose, proposal.shape, np.zeros(3))
        translation = proposal.position - joints[0]
        message = _message(proposal)
        message.mano_pose = pose.astype(np.float32).ravel()
        message.mano_shape = proposal.shape.astype(np.float32)
        place = message.translation
        place.x, place.y, place.z = (translation + cloud.centre).tolist()
        try:
            person = grasp_by_distance(joints + translation, side, surface)
            yield message, retargeter.retarget(person)
        except RetargetError:
            yield message, None


def _message(proposal: GraspProposal) -> Grasp:
    message = Grasp(score=float(proposal.score))
    unknown = np.full(PARTS, np.nan)
    probability = proposal.contact_probability
    message.contact_probability = (unknown if probability is None else probability).astype(
        np.float32
    )
    return message


def _moved(grasp: HandGrasp, by: np.ndarray) -> HandGrasp:
    """The same grasp with the object's frame's origin elsewhere (m)."""
    pre_grasp, touching = (
        Configuration(one.rotation, one.position + by, one.joints)
        for one in (grasp.pre_grasp, grasp.grasp)
    )
    return HandGrasp(pre_grasp, touching, grasp.squeeze)
