"""The YCB objects (Calli et al., 2015) as points on their surfaces, with their symmetries."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.model.config import YCB_CLASSES
from amt_training.data.sample import ObjectModel

POINTS = 2048
"""Points on the surface of each object."""
_BACKGROUND = YCB_CLASSES[0]
_SYMMETRY_FILES = ("bop/models*/models_info.json", "bop/*/models*/models_info.json")

_log = logging.getLogger(__name__)


def read_object_models(folder: Path) -> dict[int, ObjectModel]:
    """The objects of YCB_CLASSES by class index, from <folder>/<name>/textured_simple.obj.

    The models are those of YCB-Video, which DexYCB ships and HO3D refers to. Symmetries come from
    the models_info.json of the BOP format beside the folder, where there is one; without it, every
    object counts as having none. A missing folder is said in the log, and gives no models; an
    object that is not in it is left out.

    Raises AmtError when a file that is there cannot be read.
    """
    found = {
        index: folder / name / "textured_simple.obj"
        for index, name in enumerate(YCB_CLASSES)
        if name != _BACKGROUND and (folder / name / "textured_simple.obj").is_file()
    }
    if not found:
        _log.warning(
            "%s holds no object models: objects have poses but no surfaces; unpack the YCB-Video "
            "models there, as <name>/textured_simple.obj.",
            folder,
        )
        return {}
    symmetries = _read_symmetries(folder.parent)
    return {
        index: _with_symmetries(read_surface(path), symmetries.get(index, {}), path.parent.name)
        for index, path in found.items()
    }


def read_surface(path: Path, centred: bool = False) -> ObjectModel:
    """POINTS points on the surface of a mesh file in metres, the same at every call.

    centred: move the middle of its bounding box to the origin. Raises AmtError when the file
    cannot be read.
    """
    try:
        import trimesh
    except ImportError as error:
        raise AmtError("Reading object models needs trimesh: pip install trimesh") from error

    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
        points, faces = trimesh.sample.sample_surface(mesh, POINTS, seed=0)
        middle = mesh.bounds.mean(axis=0) if centred else np.zeros(3)
    except Exception as error:  # a damaged mesh can raise anything
        reason = " ".join(str(error).split())
        raise AmtError(
            f"{path} is damaged ({type(error).__name__}: {reason}); unpack it anew."
        ) from error
    return ObjectModel(np.asarray(points) - middle, mesh.face_normals[faces])


def _with_symmetries(model: ObjectModel, info: dict[str, Any], name: str) -> ObjectModel:
    """The model with symmetries in the BOP format (Hodan et al., ECCV 2018).

    BOP's own models are moved against YCB-Video's but not turned, so its rotations hold here; that
    a symmetry's axis passes the origin by some millimetres is left out.
    """
    turns = [np.reshape(one, (4, 4))[:3, :3] for one in info.get("symmetries_discrete", [])]
    axes = [np.asarray(one["axis"], float) for one in info.get("symmetries_continuous", [])]
    if len(axes) > 1:
        raise AmtError(f"models_info.json gives {name} more than one axis of symmetry.")
    return ObjectModel(
        model.points,
        model.normals,
        symmetry_rotations=np.stack([np.eye(3), *turns]),
        symmetry_axis=axes[0] / np.linalg.norm(axes[0]) if axes else np.zeros(3),
    )


def _read_symmetries(root: Path) -> dict[int, dict[str, Any]]:
    """What the first models_info.json of a data set says about each class."""
    for pattern in _SYMMETRY_FILES:
        for path in sorted(root.glob(pattern)):
            try:
                return {int(index): info for index, info in json.loads(path.read_text()).items()}
            except (OSError, ValueError, AttributeError) as error:
                raise AmtError(f"{path} is damaged ({error}); unpack it anew.") from error
    return {}
