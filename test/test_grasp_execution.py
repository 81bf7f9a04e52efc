"""A grasp over DDS: the retarget node takes an object from the simulated robot's table."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from amt_msgs.msg import Grasp, ObjectPoseArray, RetargetStatus
from amt_msgs.srv import ExecuteGrasp, StopGrasp
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import JointState

from amt_retarget.grasp import ObjectSurface
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.retarget.grasp_plan import HandGrasp
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.grasp_messages import fill_robot_grasp, hand_grasp

RADIUS, HALF_HEIGHT = 0.03, 0.08
ROUGH = Configuration(
    Rotation.from_rotvec([2.04, 0.67, -2.11]).as_matrix(),
    np.array([-0.027, 0.036, 0.146]),
    np.array(
        [
            0.39,
            1.19,
            0.02,
            1.03,
            0.38,
            1.32,
            0.02,
            0.85,
            0.0,
            1.4,
            1.5,
            1.0,
            1.2,
            -0.08,
            -0.19,
            1.22,
        ]
    ),
)
"""From above, thumb against index and middle finger about the upper end of the cylinder."""
VELOCITY_SCALE = 1.0


def cylinder() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of an upright cylinder about the origin."""
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    ring = RADIUS * np.column_stack([np.cos(angle), np.sin(angle)])
    sides = [np.column_stack([ring, np.full(40, z)]) for z in (-HALF_HEIGHT, HALF_HEIGHT)]
    vertices = np.concatenate([*sides, [[0, 0, -HALF_HEIGHT], [0, 0, HALF_HEIGHT]]])
    faces = []
    for a in range(40):
        b = (a + 1) % 40
        faces += [(a, b, b + 40), (a, b + 40, a + 40), (b, a, 80), (a + 40, b + 40, 81)]
    return vertices, np.array(faces)


class Operator(Node):
    """Asks for grasps and watches what becomes of them."""

    def __init__(self, context: Context) -> None:
        super().__init__("operator", context=context)
        self.commands: list[JointState] = []
        self.heights: list[float] = []
        self.status: RetargetStatus | None = None
        self.phases: set[int] = set()
        self.execute = self.create_client(ExecuteGrasp, topics.EXECUTE_GRASP)
        self.stop = self.create_client(StopGrasp, topics.STOP_GRASP)
        self.create_subscription(JointState, topics.JOINT_COMMAND, self.commands.append, 200)
        self.create_subscription(ObjectPoseArray, topics.OBJECTS, self._on_objects, 20)
        self.create_subscription(
            RetargetStatus, topics.RETARGET_STATUS, self._on_status, topics.LATCHED_QOS
        )

    def _on_objects(self, message: ObjectPoseArray) -> None:
        assert message.header.frame_id == "base_link"
        assert message.objects[0].track_id == "object"
        self.heights.append(message.objects[0].pose.pose.position.z)

    def _on_status(self, message: RetargetStatus) -> None:
        self.status = message
        self.phases.add(message.phase)


Wait = Callable[[Callable[[], bool], str], None]


@pytest.fixture
def operator(
    environment: dict[str, str], start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> Iterator[tuple[Operator, Wait]]:  # fmt: skip
    """An operator before a robot with a cylinder on its table; and a function that waits for a
    condition.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    vertices, faces = cylinder()
    mesh = tmp_path / "cylinder.obj"
    lines = ["v {} {} {}".format(*vertex) for vertex in vertices]
    mesh.write_text("\n".join(lines + ["f {} {} {}".format(*face) for face in faces + 1]))
    ros = ("--ros-args", "-p")
    pose = "object_pose:=[0.5, 0.0, 0.08, 0.0, 0.0, 0.0, 1.0]"
    start("amt_retarget.nodes.mujoco_node", *ros, f"object_mesh:={mesh}", "-p", pose)
    own = (f"velocity_scale:={VELOCITY_SCALE}", "-p", "require_enable:=false")
    own += ("-p", "joint_state_timeout_s:=0.5")  # a busy machine must not matter here
    start("amt_retarget.nodes.retarget_node", *ros, *own)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = Operator(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def wait(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come: {node.status}"
            executor.spin_once(timeout_sec=0.05)

    wait(lambda: bool(node.heights) and node.status is not None, "nodes")
    wait(node.execute.service_is_ready, "service")
    yield node, wait
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_takes_the_object_from_the_table(operator: tuple[Operator, Wait]) -> None:
    node, wait = operator
    robot = Robot.load("ur5e", "right")
    refined = GraspRefiner(robot, ObjectSurface.from_mesh(*cylinder())).refine(ROUGH)
    grasp = Grasp()
    fill_robot_grasp(grasp, HandGrasp.of(refined), robot)

    def ask(frame: str, message: Grasp) -> ExecuteGrasp.Response:
        request = ExecuteGrasp.Request(grasp=message)
        request.header.frame_id = frame
        answer = node.execute.call_async(request)
        wait(answer.done, "answer")
        return answer.result()

    def stop(follow_hands: bool) -> StopGrasp.Response:
        answer = node.stop.call_async(StopGrasp.Request(follow_hands=follow_hands))
        wait(answer.done, "answer")
        return answer.result()

    # Nothing moves for a grasp that cannot be executed.
    for frame, message, words in (
        ("object", Grasp(), "no robot joints"),
        ("teapot", grasp, "'teapot'"),
        ("base_link", grasp, "the grasp"),
    ):
        answer = ask(frame, message)
        assert not answer.accepted and words in answer.message, answer.message
    assert not stop(False).stopped
    assert not node.commands

    # Stopped on the way, it stands; a grasp begins again from there.
    assert ask("object", grasp).accepted
    wait(lambda: len(node.commands) > 30, "commands")
    assert node.status.state == RetargetStatus.STATE_GRASP
    assert not ask("object", grasp).accepted
    assert stop(False).stopped
    wait(lambda: node.status.state == RetargetStatus.STATE_HOLD, "hold")
    assert node.status.reasons == RetargetStatus.REASON_GRASP_STOPPED
    count = len(node.commands) + 90
    wait(lambda: len(node.commands) > count, "commands")
    assert np.ptp([command.position for command in node.commands[-10:]], axis=0).max() < 1e-9
    assert ask("object", grasp).accepted
    standing = node.heights[-1]
    wait(lambda: node.status.phase == RetargetStatus.PHASE_DONE, "end of the lift")
    count = len(node.heights) + 50
    wait(lambda: len(node.heights) > count, "poses")
    assert node.heights[-1] - standing > 0.05
    assert node.phases == {0, 1, 2, 3, 4, 5, 6}

    # Every command kept the limits.
    limits = RetargetSettings(arm_velocity_scale=VELOCITY_SCALE).joint_limits(robot)
    positions = np.array([command.position for command in node.commands])
    assert np.all(positions >= limits.lower) and np.all(positions <= limits.upper)
    velocities = np.array([command.velocity for command in node.commands])
    assert np.all(np.abs(velocities) <= limits.velocity + 1e-9)

    # With hands to follow and none in sight, the robot holds.
    assert stop(True).stopped
    wait(lambda: node.status.phase == RetargetStatus.PHASE_NONE, "letting go")
    assert node.status.state == RetargetStatus.STATE_HOLD


def test_messages_hold_what_is_put_into_them() -> None:
    robot = Robot.load("ur5e", "right")
    original = HandGrasp(ROUGH, ROUGH.moved(np.full(22, 0.01)), ROUGH.joints + 0.02)
    message = Grasp()
    fill_robot_grasp(message, original, robot)
    back = hand_grasp(message, "right")
    for one, other in ((back.pre_grasp, original.pre_grasp), (back.grasp, original.grasp)):
        np.testing.assert_allclose(one.rotation, other.rotation, atol=1e-12)
        np.testing.assert_allclose(one.position, other.position, atol=1e-12)
        np.testing.assert_allclose(one.joints, other.joints, atol=1e-12)
    np.testing.assert_allclose(back.squeeze, original.squeeze, atol=1e-12)
