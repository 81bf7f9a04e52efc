"""What the retarget node hears: hands, joint states, the robot's and the operator's will."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle
from threading import RLock
from typing import ParamSpec, TypeVar

import numpy as np
from amt_msgs.msg import HandPose, HandPoseArray
from builtin_interfaces.msg import Time
from rclpy.event_handler import (
    QoSLivelinessChangedInfo,
    QoSRequestedDeadlineMissedInfo,
    SubscriptionEventCallbacks,
)
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64
from std_srvs.srv import SetBool

from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.teleoperation import Teleoperation
from amt_retarget.robot.driver_profiles import hand_profile
from amt_retarget.ros import topics
from amt_retarget.ros.polling import PolledSubscription
from amt_retarget.ros.retarget_diagnostics import RetargetDiagnostics
from amt_retarget.ros.retarget_parameters import RetargetParameters
from amt_retarget.ros.transforms import TransformTree, seconds
from amt_retarget.safety.state import NO_REASON, Reason

P = ParamSpec("P")
T = TypeVar("T")


class RetargetInputs:
    """Subscriptions, and the service that arms; all of it is told to Teleoperation.

    The commands' thread polls the subscriptions; the service comes by the executor.

    Attributes:
        image_stamp: of the image of the last hand that counted.
        received: when it came, by time.perf_counter (s), until a command has followed; else None.
    """

    def __init__(
        self,
        node: Node,
        options: RetargetParameters,
        control: Teleoperation,
        lock: RLock,
        transforms: TransformTree,
        diagnostics: RetargetDiagnostics,
    ) -> None:
        self._node = node
        self._options = options
        self._control = control
        self._lock = lock
        self._transforms = transforms
        self._diagnostics = diagnostics
        self._side = int(Side[control.retargeter.robot.hand.upper()])
        self._base_frame = options.text("base_frame")
        self.image_stamp = Time()
        self.received: float | None = None
        reliable, latched = topics.POLLED_QOS, topics.LATCHED_QOS
        listen, stop = partial(PolledSubscription, node), topics.EMERGENCY_STOP
        hand = hand_profile(options.text("hand_interface"), control.retargeter.robot.hand)
        # Twice: one hears every publisher, the other what a latched one said before.
        self._latched_stop = listen(Bool, stop, self._on_emergency_stop, latched)
        self._hands = self._listen_to_hands(
            options.text("hands_topic"), options.flag("qos_watchdogs")
        )
        self._subscriptions = [
            self._hands,
            *(
                listen(JointState, topic, self._on_joint_state, topics.POLLED_QOS)
                for topic in {topics.JOINT_STATES, hand.states_topic}
            ),
            listen(Bool, topics.ENABLE, self._on_heartbeat, reliable),
            listen(Bool, stop, self._on_emergency_stop, reliable),
            self._latched_stop,
            listen(Float64, topics.SPEED_SCALING, self._on_speed_scaling, reliable),
            listen(Bool, topics.PROGRAM_RUNNING, self._on_program_running, latched),
        ]
        self._checked = cycle(self._subscriptions)
        self._service = node.create_service(
            SetBool, topics.SET_ENABLED, self._locked(self._on_set_enabled)
        )

    def poll(self) -> None:
        """Take in what has come; under the lock."""
        for subscription in self._subscriptions:
            subscription.poll()

    def warn_of_unheard_publishers(self) -> None:
        """Look at the publishers of one more topic: all at once would delay the commands."""
        subscription = next(self._checked)
        if subscription is not self._latched_stop:  # others are heard by its twin
            subscription.warn_of_unheard_publishers()

    def end(self) -> None:
        """Stop to listen."""
        for subscription in self._subscriptions:
            subscription.destroy()
        self._node.destroy_service(self._service)

    def _locked(self, callback: Callable[P, T]) -> Callable[P, T]:
        """The callback, while the commands' thread waits."""

        def call(*arguments: P.args, **more: P.kwargs) -> T:
            with self._lock:
                return callback(*arguments, **more)

        return call

    def _listen_to_hands(self, topic: str, watched: bool) -> PolledSubscription:
        """watched: ask DDS to watch over the publisher, too (see topics.hand_publisher_qos)."""
        listen = partial(PolledSubscription, self._node, HandPoseArray, topic, self._on_hands)
        if not watched:
            return listen(topics.POLLED_QOS)
        lost = self._locked(self._on_hands_lost)
        return listen(
            topics.hand_publisher_qos(), SubscriptionEventCallbacks(deadline=lost, liveliness=lost)
        )

    def _on_hands(self, message: HandPoseArray) -> None:
        control = self._control
        stamp = seconds(message.header.stamp)
        now = self._node.get_clock().now().nanoseconds * 1e-9
        hand, reason = self._choose(message)
        base_from_camera = self._transforms.lookup(self._base_frame, message.header.frame_id)
        if hand is not None and base_from_camera is None:
            hand, reason = None, Reason.TRANSFORM_MISSING
        if hand is None or base_from_camera is None:
            control.hands.miss(reason, stamp, now, self._hands.waited_s)
            return
        joints = np.array([(point.x, point.y, point.z) for point in hand.joints])
        joints = joints @ base_from_camera[:3, :3].T + base_from_camera[:3, 3]
        seen = joints, self._side, stamp, now, hand.confidence, self._hands.waited_s
        if control.hands.see(*seen):
            self.image_stamp = message.header.stamp
            self.received = time.perf_counter()
            self._diagnostics.hand(now - stamp)

    def _choose(self, message: HandPoseArray) -> tuple[HandPose | None, Reason]:
        """The hand to follow, the most confident one of our side; or why there is none."""
        alive = [hand for hand in message.hands if hand.state != HandPose.STATE_LOST]
        ours = [hand for hand in alive if hand.side == self._side]
        if not ours:
            return None, Reason.WRONG_SIDE if alive else Reason.HAND_LOST
        best = max(ours, key=lambda hand: hand.confidence)
        if not best.confidence >= self._options.number("min_confidence"):  # also refuses NaN
            return None, Reason.LOW_CONFIDENCE
        return best, NO_REASON

    def _on_hands_lost(
        self, event: QoSRequestedDeadlineMissedInfo | QoSLivelinessChangedInfo
    ) -> None:
        if getattr(event, "alive_count", 0) == 0:
            self._control.hands.watchdog.lose()

    def _on_joint_state(self, message: JointState) -> None:
        stamp = seconds(message.header.stamp)
        self._control.measured.take(message.name, message.position, stamp)

    def _on_heartbeat(self, message: Bool) -> None:
        self._control.operator.heartbeat(message.data)

    def _on_emergency_stop(self, message: Bool) -> None:
        self._control.operator.emergency_stop = message.data

    def _on_speed_scaling(self, message: Float64) -> None:
        share = message.data / 100.0
        self._control.speed_scaling = share if math.isfinite(share) else 0.0

    def _on_program_running(self, message: Bool) -> None:
        self._control.program_running = message.data

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        refusal = ""
        if request.data:
            refusal = self._control.arm()
        else:
            self._control.disarm()
        response.success = not refusal
        response.message = refusal or ("Armed." if request.data else "Disarmed.")
        self._node.get_logger().info(response.message)
        return response
