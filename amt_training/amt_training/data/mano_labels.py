"""MANO labels of every data set in one form: the conventions that differ, and their removal.

MANO (Romero et al., SIGGRAPH Asia 2017) is one model, but each data set writes its labels down in
its own way: as coefficients of the pose components or as rotation vectors, with the mean pose
added or not, in the camera's or another frame, with one or another left hand, and with other
vertices for fingertips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import MANO_TIP_VERTICES, MANO_TO_21, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import posed_joints, rest_vertices, skinned
from amt_training.data.sample import ManoLabel

_MIRROR = np.array([-1.0, 1.0, 1.0])

SMPLX_TIPS = {Side.RIGHT: MANO_TIP_VERTICES, Side.LEFT: MANO_TIP_VERTICES}
"""Fingertips of smplx, HaMeR, WiLoR and HOT3D; each five are vertices, thumb to pinky."""
MANOPTH_TIPS = {Side.RIGHT: (745, 317, 444, 556, 673), Side.LEFT: (745, 317, 445, 556, 673)}
"""Fingertips of manopth (Hasson et al., CVPR 2019) and of DexYCB."""
HO3D_TIPS = {Side.RIGHT: (744, 333, 444, 555, 672)}
"""Fingertips of HO3D, which has right hands only."""


@dataclass(frozen=True)
class ManoConvention:
    """How a data set writes a MANO pose down."""

    pca: bool
    """Is `hand_pose` coefficients of the hand model's pose components, or else axis-angle?"""
    components: int
    """How many coefficients; 45 where `pca` is false."""
    flat_hand_mean: bool
    """Is the zero pose the flat hand? If not, the labels leave out the mean pose."""
    left_fixed: bool
    """Were left hands labelled with the corrected shape directions (see `left_model`)?"""
    tips: Mapping[Side, tuple[int, ...]]
    """The vertices that the data set calls fingertips, thumb to pinky."""


def left_model(left: HandModelData, right: HandModelData, fixed: bool) -> HandModelData:
    """The left hand with or without the correction of its shape directions.

    In the official MANO_LEFT.pkl the x components of the shape directions have the sign of the
    right hand's: a shape that makes the right hand longer makes the left one shorter. smplx
    (https://github.com/vchoutas/smplx/issues/48) describes the correction: change their sign.
    Some data sets were labelled with it, others without. `left` may come either way.
    """
    along, right_along = left.shapedirs[:, 0], right.shapedirs[:, 0]
    is_fixed = np.abs(along + right_along).sum() < np.abs(along - right_along).sum()
    if is_fixed == fixed:
        return left
    return replace(left, shapedirs=left.shapedirs * _MIRROR[:, None])


class LabelHand:
    """Turns one data set's MANO labels into the canonical form."""

    def __init__(
        self, convention: ManoConvention, right: HandModelData, left: HandModelData
    ) -> None:
        """right, left: the hand models of the labels, MANO's own for real data sets."""
        self.convention = convention
        self._kinematics = {
            Side.RIGHT: HandKinematics(right),
            Side.LEFT: HandKinematics(left_model(left, right, convention.left_fixed)),
        }
        self._to_right_shape, self._right_shape_offset = np.eye(10), np.zeros(10)
        if not convention.left_fixed:
            unfixed = self._kinematics[Side.LEFT].data
            self._to_right_shape, self._right_shape_offset = _refit(unfixed, right)

    def label(
        self,
        side: Side,
        orientation: np.ndarray,
        hand_pose: np.ndarray,
        shape: np.ndarray,
        camera_from_label: np.ndarray | None = None,
    ) -> ManoLabel:
        """The canonical label alone; the arguments are those of `canonical`.

        Where left hands were labelled without the correction, the shape that comes back is the
        one of the corrected hand that lies nearest: linear least squares between the vertices of
        the two rest hands, counted from the wrist. On the generic hand with shapes drawn from a
        normal distribution the vertices then differ by 1.6 mm in the mean, by 8.3 mm if the
        shape were taken as it is.
        """
        pose = self._pose(side, orientation, hand_pose)
        if camera_from_label is not None:
            pose = _turned(pose, _rigid(camera_from_label)[:3, :3])
        return ManoLabel(pose, self._right_shape(side, _checked(shape, 10, "shape")))

    def canonical(
        self,
        side: Side,
        orientation: np.ndarray,
        hand_pose: np.ndarray,
        shape: np.ndarray,
        translation: np.ndarray,
        camera_from_label: np.ndarray | None = None,
    ) -> tuple[ManoLabel, np.ndarray, np.ndarray]:
        """The canonical label, and where the data set's own model has joints and vertices.

        orientation: [3] axis-angle of the whole hand; hand_pose: [components] as the convention
        says, joints in MANO's order; shape: [10]; translation: [3] (m), to which MANO adds the
        rest wrist; camera_from_label: [4, 4] rigid transform from the label's frame to the
        camera's, None where they are the same.

        Returns the label, joints [21, 3] in the project's order with the data set's fingertips
        and vertices [778, 3], both in the camera's frame (m). They come from the model that the
        labels were made with, left hands without the correction too.

        Raises AmtError when a length is not as the convention says, a number is not finite, or
        camera_from_label is not rigid: a reflection makes a hand of the other side, whose label
        is not found by a change of frame.
        """
        kinematics = self._kinematics[side]
        pose = self._pose(side, orientation, hand_pose)
        shape = _checked(shape, 10, "shape")
        translation = _checked(translation, 3, "translation")
        if camera_from_label is not None:
            camera_from_label = _rigid(camera_from_label)
            rotation = camera_from_label[:3, :3]
            # MANO turns the hand about its rest wrist J0, which lies off the origin.
            wrist = kinematics.rest(shape)[0][0]
            translation = rotation @ (translation + wrist) + camera_from_label[:3, 3] - wrist
            pose = _turned(pose, rotation)
        rotations, rest_joints, joints16 = posed_joints(kinematics, pose, shape, translation)
        rest = rest_vertices(kinematics.data, pose, shape)
        vertices = skinned(rest, kinematics.data.weights, rotations, rest_joints, joints16)
        tips = vertices[list(self.convention.tips[side])]
        joints = np.concatenate([joints16, tips])[MANO_TO_21]
        return ManoLabel(pose, self._right_shape(side, shape)), joints, vertices

    def _pose(self, side: Side, orientation: np.ndarray, hand_pose: np.ndarray) -> np.ndarray:
        """[16, 3] axis-angle in the label's frame, mean pose included."""
        convention, data = self.convention, self._kinematics[side].data
        fingers = _checked(hand_pose, convention.components, "hand_pose")
        if convention.pca:
            fingers = fingers @ data.hands_components[: convention.components]
        if not convention.flat_hand_mean:
            fingers = fingers + data.hands_mean
        return np.concatenate([_checked(orientation, 3, "orientation"), fingers]).reshape(16, 3)

    def _right_shape(self, side: Side, shape: np.ndarray) -> np.ndarray:
        if side == Side.RIGHT:
            return shape
        return self._to_right_shape @ shape + self._right_shape_offset


def _turned(pose: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """pose [16, 3] of a hand that is turned as a whole by rotation [3, 3]."""
    whole = Rotation.from_matrix(rotation) * Rotation.from_rotvec(pose[0])
    return np.vstack([whole.as_rotvec(), pose[1:]])


def _refit(unfixed: HandModelData, right: HandModelData) -> tuple[np.ndarray, np.ndarray]:
    """Matrix [10, 10] and offset [10]: the right hand's shape from the uncorrected left one's."""
    template, directions = _from_wrist(right)
    other_template, other_directions = _from_wrist(unfixed)
    wanted = np.column_stack(
        [
            (other_directions * _MIRROR[:, None]).reshape(-1, 10),
            (other_template * _MIRROR - template).ravel(),
        ]
    )
    solution = np.linalg.lstsq(directions.reshape(-1, 10), wanted, rcond=None)[0]
    return solution[:, :10], solution[:, 10]


def _from_wrist(data: HandModelData) -> tuple[np.ndarray, np.ndarray]:
    """Template [778, 3] and shape directions [778, 3, 10] of the vertices less the wrist."""
    wrist = data.J_regressor[0]
    return (
        data.v_template - wrist @ data.v_template,
        data.shapedirs - np.einsum("v,vdk->dk", wrist, data.shapedirs),
    )


def _checked(values: Sequence[float] | np.ndarray, length: int, name: str) -> np.ndarray:
    """The numbers as [length] float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (length,):
        raise AmtError(
            f"{name} of a MANO label has shape {array.shape} instead of ({length},); "
            "the data set's convention does not fit its labels."
        )
    if not np.isfinite(array).all():
        raise AmtError(f"{name} of a MANO label is not finite; leave that sample out.")
    return array


def _rigid(transform: np.ndarray) -> np.ndarray:
    """The transform [4, 4], if it is one of rotation and translation."""
    transform = np.asarray(transform, dtype=np.float64)
    if transform.shape != (4, 4) or not (
        np.allclose(transform[:3, :3] @ transform[:3, :3].T, np.eye(3), atol=1e-3)
        and np.array_equal(transform[3], [0.0, 0.0, 0.0, 1.0])
        and np.isfinite(transform).all()
    ):
        raise AmtError("camera_from_label must be a rigid transform [4, 4]; check the calibration.")
    if np.linalg.det(transform[:3, :3]) < 0:
        raise AmtError(
            "camera_from_label is a reflection, which would turn a right hand into a left one; "
            "mirror the label before (hand/mirror.py) or correct the axes."
        )
    return transform
