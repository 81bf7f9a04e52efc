"""What the tests that cross packages share: a private DDS domain, processes, and test videos."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("AMT_SHARED_DATA", ROOT.parent / "shared" / "data"))
_domains = itertools.count(101 + 10 * (os.getpid() % 10))


@pytest.fixture
def environment() -> dict[str, str]:
    """Environment of child processes: this machine only, a DDS domain of the test's own."""
    from amt_perception.pipeline.table import transport_environment

    return {
        **os.environ,
        **transport_environment(),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(101 + next(_domains) % 100),
    }


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `python -m MODULE ARGUMENTS` in that environment; all are killed at the end."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(module: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        if process.poll() is None:
            process.kill()
        if not process.stdout.closed:
            process.communicate()
        process.wait()


@pytest.fixture
def shared_videos() -> Path:
    """Folder of the real test videos; the test is skipped where it is absent."""
    folder = SHARED / "videos"
    if not folder.is_dir():
        pytest.skip("the real test videos are not on this machine (set AMT_SHARED_DATA)")
    return folder
