"""Reads the official MANO_RIGHT.pkl and MANO_LEFT.pkl without trusting them and without chumpy.

The files are Python 2 pickles of numpy arrays, one scipy sparse matrix and one expression of the
chumpy library (`shapedirs`, a selection of an array's elements). `array_pickle` lets them name
nothing but arrays and the handful of names that MANO needs; classes are replaced by inert records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from amt_perception.array_pickle import ArrayUnpickler
from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData

_ARRAY_KEYS = ("v_template", "shapedirs", "posedirs", "weights", "hands_components", "hands_mean")
_KEYS = (*_ARRAY_KEYS, "f", "J_regressor", "kintree_table")


def read_mano_pickle(path: Path, side: Side) -> HandModelData:
    """The hand model in an official MANO pickle.

    Raises AmtError when the file cannot be read, names anything that MANO does not need (nothing
    is run then), lacks a part, has a part of another shape, or is the other hand.
    """
    try:
        contents = ArrayUnpickler(path.read_bytes(), _record_names()).load()
    except OSError as error:
        raise AmtError(f"Cannot read {path}: {error.strerror}.") from error
    except AmtError as error:
        raise AmtError(
            f"{path} is not a MANO file: {error}; download MANO from mano.is.tue.mpg.de."
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split())
        raise AmtError(
            f"{path} is damaged or not a MANO file ({type(error).__name__}: {reason}); "
            "download it anew from mano.is.tue.mpg.de."
        ) from error
    missing = [k for k in _KEYS if not isinstance(contents, dict) or k not in contents]
    if missing:
        raise AmtError(
            f"{path} is not a MANO file, it lacks {', '.join(missing)}; "
            "download MANO from mano.is.tue.mpg.de."
        )
    try:
        arrays = {key: _to_array(contents[key]) for key in _KEYS}
        parents = arrays["kintree_table"][0].astype(np.int64)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise AmtError(
            f"{path} is damaged ({error}); download it anew from mano.is.tue.mpg.de."
        ) from error
    parents[:1] = -1  # the file says 2^32 - 1
    data = HandModelData(
        side=side,
        faces=arrays["f"],
        J_regressor=arrays["J_regressor"],
        parents=parents,
        source=f"MANO {path.name}",
        **{key: arrays[key] for key in _ARRAY_KEYS},
    )
    found = _side_of(data)
    if found != side:
        raise AmtError(
            f"{path} holds a {found.name.lower()} hand but a {side.name.lower()} hand was asked "
            "for; put MANO_RIGHT.pkl and MANO_LEFT.pkl back under their own names."
        )
    return data


class _Record:
    """Stands for an object of a class that is not needed: keeps the state, does nothing."""

    def __init__(self, *_args: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not isinstance(state, dict):
            raise TypeError(f"the state of {type(self).__name__} is not a dictionary")
        self.state = state


def _record_names() -> dict[tuple[str, str], Any]:
    """What MANO's pickles name besides arrays, as records."""
    # Classes of this reader alone: a pickle can set attributes on the classes it names.
    array, select, sparse = (type(n, (_Record,), {}) for n in ("Ch", "Select", "csc_matrix"))
    return {
        ("builtins", "set"): set,
        ("builtins", "object"): object,
        ("copyreg", "_reconstructor"): _new_record,
        ("chumpy.ch", "Ch"): array,
        ("chumpy.reordering", "Select"): select,
        ("scipy.sparse.csc", "csc_matrix"): sparse,
        ("scipy.sparse._csc", "csc_matrix"): sparse,
    }


def _new_record(cls: type, _base: type, _state: object) -> _Record:
    """copyreg._reconstructor for records only."""
    if not issubclass(cls, _Record):
        raise TypeError(f"cannot rebuild a {cls.__name__}")
    return cls()


def _to_array(value: Any) -> np.ndarray:
    """The numbers behind an array or a record of a chumpy or scipy object."""
    if not isinstance(value, _Record):
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"expected numbers, found {array.dtype}")
        return array
    state, kind = value.state, type(value).__name__
    if kind == "Ch":
        return _to_array(state["x"])
    if kind == "Select":  # chumpy/reordering.py, Select.compute_r
        chosen = _to_array(state["a"]).ravel()[_to_array(state["idxs"])]
        return chosen.reshape(state["preferred_shape"])
    columns = (_to_array(state[key]) for key in ("data", "indices", "indptr"))
    return csc_array(tuple(columns), shape=state["_shape"]).toarray()


def _side_of(data: HandModelData) -> Side:
    """A right hand's middle finger points along -x from the wrist, a left one's along +x."""
    joints = data.J_regressor @ data.v_template
    return Side.RIGHT if joints[4, 0] < joints[0, 0] else Side.LEFT
