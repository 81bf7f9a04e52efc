"""Reads pickles of numpy arrays without trusting them: no file can name code that would run.

Unpickling in the usual way calls whatever a file names. Here nothing exists but arrays, numbers
and what a caller adds by name.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from amt_perception.errors import AmtError


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """What Python 3 writes for bytes in a pickle of protocol 2."""
    if encoding != "latin1":
        raise AmtError(f"it holds bytes as '{encoding}', which no array does; nothing was run")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _NAMES[_module, "_reconstruct"] = np.empty(0).__reduce__()[0]
    _NAMES[_module, "scalar"] = np.float64(0).__reduce__()[0]


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler of built-in values and numpy's arrays, from Python 2 and 3.

    `load` raises AmtError, a part of a sentence without a full stop, when the pickle names
    anything else, and any exception when it is damaged.
    """

    def __init__(
        self, contents: bytes, more_names: Mapping[tuple[str, str], Any] | None = None
    ) -> None:
        """more_names: what else may be named, by module and name."""
        super().__init__(io.BytesIO(contents), encoding="latin1")
        self._names = {**_NAMES, **(more_names or {})}

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle means by a name, if it may be named. Raises AmtError."""
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if (module, name) not in self._names:
            raise AmtError(f"it asks to load '{module}.{name}', which is not data; nothing was run")
        return self._names[module, name]
