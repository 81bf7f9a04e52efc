"""Rendered scenes of the generic hand about a coloured box, with the whole truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from amt_perception.camera.crop import crop_affine, crop_intrinsics, sample_crops
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import BASES, WRIST, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.config import YCB_CLASSES
from amt_perception.model.interface import HAND_PARTS, INTERACTIONS, LEFT, RIGHT, AmtInput
from amt_perception.sample.look import Look, random_backdrop, random_look
from amt_perception.sample.motion import FINGERS_UP_PALM_TO_CAMERA, FIST, OPEN
from amt_perception.sample.scene import HandObjectScene
from amt_training.data.contacts import PART_OF_JOINT, TOUCHING_M
from amt_training.losses.targets import UNKNOWN, AmtTarget, ContactTarget, ObjectTarget

CAMERA = Intrinsics(260.0, 260.0, 144.0, 144.0, 288, 288)
BOX_CLASS = YCB_CLASSES.index("003_cracker_box")
BOX_HALF = np.array([0.03, 0.045, 0.08])
"""Half the extents of the scene's box (m); its six faces have six colours."""
MIDDLE_DISTANCE_M = 0.49
_HAND_BOX_MARGIN = 1.15
"""Hand boxes are so much larger than the joints' extent."""


@dataclass(frozen=True)
class Variety:
    """How much scenes differ."""

    turn: tuple[float, float, float] = (1.0, np.pi, 0.7)
    """The hand turns by up to so much (rad) in the picture, about its fingers, and to the camera,
    away from fingers up and palm to the camera."""
    facing: float = 0.0
    """The middle of the turns about its fingers (rad): 0 for the palm to the camera."""
    shape: float = 0.7
    """Standard deviation of the hand's shape coefficients."""
    place: tuple[float, float] = (0.05, 0.11)
    """The palm is up to so far (m) off the axis, and beyond or before the middle distance."""


@dataclass
class ToyScenes:
    """N scenes in the frame of the camera (OpenCV axes), metres, pixels of the whole picture."""

    images: Tensor
    """[N, 3, H, W] uint8 RGB."""
    boxes: np.ndarray
    """[N, 4] x, y, width, height of the hand."""
    side: Tensor
    """[N] int64, LEFT or RIGHT."""
    truth: AmtTarget
    """Its keypoints are pixels of the whole picture."""

    def __getitem__(self, index: Tensor) -> ToyScenes:
        """The chosen scenes; index: [K] int64."""
        return ToyScenes(
            self.images[index], self.boxes[index.numpy()], self.side[index], self.truth[index]
        )

    def crops(self, size: int, crop_scale: float) -> tuple[AmtInput, AmtTarget]:
        """Crops of all scenes, [N, 1, 3, size, size], and the truth about them."""
        affine = crop_affine(self.boxes, size, crop_scale)
        crop = _tensor(affine)
        inputs = AmtInput(
            image=sample_crops(self.images, affine, size)[:, None],
            intrinsics=_tensor(crop_intrinsics(affine, CAMERA.matrix))[:, None],
            crop=crop[:, None],
            hand_box=_tensor(self.boxes)[:, None],
            side=self.side,
        )
        keypoints = self.truth.keypoints @ crop[..., :2].mT + crop[:, None, :, 2]
        return inputs, replace(self.truth, keypoints=keypoints)


def make_scenes(count: int, seed: int, variety: Variety = Variety()) -> ToyScenes:
    """Scenes by chance, right and left hands in turn. Raises AmtError where none can be drawn."""
    random = np.random.default_rng(seed)
    scenes: list[dict[str, Any]] = [{} for _ in range(count)]
    for first, side in enumerate((Side.RIGHT, Side.LEFT)):
        data = generic_hand(side)
        with HandObjectScene(CAMERA, data) as picture:
            for number in range(first, count, 2):
                scenes[number] = draw_scene(data, picture, random, variety)
    stacked = {name: np.stack([scene[name] for scene in scenes]) for name in scenes[0]}
    return ToyScenes(
        images=torch.from_numpy(stacked["image"]),
        boxes=stacked["hand_box"],
        side=torch.from_numpy(stacked["side"]),
        truth=_target(stacked),
    )


@dataclass(frozen=True)
class Moment:
    """Where everything is in one picture."""

    pose: np.ndarray
    """[16, 3] axis-angle of the hand in the camera's frame (rad)."""
    shape: np.ndarray
    """[10] of the hand."""
    place: np.ndarray
    """[3] of the palm (m)."""
    box: np.ndarray
    """[4, 4] pose of the box."""


def draw_scene(
    data: HandModelData, picture: HandObjectScene, random: np.random.Generator, variety: Variety
) -> dict[str, Any]:
    """One picture and what is true about it, as arrays.

    picture: draws the hand of `data` with CAMERA.
    """
    moment = draw_moment(data, random, variety)
    backdrop = random_backdrop(random, CAMERA.width, CAMERA.height)
    return picture_of(moment, data, picture, backdrop, random_look(random))


def draw_moment(data: HandModelData, random: np.random.Generator, variety: Variety) -> Moment:
    """A hand about a box, by chance."""
    pose = _grasp(data, random, variety)
    shape = random.normal(0.0, variety.shape, 10)
    across, depth = variety.place
    reach, middle = np.array([across, across, depth]), np.array([0.0, 0.0, MIDDLE_DISTANCE_M])
    place = random.uniform(middle - reach, middle + reach)
    return Moment(pose, shape, place, _box_pose(Rotation.from_rotvec(pose[0]), place, random))


def picture_of(
    moment: Moment,
    data: HandModelData,
    picture: HandObjectScene,
    backdrop: np.ndarray,
    look: Look,
) -> dict[str, Any]:
    """The picture of a moment and what is true about it, as arrays."""
    pose, shape, box = moment.pose, moment.shape, moment.box
    joints = HandKinematics(data).joints21(pose, shape, np.zeros(3))
    translation = moment.place - joints[[WRIST, *BASES[1:]]].mean(axis=0)
    joints = joints + translation
    image = picture.render(pose, shape, translation, backdrop, objects={"box": box}, look=look)
    pixels = CAMERA.project(joints)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    margin = 0.5 * (_HAND_BOX_MARGIN - 1.0) * (high - low)
    vertices = hand_vertices(data, pose, shape, translation)
    return {
        "image": image.transpose(2, 0, 1),
        "hand_box": np.concatenate([low - margin, high - low + 2.0 * margin]),
        "side": RIGHT if data.side == Side.RIGHT else LEFT,
        "joints": joints,
        "keypoints": pixels,
        "vertices": vertices,
        "rotation": Rotation.from_rotvec(pose).as_matrix(),
        "shape": shape,
        "box": box,
        **_contacts(vertices, data.weights.argmax(axis=1), box),
    }


def _grasp(data: HandModelData, random: np.random.Generator, variety: Variety) -> np.ndarray:
    """[16, 3] pose of a hand about to close, or closed, seen from any side."""
    angles = OPEN.angles() + random.uniform(0.05, 0.6) * (FIST.angles() - OPEN.angles())
    angles += random.normal(0.0, 0.08, angles.shape) * (1.0, 0.5, 0.3)
    turn = Rotation.from_euler(
        "ZYX", random.uniform(-1.0, 1.0, 3) * variety.turn + (0.0, variety.facing, 0.0)
    )
    orientation = (turn * Rotation.from_matrix(FINGERS_UP_PALM_TO_CAMERA)).as_rotvec()
    if data.side == Side.LEFT:
        orientation = mirror_pose(orientation)
    limits = JointLimits(data)
    return limits.clamp(limits.pose(angles, orientation))


def _box_pose(hand: Rotation, palm: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """4x4 pose of a box that lies in the palm, its long side across it, either end up."""
    # In the hand's frame: x along the fingers, -y out of the palm, z towards the thumb.
    lying = Rotation.from_matrix(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]))
    centre = (random.uniform(-0.01, 0.01), -BOX_HALF[0] - random.uniform(0.012, 0.05), 0.0)
    flips = Rotation.from_rotvec(np.pi * np.vstack([np.zeros(3), np.eye(3)]))
    tilt = Rotation.from_rotvec(random.normal(0.0, 0.12, 3))
    pose = np.eye(4)
    pose[:3, :3] = (hand * tilt * lying * flips[int(random.integers(4))]).as_matrix()
    pose[:3, 3] = palm + hand.apply(centre)
    return pose


def _contacts(vertices: np.ndarray, joint: np.ndarray, box: np.ndarray) -> dict[str, np.ndarray]:
    """Which parts touch the box, and where: each part's vertex that is deepest in it.

    joint: [778] MANO joint that each vertex follows most.
    """
    inside = (vertices - box[:3, 3]) @ box[:3, :3]
    beyond = np.abs(inside) - BOX_HALF
    distance = np.linalg.norm(beyond.clip(min=0.0), axis=1) + beyond.max(axis=1).clip(max=0.0)
    part = PART_OF_JOINT[joint]
    nearest = np.array(
        [np.where(part == number, distance, np.inf).argmin() for number in range(len(HAND_PARTS))]
    )
    touches = distance[nearest] < TOUCHING_M
    thumb = HAND_PARTS.index("thumb")
    if touches[thumb] and touches.sum() > 1:
        interaction = INTERACTIONS.index("grasp")
    else:
        interaction = INTERACTIONS.index("touch") if touches.any() else UNKNOWN
    return {"touches": touches, "points": vertices[nearest], "interaction": np.array(interaction)}


def _target(scenes: dict[str, np.ndarray]) -> AmtTarget:
    count = len(scenes["joints"])
    known = torch.ones(count, dtype=torch.bool)
    surface, normals = box_surface()
    objects = ObjectTarget(
        annotated=known,
        valid=known[:, None],
        class_index=torch.full((count, 1), BOX_CLASS),
        position=_tensor(scenes["box"][:, None, :3, 3]),
        rotation=_tensor(scenes["box"][:, None, :3, :3]),
        symmetry_rotations=torch.eye(3).expand(count, 1, 1, 3, 3),
        symmetry_axis=torch.zeros(count, 1, 3),
        surface=_tensor(surface).expand(count, 1, -1, -1),
        surface_normals=_tensor(normals).expand(count, 1, -1, -1),
    )
    touches = torch.from_numpy(scenes["touches"])
    contact = ContactTarget(
        part=touches,
        part_valid=torch.ones_like(touches),
        points_annotated=known,
        points=_tensor(scenes["points"]),
        point_valid=touches,
        force=torch.zeros(touches.shape),
        force_valid=torch.zeros_like(touches),
        contact_type=torch.full(touches.shape, UNKNOWN),
        interaction=torch.from_numpy(scenes["interaction"]),
    )
    joints = _tensor(scenes["joints"])
    return AmtTarget(
        joints=joints,
        joints_valid=torch.ones(joints.shape[:2], dtype=torch.bool),
        keypoints=_tensor(scenes["keypoints"]),
        keypoints_valid=torch.ones(joints.shape[:2], dtype=torch.bool),
        vertices=_tensor(scenes["vertices"]),
        mano_rotation=_tensor(scenes["rotation"]),
        mano_shape=_tensor(scenes["shape"]),
        mano_valid=known,
        objects=objects,
        contact=contact,
    )


def box_surface() -> tuple[np.ndarray, np.ndarray]:
    """[P, 3] points on the box's six faces, in its frame, and their outward normals."""
    grid = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 6)] * 2), axis=-1).reshape(-1, 2)
    points, normals = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            points.append(np.insert(grid, axis, sign, axis=1) * BOX_HALF)
            normals.append(np.broadcast_to(sign * np.eye(3)[axis], (len(grid), 3)))
    return np.concatenate(points), np.concatenate(normals)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.tensor(array, dtype=torch.float32)
