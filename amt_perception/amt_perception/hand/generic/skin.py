"""How the generic hand's skin follows its bones: skin weights and the joint regressor."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from amt_perception.hand.generic.flesh import PALM
from amt_perception.hand.generic.skeleton import FINGER_JOINTS, Skeleton

_BEND_WIDTH = (1.2, 0.75, 0.75)
"""Half-width of the skin that bends at each joint of a finger, in radii of the finger there."""
_KNUCKLE_SPREAD = 0.007
_THENAR_SPREAD = 0.016
_SMOOTHING_ROUNDS = 3
_REGRESSOR_SUPPORT = 40


def skin_weights(
    skeleton: Skeleton, vertices: np.ndarray, groups: np.ndarray, neighbours: csr_array
) -> np.ndarray:
    """[778, 16] weights; rows sum to one, the outer half of each last bone is rigid.

    vertices: [778, 3] in the wrist's frame; groups: [778] finger or PALM of each vertex;
    neighbours: [778, 778] row-normalised adjacency of the mesh.
    """
    weights = np.zeros((len(vertices), 16))
    bends = [_bends(skeleton, finger, vertices) for finger in range(5)]
    for finger, joints in enumerate(FINGER_JOINTS):
        mine = groups == finger
        base, middle, last = bends[finger][:, mine]
        weights[mine, 0] = 1 - base
        weights[mine, joints[0]] = base * (1 - middle)
        weights[mine, joints[1]] = base * middle * (1 - last)
        weights[mine, joints[2]] = base * middle * last

    palm = groups == PALM
    points = vertices[palm]
    thumb = _thenar_share(skeleton, points) * bends[0][0, palm]
    shares = _finger_shares(skeleton, points) * (1 - thumb)
    weights[palm, FINGER_JOINTS[0][0]] = thumb
    for finger in range(1, 5):
        weights[palm, FINGER_JOINTS[finger][0]] = shares[finger - 1] * bends[finger][0, palm]
    weights[palm, 0] = 1 - weights[palm, 1:].sum(axis=1)

    smooth = weights
    for _ in range(_SMOOTHING_ROUNDS):
        smooth = 0.5 * (smooth + neighbours @ smooth)
    outer = weights[:, [joints[2] for joints in FINGER_JOINTS]].max(axis=1)
    return np.where((outer > 0.999)[:, None], weights, smooth)


def joint_regressor(skeleton: Skeleton, vertices: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """[16, 778] rows that sum to one and give each joint exactly from the skin around it.

    The weights nearest to equal ones (least squares) over the closest vertices of the joint's own
    finger and the palm. Arguments as in `skin_weights`.
    """
    regressor = np.zeros((16, len(vertices)))
    finger_of = {joint: f for f, members in enumerate(FINGER_JOINTS) for joint in members}
    equal = np.full(_REGRESSOR_SUPPORT, 1 / _REGRESSOR_SUPPORT)
    for joint, position in enumerate(skeleton.joints):
        allowed = (groups == PALM) | (groups == finger_of.get(joint, PALM))
        distance = np.where(allowed, np.linalg.norm(vertices - position, axis=1), np.inf)
        support = np.argsort(distance)[:_REGRESSOR_SUPPORT]
        system = np.vstack([(vertices[support] - position).T, np.ones(len(support))])
        gap = np.array([0.0, 0.0, 0.0, 1.0]) - system @ equal
        regressor[joint, support] = equal + np.linalg.lstsq(system, gap, rcond=None)[0]
    return regressor


def _bends(skeleton: Skeleton, finger: int, points: np.ndarray) -> np.ndarray:
    """[3, N] share of each point that follows the bone beyond each joint of the finger, 0 to 1."""
    chain = skeleton.chain(finger)
    bones = np.diff(chain, axis=0)
    bones /= np.linalg.norm(bones, axis=1, keepdims=True)
    start = chain[0] - skeleton.carpus[finger]
    before = bones[0] if finger == 0 else start / np.linalg.norm(start)
    shares = []
    for joint in range(3):
        across = before + bones[joint]
        across /= np.linalg.norm(across)
        width = _BEND_WIDTH[joint] * skeleton.girth[finger, joint]
        shares.append(_smooth_step((points - chain[joint]) @ across / width))
        before = bones[joint]
    return np.array(shares)


def _finger_shares(skeleton: Skeleton, points: np.ndarray) -> np.ndarray:
    """[4, N] how much each point belongs to index, middle, ring and pinky; columns sum to one."""
    distances = np.array(
        [_segment_distance(points, *skeleton.chain(finger)[:2]) for finger in range(1, 5)]
    )
    nearest = distances.min(axis=0)
    shares = np.exp(-(distances**2 - nearest**2) / (2 * _KNUCKLE_SPREAD**2))
    return shares / shares.sum(axis=0)


def _thenar_share(skeleton: Skeleton, points: np.ndarray) -> np.ndarray:
    """[N] how much each palm point moves with the thumb's metacarpal."""
    thumb = _segment_distance(points, *skeleton.chain(0)[:2])
    others = np.min(
        [
            _segment_distance(points, skeleton.carpus[finger], skeleton.chain(finger)[0])
            for finger in range(1, 5)
        ],
        axis=0,
    )
    return _smooth_step((others - thumb) / _THENAR_SPREAD)


def _segment_distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    axis = end - start
    along = np.clip((points - start) @ axis / (axis @ axis), 0.0, 1.0)
    return np.linalg.norm(points - start - along[:, None] * axis, axis=1)


def _smooth_step(x: np.ndarray) -> np.ndarray:
    """0 below -1, 1 above 1, smooth between."""
    x = np.clip(0.5 * (x + 1.0), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
