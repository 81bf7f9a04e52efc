"""The simulated robot, and an object on its table: behind the real drivers' topics and names."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from amt_msgs.msg import ObjectPose, ObjectPoseArray
from geometry_msgs.msg import Vector3
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from amt_retarget.errors import RetargetError
from amt_retarget.robot.driver_profiles import arm_profile, hand_profile
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.simulated_drivers import SimulatedDrivers
from amt_retarget.ros.transforms import fill_pose, transforms_message
from amt_retarget.safety.limits import JointLimits
from amt_retarget.simulation.model import TIMESTEP
from amt_retarget.simulation.robot import SimulatedRobot
from amt_retarget.simulation.table_object import TableObject

PERIOD_S = 0.01
STEPS_PER_REPORT = 2
"""joint_states come at 50 Hz. The hand's driver reports 100 times a second, UR's 500 times, but on
the computer that simulates, each message costs every listener in Python half a millisecond."""
MAX_STEP_S = 0.1
STOP_DECELERATION = 10.0
"""With which the arm brakes when its program ends (rad/s^2)."""
OBJECT_FRAME = "object"
"""tf frame and track id of the object on the table."""


class MujocoNode(Node):
    """UR arm and Allegro hand in MuJoCo, in real time, behind the interfaces of the real drivers.

    The drivers refuse what the real ones refuse (simulation/driver_contracts.py) and do with
    commands what they do (simulation/controllers.py), 500 times a second. speed_scaling (percent)
    and program_running may be changed while it runs, as on the teach pendant. An object, whose mesh
    the parameter object_mesh names, is moved by nothing but gravity, the table and the robot.
    """

    def __init__(self) -> None:
        super().__init__("mujoco_node")
        arm = str(self.declare_parameter("robot", "ur5e").value)
        hand = str(self.declare_parameter("hand", "right").value)
        interface = str(self.declare_parameter("command_interface", "jtc").value)
        hand_interface = str(self.declare_parameter("hand_interface", "v4").value)
        tf_prefix = str(self.declare_parameter("tf_prefix", "").value)
        self._base_frame = str(self.declare_parameter("base_frame", "base_link").value)
        percent = ParameterDescriptor(
            description="the teach pendant's speed slider (percent)",
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=100.0)],
        )
        self.declare_parameter("speed_scaling", 100.0, percent)
        self.declare_parameter("program_running", True)
        mesh = str(self.declare_parameter("object_mesh", "").value)
        pose = self.declare_parameter("object_pose", Parameter.Type.DOUBLE_ARRAY).value
        mass = float(self.declare_parameter("object_mass", 0.1).value)
        profiles = arm_profile(interface, tf_prefix), hand_profile(hand_interface, hand)
        self._object = TableObject.load(Path(mesh), pose, mass) if mesh else None
        self._object_name = Path(mesh).stem
        self._robot = SimulatedRobot(arm, hand, self._object)
        self._now = self._clock_seconds()
        self._drivers = SimulatedDrivers(
            self, *profiles, _stop_limits(arm, hand), self._robot.positions, self._now
        )
        self._last = time.monotonic()
        self._behind = 0.0
        self._steps = 0
        self._scaling = 1.0
        if self._object is not None:
            self._objects = self.create_publisher(ObjectPoseArray, topics.OBJECTS, topics.KEPT_QOS)
            self._tf = self.create_publisher(TFMessage, topics.TF, 100)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # also where time is simulated
        self.create_timer(PERIOD_S, self._step, clock=steady)

    def _clock_seconds(self) -> float:
        return float(self.get_clock().now().nanoseconds * 1e-9)

    def _step(self) -> None:
        now = time.monotonic()
        self._behind += min(now - self._last, MAX_STEP_S)
        self._last = now
        # Drivers compare their time with the stamps of commands: it is the clock's, not MuJoCo's.
        start = max(self._clock_seconds() - self._behind, self._now)
        self._drivers.poll()
        count = int(self._behind / TIMESTEP + 1e-6)
        for step in range(1, count + 1):
            self._now = start + step * TIMESTEP
            desired = self._drivers.desired(self._now, self._scaling)
            self._robot.set_command(self._robot.joint_names, desired)
            self._robot.step(TIMESTEP)
        self._behind -= count * TIMESTEP
        self._steps += 1
        if self._steps % STEPS_PER_REPORT == 0:
            self._report()

    def _report(self) -> None:
        positions, velocities = self._robot.positions, self._robot.velocities
        self._scaling = float(self.get_parameter("speed_scaling").value) / 100.0
        running = bool(self.get_parameter("program_running").value)
        self._drivers.run_program(running, positions, velocities, self._now)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._base_frame)
        self._drivers.report(header, positions, velocities, self._scaling)
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


def _stop_limits(arm: str, hand: str) -> JointLimits:
    """Of the arm's braking when its program ends."""
    robot = Robot.load(arm, hand)
    joints = slice(0, len(robot.arm_joint_names))
    lower, upper, velocity = robot.lower[joints], robot.upper[joints], robot.velocity[joints]
    deceleration = np.full(len(velocity), STOP_DECELERATION)
    return JointLimits(robot.arm_joint_names, lower, upper, velocity, deceleration)


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [MujocoNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
