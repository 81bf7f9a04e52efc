"""Life and death of a node's process: one sentence for a mistake, no orphans, clean signals."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import uninstall_signal_handlers

PARENT_POLL_S = 0.1
EXIT_GRACE_S = 0.7


class NodeFailureError(Exception):
    """A node cannot go on; the message is one sentence that says why and what to do."""


def _end_with_parent(parent: int) -> None:
    """Shut down when the parent is gone: an orphan must not go on commanding a robot.

    SIGTERM to `ros2 launch` ends it without ending its nodes. A node that was started by process 1
    (a service manager) has no parent to lose.
    """
    stop = threading.Event()
    while parent != 1 and rclpy.ok():
        if os.getppid() != parent:
            print("The process that started this node is gone; ending.", file=sys.stderr)
            rclpy.try_shutdown()
            stop.wait(EXIT_GRACE_S)
            os._exit(1)
        stop.wait(PARENT_POLL_S)


def run_node(make_node: Callable[[], Node], user_errors: tuple[type[Exception], ...] = ()) -> int:
    """Create a node, spin it until it is told to end, and return the process's exit code.

    make_node: called after rclpy.init. user_errors: exceptions whose message is printed as one
    sentence with exit code 1 instead of a traceback. SIGINT, SIGTERM and `rclpy.shutdown` end the
    node with exit code 0.
    """
    expected: tuple[type[Exception], ...] = (*user_errors, NodeFailureError)
    parent = os.getppid()
    rclpy.init()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    node = None
    code = 0
    try:
        node = make_node()
        gc.collect()
        gc.freeze()  # what lives as long as the node is never scanned again: no pauses of 50 ms
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except expected as error:
        print(f"{node.get_name() if node else 'error'}: {error}", file=sys.stderr, flush=True)
        code = 1
    finally:
        # A second Ctrl-C (launch passes it on to processes that the terminal has told already)
        # must not break off the clean end.
        uninstall_signal_handlers()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return code
