"""A data set in WebDataset's tar files, with random access.

A folder holds

    dataset.json              name, fingertips, number of samples and of shards
    object_models.npz         what the data set knows of objects
    shard-000000.tar, ...     for each sample NNNNNNNN.jpg (or .png, .webp) and NNNNNNNN.json; of
                              data with exact truth further members, see `shard_samples`
    shard-000000.index.json   where the members lie in the tar

Other programs can stream the tars as they are. A stream cannot shuffle all samples nor resume in
its middle; with the index, any process reads any sample.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.output.files import atomic_write
from amt_training.data.sample import Entry, HandDataset, HandSample, ObjectModel, SampleError
from amt_training.data.shard_samples import IMAGE_FORMATS, decode_sample

DESCRIPTION = "dataset.json"
_OBJECT_MODELS = "object_models.npz"
_OBJECT_FIELDS = ("points", "normals", "symmetry_rotations", "symmetry_axis")
_OBJECT_CLASS = "object_class"
"""Of a model that names one."""


class ShardDataset:
    """A HandDataset that was converted; see `convert`."""

    def __init__(self, folder: Path | str) -> None:
        """Raises AmtError when the folder is not a whole conversion: the message names the file."""
        self._folder = Path(folder)
        description = read_description(self._folder)
        self._name = str(description["name"])
        self._tip_vertices = {
            Side[side.upper()]: tuple(tips) for side, tips in description["tip_vertices"].items()
        }
        self._object_models = _read_object_models(self._folder / _OBJECT_MODELS)
        self._entries: list[Entry] = []
        members, shards = [], []
        for number in range(description["shards"]):
            index = _open_index(shard_file(self._folder, number))
            for sequence, frame, side in index["entries"]:
                self._entries.append(Entry(sequence, frame, Side[side.upper()]))
            members.append(np.array(index["members"], dtype=np.int64).reshape(-1, 2, 3))
            shards.append(np.full(len(index["entries"]), number))
        self._members = np.concatenate(members)
        self._shards = np.concatenate(shards)

    @property
    def name(self) -> str:
        """See HandDataset."""
        return self._name

    @property
    def tip_vertices(self) -> Mapping[Side, Sequence[int]]:
        """See HandDataset."""
        return self._tip_vertices

    @property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """See HandDataset."""
        return self._object_models

    @property
    def entries(self) -> Sequence[Entry]:
        """See HandDataset."""
        return self._entries

    def sample(self, index: int) -> HandSample:
        """See HandDataset."""
        shard = shard_file(self._folder, int(self._shards[index]))
        try:
            with open(shard, "rb") as file:
                picture, labels = (_member(file, place) for place in self._members[index])
            return decode_sample(picture, labels)
        except OSError as error:
            raise SampleError(f"{shard} cannot be read ({error.strerror})") from error
        except (ValueError, KeyError) as error:
            raise SampleError(f"sample {index} in {shard} is damaged ({error})") from error


def shard_file(folder: Path, number: int) -> Path:
    """The tar of a shard."""
    return folder / f"shard-{number:06d}.tar"


def index_file(shard: Path) -> Path:
    """What belongs to a tar; it is there when the tar is whole."""
    return shard.with_suffix(".index.json")


def write_index(shard: Path, skipped: Mapping[int, str]) -> None:
    """Make the index of a whole tar. Raises AmtError when the tar is damaged.

    skipped: what was wrong with the samples that should have been in it, by their index in the data
    set.
    """
    entries, members = [], []
    try:
        with tarfile.open(shard, "r:") as tar:
            parts: dict[str, dict[str, tarfile.TarInfo]] = {}
            for member in tar:
                stem, _, kind = member.name.partition(".")
                parts.setdefault(stem, {})["labels" if kind == "json" else kind] = member
        with open(shard, "rb") as file:
            for sample in parts.values():
                picture = next(sample[kind] for kind in IMAGE_FORMATS if kind in sample)
                row = []
                for member in (picture, sample["labels"]):
                    file.seek(member.offset_data)
                    data = file.read(member.size)
                    row.append([member.offset_data, member.size, zlib.crc32(data)])
                values = json.loads(data)
                entries.append([values["sequence"], values["frame"], values["side"]])
                members.append(row)
    except OSError as error:
        raise AmtError(f"{shard} cannot be read ({error.strerror or error})") from error
    except (tarfile.TarError, ValueError, KeyError, StopIteration) as error:
        raise AmtError(
            f"{shard} is damaged ({error}); delete it and convert the data set again"
        ) from error
    index = {
        "tar_bytes": shard.stat().st_size,
        "entries": entries,
        "members": members,
        "skipped": dict(skipped),
    }
    with atomic_write(index_file(shard)) as temporary:
        temporary.write_text(json.dumps(index))


def read_index(shard: Path) -> dict[str, Any]:
    """The index of a tar: entries [sequence, frame, side]; members, offset, bytes and CRC-32 of
    each entry's picture and labels; tar_bytes; skipped. Raises AmtError when it is damaged."""
    try:
        index: dict[str, Any] = json.loads(index_file(shard).read_text())
        return index
    except (OSError, ValueError) as error:
        raise AmtError(
            f"{index_file(shard)} cannot be read; delete it, it is made again from {shard.name}"
        ) from error


def _open_index(shard: Path) -> dict[str, Any]:
    """Of a tar that must be whole; made when it is missing."""
    if not shard.is_file():
        raise AmtError(f"{shard} is missing; run the conversion again, it goes on where it was")
    if not index_file(shard).is_file():
        write_index(shard, {})
    index = read_index(shard)
    size = shard.stat().st_size
    if size != index["tar_bytes"]:
        raise AmtError(
            f"{shard} is damaged: it has {size} bytes instead of {index['tar_bytes']}; delete it "
            f"and {index_file(shard).name}, and run the conversion again"
        )
    return index


def _member(file: Any, place: np.ndarray) -> bytes:
    """The content of a member. Raises ValueError when it is not what was written."""
    offset, size, checksum = (int(value) for value in place)
    file.seek(offset)
    data: bytes = file.read(size)
    if zlib.crc32(data) != checksum:
        raise ValueError("its checksum is wrong")
    return data


def write_description(folder: Path, dataset: HandDataset, values: dict[str, Any]) -> None:
    """Say what the shards are: what the data set knows beside its samples, and values."""
    models = {
        f"{index}_{field}": getattr(model, field)
        for index, model in dataset.object_models.items()
        for field in (*_OBJECT_FIELDS, _OBJECT_CLASS)
        if getattr(model, field) is not None
    }
    with atomic_write(folder / _OBJECT_MODELS) as temporary:
        np.savez(temporary, **models)
    tips = {
        side.name.lower(): [int(vertex) for vertex in vertices]
        for side, vertices in dataset.tip_vertices.items()
    }
    description = {"name": dataset.name, "tip_vertices": tips, **values}
    with atomic_write(folder / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description, indent=1) + "\n")


def read_description(folder: Path) -> dict[str, Any]:
    """What `write_description` wrote. Raises AmtError when the folder has none."""
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text())
        return description
    except (OSError, ValueError) as error:
        raise AmtError(
            f"{folder} holds no shards ({DESCRIPTION} cannot be read); convert a data set into it, "
            "or correct the path"
        ) from error


def _read_object_models(file: Path) -> dict[int, ObjectModel]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            indices = sorted({int(name.partition("_")[0]) for name in arrays})
            return {index: _object_model(arrays, index) for index in indices}
    except (OSError, ValueError, KeyError) as error:
        raise AmtError(f"{file} cannot be read; run the conversion again") from error


def _object_model(arrays: Mapping[str, np.ndarray], index: int) -> ObjectModel:
    values: dict[str, Any] = {field: arrays[f"{index}_{field}"] for field in _OBJECT_FIELDS}
    if f"{index}_{_OBJECT_CLASS}" in arrays:
        values[_OBJECT_CLASS] = int(arrays[f"{index}_{_OBJECT_CLASS}"])
    return ObjectModel(**values)
