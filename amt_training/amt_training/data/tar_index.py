"""Random access to the members of uncompressed tar archives, as WebDataset writes them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

from amt_perception.errors import AmtError
from amt_training.data.sample import SampleError


class TarIndex:
    """Where each member lies in one archive. Reads the members' headers once and keeps no file
    open, so that it can be copied to other processes."""

    def __init__(self, path: Path) -> None:
        """Raises AmtError when the archive is missing, damaged or compressed."""
        self.path = path
        try:
            with tarfile.open(path, "r:") as archive:
                self._places = {
                    member.name.removeprefix("./"): (member.offset_data, member.size)
                    for member in archive
                    if member.isfile()
                }
        except OSError as error:
            raise AmtError(f"Cannot read {path}: {error.strerror}.") from error
        except tarfile.TarError as error:
            raise AmtError(f"{path} is damaged ({error}): download it anew.") from error
        end = max((offset + size for offset, size in self._places.values()), default=0)
        if end > path.stat().st_size:
            raise AmtError(f"{path} is cut off: download it anew.")

    def __contains__(self, name: str) -> bool:
        return name in self._places

    @property
    def names(self) -> Iterable[str]:
        """The members, in their order in the archive."""
        return self._places.keys()

    def describe(self, name: str) -> str:
        """The member's name for an error message."""
        return f"{name} in {self.path}"

    def read(self, name: str) -> bytes:
        """A member's content. Raises SampleError when it is not there or cannot be read."""
        if name not in self._places:
            raise SampleError(f"{self.path} has no member {name}.")
        offset, size = self._places[name]
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            raise SampleError(f"Cannot read {self.path}: {error.strerror}.") from error
        if len(content) != size:
            raise SampleError(f"{self.describe(name)} is cut off.")
        return content
