"""Pose correctives of the generic hand: how the skin keeps its shape where joints bend.

Linear blend skinning flattens the outside of a bend and pushes the inside through itself. The flesh
(`flesh`) around the bent bones says where the skin should be instead; MANO's linear correctives are
fitted to that, joint by joint, as the original is fitted to scans (Romero, Tzionas and Black,
"Embodied Hands", SIGGRAPH Asia 2017; Loper et al., "SMPL", 2015).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from scipy.sparse import csr_array

from amt_perception.hand.generic.flesh import build_flesh
from amt_perception.hand.generic.skeleton import FINGER_JOINTS, Skeleton
from amt_perception.hand.joints import MANO_TIP_VERTICES, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import posed_joints, pose_features, skinned

# Bends that the correctives are fitted to: flexion, abduction and twist as shares of the joint's
# range (negative: of its lower end), for hinges, for knuckles and for the base of the thumb.
_FLEXIONS = (-1.0, 0.25, 0.5, 0.75, 1.0)
_HINGE = tuple((flexion, 0.0, 0.0) for flexion in _FLEXIONS)
_KNUCKLE = (*_HINGE, *product((0.0, 0.6), (-0.8, 0.8), (0.0,)))
_THUMB_BASE = tuple(product((-0.8, 0.0, 0.5, 1.0), (-0.9, -0.4, 0.7), (-0.9, 0.0, 0.9)))
_REACH = (3.2, 2.2, 2.2)
"""Correctives end so far from a joint, in radii of the finger there."""
_RIDGE = 0.003
"""Of the least squares, against the squared features, whose sum is about one for a bend."""
_SMOOTHING_ROUNDS = 1


def pose_correctives(
    data: HandModelData, skeleton: Skeleton, groups: np.ndarray, neighbours: csr_array
) -> np.ndarray:
    """posedirs [778, 3, 135] of a right hand that has none yet.

    skeleton: that the hand was built on; groups: [778] finger or PALM of each vertex; neighbours:
    [778, 778] row-normalised adjacency. The fingertips' vertices and the wrist's edge get none.
    """
    limits, kinematics = JointLimits(data), HandKinematics(data)
    wrist = kinematics.rest(np.zeros(10))[0][0]
    still = _still(data)
    posedirs = np.zeros((len(data.v_template), 3, 15, 9))
    for finger, joints in enumerate(FINGER_JOINTS):
        for rank, joint in enumerate(joints):
            near = _nearness(data, skeleton, finger, rank) * ~still
            support = np.flatnonzero(near)
            features, wanted = [], []
            bends = _HINGE if rank else _KNUCKLE if finger else _THUMB_BASE
            for share in bends:
                angles = np.zeros((15, 3))
                ends = np.where(np.array(share) < 0, -limits.lower[joint - 1], limits.upper[joint - 1])
                angles[joint - 1] = share * ends
                pose = limits.pose(angles, np.zeros(3))
                moved = _wanted(data, kinematics, skeleton, groups, support, pose, -wrist)
                full = np.zeros((len(groups), 3))
                full[support] = moved * near[support, None]
                for _ in range(_SMOOTHING_ROUNDS):
                    full = 0.5 * (full + neighbours @ full) * (near > 0)[:, None]
                wanted.append(full[support].ravel())
                features.append(pose_features(pose).reshape(15, 9)[joint - 1])
            f = np.array(features)
            solution = np.linalg.solve(f.T @ f + _RIDGE * np.eye(9), f.T @ np.array(wanted))
            posedirs[support, :, joint - 1] = np.moveaxis(
                solution.reshape(9, len(support), 3), 0, -1
            )
    return posedirs.reshape(-1, 3, 135)


def _wanted(data, kinematics, skeleton, groups, support, pose, translation) -> np.ndarray:
    """[S, 3] shift at rest that brings the supporting vertices onto the flesh of the bent hand."""
    rotations, rest_joints, joints = posed_joints(kinematics, pose, np.zeros(10), translation)
    rest, weights = data.v_template[support], data.weights[support]
    skin = skinned(rest, weights, rotations, rest_joints, joints)
    tips = kinematics.joints21(pose, np.zeros(10), translation)[[4, 8, 12, 16, 20]]
    flesh = build_flesh(replace(skeleton, joints=joints, tips=tips))
    target = flesh.project(skin, groups[support], steps=8)
    blend = np.einsum("nj,jab->nab", weights, rotations)
    return np.linalg.solve(blend, (target - skin)[..., None])[..., 0]


def _nearness(data: HandModelData, skeleton: Skeleton, finger: int, rank: int) -> np.ndarray:
    """[778] 1 around a joint, falling smoothly to 0 beyond its reach; only what its bone moves."""
    joint = FINGER_JOINTS[finger][rank]
    place = data.J_regressor[joint] @ data.v_template
    distance = np.linalg.norm(data.v_template - place, axis=1)
    reach = _REACH[rank] * skeleton.girth[finger, rank]
    t = np.clip(2.0 * (1.0 - distance / reach), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _still(data: HandModelData) -> np.ndarray:
    """[778] true for the fingertips' vertices and the open edge."""
    still = np.zeros(len(data.v_template), dtype=bool)
    still[list(MANO_TIP_VERTICES)] = True
    return still
