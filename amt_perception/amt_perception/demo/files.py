"""Writing result files so that nobody ever finds half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amt_perception.errors import AmtError


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
        raise AmtError(
            f"Cannot write {path} ({error.strerror}): free space or choose another folder."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
