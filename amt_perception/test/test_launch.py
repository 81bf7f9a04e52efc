"""The real launch file under ROS's own launch; runs where that and a sourced workspace are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

launch_pytest = pytest.importorskip("launch_pytest", reason="ROS's launch is not installed")
pytest.importorskip("launch_ros", reason="ROS's launch_ros is not installed")

import launch  # noqa: E402
import rclpy  # noqa: E402
from ament_index_python.packages import (  # noqa: E402
    PackageNotFoundError,
    get_package_share_directory,
)
from amt_msgs.msg import RetargetStatus  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from lifecycle_msgs.msg import State, Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from amt_perception.pipeline.argument_lists import ARGUMENTS  # noqa: E402
from amt_retarget.ros import topics  # noqa: E402

WAIT_S = 60.0
NODES = ("mujoco_node", "robot_state_node", "retarget_node", "perception_node")


def launch_file() -> Path:
    """The installed launch file; skips in a workspace that was not built and sourced."""
    try:
        return Path(get_package_share_directory("amt_perception"), "launch", "pipeline.launch.py")
    except PackageNotFoundError:
        pytest.skip("amt_perception is not installed with colcon in this environment")


def pipeline_with(**arguments: str) -> launch.LaunchDescription:
    """The whole pipeline, waiting for images."""
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(launch_file())),
        launch_arguments={"video": "none", **arguments}.items(),
    )
    return launch.LaunchDescription([include, launch_pytest.actions.ReadyToTest()])


@launch_pytest.fixture
def one_arm() -> launch.LaunchDescription:
    return pipeline_with(robot="ur10e", hand="left")


@launch_pytest.fixture
def two_arms() -> launch.LaunchDescription:
    return pipeline_with(hand="both", namespace="cell")


@launch_pytest.fixture
def composed() -> launch.LaunchDescription:
    return pipeline_with(use_composition="all")


@pytest.fixture
def node() -> Iterator[Node]:
    rclpy.init()
    node = rclpy.create_node("launch_test")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def wait_until(node: Node, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, node.get_node_names_and_namespaces()
        rclpy.spin_once(node, timeout_sec=0.1)


def full_names(node: Node) -> set[str]:
    names = node.get_node_names_and_namespaces()
    return {f"{space}/{name}".replace("//", "/") for name, space in names}


def call(node: Node, kind: type, name: str, request: object) -> object:
    client = node.create_client(kind, name)
    wait_until(node, client.service_is_ready)
    future = client.call_async(request)
    wait_until(node, future.done)
    node.destroy_client(client)
    return future.result()


def change_state(node: Node, name: str, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return call(node, ChangeState, f"{name}/change_state", request).success


def state_of(node: Node, name: str) -> int:
    return call(node, GetState, f"{name}/get_state", GetState.Request()).current_state.id


def refusal(node: Node, name: str, parameter: str, value: object) -> str:
    """Why a node does not take a value; empty when it does."""
    message = Parameter(parameter, value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[message])
    return call(node, SetParameters, f"{name}/set_parameters", request).results[0].reason


@pytest.mark.launch(fixture=one_arm)
def test_all_nodes_come_up_and_obey(node: Node) -> None:
    statuses: list[RetargetStatus] = []
    states: list[JointState] = []
    node.create_subscription(
        RetargetStatus, topics.RETARGET_STATUS, statuses.append, topics.LATCHED_QOS
    )
    node.create_subscription(JointState, topics.JOINT_STATES, states.append, 10)
    expected = {f"/{name}" for name in NODES}
    wait_until(
        node,
        lambda: (
            statuses
            and len(states) > 1
            and node.count_subscribers(topics.IMAGE) == 1
            and expected <= full_names(node)
        ),
    )
    assert statuses[-1].state == RetargetStatus.STATE_INACTIVE
    assert {len(state.name) for state in states} == {6, 16}  # arm and hand report apart

    for name in ("/retarget_node", "/perception_node"):
        assert state_of(node, name) == State.PRIMARY_STATE_ACTIVE
        for transition, state in (
            (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
            (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
            (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
            (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        ):
            assert change_state(node, name, transition), (name, transition)
            assert state_of(node, name) == state
        assert not change_state(node, name, Transition.TRANSITION_ACTIVATE)

    assert "out of range" in refusal(node, "/retarget_node", "velocity_scale", 3.0)
    assert "before the node is configured" in refusal(node, "/retarget_node", "robot", "ur5e")
    assert refusal(node, "/retarget_node", "velocity_scale", 0.1) == ""


@pytest.mark.launch(fixture=two_arms)
def test_two_arms_share_one_perception(node: Node) -> None:
    arm = ("mujoco_node", "robot_state_node", "retarget_node")
    expected = {f"/cell/{side}/{name}" for side in ("left", "right") for name in arm}
    expected |= {"/cell/perception_node"}
    wait_until(node, lambda: expected <= full_names(node))
    wait_until(node, lambda: node.count_subscribers("/cell/amt/hands") == 2)


@pytest.mark.launch(fixture=composed)
def test_composed_nodes_keep_their_names(node: Node) -> None:
    expected = {f"/{name}" for name in NODES}
    wait_until(node, lambda: expected <= full_names(node))
    assert "/composed_node" not in full_names(node)
    assert refusal(node, "/retarget_node", "velocity_scale", 0.1) == ""
    assert state_of(node, "/perception_node") == State.PRIMARY_STATE_ACTIVE


def ros2_launch(*words: str) -> subprocess.Popen[str]:
    if shutil.which("ros2") is None:
        pytest.skip("the ros2 command is not installed")
    launch_file()
    command = ["ros2", "launch", "amt_perception", "pipeline.launch.py", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_arguments_and_defaults() -> None:
    text, _ = ros2_launch("--show-args").communicate(timeout=WAIT_S)
    for argument in ARGUMENTS:
        shown = text.partition(f"'{argument.name}':")[2].partition("(default:")
        assert argument.description.split()[0] in shown[0], argument.name
        assert shown[2].split("\n")[0].startswith(f" '{argument.default}')"), argument.name


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("vidoe:=sample", "did you mean video?"),
        ("robot:=panda", "Valid options are"),
        ("velocity_scale:=2", "from 0.01 to 1"),
        ("rviz:=true", "'rviz2' not found"),
    ],
)
def test_wrong_arguments_start_nothing(word: str, sentence: str) -> None:
    if word.startswith("rviz") and shutil.which("rviz2"):
        pytest.skip("rviz2 is installed")
    process = ros2_launch("video:=none", word)
    text, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert sentence in text and "Traceback" not in text
    assert "process started" not in text


def node_pid(launcher: int, name: str) -> int | None:
    for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if name in Path(f"/proc/{pid}/cmdline").read_text():
            return int(pid)
    return None


@pytest.mark.parametrize("victim", NODES)
def test_a_killed_node_ends_the_launch_with_an_error(victim: str) -> None:
    process = ros2_launch("video:=none")
    deadline = time.monotonic() + WAIT_S
    while (pid := node_pid(process.pid, victim)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.0)
    others = [node_pid(process.pid, name) for name in NODES if name != victim]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"{victim} has ended (-9)" in text
    assert not any(Path(f"/proc/{other}").exists() for other in others)


def test_respawn() -> None:
    process = ros2_launch("video:=none", "use_respawn:=true")
    deadline = time.monotonic() + WAIT_S
    while (first := node_pid(process.pid, "robot_state_node")) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(first, signal.SIGKILL)
    while node_pid(process.pid, "robot_state_node") in (None, first):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "robot_state_node has ended (-9): it is started again" in text


def test_the_end_of_the_video_is_a_good_end() -> None:
    process = ros2_launch("video:=sample", "use_respawn:=true")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert "The video has ended." in text
