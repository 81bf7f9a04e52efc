"""The pipeline as processes: signals, dying nodes, orphans. Real nodes over real DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[str]]

START_TIMEOUT_S = 60.0
NODES = ("mujoco_node", "robot_state_node", "retarget_node", "perception_node")


def children(parent: int) -> dict[str, int]:
    """Process ids of the nodes that a runner started, by node name."""
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    found = {}
    for pid in map(int, text.split()):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        module = words[words.index("-m") + 1] if "-m" in words else ""
        found[module.rpartition(".")[2]] = pid
    return found


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start_without_video(start: Start) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """A running pipeline that waits for images; its nodes have come up."""
    runner = start("amt_perception.pipeline", "video:=none")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        nodes = children(runner.pid)
        if set(NODES) <= set(nodes) and all(_has_dds(pid) for pid in nodes.values()):
            return runner, nodes
        assert runner.poll() is None, runner.communicate()
        time.sleep(0.1)
    pytest.fail(f"the nodes did not come up; running: {sorted(children(runner.pid))}")


def _has_dds(pid: int) -> bool:
    """Whether a process has joined DDS: it then listens on UDP and has many threads."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) > 6
    except FileNotFoundError:
        return False


def wait_for_end(pids: list[int], seconds: float) -> float:
    """Seconds until none of them lives; fails after the limit."""
    start = time.monotonic()
    while any(alive(pid) for pid in pids):
        assert time.monotonic() - start < seconds, "processes are still running"
        time.sleep(0.01)
    return time.monotonic() - start


@pytest.mark.parametrize("victim", NODES)
def test_a_killed_node_is_reported_and_ends_the_others(start: Start, victim: str) -> None:
    runner, nodes = start_without_video(start)
    os.kill(nodes[victim], signal.SIGKILL)
    _, errors = runner.communicate(timeout=15)
    assert runner.returncode == 1
    assert f"{victim} was killed by SIGKILL" in errors
    wait_for_end(list(nodes.values()), 1.0)


def test_sigterm_ends_everything(start: Start) -> None:
    runner, nodes = start_without_video(start)
    runner.terminate()
    runner.communicate(timeout=15)
    assert runner.returncode == 130
    wait_for_end(list(nodes.values()), 1.0)


def test_orphans_end_themselves(start: Start) -> None:
    runner, nodes = start_without_video(start)
    runner.kill()
    runner.wait()
    runner.stderr.close()  # as under `ros2 launch`: whoever read the nodes' output is gone too
    runner.stdout.close()
    wait_for_end(list(nodes.values()), 2.0)


def test_a_node_that_cannot_start_says_why(start: Start) -> None:
    runner = start("amt_perception.pipeline", "video:=/nowhere/film.mp4")
    _, errors = runner.communicate(timeout=60)
    assert runner.returncode == 1
    assert "/nowhere/film.mp4" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["robot:=panda"], "robot is 'panda'; choose one of ur5e, ur10e"),
        (["estimator:=magic"], "estimator is 'magic'; choose one of"),
        (["vidoe:=film.mp4"], "Unknown argument 'vidoe'"),
    ],
)
def test_wrong_arguments(start: Start, words: list[str], sentence: str) -> None:
    runner = start("amt_perception.pipeline", *words)
    _, errors = runner.communicate(timeout=30)
    assert runner.returncode == 1
    assert sentence in errors
    assert len(errors.splitlines()) == 1


def test_show_args(start: Start) -> None:
    runner = start("amt_perception.pipeline", "--show-args")
    output, _ = runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert "camera_pose" in output


STRANGER = """
import sys, time, rclpy
from amt_msgs.msg import HandPose
rclpy.init()
node = rclpy.create_node("stranger")
hands = []
node.create_subscription(HandPose, "/amt/hand_pose", hands.append, 10)
end = time.monotonic() + 60.0
while len(hands) < 10 and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.5)
ours = {"amt_perception", "amt_retarget"} & set(sys.modules)
stamps = {(hand.header.stamp.sec, hand.header.stamp.nanosec) for hand in hands}
print(len(hands), hands[-1].side, hands[-1].header.frame_id, len(stamps), sorted(ours))
"""


def test_hand_pose_reaches_a_process_that_only_has_the_messages(
    start: Start, environment: dict[str, str]
) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", STRANGER], env=environment, stdout=subprocess.PIPE, text=True
    )
    start("amt_perception.pipeline", "video:=sample")
    output, _ = stranger.communicate(timeout=90)
    assert output.split(maxsplit=4) == ["10", "2", "camera_optical_frame", "10", "[]\n"]
