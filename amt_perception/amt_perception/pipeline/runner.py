"""Start the pipeline's processes where ROS's `launch` is not installed, and watch over them.

    python -m amt_perception.pipeline video:=FILE robot:=ur5e hand:=right

The same nodes and parameters as `ros2 launch amt_perception pipeline.launch.py`, as real processes
over real DDS. When one of them dies, the others are ended and the exit code is 1.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import yaml

from amt_perception.errors import AmtError
from amt_perception.pipeline import table
from amt_perception.pipeline.arguments import ARGUMENTS, Values, complete, is_true

INTERRUPT_S = 3.0
TERMINATE_S = 1.5
POLL_S = 0.05


class Process:
    """One child process in a process group of its own (Ctrl-C reaches only the runner)."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self._popen = subprocess.Popen(command, env=environment, start_new_session=True)

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def describe_end(self) -> str:
        """How it ended, in words."""
        code = self._popen.returncode
        if code < 0:
            return f"{self.name} was killed by {signal.Signals(-code).name}"
        return f"{self.name} ended with exit code {code}"

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
        self._environment = {**os.environ, **table.transport_environment()}

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
        for entry in table.entries(self.values):
            if entry.executable not in without:
                self.start_node(entry)
        if self.values["record"]:
            command = table.record_command(self.values)
            self.processes.append(Process("ros2 bag record", command, self._environment))

    def start_node(self, entry: table.NodeEntry, **more: object) -> None:
        """Start one node; `more` are parameters beside those of the table."""
        file = Path(self._folder.name, f"{entry.executable}.yaml")
        content = {"/**": {"ros__parameters": table.parameters(entry, self.values) | more}}
        file.write_text(yaml.safe_dump(content))
        command = [
            sys.executable, "-m", entry.module, "--ros-args",
            "--log-level", f"{entry.executable}:={self.values['log_level']}",
            "--params-file", str(file),
        ]  # fmt: skip
        if self.values["params_file"]:
            command += ["--params-file", self.values["params_file"]]
        if self.values["namespace"]:
            command += ["-r", f"__ns:=/{self.values['namespace'].strip('/')}"]
        self.processes.append(Process(entry.executable, command, self._environment))

    def ended(self) -> Process | None:
        """A process that has ended, if any; a process that failed comes first."""
        done = [process for process in self.processes if process.exit_code is not None]
        return max(done, key=lambda process: process.exit_code != 0, default=None)

    def wait(self) -> None:
        """Wait for the end of the video. Raises AmtError when a node dies."""
        respawn = is_true(self.values["use_respawn"])
        while True:
            process = self.ended()
            if process is not None and process.exit_code == 0:
                return
            if process is not None and not respawn:
                raise AmtError(f"{process.describe_end()}; the other nodes were ended.")
            if process is not None:
                self._restart(process)
            time.sleep(POLL_S)

    def _restart(self, process: Process) -> None:
        print(f"{process.describe_end()}; starting it again.", file=sys.stderr)
        self.processes.remove(process)
        entry = next(node for node in table.NODES if node.executable == process.name)
        self.start_node(entry)

    def stop(self) -> None:
        """End all processes: SIGINT, then SIGTERM, then SIGKILL."""
        steps = (
            (signal.SIGINT, INTERRUPT_S),
            (signal.SIGTERM, TERMINATE_S),
            (signal.SIGKILL, TERMINATE_S),
        )
        for number, patience in steps:
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
        lines.append(f"\n  {argument.name}\n    {argument.description}.{choices}")
        lines.append(f"    (default: '{argument.default}')")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline until the video ends, Ctrl-C or SIGTERM."""
    words = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help", "-s", "--show-args"} & set(words):
        print(f"{__doc__}\n{show_arguments()}")
        return 0

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
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
