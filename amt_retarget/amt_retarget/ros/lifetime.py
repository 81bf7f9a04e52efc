"""Life and death of a node's process: one sentence for a mistake, no orphans, clean signals."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Protocol, runtime_checkable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

PARENT_POLL_S = 0.1
EXIT_GRACE_S = 0.7
LAUNCHER = "AMT_LAUNCHER"
"""Environment variable with the id of the process that started the pipeline, if one did."""


class NodeFailureError(Exception):
    """A node cannot go on; the message is one sentence that says why and what to do."""


def _end_with_parent(parent: int, end: Callable[[], None]) -> None:
    """End the nodes when the parent is gone: an orphan must not go on commanding a robot.

    SIGTERM to `ros2 launch` ends it without ending its nodes. A node that was started by process 1
    (a service manager) has no parent to lose, unless LAUNCHER names it: then it has been lost while
    Python started.
    """
    launcher = int(os.environ.get(LAUNCHER) or 1)
    stop = threading.Event()
    while rclpy.ok() and (parent != 1 or launcher != 1):
        lost = os.getppid() != parent or (parent == 1 and launcher != 1)
        if lost or not _exists(launcher):
            end()
            with suppress(OSError):  # its end of our stderr may be gone as well
                print("The process that started this node is gone; ending.", file=sys.stderr)
            stop.wait(EXIT_GRACE_S)
            os._exit(1)
        stop.wait(PARENT_POLL_S)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def run_nodes(
    make_nodes: Callable[[], Sequence[Node]], user_errors: tuple[type[Exception], ...] = ()
) -> int:
    """`run_node_groups` of nodes that take turns in one thread."""
    return run_node_groups(lambda: [make_nodes()], user_errors)


def run_node_groups(
    make_groups: Callable[[], Sequence[Sequence[Node]]],
    user_errors: tuple[type[Exception], ...] = (),
) -> int:
    """Create nodes, spin them until they are told to end, and return the process's exit code.

    make_groups: called after rclpy.init; the nodes of each group take turns in a thread of their
    own, and a failure of one group ends all. user_errors: exceptions whose message is printed as
    one line `error: ...` on stderr, with exit code 1, instead of a traceback; so are wrong ROS
    arguments and parameters. SIGINT, SIGTERM and `rclpy.shutdown` end the nodes with exit code 0.
    """
    expected: tuple[type[Exception], ...] = (
        *user_errors,
        NodeFailureError,
        ParameterException,
    )
    told_to_end = _break_off_when_told()
    parent = os.getppid()
    groups: Sequence[Sequence[Node]] = ()
    others: list[_SpinThread] = []
    ending = _Ending()
    code = 0
    try:
        _init_rclpy()
        watch = partial(_end_with_parent, parent, ending.begin)
        threading.Thread(target=watch, daemon=True).start()
        groups = make_groups()
        if told_to_end.is_set():
            return 0  # a library has swallowed the KeyboardInterrupt
        gc.collect()
        gc.freeze()  # what lives as long as the nodes is never scanned again: no pauses of 50 ms
        executor = _executor_of(groups[0])
        others = [_SpinThread(group, ending) for group in groups[1:]]
        ending.on_signals()
        for thread in others:
            thread.start()
        executor.spin_until_future_complete(ending.future)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception as error:
        if told_to_end.is_set():
            pass  # ctypes, for one, makes an ArgumentError of a KeyboardInterrupt
        elif isinstance(error, expected):
            code = _say_why(error)
        elif rclpy.ok():
            raise
        # Else a node has shut rclpy down, and the call that was under way failed for that reason.
    finally:
        # A second Ctrl-C (launch passes it on to processes that the terminal has told already)
        # must not break off the clean end.
        _ignore_signals()
        _end_threads(others, ending)
        _end_nodes([node for group in groups for node in group])
    for failure in (thread.failure for thread in others if thread.failure is not None):
        if not isinstance(failure, expected):
            raise failure
        code = _say_why(failure)
    return code


@runtime_checkable
class Finishing(Protocol):
    """A node that brings something to an end while it can still speak, such as a motion."""

    def finish(self) -> None:
        """Bring it to an end."""


class _Ending:
    """Ends the spinning of all nodes from any thread, and on SIGINT and SIGTERM.

    rclpy's own handlers shut its context down; no node could brake its robot after that.
    """

    def __init__(self) -> None:
        self.future: Future = Future()

    def begin(self) -> None:
        """End the spinning."""
        if not self.future.done():
            self.future.set_result(None)

    def on_signals(self) -> None:
        """Let SIGINT and SIGTERM end it; call from the main thread.

        Python calls signal handlers when its main thread returns from C++, where it waits for
        messages, perhaps for long. The wake-up descriptor is written to at once.
        """
        reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)

        def wait() -> None:
            reader.recv(1)
            self.begin()

        threading.Thread(target=wait, daemon=True).start()


class _SpinThread(threading.Thread):
    """Spins one group of nodes; when that fails, it keeps the error and ends the other groups."""

    def __init__(self, nodes: Sequence[Node], ending: _Ending) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self._executor = _executor_of(nodes)
        self._ending = ending

    def run(self) -> None:
        try:
            self._executor.spin_until_future_complete(self._ending.future)
        except ExternalShutdownException:
            pass
        except Exception as error:
            if rclpy.ok():  # else the call that was under way failed because all is ending
                self.failure = error
        self._ending.begin()


def _end_threads(threads: Sequence[_SpinThread], ending: _Ending) -> None:
    """A thread that still spins while Python ends would abort the process."""
    ending.begin()
    for thread in threads:
        if thread.is_alive():
            thread.join()


def _end_nodes(nodes: Sequence[Node]) -> None:
    """Let them finish, also where one of them has failed: its robot may be in motion."""
    try:
        for node in nodes:
            if isinstance(node, Finishing) and rclpy.ok():
                node.finish()
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _executor_of(nodes: Sequence[Node]) -> SingleThreadedExecutor:
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    return executor


def _say_why(error: Exception) -> int:
    """Print the user's mistake in one line; the exit code."""
    print(f"error: {_one_line(error)}", file=sys.stderr, flush=True)
    return 1


def _break_off_when_told() -> threading.Event:
    """Until the nodes are there, SIGINT and SIGTERM break off their making wherever it is.

    Returns what is set once one has come: the KeyboardInterrupt itself may become another error.
    """
    told = threading.Event()

    def break_off(number: int, frame: FrameType | None) -> None:
        if not told.is_set():  # a second signal must not break off the clean end
            told.set()
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, break_off)
    return told


def _init_rclpy() -> None:
    """rclpy.init without its signal handlers; NodeFailureError for wrong ROS arguments."""
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # base of all that rcl raises: a missing file, a wrong remapping
        raise NodeFailureError(f"wrong ROS arguments: {_one_line(error)}") from error


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _one_line(error: Exception) -> str:
    """The message without line breaks and without rcl's places in its C sources."""
    return re.sub(r", at \S+:\d+", "", " ".join(str(error).split()))
