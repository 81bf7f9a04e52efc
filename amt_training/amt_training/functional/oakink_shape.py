"""OakInk-Shape: right hands that use, hold, lift and hand over 1,700 objects, as MANO poses.

Yang et al., "OakInk: A Large-scale Knowledge Repository for Understanding Hand-Object
Interaction", CVPR 2022. The layout is the one of github.com/oakink/OakInk (oikit/oi_shape).
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import CLOUD_POINTS
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import hand_vertices
from amt_training.data.files import read_annotations, read_array_pickle, require_folder
from amt_training.data.sample import SampleError
from amt_training.functional.catalogue import SPLITS
from amt_training.functional.contact_distances import ManoParts
from amt_training.functional.dataset import augmented
from amt_training.functional.instructions import HELD_OUT, TRAINED, draw_general
from amt_training.functional.sample import GraspObject, GraspSample
from amt_training.functional.storage import check_object

SPLITTING = ("object", "source")
"""By the object that is held, as the set's authors do, or by the recorded grasp, which otherwise
comes back on the objects that it was transferred to."""
LARGEST_DISTANCE_M = 1.0
"""No part of a hand that holds an object is so far from any of its points."""
_INTENTS = {"0001": "use", "0002": "hold", "0003": "lift", "0004": "handover"}
_SOURCE = re.compile(r"/(.{6})_(.{4})_[_0-9]+/")
"""In source.txt: <stage>/<object>_<intent>_<subjects>/<time>."""
_BODY = "body"
_OBJECTS = {
    "object_id.json": "OakInkObjectsV2",
    "virtual_object_id.json": "OakInkVirtualObjectsV2",
}
_HOW_TO_GET = "download OakInk-Shape from oakink.net and unzip it as its docs/datasets.md says"


class _Grasp(NamedTuple):
    path: Path
    """Of its hand_param.pkl."""
    category: str
    object_id: str
    """The object that is held: for a transferred grasp, the one that it was transferred to."""
    source: str
    """<object>/<hash> of the recorded grasp."""
    intent: str


class OakInkShape:
    """One part of one split of OakInk-Shape, as samples of MANO grasps.

    Like `dataset.FunctionalGrasps`. The set has no language: instructions are templates for a
    grasp's intent, and the object's one part is its body. Of handovers every hand is a sample of
    its own, also where the other person's is missing.
    """

    def __init__(
        self, root: Path, split: str, part: str, right: HandModelData, seed: int = 0
    ) -> None:
        """root: the folder with shape/; split: object or source; part: train, val or test; right:
        MANO's own right hand, which the labels are of.

        When it is made it lists files and reads each source.txt. Raises AmtError when the data are
        not there.
        """
        if split not in SPLITTING or part not in SPLITS:
            raise AmtError(
                f"OakInk-Shape has the splits {', '.join(SPLITTING)} and the parts "
                f"{', '.join(SPLITS)}, not {split} and {part}"
            )
        if right.side != Side.RIGHT:
            raise AmtError("OakInk-Shape has right hands: give MANO's right hand")
        self.name = f"OakInk-Shape {split} {part}"
        self._part, self._seed, self._right = part, seed, right
        self._mano_parts = ManoParts(right)
        self._kinematics = HandKinematics(right)
        self._shape = require_folder(root / "shape", _HOW_TO_GET)
        grasps = require_folder(self._shape / "oakink_shape_v2", _HOW_TO_GET)
        found = [_grasp(grasps, path) for path in sorted(grasps.glob("*/*/*/**/hand_param.pkl"))]
        self.grasps = [
            one
            for one in found
            if part_of(one.object_id if split == "object" else one.source) == part
        ]
        if not self.grasps:
            raise AmtError(f"{grasps} has no grasps to {part} with; {_HOW_TO_GET}")
        purposes: dict[tuple[str, str], list[int]] = {}
        for index, one in enumerate(self.grasps):
            purposes.setdefault((one.object_id, one.intent), []).append(index)
        self._alike = {purpose: np.array(indices) for purpose, indices in purposes.items()}
        self._meshes = self._find_meshes({one.object_id for one in self.grasps})
        self._object = lru_cache(maxsize=256)(self._read_object)

    def __len__(self) -> int:
        """Grasps."""
        return len(self.grasps)

    def __getitem__(self, index: int) -> GraspSample:
        """The sample as the first epoch has it."""
        return self.sample(index, 0)

    def alike(self, index: int) -> np.ndarray:
        """Indices of the grasps of the same object with the same intent."""
        return self._alike[self.grasps[index].object_id, self.grasps[index].intent]

    def sample(self, index: int, epoch: int, like: int | None = None) -> GraspSample:
        """A sample; another epoch gives another instruction and, in training, another pose.

        like: another grasp that is `alike`, whose instruction and pose of the object it gets.
        Raises SampleError, naming the file, when it is missing or damaged.
        """
        grasp = self.grasps[index]
        pose, shape, wrist = read_hand(grasp.path)
        one = self._object(grasp.object_id, grasp.category)
        # The rest wrist is not the origin of MANO's rest hand.
        translation = wrist - self._kinematics.rest(shape)[0][0]
        vertices = hand_vertices(self._right, pose, shape, translation)
        distances = self._mano_parts.distances(vertices, one.points)
        if not (np.isfinite(distances).all() and distances.max() < LARGEST_DISTANCE_M):
            raise SampleError(
                f"{grasp.path} is damaged: the hand is {distances.max():.3g} m from the object; "
                f"{_HOW_TO_GET}"
            )
        random = np.random.default_rng([self._seed, epoch, index if like is None else like])
        training = self._part == "train"
        phrases = TRAINED if training else HELD_OUT
        noun = grasp.category.replace("_", " ")
        sample = GraspSample(
            object=one,
            instruction=draw_general(grasp.intent, noun, phrases, random),
            intent=grasp.intent,
            part=_BODY,
            rotation=Rotation.from_rotvec(pose[0]).as_matrix().astype(np.float32),
            position=wrist.astype(np.float32),
            joints=pose[1:].astype(np.float32),
            shape=shape.astype(np.float32),
            distances=distances,
        )
        return augmented(sample, random) if training else sample

    def _find_meshes(self, wanted: set[str]) -> dict[str, Path]:
        """The mesh file of each object."""
        found = {}
        for index, folder in _OBJECTS.items():
            names = read_annotations(self._shape / "metaV2" / index)
            for object_id in wanted & names.keys():
                aligned = self._shape / folder / names[object_id]["name"] / "align"
                files = [path for kind in ("obj", "ply") for path in aligned.glob(f"*.{kind}")]
                if len(files) > 1:
                    files = [path for path in files if "align" in path.name]
                if len(files) != 1:
                    raise AmtError(f"{aligned} holds {len(files)} meshes, not one; {_HOW_TO_GET}")
                found[object_id] = files[0]
        if missing := sorted(wanted - found.keys()):
            raise AmtError(f"{self._shape / 'metaV2'} does not name {missing[0]}; {_HOW_TO_GET}")
        return found

    def _read_object(self, object_id: str, category: str) -> GraspObject:
        return read_open_mesh(self._meshes[object_id], object_id, category)


def part_of(name: str) -> str:
    """Train, val or test of an object or a source grasp by the MD5 sum of its name, in 8 : 1 : 1,
    as OakInk's toolkit has it."""
    digit = int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    return "train" if digit < 8 else SPLITS[digit - 7]


def read_hand(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pose [16, 3] (axis-angle, flat mean), shape [10] and wrist [3] (m) of a hand_param.pkl.

    The pose may be stored as 48 axis-angle values or as 16 quaternions with the real part first.
    The wrist is the file's `tsl`. OakInk's toolkit gives the name `hand_tsl` to the middle
    finger's knuckle (joint 9): a file with that is not the set's own, and would displace the hand
    by the length of its palm. Raises SampleError.
    """
    values = read_array_pickle(path)
    if not isinstance(values, dict) or not {"pose", "shape", "tsl"} <= values.keys():
        given = f"it has {', '.join(map(str, values))}" if isinstance(values, dict) else "no names"
        raise SampleError(
            f"{path} is not a hand of OakInk-Shape, which has pose, shape and tsl (the wrist), "
            f"but {given}; {_HOW_TO_GET}"
        )
    pose = _numbers(values["pose"], path, "pose")
    if pose.shape == (48,):
        pose = pose.reshape(16, 3)
    elif pose.shape == (16, 4) and np.linalg.norm(pose, axis=1).min() > 0.5:
        pose = Rotation.from_quat(np.roll(pose, -1, axis=1)).as_rotvec()
    else:
        raise SampleError(
            f"{path} is damaged: a pose has 48 axis-angle values or 16 quaternions, not the shape "
            f"{pose.shape}"
        )
    shape, wrist = _numbers(values["shape"], path, "shape"), _numbers(values["tsl"], path, "tsl")
    if shape.shape != (10,) or wrist.shape != (3,):
        raise SampleError(
            f"{path} is damaged: shape has 10 numbers and tsl 3, not {shape.shape} and "
            f"{wrist.shape}"
        )
    return pose, shape, wrist


def read_open_mesh(path: Path, name: str, family: str) -> GraspObject:
    """A mesh file (m), which need not be closed, as an object of one part with points on its
    surface; its origin is the middle of its bounding box. Raises SampleError."""
    try:
        import trimesh
    except ImportError as error:
        raise AmtError("Reading meshes needs trimesh: pip install trimesh") from error
    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
        vertices = np.asarray(mesh.vertices, float)
        vertices = vertices - 0.5 * (vertices.min(axis=0) + vertices.max(axis=0))
        points, faces = trimesh.sample.sample_surface(mesh, CLOUD_POINTS, seed=0)
        points = np.asarray(points) - mesh.bounds.mean(axis=0)
        # An open mesh has a volume as well, about its middle; where it is negative, normals point
        # inwards.
        normals = mesh.face_normals[faces] * (-1.0 if mesh.volume < 0.0 else 1.0)
    except Exception as error:  # a damaged mesh can raise anything
        reason = " ".join(str(error).split())
        raise SampleError(
            f"{path} cannot be read as a mesh ({type(error).__name__}: {reason}); {_HOW_TO_GET}"
        ) from error
    one = GraspObject(
        name=name,
        family=family,
        vertices=vertices.astype(np.float32),
        faces=np.asarray(mesh.faces, np.int32),
        part_names=(_BODY,),
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        point_part=np.zeros(CLOUD_POINTS, np.int64),
    )
    check_object(one, str(path))
    return one


def _grasp(root: Path, path: Path) -> _Grasp:
    """A grasp from where its hand_param.pkl lies: <category>/<object>/<hash>, or, transferred, in
    the folder there that is named after the object it was transferred to."""
    category, raw, tag, *rest = path.relative_to(root).parts
    if len(rest) > 2:
        raise AmtError(f"{path} is not where OakInk-Shape has its grasps; {_HOW_TO_GET}")
    source = root / category / raw / tag / "source.txt"
    try:
        match = _SOURCE.search(source.read_text())
    except OSError as error:
        raise AmtError(f"Cannot read {source}: {error.strerror}; {_HOW_TO_GET}") from error
    if match is None or match[1] != raw or match[2] not in _INTENTS:
        raise AmtError(f"{source} does not say which recording it is from; {_HOW_TO_GET}")
    object_id = rest[0] if len(rest) == 2 else raw
    return _Grasp(path, category, object_id, f"{raw}/{tag}", _INTENTS[match[2]])


def _numbers(values: Any, path: Path, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SampleError(f"{path} is damaged: {name} are not numbers") from error
    if not np.isfinite(array).all():
        raise SampleError(f"{path} is damaged: {name} is not finite")
    return array
