"""Images in; hands, objects, contacts, a picture of them, markers, frames and diagnostics out."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from amt_msgs.msg import ContactArray, HandPose, HandPoseArray, ObjectPoseArray
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.overlay import draw_estimate
from amt_perception.errors import AmtError
from amt_perception.estimators.factory import create_estimator
from amt_perception.estimators.interface import Estimator, FrameEstimate, TrackState
from amt_perception.hand.mano_files import hand_faces
from amt_perception.ros.hand_messages import hand_markers, hand_message
from amt_perception.ros.image_messages import (
    compressed_array,
    fill_image,
    image_array,
    intrinsics_from_message,
)
from amt_perception.ros.object_messages import contacts_message, objects_message, scene_markers
from amt_retarget.ros import topics
from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.static_pose import publish_static_pose
from amt_retarget.ros.transforms import seconds, transforms_message

DIAGNOSTICS_PERIOD_S = 1.0
RATE_WINDOW = 60


class PerceptionNode(SelfStartingLifecycleNode):
    """Runs one estimator on every image and publishes what it says, stamped with the image's time.

    It never publishes a stale or made-up pose: an image that cannot be read is reported in
    diagnostics and skipped.
    """

    user_errors = (AmtError,)

    def __init__(self, subscribe: bool = True) -> None:
        """subscribe: False when images come by call of `process` (see composed_node)."""
        super().__init__("perception_node")
        self._subscribe = subscribe
        self._image_subscription: Subscription | None = None
        self._active = False
        self.declare_parameter("estimator", "auto")
        self.declare_parameter("checkpoint", "")
        self.declare_parameter("device", "auto")
        self.declare_parameter("precision", "auto")
        self.declare_parameter("mano", "")
        self.declare_parameter("hand_length_m", 0.0)
        self.declare_parameter("image_topic", topics.IMAGE)
        self.declare_parameter("image_queue", 1)
        self.declare_parameter("camera_info_topic", topics.CAMERA_INFO)
        self.declare_parameter("compressed", False)
        self.declare_parameter("publish_vertices", False)
        parent = str(self.declare_parameter("camera_parent", "base_link").value)
        frame = str(self.declare_parameter("camera_frame", "camera_optical_frame").value)
        publish_static_pose(self, "camera_pose", parent, frame)
        self._estimator: Estimator | None = None
        self._intrinsics: Intrinsics | None = None
        self._problem = ""
        self._last_time = -np.inf
        self._frames = 0
        self._hand_count = 0
        self._latencies: deque[float] = deque(maxlen=RATE_WINDOW)
        self._arrivals: deque[float] = deque(maxlen=RATE_WINDOW)
        self.start()

    def _value(self, name: str) -> object:
        return self.get_parameter(name).value

    def configure(self) -> None:
        mano = str(self._value("mano"))
        self._mano_folder = Path(mano) if mano else None
        checkpoint = str(self._value("checkpoint"))
        length = float(self._value("hand_length_m"))  # type: ignore[arg-type]
        self._estimator = create_estimator(
            str(self._value("estimator")),
            mano_folder=self._mano_folder,
            hand_length_m=length or None,
            checkpoint=Path(checkpoint) if checkpoint else None,
            device=str(self._value("device")),
            precision=str(self._value("precision")),
        )
        asked = self._value("estimator")
        self.get_logger().info(f"Hand estimator: {self._estimator.name} (asked for: {asked})")
        self._send_vertices = bool(self._value("publish_vertices"))
        qos = topics.hand_publisher_qos()
        self._hand_publisher = self.create_lifecycle_publisher(HandPose, topics.HAND_POSE, qos)
        self._hands_publisher = self.create_lifecycle_publisher(HandPoseArray, topics.HANDS, qos)
        self._objects_publisher = self.create_lifecycle_publisher(
            ObjectPoseArray, topics.OBJECTS, topics.KEPT_QOS
        )
        self._contacts_publisher = self.create_lifecycle_publisher(
            ContactArray, topics.CONTACTS, topics.KEPT_QOS
        )
        self._overlay_publisher = self.create_lifecycle_publisher(
            Image, topics.OVERLAY, topics.RESULT_QOS
        )
        self._marker_publisher = self.create_lifecycle_publisher(
            MarkerArray, topics.MARKERS, topics.KEPT_QOS
        )
        self._tf_publisher = self.create_lifecycle_publisher(TFMessage, topics.TF, 100)
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, 10)
        self._diagnostics_timer = self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)

    def activate(self) -> None:
        image_topic = str(self._value("image_topic"))
        info_topic = str(self._value("camera_info_topic"))
        self._info_subscription = self.create_subscription(
            CameraInfo, info_topic, self._on_info, topics.IMAGE_QOS
        )
        self._active = True
        if not self._subscribe:
            return
        kind, decode = (Image, image_array)
        if self._value("compressed"):
            kind, decode = (CompressedImage, compressed_array)
            image_topic += "/compressed"
        self._image_subscription = self.create_subscription(
            kind,
            image_topic,
            partial(self._receive, decode),
            topics.image_qos(int(self._value("image_queue"))),  # type: ignore[call-overload]
        )

    def deactivate(self) -> None:
        self._active = False
        if self._image_subscription is not None:
            self.destroy_subscription(self._image_subscription)
        self.destroy_subscription(self._info_subscription)
        if self._estimator is not None:
            self._estimator.reset()

    def cleanup(self) -> None:
        if self._estimator is not None:
            self._estimator.close()
            self._estimator = None

    def destroy_node(self) -> None:
        self.cleanup()
        super().destroy_node()

    def _on_info(self, message: CameraInfo) -> None:
        try:
            self._intrinsics = intrinsics_from_message(message)
        except AmtError as error:
            self._report(str(error))

    def _receive(
        self, decode: Callable[[Any], np.ndarray], message: Image | CompressedImage
    ) -> None:
        try:
            image = decode(message)
        except AmtError as error:
            self._report(str(error))
            return
        self.process(image, message.header)

    def _report(self, problem: str) -> None:
        self._problem = problem
        self.get_logger().error(problem, throttle_duration_sec=5.0)

    def process(self, image: np.ndarray, header: Header) -> None:
        """Estimate one image [H, W, 3] uint8 RGB and publish the results with its header.

        Does nothing while the node is not active.
        """
        if not self._active or self._estimator is None:
            return
        stamp = seconds(header.stamp)
        if stamp <= self._last_time:
            self._estimator.reset()
            self.get_logger().warning("The images' time went back; tracking starts anew.")
        self._last_time = stamp
        intrinsics = self._intrinsics
        height, width = image.shape[:2]
        if intrinsics is None or (intrinsics.width, intrinsics.height) != (width, height):
            intrinsics = Intrinsics.from_field_of_view(width, height)
            self.get_logger().warning(
                f"No camera_info for {width}x{height} images: a horizontal field of view of "
                "60 degrees is assumed, distances are rough.",
                throttle_duration_sec=60.0,
            )
        image = intrinsics.undistort(image)
        estimate = self._estimator.estimate(image, intrinsics, stamp)
        self._publish(estimate, header)
        if self._overlay_publisher.get_subscription_count():  # drawing costs time
            overlay = Image(header=header)
            faces = hand_faces(self._mano_folder)
            fill_image(overlay, draw_estimate(image, estimate, intrinsics, faces))
            self._overlay_publisher.publish(overlay)
        self._frames += 1
        self._problem = ""
        self._arrivals.append(time.monotonic())
        self._latencies.append(self.get_clock().now().nanoseconds * 1e-9 - stamp)

    def _publish(self, estimate: FrameEstimate, header: Header) -> None:
        messages = [hand_message(hand, header, self._send_vertices) for hand in estimate.hands]
        for message in messages:
            self._hand_publisher.publish(message)
        self._hands_publisher.publish(HandPoseArray(header=header, hands=messages))
        if estimate.objects is not None:
            self._objects_publisher.publish(objects_message(estimate.objects, header))
        if estimate.contacts is not None:
            self._contacts_publisher.publish(contacts_message(estimate, header))
        seen = [hand for hand in estimate.hands if hand.state != TrackState.LOST]
        self._hand_count = len(seen)
        if self._marker_publisher.get_subscription_count():
            markers = hand_markers(estimate.hands, header)
            markers.markers.extend(scene_markers(estimate, header))
            self._marker_publisher.publish(markers)
        if seen:
            poses = [
                (
                    header.frame_id,
                    f"hand_{hand.side.name.lower()}",
                    hand.wrist_rotation,
                    hand.joints[0],
                )
                for hand in seen
            ]
            self._tf_publisher.publish(transforms_message(poses, header.stamp))

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(name="amt: hand perception", hardware_id="camera")
        silent = not self._arrivals or time.monotonic() - self._arrivals[-1] > 1.0
        rate = 0.0
        if len(self._arrivals) > 1 and not silent:
            rate = (len(self._arrivals) - 1) / (self._arrivals[-1] - self._arrivals[0])
        if self._problem:
            status.level, status.message = DiagnosticStatus.ERROR, self._problem
        elif silent:
            status.level, status.message = DiagnosticStatus.WARN, "no images"
        else:
            status.level, status.message = DiagnosticStatus.OK, f"{self._hand_count} hands"
        latency = float(np.median(self._latencies)) if self._latencies else float("nan")
        figures = {
            "estimator": self._estimator.name if self._estimator else "none",
            "frames": str(self._frames),
            "rate_hz": f"{rate:.1f}",
            "image_to_result_ms": f"{1e3 * latency:.1f}",
        }
        status.values = [KeyValue(key=key, value=value) for key, value in figures.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(message)


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [PerceptionNode()], (AmtError,))


if __name__ == "__main__":
    sys.exit(main())
