"""Every message for every driver, over DDS, against what the real controllers take."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.description import HANDS, JOINT_NAMES
from amt_retarget.robot.driver_profiles import (
    ARM_INTERFACES,
    HAND_INTERFACES,
    DriverProfile,
    MessageKind,
    arm_profile,
    hand_profile,
)
from amt_retarget.robot.robot import Robot
from amt_retarget.ros.drivers import LEAST_END_S, DriverPublishers
from amt_retarget.ros.trajectory_messages import read_trajectory
from amt_retarget.ros.transforms import seconds
from amt_retarget.safety.limits import CheckedCommand, CommandGuard, JointLimits
from amt_retarget.simulation.controllers import TrajectoryController
from amt_retarget.simulation.driver_contracts import (
    Trajectory,
    refused_joint_state,
    refused_positions,
    refused_trajectory,
)

PERIOD_S = 0.008
COMMANDS = 80
ARM = slice(0, 6)


class Driver:
    """Takes what the real driver would; keeps the commands and the reasons of its refusals."""

    def __init__(self, node: Node, profile: DriverProfile) -> None:
        self.profile = profile
        self.trajectories: list[Trajectory] = []
        self.positions: list[list[float]] = []
        self.refusals: list[str] = []
        self._clock = node.get_clock()
        kind, take = {
            MessageKind.TRAJECTORY: (JointTrajectory, self._on_trajectory),
            MessageKind.POSITIONS: (Float64MultiArray, self._on_positions),
            MessageKind.JOINT_STATE: (JointState, self._on_joint_state),
        }[profile.kind]
        node.create_subscription(kind, profile.topic, take, QoSProfile(depth=COMMANDS))

    def _on_trajectory(self, message: JointTrajectory) -> None:
        trajectory = read_trajectory(message)
        now = self._clock.now().nanoseconds * 1e-9
        self._keep(refused_trajectory(trajectory, self.profile.order.names, now))
        self.trajectories.append(trajectory)
        self.positions.append(trajectory.positions[0])

    def _on_positions(self, message: Float64MultiArray) -> None:
        self._keep(refused_positions(message.data, self.profile.order.names))
        self.positions.append(message.data)

    def _on_joint_state(self, message: JointState) -> None:
        self._keep(refused_joint_state(message.name, message.position, self.profile.order.names))
        self.positions.append(message.position)

    def _keep(self, reason: str | None) -> None:
        if reason:
            self.refusals.append(reason)


@pytest.fixture
def node(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = Node("drivers_test", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def random_motion(hand: str) -> tuple[JointLimits, list[CheckedCommand]]:
    """Commands that the guard let pass, between goals that change in the middle of the motion."""
    robot = Robot.load("ur5e", hand)
    velocity = np.concatenate([0.25 * robot.velocity[ARM], robot.velocity[6:]])
    acceleration = np.concatenate([np.full(6, 5.0), np.full(16, 100.0)])
    limits = JointLimits(JOINT_NAMES, robot.lower, robot.upper, velocity, acceleration)
    guard, generator = CommandGuard(limits), np.random.default_rng(len(hand))
    positions, velocities = robot.home, np.zeros(len(JOINT_NAMES))
    guard.start(positions)
    commands = []
    for number in range(COMMANDS):
        if number % 25 == 0:
            goal = np.clip(robot.home + generator.normal(0, 0.5, 22), robot.lower, robot.upper)
        at_rest = np.zeros(len(JOINT_NAMES))
        positions, velocities = limits.move_toward(goal, at_rest, positions, velocities, PERIOD_S)
        commands.append(guard.check(positions, PERIOD_S))
        assert commands[-1].accepted
    return limits, commands


def stream(
    node: Node, interface: str, hand_interface: str, hand: str, prefix: str,
    limits: JointLimits, commands: list[CheckedCommand],
) -> tuple[Driver, Driver]:  # fmt: skip
    """Send all commands, one period apart by their stamps, to the drivers of arm and hand."""
    drivers = (
        Driver(node, arm_profile(interface, prefix)),
        Driver(node, hand_profile(hand_interface, hand)),
    )
    publishers = DriverPublishers(node, interface, hand_interface, hand, prefix)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    # Ahead of time: on a busy machine the stamps, one period apart, must not fall into the past.
    start = seconds(node.get_clock().now().to_msg()) + 60.0
    deadline = time.monotonic() + 10.0
    sent = 0
    while min(len(driver.positions) for driver in drivers) < COMMANDS:
        assert time.monotonic() < deadline, "messages were lost"
        if sent < COMMANDS and sent - min(len(driver.positions) for driver in drivers) < 10:
            nanoseconds = round((start + sent * PERIOD_S) * 1e9)
            stamp = Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
            publishers.publish(commands[sent], limits, PERIOD_S, stamp)
            sent += 1
        executor.spin_once(timeout_sec=0.0 if sent < COMMANDS else 0.1)
    executor.shutdown()
    return drivers


@pytest.mark.parametrize("hand", HANDS)
def test_the_drivers_take_every_command_as_it_was_meant(node: Node, hand: str) -> None:
    limits, commands = random_motion(hand)
    prefix = "left_" if hand == "left" else ""
    pairs = [
        *itertools.product(ARM_INTERFACES, ["v4"]),
        *itertools.product(["jtc"], HAND_INTERFACES),
    ]
    for interface, hand_interface in pairs:
        arm, fingers = stream(node, interface, hand_interface, hand, prefix, limits, commands)
        for driver, joints in ((arm, ARM), (fingers, slice(6, 22))):
            assert not driver.refusals, (interface, hand_interface, driver.refusals[0])
            meant = [command.positions[joints] for command in commands]
            taken = driver.profile.order.to_project(driver.positions)
            np.testing.assert_allclose(taken, meant, atol=1e-12)
        for trajectory, command in zip(arm.trajectories, commands, strict=False):
            assert abs(trajectory.times[0] - PERIOD_S) < 1e-8
            assert trajectory.times[-1] > 0.1 - 1e-8
            assert not np.any(trajectory.velocities[-1])
            way = np.array(trajectory.positions)
            assert (way >= limits.lower[ARM] - 1e-9).all()
            assert (way <= limits.upper[ARM] + 1e-9).all()
            stopping = command.velocities[ARM] ** 2 / 2 / limits.acceleration[ARM]
            assert (np.abs(way[-1] - way[0]) <= stopping + 0.02).all()


def test_a_controller_makes_a_smooth_motion_of_the_stream(node: Node) -> None:
    """And comes to rest by itself, within limits, when the stream ends."""
    limits, commands = random_motion("right")
    arm, _ = stream(node, "jtc", "v4", "right", "", limits, commands[:COMMANDS])
    start = arm.trajectories[0].start
    home = Robot.load("ur5e", "right").home[ARM]
    controller, positions = TrajectoryController(home, start), [home]
    step = PERIOD_S / 4
    for cycle in range(COMMANDS + 60):
        if cycle < COMMANDS:
            sent = arm.trajectories[cycle]
            controller.replace(sent.start, sent.times, sent.positions, sent.velocities)
        for part in range(1, 5):
            now = start + cycle * PERIOD_S + part * step
            positions.append(controller.update(now).copy())
    velocities = np.diff(positions, axis=0) / step
    accelerations = np.diff(velocities, axis=0) / step
    assert (np.abs(velocities) <= limits.velocity[ARM] * 1.05).all()
    # Most of the time the commands' own; more for some ms where a joint's acceleration turns round.
    shares = np.abs(accelerations) / limits.acceleration[ARM]
    assert np.percentile(shares, 85) < 1.1
    assert shares.max() < 4.0
    assert np.abs(velocities[4 * COMMANDS - 1]).max() > 0.1
    assert not velocities[-1].any()


class Kept:
    """Stands for a node; keeps what its publisher is told."""

    def __init__(self) -> None:
        self.messages: list[JointTrajectory] = []

    def create_publisher(self, *description: object) -> Kept:
        return self

    def publish(self, message: JointTrajectory) -> None:
        self.messages.append(message)


@pytest.mark.parametrize("early_s", [0.0, 1e-12, 1e-10, 1e-9, 2e-9])
def test_a_trajectory_that_ends_just_before_its_least_end_has_rising_times(early_s: float) -> None:
    limits = RetargetSettings().joint_limits(Robot.load("ur5e", "right"))
    period = 0.008
    velocities = np.zeros(22)
    velocities[0] = limits.acceleration[0] * (LEAST_END_S - period - early_s)
    command = CheckedCommand(True, np.zeros(22), velocities, ())
    kept = Kept()
    publishers = DriverPublishers(kept, "jtc", "v4", "right")
    for _ in range(2):  # from the second on the command's velocity is also that at its end
        publishers.publish(command, limits, period, Time())
    last = [message for message in kept.messages if isinstance(message, JointTrajectory)][-1]
    times = [
        point.time_from_start.sec * 10**9 + point.time_from_start.nanosec for point in last.points
    ]
    assert all(later > earlier for earlier, later in itertools.pairwise(times)), times
