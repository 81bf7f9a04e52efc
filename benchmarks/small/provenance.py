"""Where figures come from: the command, the commit, the machine and the checkpoint."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]


def command(options: Mapping[str, Path | int | None]) -> str:
    """What to type for the same again. Folders outside of the repository are called FOLDER."""
    words = ["python", "-m", "benchmarks.small"]
    for name, value in options.items():
        if isinstance(value, Path):
            words += [f"--{name}", "FOLDER" if value.is_dir() else shown_path(value)]
        elif value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def shown_path(path: Path) -> str:
    """As seen from the repository; outside of it only the name."""
    resolved = path.resolve()
    return str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else path.name


def commit() -> str | None:
    """Of the code, with -dirty where it was changed since; None outside of a checkout."""
    result = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None


def machine() -> str:
    """Processor, cores and PyTorch."""
    return f"{os.cpu_count()} cores of {_processor()}, PyTorch {torch.__version__}"


def sha256(path: Path) -> str:
    """Of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
