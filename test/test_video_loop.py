"""A video that is played again and again, as a soak does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from amt_retarget.ros import topics

FRAMES = 8
RATE = 20


def test_stamps_go_on_where_the_file_begins_again(
    environment: dict[str, str],
    start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for index in range(FRAMES):
        cv2.imwrite(str(tmp_path / f"{index:03d}.png"), np.full((48, 64, 3), 20 * index, np.uint8))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = Node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    infos: list[CameraInfo] = []
    node.create_subscription(CameraInfo, topics.CAMERA_INFO, infos.append, topics.KEPT_QOS)
    node.create_subscription(Image, topics.IMAGE, lambda image: None, topics.IMAGE_QOS)
    words = [f"video:={tmp_path}", f"frame_rate:={RATE}.0", "loop:=true", "info_listeners:=1"]
    arguments = [word for each in words for word in ("-p", each)]
    start("amt_perception.nodes.video_node", "--ros-args", *arguments)
    deadline = time.monotonic() + 20.0
    while len(infos) < 3 * FRAMES and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    stamps = [info.header.stamp.sec + 1e-9 * info.header.stamp.nanosec for info in infos]
    assert len(stamps) >= 3 * FRAMES
    np.testing.assert_allclose(np.diff(stamps), 1 / RATE, atol=1e-3)
