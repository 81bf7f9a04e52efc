"""The arrays of a hand model in MANO's format, checked once and kept in one immutable object."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import MANO_PARENTS, Side

ARRAY_SHAPES = {
    "v_template": (778, 3),
    "faces": (1538, 3),
    "shapedirs": (778, 3, 10),
    "posedirs": (778, 3, 135),
    "weights": (778, 16),
    "J_regressor": (16, 778),
    "parents": (16,),
    "hands_components": (45, 45),
    "hands_mean": (45,),
}


@dataclass(frozen=True, eq=False)
class HandModelData:
    """A MANO-format hand (Romero et al., SIGGRAPH Asia 2017), as read-only arrays.

    Model frame: metres; a right hand's fingers point along -x, its thumb to +z and the back of
    the hand to +y; a left hand is the mirror image in x. At rest every joint's frame is parallel
    to the model frame, so a joint's axis-angle vector is expressed in its parent's frame.

    Raises AmtError when an array has the wrong shape, is not finite or names another joint tree.
    """

    side: Side
    v_template: np.ndarray
    """[778, 3] vertices of the mean shape in the flat rest pose (m)."""
    faces: np.ndarray
    """[1538, 3] vertex indices, counter-clockwise seen from outside."""
    shapedirs: np.ndarray
    """[778, 3, 10] displacement for one unit of each shape coefficient (m)."""
    posedirs: np.ndarray
    """[778, 3, 135] displacement for the elements of (R_j - I), j = 1..15, row by row (m)."""
    weights: np.ndarray
    """[778, 16] skinning weights; rows sum to one."""
    J_regressor: np.ndarray
    """[16, 778] gives the rest joints from the shaped vertices."""
    parents: np.ndarray
    """[16] parent of each joint in MANO's order, -1 for the wrist."""
    hands_components: np.ndarray
    """[45, 45] pose components, one a row."""
    hands_mean: np.ndarray
    """[45] mean pose as 15 axis-angle vectors (rad)."""
    source: str
    """Where the model comes from, for logs and reports."""

    def __post_init__(self) -> None:
        if self.side not in (Side.LEFT, Side.RIGHT):
            raise AmtError(f"A hand model is LEFT or RIGHT, but this one says {self.side!r}.")
        for name, shape in ARRAY_SHAPES.items():
            kind = np.int64 if name in ("faces", "parents") else np.float64
            array = np.array(getattr(self, name), dtype=kind)
            if array.shape != shape:
                raise AmtError(
                    f"The hand model '{self.source}' is not in MANO's format: {name} has shape "
                    f"{array.shape} instead of {shape}; give the file from mano.is.tue.mpg.de."
                )
            if not np.isfinite(array).all():
                raise AmtError(
                    f"The hand model '{self.source}' is damaged: {name} is not finite; get it anew."
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if tuple(self.parents) != MANO_PARENTS:
            raise AmtError(
                f"The hand model '{self.source}' has another joint tree than MANO; "
                "give the file from mano.is.tue.mpg.de."
            )
        if self.faces.min() < 0 or self.faces.max() >= len(self.v_template):
            raise AmtError(f"The hand model '{self.source}' is damaged: a face has no such vertex.")

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of side and arrays: equal for equal models."""
        digest = hashlib.sha256(self.side.name.encode())
        for name in ARRAY_SHAPES:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write one .npz file; a reader never sees a half-written one."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays["side"] = np.array(int(self.side))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            try:
                np.savez_compressed(file, **arrays)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise

    @classmethod
    def load(cls, path: Path) -> HandModelData:
        """Read what `save` wrote. Raises AmtError when the file is missing or is something else."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in (*ARRAY_SHAPES, "side", "source")}
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise AmtError(f"Cannot read the hand model {path}: {error}.") from error
        values["side"] = Side(int(values["side"]))
        values["source"] = str(values["source"])
        return cls(**values)
