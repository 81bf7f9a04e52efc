"""Signals and failures: a node brings its robot to rest while it can still speak."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from amt_retarget.ros.lifetime import _break_off_when_told

PROGRAM = """
import sys
import rclpy
from rclpy.node import Node
from amt_retarget.ros.lifetime import run_nodes

class Arm(Node):
    def __init__(self, fails):
        super().__init__("arm")
        self.create_timer(0.2, self.fail if fails else lambda: print("spins", flush=True))

    def fail(self):
        raise ZeroDivisionError("a mistake of ours")

    def finish(self):
        print("braked" if rclpy.ok() else "too late", flush=True)

sys.exit(run_nodes(lambda: [Arm(sys.argv[1] == "fails")]))
"""


def run(word: str) -> subprocess.Popen[str]:
    """A process with one node that "spins" or "fails"."""
    environment = {
        **os.environ,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": "98",
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, word], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_only_the_first_signal_breaks_off() -> None:
    """A terminal's Ctrl-C, and then the runner's SIGTERM in the middle of the clean end."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        told = _break_off_when_told()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert told.is_set()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_is_told_to_end_finishes_first(number: signal.Signals) -> None:
    process = run("spins")
    assert process.stdout is not None
    assert process.stdout.readline() == "spins\n"
    process.send_signal(number)
    start = time.monotonic()
    output, errors = process.communicate(timeout=10)
    assert output.splitlines()[-1] == "braked"
    assert process.returncode == 0
    assert errors == ""
    assert time.monotonic() - start < 5.0


def test_a_node_that_fails_finishes_as_well() -> None:
    process = run("fails")
    output, errors = process.communicate(timeout=20)
    assert output == "braked\n"
    assert process.returncode == 1
    assert "a mistake of ours" in errors
