"""The generic hand's mean posture and its pose components, in MANO's axis-angle form."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

# Flexion, abduction and twist of joints 1 to 15 (index, middle, pinky, ring, thumb) in degrees.
# The resting hand: the fingers curl more from index to pinky and come together.
_RELAXED = (
    (20, -3, 0), (25, 0, 0), (15, 0, 0),
    (25, 0, 0), (30, 0, 0), (18, 0, 0),
    (34, 14, 0), (32, 0, 0), (20, 0, 0),
    (30, 4, 0), (32, 0, 0), (20, 0, 0),
    (20, -10, -10), (10, 0, 0), (15, 0, 0),
)  # fmt: skip

# The first postural synergies of grasping (Santello, Flanders and Soechting, Journal of
# Neuroscience 18, 1998): all joints close; knuckles against the outer joints; then the spread of
# the fingers and the opposition of the thumb. (joint, angle, weight), joints counted from 0.
_KNUCKLES, _OUTER = (0, 3, 6, 9), (1, 2, 4, 5, 7, 8, 10, 11)
_SYNERGIES = (
    [*((j, 0, 1.0) for j in _KNUCKLES), *((j, 0, 0.8) for j in _OUTER), (12, 0, 0.4), (14, 0, 0.4)],
    [*((j, 0, 1.0) for j in _KNUCKLES), *((j, 0, -0.5) for j in _OUTER)],
    [(0, 1, 1.0), (3, 1, 0.2), (9, 1, -0.4), (6, 1, -1.0)],
    [(12, 0, 1.0), (12, 2, -0.6), (13, 0, 0.3), (14, 0, 0.3)],
)


def relaxed_pose(axes: np.ndarray) -> np.ndarray:
    """[45] axis-angle of joints 1 to 15 of a resting hand; axes: [15, 3, 3] anatomical axes."""
    turned = Rotation.from_euler("XYZ", np.array(_RELAXED, dtype=float), degrees=True).as_matrix()
    return Rotation.from_matrix(axes @ turned @ np.swapaxes(axes, 1, 2)).as_rotvec().ravel()


def pose_components(axes: np.ndarray) -> np.ndarray:
    """[45, 45] orthonormal rows: grasping synergies first, then whatever completes the space."""
    synergies = np.zeros((len(_SYNERGIES), 15, 3))
    for row, synergy in zip(synergies, _SYNERGIES, strict=True):
        for joint, angle, weight in synergy:
            row[joint, angle] = weight
    flat = synergies.reshape(len(synergies), 45)
    components, upper = np.linalg.qr(flat.T, mode="complete")
    components[:, : len(flat)] *= np.sign(np.diag(upper))  # QR may turn a direction round
    # From anatomical angles to axis-angle coordinates, joint by joint.
    return np.einsum("jab,cjb->cja", axes, components.T.reshape(45, 15, 3)).reshape(45, 45)
