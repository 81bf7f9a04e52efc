"""The files of a cache: arrays that are mapped into memory, and a note of how far they are filled.

Filled from the front. The note is replaced as a whole after the arrays have reached the disk, so
whatever it says is there, whenever the process was ended.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.output.files import atomic_write
from amt_training.data.crops import StoredCrop
from amt_training.data.fingerprints import dataset_fingerprint
from amt_training.data.folders import alone_in
from amt_training.data.labels import Labels, label_row, stack_labels
from amt_training.data.sample import HandDataset, HandSample

_NOTE = "cache.json"


@dataclass
class CacheFiles:
    """A cache's folder, opened by one process at a time."""

    folder: Path
    total: int
    """Samples of the data set."""
    samples_read: int = 0
    """So many of them, from the first, are in the arrays or skipped."""
    skipped: dict[int, str] = field(default_factory=dict)
    """What was wrong with those that are not in the arrays, by their index."""
    arrays: dict[str, np.memmap] = field(default_factory=dict)
    """"images" [total, P, P, 3] uint8, and each of Labels' by its name. A skipped sample has no
    row: as many rows at the end stay empty."""

    @classmethod
    @contextmanager
    def opened(cls, parent: Path, dataset: HandDataset, crop: StoredCrop) -> Iterator[CacheFiles]:
        """The files for a data set, empty ones if there are none; others wait while they are open.

        Raises AmtError when they are damaged, cannot be written, or the disk has no room for them.
        """
        name = re.sub(r"[^\w.]+", "-", dataset.name).strip("-")
        made_from = dataset_fingerprint(dataset, {"stored_crop": asdict(crop)})
        folder = parent / f"{name}-{made_from[:12]}"
        files = cls(folder, len(dataset.entries))
        with alone_in(folder):
            try:
                if not files._read_note():
                    files._create(crop)
                files._map()
            except OSError as error:
                raise AmtError(
                    f"cannot keep the cache in {folder} ({error.strerror}); free space there, or "
                    "choose another cache.folder"
                ) from error
            except (ValueError, KeyError) as error:
                raise AmtError(
                    f"the cache in {folder} is damaged ({error}); delete that folder"
                ) from error
            yield files

    @property
    def is_complete(self) -> bool:
        """Whether every sample was read."""
        return self.samples_read == self.total

    def commit(self, samples_read: int, skipped: dict[int, str]) -> None:
        """Note that the first samples are in the arrays, once they have reached the disk."""
        for array in self.arrays.values():
            array.flush()
        self.samples_read, self.skipped = samples_read, dict(skipped)
        note = {
            "samples": self.total,
            "samples_read": samples_read,
            "skipped": self.skipped,
        }
        with atomic_write(self.folder / _NOTE) as temporary:
            temporary.write_text(json.dumps(note, indent=1) + "\n")
        if self.is_complete:
            self._map()

    def _read_note(self) -> bool:
        """Whether there is one."""
        try:
            note = json.loads((self.folder / _NOTE).read_text())
        except FileNotFoundError:
            return False
        self.samples_read = int(note["samples_read"])
        self.skipped = {int(index): message for index, message in note["skipped"].items()}
        return True

    def _create(self, crop: StoredCrop) -> None:
        """Empty arrays, with their room on the disk: a mapped file that finds none kills."""
        for name, one in _empty_row(crop).items():
            file, shape = self.folder / f"{name}.npy", (self.total, *one.shape[1:])
            array = np.lib.format.open_memmap(file, mode="w+", dtype=one.dtype, shape=shape)
            del array
            with open(file, "r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)

    def _map(self) -> None:
        """Complete arrays cannot be changed any more: what is written to them stays in memory."""
        mode: Literal["c", "r+"] = "c" if self.is_complete else "r+"
        names = ("images", *(one.name for one in fields(Labels)))
        self.arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode=mode) for name in names}


def _empty_row(crop: StoredCrop) -> dict[str, np.ndarray]:
    """One sample's part of each array."""
    image = np.zeros((crop.size, crop.size, 3), np.uint8)
    sample = HandSample("", image, np.eye(3), Side.RIGHT, np.zeros(4), np.zeros((21, 3)))
    labels = stack_labels([label_row(sample, np.eye(2, 3))])
    return {"images": image[None], **{name: one.numpy() for name, one in vars(labels).items()}}
