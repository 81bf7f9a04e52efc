"""The person: a hand that moves before the camera, as HandPoseArray messages."""

from __future__ import annotations

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.mano_files import load_hand_model

IMAGE_PERIOD_S = 1 / 30
CAMERA_FRAME = "camera_optical_frame"
CAMERA_ROTATION = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
CAMERA_POSITION = np.array([1.2, 0.0, 0.5])
"""Of the camera in the robot's base frame (m): in front of the robot, looking back at it."""
MOTIONS = ("standing", "ramp", "fast", "turning")
"""What the hand does; "ramp" is a fast hand and a robot that has only just been engaged."""
CENTRE = np.array([0.0, 0.0, 0.6])
"""Of the wrist's motion, in the camera's frame (m)."""


class MovingHand:
    """A right hand of the project's own hand model; where it is depends on the time alone."""

    def __init__(self) -> None:
        self._kinematics = HandKinematics(load_hand_model(Side.RIGHT, None))
        self._gain = 0.0
        """0 standing, 1 in full motion: a hand does not change what it does in no time."""
        self._turn = 0.0

    def joints(self, time_s: float, motion: str) -> np.ndarray:
        """Joints [21, 3] in the camera's frame (m), once per image."""
        step = IMAGE_PERIOD_S / 0.4
        self._gain += float(np.clip((motion != "standing") - self._gain, -step, step))
        self._turn += float(np.clip((motion == "turning") - self._turn, -step, step))
        phase = 2.0 * np.pi * 0.8 * time_s
        way = self._gain * (1.0 - self._turn)
        pose = np.zeros((16, 3))
        pose[0] = self._turn * np.array([0.25, 0.3, 0.15]) * np.sin(phase)
        pose[1:13, 2] = 0.4 + 0.35 * self._gain * np.sin(1.3 * phase)
        wrist = way * np.array([0.05, 0.035, 0.03]) * np.sin(phase + np.array([0.0, 0.7, 1.9]))
        return self._kinematics.joints21(pose, np.zeros(10), CENTRE + wrist)


def hand_message(joints: np.ndarray, stamp: Time) -> HandPoseArray:
    """One right hand with joints [21, 3] in the camera's frame (m)."""
    hand = HandPose(side=HandPose.SIDE_RIGHT, track_id=1, confidence=0.95)
    hand.header.frame_id = CAMERA_FRAME
    hand.header.stamp = stamp
    set_joints(hand, joints)
    return HandPoseArray(header=hand.header, hands=[hand])


def get_joints(hand: HandPose) -> np.ndarray:
    """[21, 3] m."""
    return np.array([(point.x, point.y, point.z) for point in hand.joints])


def set_joints(hand: HandPose, joints: np.ndarray) -> None:
    """joints: [21, 3] m."""
    hand.joints = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in joints]


def turned_about_the_wrist(joints: np.ndarray, angle: float) -> np.ndarray:
    """joints [21, 3], turned by an angle (rad) about the camera's axis through the wrist."""
    turn = Rotation.from_rotvec([0.0, 0.0, angle]).as_matrix()
    turned: np.ndarray = (joints - joints[0]) @ turn.T + joints[0]
    return turned
