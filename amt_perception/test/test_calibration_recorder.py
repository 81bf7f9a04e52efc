"""Recording over ROS topics: a robot that carries a board before a camera, and the real process."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS is not installed")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from amt_perception.calibration.pairs import load_recording  # noqa: E402
from amt_perception.calibration.solve import solve  # noqa: E402
from amt_perception.calibration.synthetic import (  # noqa: E402
    made_image,
    made_recording,
    result_error,
)
from amt_perception.camera.intrinsics import Intrinsics  # noqa: E402
from amt_perception.ros.image_messages import camera_info_message, fill_image  # noqa: E402
from amt_retarget.ros import topics  # noqa: E402
from amt_retarget.ros.transforms import transforms_message  # noqa: E402

CAMERA = Intrinsics(fx=400.0, fy=400.0, cx=321.0, cy=239.0, width=640, height=480)
WAIT_S = 20.0


class Rig:
    """Publishes images, camera_info and /tf of one pose after the other, from a thread."""

    def __init__(self) -> None:
        self.made = made_recording(
            30, 4, pixel_sigma=0.0, position_sigma=0.0, intrinsics=CAMERA, distance=(0.4, 0.6)
        )
        spec = self.made.recording.board
        self.images = [made_image(spec, pose, CAMERA) for pose in self.made.boards_in_camera]
        self.pose, self.robot_on = 0, True
        self._stop = threading.Event()
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("rig", context=self._context)
        self._images = self._node.create_publisher(Image, topics.IMAGE, topics.KEPT_QOS)
        self._infos = self._node.create_publisher(CameraInfo, topics.CAMERA_INFO, topics.KEPT_QOS)
        self._tf = self._node.create_publisher(TFMessage, topics.TF, 100)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        while not self._stop.wait(0.08):
            stamp = self._node.get_clock().now().to_msg()
            flange = self.made.recording.pairs[self.pose].flange
            if self.robot_on:
                wrist = ("base_link", "wrist_3_link", flange[:3, :3], flange[:3, 3])
                tool = ("wrist_3_link", "tool0", np.eye(3), np.zeros(3))
                self._tf.publish(transforms_message([wrist, tool], stamp))
            header = Header(stamp=stamp, frame_id="lab_camera_optical_frame")
            info = camera_info_message(CAMERA)
            info.header = header
            self._infos.publish(info)
            image = Image(header=header)
            fill_image(image, self.images[self.pose])
            self._images.publish(image)
            executor.spin_once(timeout_sec=0.0)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def rig(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
    rig = Rig()
    yield rig
    rig.close()


@pytest.fixture
def record(tmp_path):
    """Start `record pairs.yaml` with more words; gives the process and a wait for its lines."""
    processes = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-m", "amt_perception.calibration", "record",
             str(tmp_path / "pairs.yaml"), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        processes.append(process)
        lines = []

        def read():
            for line in process.stdout:
                lines.append(line)

        threading.Thread(target=read).start()

        def wait_for(text):
            deadline = time.monotonic() + WAIT_S
            while not any(text in line for line in list(lines)):
                assert time.monotonic() < deadline, f"'{text}' is not among {lines}"
                time.sleep(0.02)

        return process, wait_for

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_record_stop_go_on_and_solve(rig, record, tmp_path):
    path = tmp_path / "pairs.yaml"
    process, wait_for = record("--count", "4")
    wait_for("press Enter")
    assert not path.exists()
    process.stdin.write("\n")
    process.stdin.flush()
    wait_for("pair 1 of 4")
    assert len(load_recording(path).pairs) == 1  # written at once
    wait_for("this pose is recorded: move")
    process.stdin.close()  # the end of the input ends the recording
    assert process.wait(WAIT_S) == 0

    rig.robot_on = False
    process, wait_for = record("--count", "4", "--auto")
    wait_for("has 1 pairs already")
    wait_for("/tf does not say where tool0 is in base_link")
    rig.robot_on = True
    rig.pose = 1
    wait_for("pair 2 of 4")
    rig.robot_on = False  # its last pose stays on /tf: not a robot that stands still
    wait_for("/tf has been silent about tool0")
    rig.robot_on = True
    for pose in (2, 3):
        rig.pose = pose
        wait_for(f"pair {pose + 1} of 4")
    wait_for("calibration solve")
    assert process.wait(WAIT_S) == 0

    recording = load_recording(path)
    assert recording.camera_frame == "lab_camera_optical_frame"
    assert recording.intrinsics == replace(CAMERA, distortion=(0.0,) * 5)
    for pair, made in zip(recording.pairs, rig.made.recording.pairs, strict=True):
        np.testing.assert_allclose(pair.flange, made.flange, atol=1e-6)
    turn, shift = result_error(solve(recording).camera, rig.made.camera)
    assert turn < 0.3 and shift < 3.0


def test_recorder_refuses_another_board(record, tmp_path):
    from amt_perception.calibration.pairs import save_recording

    save_recording(made_recording(1, 3).recording, tmp_path / "pairs.yaml")
    process, wait_for = record("--square", "0.03")
    wait_for("error: ")
    wait_for("was recorded with another board")
    assert process.wait(WAIT_S) == 1
