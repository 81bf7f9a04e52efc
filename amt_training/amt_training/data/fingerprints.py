"""What tells data sets apart without reading all of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_training.data.labels import label_row
from amt_training.data.sample import HandDataset, SampleError

_VERSION = 1
"""Of what is made from a data set: caches and shards of an older one are not used."""


def dataset_fingerprint(dataset: HandDataset, settings: dict[str, Any]) -> str:
    """Of what is made from a data set with some settings, in 64 characters.

    It changes with any setting, with the list of samples, and with what the first, the middle and
    the last sample look like: with another copy of the data, or a loader that was corrected. Raises
    AmtError for a data set without samples.
    """
    count = len(dataset.entries)
    if count == 0:
        raise AmtError(f"{dataset.name} has no samples; check its folder and split")
    digest = hashlib.sha256(json.dumps([_VERSION, dataset.name, settings]).encode())
    for entry in dataset.entries:
        digest.update(f"{entry.sequence}/{entry.frame}/{entry.side}\n".encode())
    for index in sorted({0, count // 2, count - 1}):
        try:
            sample = dataset.sample(index)
        except SampleError:
            digest.update(b"unreadable")
            continue
        for array in (sample.image, *label_row(sample, np.eye(2, 3)).values()):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
