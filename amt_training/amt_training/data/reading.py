"""Reading files of data sets: every fault is one sentence that names the file."""

from __future__ import annotations

import io
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from amt_perception.errors import AmtError
from amt_training.data.sample import SampleError


def require_folder(folder: Path, how_to_get: str) -> Path:
    """The folder, if it is there; AmtError that says how to get the data if it is not."""
    if not folder.is_dir():
        raise AmtError(f"{folder} does not exist: {how_to_get}.")
    return folder


def read_annotations(path: Path) -> Any:
    """What a JSON file with the labels of a whole data set holds; AmtError when it cannot be read.

    For labels of single samples use `parse_json`, whose error lets a sample be left out.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AmtError(f"Cannot read {path}: {error.strerror}; download it anew.") from error
    except ValueError as error:
        raise AmtError(f"{path} is damaged ({error}): download it anew.") from error


def read_bytes(path: Path) -> bytes:
    """A sample's file; SampleError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SampleError(f"Cannot read {path}: {error.strerror}.") from error


def parse_json(content: bytes, name: str) -> Any:
    """What a sample's JSON holds; `name` says in the SampleError where it comes from."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise SampleError(f"{name} is damaged ({error}).") from error


def parse_array(content: bytes, name: str) -> np.ndarray:
    """The array of a .npy file."""
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SampleError(f"{name} is damaged ({error}).") from error


def parse_picture(content: bytes, name: str) -> np.ndarray:
    """[H, W, 3] uint8 RGB of an encoded picture, complete and not turned."""
    # Pillow, because OpenCV fills the rest of a cut-off JPEG with grey.
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise SampleError(f"{name} is damaged or not a picture.") from error


def parse_pickle(content: bytes, name: str) -> Any:
    """What a pickle of plain Python values, numpy arrays and CPU tensors holds.

    Nothing else can be named in it, so that no code of the file's choice is run.
    """
    try:
        return _PlainUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split())
        raise SampleError(f"{name} is damaged ({type(error).__name__}: {reason}).") from error


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler for which nothing exists but plain values, arrays and tensors."""

    _NAMES = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        # torch's own function of this name would unpickle anything that is in the bytes.
        ("torch.storage", "_load_from_bytes"): lambda content: torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        ),
        **{
            (module, name): thing
            for module in ("numpy.core.multiarray", "numpy._core.multiarray")
            for name, thing in (
                ("_reconstruct", np.empty(0).__reduce__()[0]),
                ("scalar", np.float64(0).__reduce__()[0]),
            )
        },
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}; nothing was run")
        return self._NAMES[module, name]
