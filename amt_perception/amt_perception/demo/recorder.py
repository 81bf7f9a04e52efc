"""Listens to the running pipeline over DDS and keeps what a Recording needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray, RetargetStatus
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, JointState

from amt_perception.demo.recording import MAX_HANDS, NO_TRACK, Recording
from amt_perception.estimators.interface import TrackState
from amt_perception.ros.image_messages import image_array
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.polling import PolledSubscription
from amt_retarget.ros.transforms import seconds
from amt_retarget.safety.measured_joints import MeasuredJoints

KEEP_ALL = QoSProfile(depth=500, reliability=ReliabilityPolicy.RELIABLE)
KEEP_IMAGES = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class Recorder(Node):
    """Keeps the stamps of all images, and all hands, commands, joint states and statuses.

    camera_info is sent with every image and is small, so it tells which images there were without
    carrying them here a second time. A camera's images cannot be read again later: those that come
    are handed to `keep_image`.
    """

    def __init__(
        self,
        robot: Robot,
        keep_image: Callable[[np.ndarray, float], object] | None = None,
    ) -> None:
        """keep_image: takes each image [H, W, 3] uint8 RGB and its time since the first (s)."""
        super().__init__("demo_recorder")
        self._keep_image = keep_image
        self._joint_names = robot.joint_names
        self._measured = MeasuredJoints(robot)
        self._image_times: list[float] = []
        self._hands: dict[float, list[HandPose]] = {}
        self._commands: list[tuple[float, float, list[float]]] = []
        self._joint_states: list[tuple[float, list[float]]] = []
        self._statuses: list[tuple[float, RetargetStatus]] = []
        self.estimator = "unknown"
        """What the perception node says that it runs."""
        self.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)
        if keep_image is None:
            self.create_subscription(CameraInfo, topics.CAMERA_INFO, self._on_info, KEEP_ALL)
        else:
            self.create_subscription(Image, topics.IMAGE, self._on_image, KEEP_IMAGES)
        poll = partial(PolledSubscription, self)  # the computer is busy enough
        self._commanded = poll(JointState, topics.JOINT_COMMAND, self._on_command, KEEP_ALL)
        status_qos = QoSProfile(
            depth=500,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=topics.LATCHED_QOS.durability,
        )
        self._statused = poll(RetargetStatus, topics.RETARGET_STATUS, self._on_status, status_qos)
        self._polled = (
            poll(HandPoseArray, topics.HANDS, self._on_hands, KEEP_ALL),
            poll(JointState, topics.JOINT_STATES, self._on_joint_state, KEEP_ALL),
            self._statused,
            self._commanded,
        )

    def poll(self) -> None:
        """Take in what has come."""
        for subscription in self._polled:
            subscription.poll()

    @property
    def pipeline_ready(self) -> bool:
        """Whether robot and retargeter report their states, and images are awaited."""
        others = self.count_subscribers(topics.IMAGE) - (self._keep_image is not None)
        return bool(self._joint_states) and bool(self._statuses) and others > 0

    @property
    def image_count(self) -> int:
        """Images that have been sent so far."""
        return len(self._image_times)

    @property
    def command_count(self) -> int:
        """Commands that have been sent so far."""
        return len(self._commands)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for item in status.values:
                if item.key == "estimator":
                    self.estimator = item.value

    def _on_info(self, message: CameraInfo) -> None:
        self._image_times.append(seconds(message.header.stamp))

    def _on_image(self, message: Image) -> None:
        assert self._keep_image is not None
        self._image_times.append(seconds(message.header.stamp))
        self._keep_image(image_array(message), self._image_times[-1] - self._image_times[0])

    def _on_hands(self, message: HandPoseArray) -> None:
        self._hands[seconds(message.header.stamp)] = message.hands

    def _on_command(self, message: JointState) -> None:
        stamp = seconds(message.header.stamp)
        came = self._now() - self._commanded.waited_s
        self._commands.append((stamp, came, self._positions(message)))

    def _on_joint_state(self, message: JointState) -> None:
        """The arm and the hand report apart, at the same rate: one entry for each two messages."""
        stamp = seconds(message.header.stamp)
        self._measured.take(message.name, message.position, stamp)
        positions = self._measured.positions
        if len(message.name) >= len(positions) // 2 and np.isfinite(positions).all():
            self._joint_states.append((stamp, positions.tolist()))

    def _on_status(self, message: RetargetStatus) -> None:
        self._statuses.append((self._now() - self._statused.waited_s, message))

    def _positions(self, message: JointState) -> list[float]:
        position = dict(zip(message.name, message.position, strict=True))
        return [position[name] for name in self._joint_names]

    def recording(
        self, lower_limits: np.ndarray, upper_limits: np.ndarray, meta: dict[str, str]
    ) -> Recording:
        """Everything that was heard, on the video's clock. lower_limits, upper_limits: [J] rad."""
        start = self._image_times[0] if self._image_times else 0.0
        frames = len(self._image_times)
        side = np.zeros((frames, MAX_HANDS), np.uint8)
        track_id = np.full((frames, MAX_HANDS), NO_TRACK)
        state = np.full((frames, MAX_HANDS), TrackState.LOST, np.uint8)
        confidence = np.full((frames, MAX_HANDS), np.nan)
        keypoints = np.full((frames, MAX_HANDS, 21, 2), np.nan)
        joints = np.full((frames, MAX_HANDS, 21, 3), np.nan)
        rotation = np.full((frames, MAX_HANDS, 3, 3), np.nan)
        for frame, stamp in enumerate(self._image_times):
            alive = [h for h in self._hands.get(stamp, []) if h.state != HandPose.STATE_LOST]
            for slot, hand in enumerate(alive[:MAX_HANDS]):
                side[frame, slot] = hand.side
                track_id[frame, slot] = hand.track_id
                state[frame, slot] = hand.state
                confidence[frame, slot] = hand.confidence
                keypoints[frame, slot] = hand.keypoints_px.reshape(21, 2)
                joints[frame, slot] = [(point.x, point.y, point.z) for point in hand.joints]
                q = hand.wrist.pose.orientation
                rotation[frame, slot] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()

        images = set(self._image_times)
        status_times = np.array([time for time, _ in self._statuses])
        last_status = np.searchsorted(status_times, [time for _, time, _ in self._commands])
        statuses = [self._statuses[min(index, len(self._statuses) - 1)][1] for index in last_status]
        joint_count = len(self._joint_names)
        return Recording(
            frame_times=np.array(self._image_times) - start,
            dropped=np.array([stamp not in self._hands for stamp in self._image_times], bool),
            side=side,
            track_id=track_id,
            state=state,
            confidence=confidence,
            keypoints_px=keypoints,
            joints=joints,
            wrist_rotation=rotation,
            command_times=np.array([time for _, time, _ in self._commands]) - start,
            command_positions=np.array([p for *_, p in self._commands]).reshape(-1, joint_count),
            command_state=np.array([status.state for status in statuses], np.uint8),
            tip_residual=np.array([status.tip_residual for status in statuses]).reshape(-1, 4),
            latency_s=np.array(
                [time - stamp if stamp in images else np.nan for stamp, time, _ in self._commands]
            ),
            joint_state_times=np.array([time for time, _ in self._joint_states]) - start,
            joint_state_positions=np.array([p for _, p in self._joint_states]).reshape(
                -1, joint_count
            ),
            joint_names=np.array(self._joint_names),
            lower_limits=lower_limits,
            upper_limits=upper_limits,
            meta=meta,
        )
