"""Processes that are killed, stopped and started again, and what is known about them from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


class NodeProcess:
    """One node as a process; its output goes to a file."""

    def __init__(self, module: str, arguments: list[str], environment: dict[str, str], log: Path):
        self.command = [sys.executable, "-m", module, *arguments]
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.running:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, env=self._environment, stdout=log, stderr=log
            )

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def end(self) -> int | None:
        """SIGTERM, after 5 s SIGKILL. Returns the exit code, None if it had not been started."""
        if self._process is None:
            return None
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def last_words(self) -> str:
        """The end of what it has written."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-5:])


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in use (RSS), without the shared memory of the images' transport.

    FileNotFoundError when it is gone.
    """
    values = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, text = line.partition(":")
        values[name] = text
    if "VmRSS" not in values:
        raise FileNotFoundError(f"process {pid} has ended")
    return 1024 * (int(values["VmRSS"].split()[0]) - int(values["RssShmem"].split()[0]))


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def marked(mark: str) -> list[int]:
    """Processes whose environment holds the text `mark`, this one left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if mark.encode() in (folder / "environ").read_bytes() and alive(int(folder.name)):
                found.append(int(folder.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return found
