"""Files of data sets: what is missing or damaged is said by its path."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from amt_perception.array_pickle import ArrayUnpickler
from amt_perception.camera.folder import read_image
from amt_perception.errors import AmtError
from amt_training.data.sample import SampleError


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB. Raises SampleError when it is missing or not complete."""
    try:
        return read_image(path)
    except AmtError as error:
        raise SampleError(str(error)) from error


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of an .npz file; the others are not unpacked. Raises SampleError."""
    try:
        with np.load(io.BytesIO(_read(path)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SampleError(f"{path} is damaged ({error}); unpack it anew.") from error


def read_array_pickle(path: Path) -> Any:
    """What a pickle of arrays and built-in values holds; code is never run. Raises SampleError."""
    contents = _read(path)
    try:
        return ArrayUnpickler(contents).load()
    except AmtError as error:
        raise SampleError(f"{path} is not to be trusted: {error}.") from error
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split())
        raise SampleError(
            f"{path} is damaged ({type(error).__name__}: {reason}); unpack it anew."
        ) from error


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SampleError(f"Cannot read {path}: {error.strerror}.") from error
