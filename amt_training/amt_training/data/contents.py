"""What the bytes of one file or of one archive's member hold.

`name` says in the SampleError where they come from.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from amt_perception.array_pickle import ArrayUnpickler
from amt_perception.errors import AmtError
from amt_training.data.sample import SampleError


def parse_json(contents: bytes, name: str) -> Any:
    """The values of a JSON file. Raises SampleError."""
    try:
        return json.loads(contents)
    except ValueError as error:
        raise SampleError(f"{name} is damaged ({error}); download it anew.") from error


def parse_array(contents: bytes, name: str) -> np.ndarray:
    """The array of a .npy file. Raises SampleError."""
    try:
        return np.load(io.BytesIO(contents), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SampleError(f"{name} is damaged ({error}); download it anew.") from error


def parse_picture(contents: bytes, name: str) -> np.ndarray:
    """[H, W, 3] uint8 RGB of a picture's file, which must be complete. Raises SampleError."""
    # Pillow, because OpenCV fills the rest of a cut-off JPEG with grey.
    try:
        from PIL import Image
    except ImportError as error:
        raise AmtError("Reading pictures needs Pillow: pip install pillow") from error
    try:
        with Image.open(io.BytesIO(contents)) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise SampleError(f"{name} is damaged or not a picture; download it anew.") from error


def parse_pickle(
    contents: bytes, name: str, more_names: Mapping[tuple[str, str], Any] | None = None
) -> Any:
    """What a pickle of arrays and built-in values holds; code is never run. Raises SampleError.

    more_names: what else it may name, as in `ArrayUnpickler`.
    """
    try:
        return ArrayUnpickler(contents, more_names).load()
    except AmtError as error:
        raise SampleError(f"{name} is not to be trusted: {error}.") from error
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split())
        raise SampleError(
            f"{name} is damaged ({type(error).__name__}: {reason}); download it anew."
        ) from error
