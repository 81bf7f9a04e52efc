"""Files of data sets: what is missing or damaged is said by its path."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from amt_perception.errors import AmtError
from amt_training.data.contents import parse_pickle, parse_picture
from amt_training.data.sample import SampleError


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB. Raises SampleError when it is missing or not complete."""
    return parse_picture(_read(path), str(path))


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file; the others are not unpacked. Raises SampleError."""
    try:
        with np.load(io.BytesIO(_read(path)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SampleError(f"{path} is damaged ({error}); unpack it anew.") from error


def read_array_pickle(path: Path, more_names: Mapping[tuple[str, str], Any] | None = None) -> Any:
    """What a pickle of arrays and built-in values holds; code is never run. Raises SampleError.

    more_names: what else it may name, as in `ArrayUnpickler`.
    """
    return parse_pickle(_read(path), str(path), more_names)


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping of plain values from a YAML file. Raises SampleError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast
    try:
        values = yaml.load(_read(path), Loader=loader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SampleError(f"{path} is damaged ({reason}); unpack it anew.") from error
    if not isinstance(values, dict):
        raise SampleError(f"{path} is damaged: it holds no names; unpack it anew.")
    return values


def require_folder(folder: Path, how_to_get: str) -> Path:
    """The folder, if it is there. Raises AmtError that says how to get the data if it is not."""
    if not folder.is_dir():
        raise AmtError(f"{folder} does not exist: {how_to_get}.")
    return folder


def read_annotations(path: Path) -> Any:
    """A JSON file with labels of a whole data set: without it there is no sample at all.

    Raises AmtError.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AmtError(f"Cannot read {path}: {error.strerror}; download it anew.") from error
    except ValueError as error:
        raise AmtError(f"{path} is damaged ({error}): download it anew.") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SampleError(f"Cannot read {path}: {error.strerror}.") from error
