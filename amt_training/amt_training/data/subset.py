"""A part of a data set, whole sequences at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_training.data.sample import Entry, HandDataset, HandSample, ObjectModel


class Subset:
    """The chosen samples of a data set."""

    def __init__(self, dataset: HandDataset, indices: np.ndarray, name: str) -> None:
        """indices: in the order of the data set."""
        self.name = name
        self.entries: Sequence[Entry] = [dataset.entries[index] for index in indices]
        self._dataset, self._indices = dataset, indices

    @property
    def tip_vertices(self) -> Mapping[Side, Sequence[int]]:
        """The data set's."""
        return self._dataset.tip_vertices

    @property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """The data set's."""
        return self._dataset.object_models

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a file is missing or damaged."""
        return self._dataset.sample(int(self._indices[index]))


def split_sequences(dataset: HandDataset, held_out: float, part: str) -> Subset:
    """Training samples, or those of the sequences held out ('val' and 'test' alike).

    Which sequences are held out depends on their names alone, so that it stays the same when data
    is added. Raises AmtError when the share is not within 0..1 or a part is empty.
    """
    if not 0.0 < held_out < 1.0:
        raise AmtError(f"data.held_out is {held_out}; it must be between 0 and 1")
    names = {entry.sequence for entry in dataset.entries}
    kept_out = {name for name in names if _share(name) < held_out}
    wanted = [
        index
        for index, entry in enumerate(dataset.entries)
        if (entry.sequence in kept_out) != (part == "train")
    ]
    if not wanted:
        raise AmtError(
            f"{dataset.name} has {len(names)} sequences, of which data.held_out={held_out} leaves "
            f"none for '{part}'; choose another share"
        )
    what = "training sequences" if part == "train" else "held-out sequences"
    return Subset(dataset, np.array(wanted), f"{dataset.name}, {what}")


def _share(name: str) -> float:
    """0..1, the same for a name always."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2.0**48
