"""All samples of a data set as stored crops in the memory of the device that trains."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_training.data.cache_files import CacheFiles
from amt_training.data.crops import CropReader, StoredCrop, Unreadable
from amt_training.data.labels import Labels, stack_labels
from amt_training.data.reading import in_order
from amt_training.data.sample import Entry, HandDataset
from amt_training.data.skipping import Skipping

_log = logging.getLogger(__name__)
_TOGETHER = 12
"""Consecutive samples that a worker reads: of drawn data, some share what took longest to make."""
_CHUNK = 256
"""Samples that are read, or moved to the device, between two looks at the clock."""


@dataclass(frozen=True)
class CacheSettings:
    """Where the cache is and how it is made."""

    folder: str = "out/cache"
    """Every data set gets its own folder in it, named by what the cache was made from."""
    memory_gb: float = 100.0
    """A data set whose crops need more memory (1e9 bytes) is streamed from its files instead."""
    workers: int = 8
    """Processes that read and crop; 0 does it in the training process."""
    skip_limit: float = 0.01
    """Share of the samples that may be unreadable."""

    def __post_init__(self) -> None:
        """Raises AmtError for values that make no sense."""
        if self.workers < 0:
            raise AmtError(f"cache.workers is {self.workers}; it must be 0 or more")
        if not 0.0 <= self.skip_limit <= 1.0:
            raise AmtError(f"cache.skip_limit is {self.skip_limit}; it must be in 0..1")


@dataclass(frozen=True)
class ResidentCache:
    """N readable samples of a data set, on one device."""

    pictures: Tensor
    """[N, P, P, 3] uint8; on a CPU the file itself, which the system reads when it is needed."""
    labels: Labels
    """Of all N, in pixels of the stored crops."""
    entries: list[Entry]
    indices: np.ndarray
    """[N] each sample's index in the data set."""
    crop: StoredCrop

    @classmethod
    def build(
        cls,
        dataset: HandDataset,
        crop: StoredCrop,
        settings: CacheSettings,
        device: torch.device | str,
    ) -> ResidentCache:
        """From the data set, or from the files of an earlier run; an interrupted one is continued.

        Of several processes that ask for the same cache one makes it and the others wait. Raises
        AmtError when too many samples cannot be read, the disk is full, or the device is.
        """
        with CacheFiles.opened(Path(settings.folder), dataset, crop) as files:
            if not files.is_complete:
                _fill(files, dataset, crop, settings)
            skipped = files.skipped
            rows = len(dataset.entries) - len(skipped)
            pictures = files.arrays["images"][:rows]
            arrays = {field.name: files.arrays[field.name][:rows] for field in fields(Labels)}
        kept = np.array([i for i in range(len(dataset.entries)) if i not in skipped], dtype=int)
        labels = Labels(**{name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        return cls(
            pictures=_on_device(pictures, torch.device(device)),
            labels=labels.to(device),
            entries=[dataset.entries[index] for index in kept],
            indices=kept,
            crop=crop,
        )


def fits_in_memory(dataset: HandDataset, crop: StoredCrop, settings: CacheSettings) -> bool:
    """Whether the data set's crops are within the budget; the log says which it is."""
    needed = len(dataset.entries) * crop.bytes / 1e9
    fits = needed <= settings.memory_gb
    _log.info(
        "%s: %d crops of %d pixels are %.1f GB, %s the budget of %.1f GB: %s",
        dataset.name, len(dataset.entries), crop.size, needed,
        "within" if fits else "more than", settings.memory_gb,
        "held in memory" if fits else "streamed from the files",
    )  # fmt: skip
    return fits


def _fill(
    files: CacheFiles, dataset: HandDataset, crop: StoredCrop, settings: CacheSettings
) -> None:
    """Read what is not in the files yet."""
    total = len(dataset.entries)
    skipping = Skipping(dataset.name, total, settings.skip_limit)
    for index, message in files.skipped.items():
        skipping.add(index, message)
    rest = range(files.samples_read, total)
    row = files.samples_read - len(files.skipped)
    waiting: list[dict[str, np.ndarray]] = []
    read = in_order(CropReader(dataset, crop), rest, settings.workers, together=_TOGETHER)
    bar = tqdm(total=total, initial=rest.start, unit="sample", desc=dataset.name)
    with bar, closing(read) as results:
        for index, result in zip(rest, results, strict=True):
            if isinstance(result, Unreadable):
                skipping.add(result.index, result.message)
            else:
                files.arrays["images"][row + len(waiting)] = result[0]
                waiting.append(result[1])
            if (index + 1) % _CHUNK == 0 or index + 1 == total:
                if waiting:
                    for name, values in vars(stack_labels(waiting)).items():
                        files.arrays[name][row : row + len(waiting)] = values.numpy()
                row += len(waiting)
                waiting.clear()
                files.commit(index + 1, skipping.messages)
            bar.update()
    skipping.report()


def _on_device(images: np.ndarray, device: torch.device) -> Tensor:
    """[N, P, P, 3]; raises AmtError when it does not fit there."""
    if device.type == "cpu":
        return torch.from_numpy(images)
    try:
        resident = torch.empty(images.shape, dtype=torch.uint8, device=device)
    except torch.OutOfMemoryError as error:
        raise AmtError(
            f"{device} has no room for {images.nbytes / 1e9:.1f} GB of crops; set cache.memory_gb "
            "below that to stream them, or store smaller crops"
        ) from error
    with tqdm(total=len(images), unit="sample", desc=f"to {device}") as bar:
        for start in range(0, len(images), _CHUNK):
            part = images[start : start + _CHUNK]
            resident[start : start + len(part)] = torch.from_numpy(part)
            bar.update(len(part))
    return resident
