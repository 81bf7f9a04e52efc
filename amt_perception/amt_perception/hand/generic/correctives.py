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

from amt_perception.hand.generic.flesh import build_flesh
from amt_perception.hand.generic.skeleton import FINGER_JOINTS, Skeleton
from amt_perception.hand.joints import MANO_TIP_VERTICES, TIPS
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import pose_features, posed_joints, skinned

# Bends that the correctives are fitted to: flexion, abduction and twist as shares of the joint's
# range (negative: of its lower end), for hinges, for knuckles and for the base of the thumb.
_FLEXIONS = (-1.0, 0.25, 0.5, 0.75, 1.0)
_HINGE = tuple((flexion, 0.0, 0.0) for flexion in _FLEXIONS)
_KNUCKLE = (*_HINGE, *product((0.0, 0.6), (-0.8, 0.8), (0.0,)))
_THUMB_BASE = tuple(product((-0.8, 0.0, 0.5, 1.0), (-0.9, -0.4, 0.7), (-0.9, 0.0, 0.9)))
_REACH = (3.2, 2.2, 2.2)
"""How far from each joint of a finger its correctives reach, in radii of the finger there."""
_RIDGE = 0.003
"""Of the least squares, beside features whose squares sum to about one for a bend."""


def pose_correctives(
    data: HandModelData, skeleton: Skeleton, groups: np.ndarray, on_wrist_loop: np.ndarray
) -> np.ndarray:
    """posedirs [778, 3, 135] (m) of a right hand that has none yet.

    skeleton: that the hand was built on; groups: [778] finger or PALM of each vertex;
    on_wrist_loop: [778] true on the open edge, which gets no correctives, nor do the fingertips.
    """
    limits, kinematics = JointLimits(data), HandKinematics(data)
    movable = ~on_wrist_loop
    movable[list(MANO_TIP_VERTICES)] = False
    posedirs = np.zeros((len(groups), 3, 15, 9))
    for finger, joints in enumerate(FINGER_JOINTS):
        for rank, joint in enumerate(joints):
            reach = _REACH[rank] * skeleton.girth[finger, rank]
            near = _nearness(data, joint, reach) * movable
            support = np.flatnonzero(near)
            features, shifts = [], []
            for bend in _HINGE if rank else _KNUCKLE if finger else _THUMB_BASE:
                share, angles = np.array(bend), np.zeros((15, 3))
                ends = np.where(share < 0, limits.lower[joint - 1], limits.upper[joint - 1])
                angles[joint - 1] = np.abs(share) * ends
                pose = limits.pose(angles, np.zeros(3))
                features.append(pose_features(pose).reshape(15, 9)[joint - 1])
                shift = _shift_to_flesh(data, kinematics, skeleton, pose, support, groups[support])
                shifts.append((shift * near[support, None]).ravel())
            f = np.array(features)
            fit = np.linalg.solve(f.T @ f + _RIDGE * np.eye(9), f.T @ np.array(shifts))
            posedirs[support, :, joint - 1] = fit.T.reshape(len(support), 3, 9)
    return posedirs.reshape(-1, 3, 135)


def _nearness(data: HandModelData, joint: int, reach: float) -> np.ndarray:
    """[778] 1 within half the reach (m) of a joint, falling smoothly to 0 at its end."""
    place = data.J_regressor[joint] @ data.v_template
    distance = np.linalg.norm(data.v_template - place, axis=1)
    t = np.clip(2.0 * (1.0 - distance / reach), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _shift_to_flesh(
    data: HandModelData,
    kinematics: HandKinematics,
    skeleton: Skeleton,
    pose: np.ndarray,
    vertices: np.ndarray,
    groups: np.ndarray,
) -> np.ndarray:
    """[S, 3] how to move vertices [S] at rest so that skinning lays them on the bent hand's flesh.

    groups: [S] finger or PALM of these vertices; pose: [16, 3].
    """
    shape = np.zeros(10)
    to_wrist = -kinematics.rest(shape)[0][0]  # the flesh has the wrist at its origin
    rotations, rest_joints, joints = posed_joints(kinematics, pose, shape, to_wrist)
    tips = kinematics.joints21(pose, shape, to_wrist)[list(TIPS)]
    weights = data.weights[vertices]
    skin = skinned(data.v_template[vertices], weights, rotations, rest_joints, joints)
    flesh = build_flesh(replace(skeleton, joints=joints, tips=tips))
    lift = flesh.project(skin, groups, steps=8) - skin
    blend = np.einsum("nj,jab->nab", weights, rotations)
    return np.linalg.solve(blend, lift[..., None])[..., 0]
