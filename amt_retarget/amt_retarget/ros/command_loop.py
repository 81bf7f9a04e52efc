"""A steady rate from a thread of its own, which messages and services do not delay."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from rclpy.node import Node

SWITCH_INTERVAL_S = 0.0005
"""Python lets a thread that waits have its turn after this long; by itself, after 5 ms."""


LEAD = 0.5
"""Share of the period by which a command is prepared before it is due."""


class CommandLoop:
    """Prepares a command every period, and sends it when it is due.

    What goes before the sending takes longer in some periods than in others; the lead hides that.
    A period that was missed is left out, not made up for: two commands at once would double the
    robot's speed.
    """

    def __init__(
        self,
        node: Node,
        period_s: float,
        prepare: Callable[[], None],
        send: Callable[[], None],
        realtime_priority: int = 0,
    ) -> None:
        """realtime_priority: 1 to 99 of SCHED_FIFO, or 0 for none; where the system does not allow
        it, the thread is an ordinary one, and that is said. An error in a call ends the spinning of
        the node with that error.
        """
        self._node = node
        self._period_s = period_s
        self._prepare = prepare
        self._send = send
        self._priority = realtime_priority
        self._running = False
        self.scheduling = "ordinary"
        """How the system schedules the thread."""
        self._thread = threading.Thread(target=self._run, name="commands")

    def start(self) -> None:
        """Begin."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the call that is under way."""
        self._running = False
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        if self._priority:
            self._take_priority()
        period, lead = self._period_s, LEAD * self._period_s
        due = time.monotonic() + period
        try:
            while self._running:
                _sleep_until(due - lead)
                self._prepare()
                _sleep_until(due)
                self._send()
                due = max(due, time.monotonic() - 0.5 * period) + period
        except Exception as error:
            self._fail(error)

    def _take_priority(self) -> None:
        try:  # 0 is the calling thread
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(self._priority))
            self.scheduling = f"SCHED_FIFO {self._priority}"
        except PermissionError:
            self._node.get_logger().warning(
                f"realtime_priority {self._priority} is not allowed: on a busy computer commands "
                "come unevenly. Give your user the right to it ('@realtime - rtprio 99' in "
                "/etc/security/limits.d, as for UR's driver), or set 0."
            )

    def _fail(self, error: Exception) -> None:
        def raise_in_executor() -> None:
            raise error

        executor = self._node.executor
        if executor is not None:
            executor.create_task(raise_in_executor)


def _sleep_until(moment: float) -> None:
    """moment: of time.monotonic (s)."""
    left = moment - time.monotonic()
    if left > 0.0:
        time.sleep(left)
