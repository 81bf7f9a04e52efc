"""A pose that never changes and that the user gives as six numbers, on /tf_static."""

from __future__ import annotations

import math

import numpy as np
from rclpy.node import Node
from rclpy.parameter import Parameter
from scipy.spatial.transform import Rotation
from tf2_msgs.msg import TFMessage

from amt_retarget.ros import topics
from amt_retarget.ros.lifetime import NodeFailureError
from amt_retarget.ros.transforms import transforms_message


def publish_static_pose(node: Node, parameter: str, parent: str, frame: str) -> None:
    """Publish where `frame` stands in `parent`, once and for every later listener.

    parameter: name of the node's parameter x y z (m) roll pitch yaw (rad, fixed axes), which this
    declares; nothing is published while it is empty. Raises NodeFailureError for other numbers.
    """
    pose = node.declare_parameter(parameter, Parameter.Type.DOUBLE_ARRAY).value
    if not pose:
        return
    if len(pose) != 6 or not all(map(math.isfinite, pose)):
        raise NodeFailureError(f"{parameter} must be six numbers: x y z roll pitch yaw.")
    publisher = node.create_publisher(TFMessage, topics.TF_STATIC, topics.LATCHED_QOS)
    rotation = Rotation.from_euler("xyz", pose[3:]).as_matrix()
    stamp = node.get_clock().now().to_msg()
    publisher.publish(transforms_message([(parent, frame, rotation, np.array(pose[:3]))], stamp))
