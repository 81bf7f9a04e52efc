"""The simulated robot, and an object on its table: listens on the real drivers' topics."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from amt_msgs.msg import ObjectPose, ObjectPoseArray
from geometry_msgs.msg import Vector3
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import ARM_JOINT_NAMES
from amt_retarget.ros import topics
from amt_retarget.ros.drivers import ALLEGRO_V4_JOINTS
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.transforms import fill_pose, transforms_message
from amt_retarget.simulation.robot import SimulatedRobot
from amt_retarget.simulation.table_object import TableObject

PERIOD_S = 0.01
STEPS_PER_STATE = 2
"""joint_states come at 50 Hz: each one costs every listener in Python half a millisecond."""
MAX_STEP_S = 0.1
OBJECT_FRAME = "object"
"""tf frame and track id of the object on the table."""


class MujocoNode(Node):
    """UR arm and Allegro hand in MuJoCo, in real time, behind the interfaces of the real drivers.

    A trajectory is followed linearly from the last commanded position; when commands stop, the
    robot stands at the last one, as the real controllers do. An object, whose mesh the parameter
    object_mesh names, is moved by nothing but gravity, the table and the robot.
    """

    def __init__(self) -> None:
        super().__init__("mujoco_node")
        robot = str(self.declare_parameter("robot", "ur5e").value)
        hand = str(self.declare_parameter("hand", "right").value)
        interface = str(self.declare_parameter("command_interface", "jtc").value)
        self._base_frame = str(self.declare_parameter("base_frame", "base_link").value)
        mesh = str(self.declare_parameter("object_mesh", "").value)
        pose = self.declare_parameter("object_pose", Parameter.Type.DOUBLE_ARRAY).value
        mass = float(self.declare_parameter("object_mass", 0.1).value)
        self._object = TableObject.load(Path(mesh), pose, mass) if mesh else None
        self._object_name = Path(mesh).stem
        self._robot = SimulatedRobot(robot, hand, self._object)
        self._index = {name: index for index, name in enumerate(self._robot.joint_names)}
        self._goal = np.array(self._robot.positions)
        self._start = self._goal.copy()
        self._start_time = np.zeros(len(self._goal))
        self._duration = np.zeros(len(self._goal))
        self._last = time.monotonic()
        self._steps = 0
        self._states = self.create_publisher(JointState, topics.JOINT_STATES, topics.KEPT_QOS)
        if self._object is not None:
            self._objects = self.create_publisher(ObjectPoseArray, topics.OBJECTS, topics.KEPT_QOS)
            self._tf = self.create_publisher(TFMessage, topics.TF, 100)
        qos = topics.RESULT_QOS
        if interface == "jtc":
            self.create_subscription(
                JointTrajectory, topics.ARM_TRAJECTORY, self._on_trajectory, qos
            )
        else:
            self.create_subscription(
                Float64MultiArray, topics.ARM_POSITIONS,
                lambda message: self._on_positions(ARM_JOINT_NAMES, message), qos,
            )  # fmt: skip
        self.create_subscription(
            Float64MultiArray, topics.HAND_POSITIONS,
            lambda message: self._on_positions(ALLEGRO_V4_JOINTS, message), qos,
        )  # fmt: skip
        self.create_timer(PERIOD_S, self._step)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        if not message.points:
            return
        point = message.points[-1]
        duration = point.time_from_start.sec + point.time_from_start.nanosec * 1e-9
        self._command(tuple(message.joint_names), list(point.positions), duration)

    def _on_positions(self, names: tuple[str, ...], message: Float64MultiArray) -> None:
        self._command(names, list(message.data), PERIOD_S)

    def _command(self, names: tuple[str, ...], positions: list[float], duration: float) -> None:
        unknown = [name for name in names if name not in self._index]
        if unknown or len(names) != len(positions) or not np.isfinite(positions).all():
            self.get_logger().error(
                f"Refused a command: {len(positions)} positions for {len(names)} joints, unknown "
                f"joints {unknown}, or a value that is not finite.",
                throttle_duration_sec=1.0,
            )
            return
        indices = [self._index[name] for name in names]
        now = time.monotonic()
        self._start[indices] = self._target(now)[indices]
        self._goal[indices] = positions
        self._start_time[indices] = now
        self._duration[indices] = max(duration, 1e-3)

    def _target(self, now: float) -> np.ndarray:
        share = np.where(
            self._duration > 0, (now - self._start_time) / np.maximum(self._duration, 1e-9), 1.0
        )
        return self._start + np.clip(share, 0.0, 1.0) * (self._goal - self._start)

    def _step(self) -> None:
        now = time.monotonic()
        elapsed = min(now - self._last, MAX_STEP_S)
        self._last = now
        self._robot.set_command(self._robot.joint_names, self._target(now))
        self._robot.step(elapsed)
        self._steps += 1
        if self._steps % STEPS_PER_STATE:
            return
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._base_frame)
        message = JointState(name=list(self._robot.joint_names))
        message.header.stamp = header.stamp
        message.position = self._robot.positions.tolist()
        message.velocity = self._robot.velocities.tolist()
        self._states.publish(message)
        if self._object is not None:
            self._publish_object(self._object, header)

    def _publish_object(self, thing: TableObject, header: Header) -> None:
        pose = self._robot.object_pose
        rotation, position = pose[:3, :3], pose[:3, 3]
        message = ObjectPose(class_id=self._object_name, track_id=OBJECT_FRAME, confidence=1.0)
        fill_pose(message.pose.pose, rotation, position)
        x, y, z = thing.size.tolist()
        message.size = Vector3(x=x, y=y, z=z)
        self._objects.publish(ObjectPoseArray(header=header, objects=[message]))
        frame = (self._base_frame, OBJECT_FRAME, rotation, position)
        self._tf.publish(transforms_message([frame], header.stamp))


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [MujocoNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
