"""tf without tf2_ros, which exists only in a ROS installation: publishing and looking up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.qos import QoSProfile
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from amt_retarget.ros import topics
from amt_retarget.ros.polling import PolledSubscription

MAX_CHAIN = 64


def seconds(stamp: Time) -> float:
    """A stamp in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


FramePose = tuple[str, str, np.ndarray, np.ndarray]
"""Parent frame, frame, rotation [3, 3] and position [3] (m) of the frame in its parent."""


def transforms_message(poses: Sequence[FramePose], stamp: Time) -> TFMessage:
    """All poses as one message of /tf or /tf_static."""
    quaternions = Rotation.from_matrix([rotation for _, _, rotation, _ in poses]).as_quat()
    transforms = []
    for (parent, child, _, position), quaternion in zip(poses, quaternions, strict=True):
        message = TransformStamped(child_frame_id=child)
        message.header.stamp = stamp
        message.header.frame_id = parent
        _fill(message.transform.translation, message.transform.rotation, position, quaternion)
        transforms.append(message)
    return TFMessage(transforms=transforms)


def fill_pose(pose: Pose, rotation: np.ndarray, position: np.ndarray) -> None:
    """Write rotation [3, 3] and position [3] (m) into a message."""
    _fill(pose.position, pose.orientation, position, Rotation.from_matrix(rotation).as_quat())


def _fill(
    point: Point | Vector3, orientation: Quaternion, position: np.ndarray, quaternion: np.ndarray
) -> None:
    point.x, point.y, point.z = position.tolist()
    orientation.x, orientation.y, orientation.z, orientation.w = quaternion.tolist()


class TransformTree:
    """Newest transforms of /tf and /tf_static by child frame, and poses along their chains.

    Messages are taken when a pose is looked up; use it from one thread at a time.
    """

    def __init__(self, node: Node) -> None:
        self._parents: dict[str, TransformStamped] = {}
        static = QoSProfile(
            depth=100,
            reliability=topics.LATCHED_QOS.reliability,
            durability=topics.LATCHED_QOS.durability,
        )
        self._subscriptions = [
            PolledSubscription(node, TFMessage, topics.TF, self._add, 100),
            PolledSubscription(node, TFMessage, topics.TF_STATIC, self._add, static),
        ]

    def _add(self, message: TFMessage) -> None:
        for stamped in message.transforms:
            turn = stamped.transform.rotation
            square = turn.x * turn.x + turn.y * turn.y + turn.z * turn.z + turn.w * turn.w
            if math.isfinite(square) and square > 1e-12:
                self._parents[stamped.child_frame_id] = stamped

    def lookup(self, target: str, source: str) -> np.ndarray | None:
        """[4, 4] pose of frame `source` in frame `target`; None when no chain joins them."""
        for subscription in self._subscriptions:
            subscription.poll()
        to_root, root = self._to_root(source)
        from_root, other_root = self._to_root(target)
        if root != other_root:
            return None
        return np.linalg.inv(from_root) @ to_root

    def _to_root(self, frame: str) -> tuple[np.ndarray, str]:
        pose = np.eye(4)
        for _ in range(MAX_CHAIN):
            if frame not in self._parents:
                return pose, frame
            stamped = self._parents[frame]
            pose = _matrix(stamped.transform) @ pose
            frame = stamped.header.frame_id
        return pose, frame


def _matrix(transform: Transform) -> np.ndarray:
    """[4, 4]."""
    place, turn = transform.translation, transform.rotation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    matrix[:3, 3] = place.x, place.y, place.z
    return matrix
