"""Start the pipeline's processes where ROS's `launch` is not installed, and watch over them.

    python -m amt_perception.pipeline video:=FILE robot:=ur5e hand:=right

The same nodes and parameters as `ros2 launch amt_perception pipeline.launch.py`, as real processes
over real DDS. When one of them dies, the others are ended and the exit code is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

import yaml
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_perception.pipeline import table
from amt_perception.pipeline.arguments import ARGUMENTS, Values, complete, describe, is_true
from amt_perception.pipeline.interrupts import interrupt_on_sigterm, uninterrupted

TERMINATE_S = 4.5
KILL_S = 1.5
READ_S = 1.0
POLL_S = 0.05
NATIVE_NOTE = re.compile(r"[IW]\d{4} \d\d:\d\d:\S+ +\d+ \S+\.cc:\d+\]")
"""How MediaPipe's C++ writes notes and warnings, which its own settings do not silence."""
OWN_WORDS = "error: "
"""How the line begins in which a node says why it cannot go on (see amt_retarget.ros.lifetime)."""


class Process:
    """One child process in a process group of its own (Ctrl-C reaches only the runner).

    What it writes to stderr is passed on line by line, except the sentence in which it says why it
    ends: that is kept for `describe_end`, so that the person reads it once and last.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        plays_video: bool = False,
    ) -> None:
        """plays_video: it may end by itself with exit code 0, at the end of the video."""
        self.name = name
        self.plays_video = plays_video
        self._command = command
        self._environment = environment
        self._popen = subprocess.Popen(
            command,
            env=environment,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._own_words = ""
        self._reader = threading.Thread(target=self._pass_on_stderr, daemon=True)
        self._reader.start()

    def _pass_on_stderr(self) -> None:
        assert self._popen.stderr is not None
        for line in self._popen.stderr:
            if line.startswith(OWN_WORDS):
                self._own_words = line.removeprefix(OWN_WORDS).strip()
            elif not NATIVE_NOTE.match(line):
                tqdm.write(line, file=sys.stderr, end="")  # goes around a progress bar

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def describe_end(self, advice: str = "") -> str:
        """Why it ended: its own sentence, else how it ended and what to do (advice)."""
        code = self._popen.wait()
        self._reader.join(READ_S)
        if code > 0 and self._own_words:
            return self._own_words
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended ({code})"
        advice = advice or ("see its messages above" if code > 0 else "start again")
        return f"{self.name} {how} before the video did; {advice}."

    def start_again(self) -> Process:
        """A new process of the same command."""
        return Process(self.name, self._command, self._environment, self.plays_video)

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)


class Pipeline:
    """The running processes of one pipeline; a context manager that ends them all.

    values: arguments by name (see ARGUMENTS). Raises AmtError for wrong ones.
    """

    def __init__(self, values: Values) -> None:
        self.values = complete(values)
        self.processes: list[Process] = []
        self._folder = tempfile.TemporaryDirectory(prefix="amt_")
        self._environment = {
            **os.environ,
            **table.transport_environment(),
            **table.launcher_environment(),
        }

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, without: tuple[str, ...] = ()) -> None:
        """Start all nodes but the named ones, and the recorder of bags if one is asked for."""
        if self.values["record"] and not shutil.which("ros2"):
            raise AmtError("record needs the 'ros2 bag' command of a ROS 2 installation.")
        if is_true(self.values["rviz"]):
            raise AmtError("rviz needs a ROS 2 installation: use 'ros2 launch' or open Foxglove.")
        for node in table.processes(self.values):
            if node.executable not in without:
                self.start_node(node)
        if self.values["record"]:
            command = table.record_command(self.values)
            self.processes.append(Process("ros2 bag record", command, self._environment))

    def start_node(self, node: table.NodeProcess, **more: object) -> None:
        """Start one process; `more` are parameters beside those of the table."""
        file = Path(self._folder.name, f"{node.label.replace('/', '.')}.yaml")
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": node.parameters | more}}))
        command = [sys.executable, "-m", node.module, *node.words, "--ros-args"]
        for name in node.loggers:
            command += ["--log-level", f"{name}:={self.values['log_level']}"]
        command += [*table.enclave_words(node, self.values), "--params-file", str(file)]
        if self.values["params_file"]:
            command += ["--params-file", self.values["params_file"]]
        if node.namespace:
            command += ["-r", f"__ns:=/{node.namespace}"]
        self.processes.append(Process(node.label, command, self._environment, node.plays_video))

    def video_ended(self) -> bool:
        """Whether the video was played to its end.

        Raises AmtError, with the node's own sentence if it left one, when a process ended
        otherwise.
        """
        done = [process for process in self.processes if process.exit_code is not None]
        for process in done:
            if process.exit_code != 0 or not process.plays_video:
                raise AmtError(process.describe_end())
        return bool(done)

    def wait(self) -> None:
        """Wait for the end of the video. Raises AmtError when a node dies."""
        respawn = is_true(self.values["use_respawn"])
        while True:
            if respawn:
                self._restart_dead()
            if self.video_ended():
                return
            time.sleep(POLL_S)

    def _restart_dead(self) -> None:
        for process in list(self.processes):
            code = process.exit_code
            if code is None or (code == 0 and process.plays_video):
                continue
            print(process.describe_end("it is started again"), file=sys.stderr)
            time.sleep(table.RESPAWN_DELAY_S)
            self.processes[self.processes.index(process)] = process.start_again()

    def stop(self) -> None:
        """End all processes: SIGTERM, then SIGKILL. Ctrl-C waits until they have ended."""
        with uninterrupted():
            for number, patience in ((signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, KILL_S)):
                for process in self.processes:
                    process.send(number)
                deadline = time.monotonic() + patience
                while time.monotonic() < deadline:
                    if all(process.exit_code is not None for process in self.processes):
                        break
                    time.sleep(POLL_S)
            self._folder.cleanup()


def parse(arguments: list[str]) -> Values:
    """Read `name:=value` words. Raises AmtError for anything else."""
    values = {}
    for argument in arguments:
        name, separator, value = argument.partition(":=")
        if not separator:
            raise AmtError(
                f"'{argument}' is not of the form name:=value; --show-args lists the names."
            )
        values[name] = value
    return values


def show_arguments() -> str:
    """All arguments with description, choices and default."""
    lines = ["Arguments (pass as name:=value):"]
    for argument in ARGUMENTS:
        choices = f" One of: {', '.join(argument.choices)}." if argument.choices else ""
        lines.append(f"\n  {argument.name}\n    {describe(argument)}.{choices}")
        lines.append(f"    (default: '{argument.default}')")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline until the video ends, Ctrl-C or SIGTERM."""
    words = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help", "-s", "--show-args"} & set(words):
        print(f"{__doc__}\n{show_arguments()}")
        return 0
    interrupt_on_sigterm()
    try:
        with Pipeline(parse(words)) as pipeline:
            pipeline.start()
            pipeline.wait()
    except KeyboardInterrupt:
        return 130
    except AmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
