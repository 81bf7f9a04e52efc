"""Linear blend skinning of a MANO-format hand in numpy: every vertex, without torch."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.model_data import HandModelData


def hand_vertices(
    data: HandModelData, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Vertices [778, 3] of a hand (Romero et al., SIGGRAPH Asia 2017), equal to `HandModel`'s.

    pose: [16, 3] axis-angle, mean pose included (rad); shape: [10]; translation: [3] (m), in the
    frame that the vertices come back in.
    """
    rotations, rest_joints, joints = posed_joints(HandKinematics(data), pose, shape, translation)
    rest = rest_vertices(data, pose, shape)
    return skinned(rest, data.weights, rotations, rest_joints, joints)


def rest_vertices(data: HandModelData, pose: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Vertices [778, 3] before the bones turn, with shape [10] and the correctives of a pose."""
    correctives = data.posedirs @ pose_features(pose)
    return data.v_template + data.shapedirs @ shape + correctives


def pose_features(pose: np.ndarray) -> np.ndarray:
    """[135] elements of (R_j - I) of joints 1 to 15 of a pose [16, 3], which posedirs multiply."""
    return (Rotation.from_rotvec(pose[1:]).as_matrix() - np.eye(3)).ravel()


def posed_joints(
    kinematics: HandKinematics, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global rotations [16, 3, 3], rest joints [16, 3] and posed joints [16, 3], MANO's order."""
    rotations = kinematics.global_rotations(pose)
    rest, _ = kinematics.rest(shape)
    return rotations, rest, kinematics.joints16(pose, shape, translation)


def skinned(
    vertices: np.ndarray,
    weights: np.ndarray,
    rotations: np.ndarray,
    rest_joints: np.ndarray,
    joints: np.ndarray,
) -> np.ndarray:
    """Rest vertices [N, 3] carried by bones that turn about rest_joints [J, 3] and move to joints.

    weights: [N, J], rows sum to one; rotations: [J, 3, 3]; joints: [J, 3].
    """
    offsets = joints - np.einsum("jab,jb->ja", rotations, rest_joints)
    turned = np.einsum("nj,jab,nb->na", weights, rotations, vertices, optimize=True)
    return turned + weights @ offsets
