"""Which hand model to use: the user's MANO files where given, else the generic hand."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_pickle import read_mano_pickle
from amt_perception.hand.model_data import HandModelData


def load_hand_model(
    side: Side, mano_folder: Path | None = None, cache_folder: Path | None = None
) -> HandModelData:
    """The hand model of one side.

    mano_folder: where the user keeps MANO_RIGHT.pkl and MANO_LEFT.pkl from mano.is.tue.mpg.de;
    None gives the generic hand. cache_folder: where to keep a converted copy under the pickle's
    hash, so that a changed pickle is read anew; None converts at every call. Nothing is written
    into mano_folder. Raises AmtError when the folder lacks the file or the file is not MANO's.
    """
    if mano_folder is None:
        return generic_hand(side)
    path = mano_folder / f"MANO_{side.name}.pkl"
    if not path.is_file():
        raise AmtError(
            f"{path} does not exist: register at mano.is.tue.mpg.de, download MANO and give the "
            "folder that holds MANO_RIGHT.pkl and MANO_LEFT.pkl, or give no folder to use the "
            "generic hand."
        )
    if cache_folder is None:
        return read_mano_pickle(path, side)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    cached = cache_folder / f"MANO_{side.name}-{digest}.npz"
    if not cached.is_file():
        read_mano_pickle(path, side).save(cached)
    return HandModelData.load(cached)


@functools.lru_cache(maxsize=4)
def hand_faces(mano_folder: Path | None = None) -> dict[Side, np.ndarray]:
    """[1538, 3] triangles of each side's mesh, counter-clockwise seen from outside, read once."""
    return {side: load_hand_model(side, mano_folder).faces for side in (Side.LEFT, Side.RIGHT)}
