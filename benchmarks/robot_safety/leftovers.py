"""What a stopped pipeline must not leave behind: processes, and shared memory of Fast DDS."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PATTERN = re.compile(r"(fastrtps_|fastdds|fast_datasharing|sem\.fastrtps_)")
"""Names that Fast DDS gives its segments, ports and their locks."""
LOCK_SUFFIX = "_el"
"""Of the file beside a segment that its owner keeps locked: unlocked, the owner is gone."""


def segments() -> set[str]:
    """Names of all files of Fast DDS in shared memory, of whomever."""
    try:
        return {entry.name for entry in SHARED_MEMORY.iterdir() if PATTERN.match(entry.name)}
    except FileNotFoundError:
        return set()


def mapped_by(pids: list[int]) -> set[str]:
    """Those of them that these processes have mapped or open."""
    names: set[str] = set()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/maps").read_text()
            open_files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        files = [line.split(maxsplit=5)[5] for line in text.splitlines() if line.count("/")]
        for file in (*files, *open_files):
            path = Path(file)
            if path.parent == SHARED_MEMORY and PATTERN.match(path.name):
                names.add(path.name)
    return names


def abandoned(names: set[str]) -> set[str]:
    """Of these segments, those that are still there and belong to no living process.

    A segment NAME has a lock NAME_el that its owner holds; ports of a DDS domain are shared by its
    participants, and the last of them to end removes them.
    """
    left = set()
    for name in names & segments():
        lock = SHARED_MEMORY / (name if name.endswith(LOCK_SUFFIX) else name + LOCK_SUFFIX)
        if not _locked(lock):
            left.add(name)
    return left


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
