"""Subscriptions whose messages are taken when the node wants them, not by the executor.

For every message rclpy's executor builds its set of things to wait for anew, which costs about
half a millisecond, many times what it costs to take the message. A node that works at a rate of
its own, as drivers do, asks for what has come at the beginning of each cycle instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

LONGEST_WAIT_S = 0.05
"""Between polls; what seems longer was a change of the clock."""


class _NotExecuted(CallbackGroup):
    """Keeps the executor from what is in it."""

    def can_execute(self, entity: object) -> bool:
        return False

    def beginning_execution(self, entity: object) -> bool:
        return False

    def ending_execution(self, entity: object) -> None:
        pass


class PolledSubscription:
    """One topic; `poll` calls back for every message that has come since the last poll."""

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        qos: QoSProfile | int,
        events: SubscriptionEventCallbacks | None = None,
    ) -> None:
        """events: come by the executor, which then wakes with every message, too."""
        self._node = node
        self._kind = kind
        self._callback = callback
        self._group = _NotExecuted()  # rclpy keeps weak references only
        self._subscription = node.create_subscription(
            kind, topic, callback, qos, callback_group=self._group,
            event_callbacks=events or SubscriptionEventCallbacks(use_default_callbacks=False),
        )  # fmt: skip
        self._warned: set[bytes] = set()
        self.waited_s = 0.0
        """How long the message of the callback that is under way has waited to be taken."""
        handlers: Any = self._subscription.event_handlers  # rclpy's own type for it is wrong
        for handler in handlers:
            handler.callback_group = node.default_callback_group
            node.default_callback_group.add_entity(handler)

    def poll(self) -> None:
        """Call back for what has come, in its order."""
        handle = self._subscription.handle
        with handle:
            while (taken := handle.take_message(self._kind, False)) is not None:
                message, info = taken
                waited_s = 1e-9 * (time.time_ns() - info["received_timestamp"])
                self.waited_s = min(max(waited_s, 0.0), LONGEST_WAIT_S)
                self._callback(message)

    def warn_of_unheard_publishers(self) -> None:
        """Warn once of each publisher whose QoS does not fit, as rclpy's executor would."""
        topic, qos = self._subscription.topic_name, self._subscription.qos_profile
        for publisher in self._node.get_publishers_info_by_topic(topic):
            endpoint = bytes(publisher.endpoint_gid)
            fits, reason = qos_check_compatible(publisher.qos_profile, qos)
            if fits == QoSCompatibility.ERROR and endpoint not in self._warned:
                self._warned.add(endpoint)
                self._node.get_logger().warning(
                    f"{publisher.node_name} publishes {topic} so that it is not heard here: "
                    f"{reason}"
                )

    def destroy(self) -> None:
        """Stop to listen."""
        self._node.destroy_subscription(self._subscription)
