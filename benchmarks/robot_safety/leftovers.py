"""What a stopped pipeline must not leave behind: processes, and shared memory of Fast DDS."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PATTERN = re.compile(r"(fastrtps_|fastdds|fast_datasharing|sem\.fastrtps_)")
"""Names that Fast DDS gives its segments, ports and their locks."""
LOCK_SUFFIX = "_el"
"""Of the file beside a segment that its owner keeps locked: unlocked, the owner is gone."""


def segments() -> dict[str, int]:
    """Files of Fast DDS in shared memory, of whomever: name -> inode (a new one when made anew)."""
    found = {}
    for entry in SHARED_MEMORY.iterdir() if SHARED_MEMORY.is_dir() else ():
        if PATTERN.match(entry.name):
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat().st_ino
    return found


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


def abandoned(names: set[str], before: dict[str, int]) -> set[str]:
    """Of these segments, those that are new, still there, and of no living process.

    before: `segments` as they were. A segment NAME has a lock NAME_el that its owner holds. Ports
    are shared by all processes that listen there, of other programs, too: what any living process
    has mapped or open is in use.
    """
    now = segments()
    left = {name for name in names & set(now) if before.get(name) != now[name]}
    left = {name for name in left if not _locked(name)}
    if left:
        living = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        left -= mapped_by(living)
    return left


def _locked(name: str) -> bool:
    path = SHARED_MEMORY / (name if name.endswith(LOCK_SUFFIX) else name + LOCK_SUFFIX)
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
