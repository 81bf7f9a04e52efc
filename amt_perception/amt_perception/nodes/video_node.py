"""Publishes the images of a file, a folder or a camera, and their intrinsics."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from amt_perception.camera.intrinsics import Intrinsics, load_intrinsics
from amt_perception.camera.sources import Frame, open_source
from amt_perception.errors import AmtError
from amt_perception.ros.image_messages import camera_info_message, fill_image
from amt_retarget.ros import topics
from amt_retarget.ros.lifetime import run_nodes

LISTENER_WAIT_S = 20.0
SETTLE_S = 0.5
"""A reader that this side has found needs a moment to find this side."""
DELIVERY_WAIT_S = 2.0
"""What has been sent last needs a moment to arrive; it would be lost with this process."""


class VideoNode(Node):
    """Plays a file at its own rate (stamps follow the file's times) or passes on a camera's images.

    A file starts when somebody listens to its images, so that no frame is lost, and ends the node
    with exit code 0 at its last frame; with `loop` it begins again there, and stamps go on.
    """

    def __init__(self, consume: Callable[[np.ndarray, Header], None] | None = None) -> None:
        """consume: takes each image [H, W, 3] with its header in this process (see composed_node).

        Images that it is too slow for are then left out; on the topic they appear only while
        somebody listens there.
        """
        super().__init__("video_node")
        self._consume = consume
        video = str(self.declare_parameter("video", "0").value)
        info_file = str(self.declare_parameter("camera_info_file", "").value)
        self._frame_id = str(self.declare_parameter("camera_frame", "camera_optical_frame").value)
        image_topic = str(self.declare_parameter("image_topic", topics.IMAGE).value)
        info_topic = str(self.declare_parameter("camera_info_topic", topics.CAMERA_INFO).value)
        self._listeners = int(self.declare_parameter("info_listeners", 1).value)
        rate = float(self.declare_parameter("frame_rate", 0.0).value)
        self._loop = bool(self.declare_parameter("loop", False).value)

        self._source = open_source(video, rate or None)
        self._frames = iter(self._source)
        self._intrinsics = self._read_intrinsics(info_file)
        self._info = camera_info_message(self._intrinsics)
        self._images = self.create_publisher(Image, image_topic, topics.IMAGE_QOS)
        self._infos = self.create_publisher(CameraInfo, info_topic, topics.KEPT_QOS)
        self._start_ns = 0
        self._listener_deadline = time.monotonic() + LISTENER_WAIT_S
        self._next: Frame | None = next(self._frames, None)
        self.create_timer(0.001, self._publish_next)

    def _read_intrinsics(self, info_file: str) -> Intrinsics:
        width, height = self._source.width, self._source.height
        if not info_file:
            self.get_logger().info(
                "No camera_info_file: a horizontal field of view of 60 degrees is assumed."
            )
            return Intrinsics.from_field_of_view(width, height)
        intrinsics = load_intrinsics(Path(info_file))
        if (intrinsics.width, intrinsics.height) != (width, height):
            raise AmtError(
                f"{info_file} is for {intrinsics.width}x{intrinsics.height} images, the video has "
                f"{width}x{height}; give the calibration of this camera mode."
            )
        return intrinsics

    def _publish_next(self) -> None:
        if self._source.live:
            frame = self._next
            delay = 0.0
            stamp = self.get_clock().now()
        else:
            if not self._start_ns and not self._listened():
                time.sleep(0.01)
                return
            if self._next is None:
                self.get_logger().info("The video has ended.")
                self._infos.wait_for_all_acked(Duration(seconds=DELIVERY_WAIT_S))
                rclpy.try_shutdown()
                return
            frame = self._next
            now = self.get_clock().now().nanoseconds
            self._start_ns = self._start_ns or now
            stamp_ns = self._start_ns + int(frame.time_s * 1e9)
            delay = (now - stamp_ns) * 1e-9
            time.sleep(max(0.0, -delay))
            stamp = Time(nanoseconds=stamp_ns, clock_type=self.get_clock().clock_type)
        if frame is not None:
            late = self._consume is not None and delay > 1.0 / self._source.frame_rate
            self._publish(frame.image, stamp, late)
        self._next = next(self._frames, None)
        if self._loop and self._next is None and frame is not None and not self._source.live:
            self._start_ns += int((frame.time_s + 1.0 / self._source.frame_rate) * 1e9)
            self._frames = iter(self._source)
            gc.collect()  # PyAV's closed file is part of a cycle: 250 MB that would wait for it
            self._next = next(self._frames)

    def _listened(self) -> bool:
        """Whether images are awaited, and camera_info by as many as `info_listeners` says."""
        images, infos = (p.get_subscription_count() for p in (self._images, self._infos))
        if (images >= 1 or self._consume) and infos >= self._listeners:
            time.sleep(SETTLE_S)
            return True
        if time.monotonic() > self._listener_deadline:
            raise AmtError(
                f"Nobody listened to {self._images.topic_name} for {LISTENER_WAIT_S:.0f} s; "
                "start the perception node."
            )
        return False

    def _publish(self, image: np.ndarray, stamp: Time, late: bool) -> None:
        header = Header(stamp=stamp.to_msg(), frame_id=self._frame_id)
        self._info.header = header
        self._infos.publish(self._info)
        if self._consume is None or self._images.get_subscription_count():
            message = Image(header=header)
            fill_image(message, image)
            self._images.publish(message)
        if self._consume is not None and not late:
            self._consume(image, header)

    def destroy_node(self) -> None:
        self._source.close()
        super().destroy_node()


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [VideoNode()], (AmtError,))


if __name__ == "__main__":
    sys.exit(main())
