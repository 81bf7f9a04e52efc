"""Writing result files so that nobody ever finds half of one, or half of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amt_perception.errors import AmtError
from amt_perception.pipeline.interrupts import uninterrupted

PROBE_BYTES = 1 << 20
"""Less than the results of any run."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give the block a temporary name beside `path`, and rename it to `path` when it succeeds.

    On any error, Ctrl-C included, the temporary file is removed and an older `path` stays as it
    was. Missing folders are made. An OSError (disk full, no permission) becomes an AmtError.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give the block a new folder inside `folder`, and move its files there when it succeeds.

    On any error, Ctrl-C included, everything that the block wrote is removed, so are folders that
    were made for it, and older files in `folder` stay as they were. Files of the same names are
    replaced. An OSError becomes an AmtError.
    """
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    temporary = folder / f"unfinished-{os.getpid()}"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        with uninterrupted():
            for file in temporary.iterdir():
                file.replace(folder / file.name)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for path in absent:  # from the inside out; a folder with results in it stays
            with suppress(OSError):
                path.rmdir()


def check_writable(folder: Path) -> None:
    """Raise AmtError when results cannot be written into the folder. Leaves nothing there."""
    with atomic_folder(folder) as temporary:
        probe = temporary / "probe"
        probe.write_bytes(bytes(PROBE_BYTES))
        probe.unlink()


def _cannot_write(path: Path, error: OSError) -> AmtError:
    return AmtError(f"Cannot write {path} ({error.strerror}): free space or choose another folder.")
