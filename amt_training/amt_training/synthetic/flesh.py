"""The flesh of one person's hand, in many poses at once: what grasping and touching look at.

Palm coordinates, the same for both hands: x along the stretched fingers, y out of the palm, z to
the thumb's side. They are left-handed on a left hand.
"""

from __future__ import annotations

import copy

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData
from amt_training.synthetic.scene import Hand

FINGER_JOINTS = np.array([[13, 14, 15], [1, 2, 3], [4, 5, 6], [10, 11, 12], [7, 8, 9]])
"""[5, 3] MANO's joints of each finger, thumb to pinky, from the base."""
THUMB, INDEX, MIDDLE, RING, PINKY = range(5)
_APART_M = 0.004
_FINGER_OF_JOINT = np.array([-1, 1, 1, 1, 2, 2, 2, 4, 4, 4, 3, 3, 3, 0, 0, 0])


def palm_directions(side: Side) -> np.ndarray:
    """[3, 3] columns x, y and z of the palm coordinates, in the model frame."""
    along = -1.0 if side == Side.RIGHT else 1.0
    return np.column_stack([(along, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)])


def hand_rotation(side: Side, fingers: np.ndarray, palm: np.ndarray) -> np.ndarray:
    """[3, 3] rotation that turns the fingers and the palm to two orthogonal unit directions [3]."""
    thumb = np.cross(fingers, palm) * (1.0 if side == Side.RIGHT else -1.0)
    return np.column_stack([fingers, palm, thumb]) @ palm_directions(side).T


class Flesh:
    """Skin and joints of a hand model in one shape.

    Angles are those of `JointLimits` (rad); everything else is in metres.
    """

    def __init__(self, data: HandModelData, shape: np.ndarray) -> None:
        """shape: [10]."""
        self.data = data
        self.shape = shape
        self.limits = JointLimits(data)
        self.bone = data.weights.argmax(axis=1)
        """[N] MANO's joint that each vertex follows most."""
        self.finger = _FINGER_OF_JOINT[self.bone]
        """[N] thumb to pinky from 0; -1 for the palm."""
        self.palmar: np.ndarray
        """[N] of fingers' vertices: cosine of the angle about the bone from where it flexes to."""
        self._weights = data.weights
        self._skin = data.v_template + data.shapedirs @ shape
        self._correctives = data.posedirs
        joints, tips = HandKinematics(data).rest(shape)
        self._rest = joints - joints[0]
        self._skin = self._skin - joints[0]
        self._tips = tips - joints[0]
        self._radii, self.palmar = self._thickness()
        self._apart: np.ndarray | None = None

    def only(self, chosen: np.ndarray) -> Flesh:
        """The same hand with fewer vertices. chosen: [778] bool."""
        part = copy.copy(self)
        for name in ("bone", "finger", "palmar", "_weights", "_skin", "_correctives"):
            setattr(part, name, getattr(self, name)[chosen])
        return part

    def vertices(self, angles: np.ndarray, rotation: np.ndarray, wrist: np.ndarray) -> np.ndarray:
        """[K, N, 3] vertices in K poses, equal to `hand_vertices`.

        angles: [K, 15, 3]; rotation: [3, 3] of the hand; wrist: [3], or [K, 1, 3].
        """
        local, turns, joints = self._bones(angles)
        count, many = len(angles), len(self._skin)
        features = (local - np.eye(3)).reshape(count, 135)
        correctives = features @ self._correctives.reshape(many * 3, 135).T
        skin = self._skin + correctives.reshape(count, many, 3)
        turned = (self._weights @ turns.reshape(count, 16, 9)).reshape(count, many, 3, 3)
        offsets = joints - (turns @ self._rest[..., None])[..., 0]
        points = (turned @ skin[..., None])[..., 0] + self._weights @ offsets
        return points @ rotation.T + wrist

    def fingers(self, angles: np.ndarray, rotation: np.ndarray, wrist: np.ndarray) -> np.ndarray:
        """[K, 5, 4, 3] three joints and the tip of each finger, thumb to pinky, in K poses.

        Arguments as of `vertices`. Each tip is carried by its last bone.
        """
        _, turns, joints = self._bones(angles)
        last = FINGER_JOINTS[:, 2]
        tips = (turns[:, last] @ (self._tips - self._rest[last])[..., None])[..., 0]
        points = np.concatenate([joints[:, FINGER_JOINTS], (joints[:, last] + tips)[:, :, None]], 2)
        return points @ rotation.T + np.expand_dims(wrist, -2)

    def gaps(self, points: np.ndarray, fingers: np.ndarray, others: list[int]) -> np.ndarray:
        """[P, O] signed distance (m) of points [P, 3] to the flesh of O fingers, as round rods.

        fingers: [5, 4, 3] as `fingers` gives them; others: which fingers, from 0.
        """
        start, end = fingers[others, :-1].reshape(-1, 3), fingers[others, 1:].reshape(-1, 3)
        axis = end - start
        offset = points[:, None] - start
        along = np.einsum("psd,sd->ps", offset, axis) / (axis**2).sum(axis=1)
        offset -= np.clip(along, 0.0, 1.0)[..., None] * axis
        distance = np.linalg.norm(offset, axis=2) - self._radii[others].ravel()
        return distance.reshape(len(points), len(others), 3).min(axis=2)

    def self_gap(self, angles: np.ndarray) -> float:
        """Smallest gap (m) between parts of the hand that are apart when it is open; negative
        where one is in the other. angles: [15, 3]."""
        still, zero = np.eye(3), np.zeros(3)
        if self._apart is None:
            opened = np.zeros((1, 15, 3))
            gaps = self.gaps(
                self.vertices(opened, still, zero)[0],
                self.fingers(opened, still, zero)[0],
                list(range(5)),
            )
            self._apart = (gaps > _APART_M) & (self.finger[:, None] != np.arange(5))
        points = self.vertices(angles[None], still, zero)[0]
        gaps = self.gaps(points, self.fingers(angles[None], still, zero)[0], list(range(5)))
        return float(gaps[self._apart].min())

    def hand(
        self, angles: np.ndarray, rotation: np.ndarray, wrist: np.ndarray, elbow: np.ndarray
    ) -> Hand:
        """The hand with angles [15, 3], rotation [3, 3], wrist [3] and elbow [3]."""
        orientation = Rotation.from_matrix(rotation).as_rotvec()
        pose = self.limits.pose(angles, orientation)
        return Hand(self.data.side, pose, self.shape, wrist, elbow)

    def _bones(self, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Own turns [K, 15, 3, 3], turns in the hand's frame [K, 16, 3, 3], joints [K, 16, 3]."""
        axes = self.limits.axes
        turned = Rotation.from_euler("XYZ", angles.reshape(-1, 3)).as_matrix()
        local = axes @ turned.reshape(-1, 15, 3, 3) @ np.swapaxes(axes, 1, 2)
        turns = np.concatenate([np.broadcast_to(np.eye(3), (len(angles), 1, 3, 3)), local], axis=1)
        joints = np.broadcast_to(self._rest, (len(angles), 16, 3)).copy()
        for before, after in ((0, 1), (1, 2)):
            parent, child = FINGER_JOINTS[:, before], FINGER_JOINTS[:, after]
            turns[:, child] = turns[:, parent] @ turns[:, child]
            bone = (self._rest[child] - self._rest[parent])[..., None]
            joints[:, child] = joints[:, parent] + (turns[:, parent] @ bone)[..., 0]
        return local, turns, joints

    def _thickness(self) -> tuple[np.ndarray, np.ndarray]:
        """[5, 3] thickness (m) around each finger's bones, and [N] how far round towards the palm.

        The second is the cosine of the angle, about its bone, from where flexion goes.
        """
        radii, palmar = np.empty((5, 3)), np.zeros(len(self._skin))
        for finger, joints in enumerate(FINGER_JOINTS):
            points = np.vstack([self._rest[joints], self._tips[finger]])
            for level, joint in enumerate(joints):
                mine = self.bone == joint
                axis = points[level + 1] - points[level]
                offset = self._skin[mine] - points[level]
                along = np.clip(offset @ axis / (axis @ axis), 0.0, 1.0)
                offset -= along[:, None] * axis
                length = np.linalg.norm(offset, axis=1)
                inwards = np.cross(self.limits.axes[joint - 1, :, 0], axis)
                radii[finger, level] = np.median(length)
                cosine = offset @ inwards / np.linalg.norm(inwards)
                palmar[mine] = cosine / np.maximum(length, 1e-9)
        return radii, palmar


def fingertips(fingers: np.ndarray) -> np.ndarray:
    """[..., 5, 3] middle of each finger's pad, along [..., 5, 4, 3] of `Flesh.fingers`."""
    return 0.3 * fingers[..., 2, :] + 0.7 * fingers[..., 3, :]
