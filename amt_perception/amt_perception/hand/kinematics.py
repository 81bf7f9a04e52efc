"""Fast forward kinematics of a MANO-format hand in numpy, with its analytic Jacobian.

The 16 joints are exactly those of MANO's linear blend skinning. A fingertip is carried rigidly by
its last bone, which leaves out the pose correctives and blended weights at the tip's vertex: none
on the generic hand (equal to `HandModel` within its single precision); on a recorded MANO hand the
tips stayed within 0.7 mm of such a point through a grasp (0.2 to 0.3 mm RMS).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import MANO_PARENTS, MANO_TIP_VERTICES, MANO_TO_21
from amt_perception.hand.model_data import HandModelData

# The 16 joints and then the 5 tips, level by level from the wrist outwards.
_LEVELS = tuple(
    np.array(level)
    for level in ([1, 4, 7, 10, 13], [2, 5, 8, 11, 14], [3, 6, 9, 12, 15], [17, 18, 20, 19, 16])
)
_PARENTS = np.array([*MANO_PARENTS, 15, 3, 6, 12, 9])


class HandKinematics:
    """Joint positions of one hand model: angles in radians, lengths in metres, any one frame."""

    def __init__(self, data: HandModelData) -> None:
        self.data = data
        tips = list(MANO_TIP_VERTICES)
        self._rest = np.vstack([data.J_regressor @ data.v_template, data.v_template[tips]])
        self.rest_directions = np.concatenate(
            [np.einsum("jv,vdk->jdk", data.J_regressor, data.shapedirs), data.shapedirs[tips]]
        )
        """[21, 3, 10] derivative of the 16 rest joints, then 5 rest tips, by the shape."""
        self._moved = _moved_points()

    def rest(self, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints [16, 3] in MANO's order and tips [5, 3] of shape [10] in the flat rest pose."""
        points = self._rest_points(shape)
        return points[:16], points[16:]

    def global_rotations(self, pose: np.ndarray) -> np.ndarray:
        """[16, 3, 3] rotation of each joint's frame, in the frame of the global orientation.

        pose: [16, 3] axis-angle of each joint in its parent's frame, mean pose included; the
        first is the global orientation.
        """
        rotations = Rotation.from_rotvec(pose).as_matrix()
        for level in _LEVELS[:3]:
            rotations[level] = rotations[_PARENTS[level]] @ rotations[level]
        return rotations

    def joints21(self, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """The 21 joints [21, 3] in the project's order.

        pose: [16, 3] as in `global_rotations`; shape: [10]; translation: [3], to which the rest
        wrist is added as MANO does: joints21[0] = translation + rest(shape)[0][0].
        """
        return self._points(self.global_rotations(pose), shape, translation)[MANO_TO_21]

    def joints16(self, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """The 16 joints [16, 3] in MANO's order; arguments as in `joints21`."""
        return self._points(self.global_rotations(pose), shape, translation)[:16]

    def joints21_jacobian(
        self, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The 21 joints [21, 3], their Jacobian [21, 3, 16, 3] and the global rotations [16, 3, 3].

        jacobian[i, :, j] is how point i moves when everything beyond MANO joint j turns about the
        axes of the outer frame: the global rotation G_j becomes exp([w]) G_j, its descendants
        follow. For a turn about an axis a in the frame of j's parent p, take
        jacobian[i, :, j] @ (G_p a). The derivative by the translation is the identity.
        """
        rotations = self.global_rotations(pose)
        points = self._points(rotations, shape, translation)
        lever = (points[MANO_TO_21][:, None] - points[:16]) * self._moved
        x, y, z = np.moveaxis(lever, -1, 0)
        jacobian = np.zeros((21, 3, 16, 3))
        jacobian[:, 0, :, 1], jacobian[:, 0, :, 2] = z, -y
        jacobian[:, 1, :, 0], jacobian[:, 1, :, 2] = -z, x
        jacobian[:, 2, :, 0], jacobian[:, 2, :, 1] = y, -x
        return points[MANO_TO_21], jacobian, rotations

    def shape_jacobian(self, rotations: np.ndarray) -> np.ndarray:
        """[21, 3, 10] derivative of the 21 joints by the shape, at given global rotations."""
        return self._chain(rotations, self.rest_directions)[MANO_TO_21]

    def _rest_points(self, shape: np.ndarray) -> np.ndarray:
        return self._rest + self.rest_directions @ shape

    def _points(
        self, rotations: np.ndarray, shape: np.ndarray, translation: np.ndarray
    ) -> np.ndarray:
        """[21, 3] the 16 joints and 5 tips."""
        return self._chain(rotations, self._rest_points(shape)[..., None])[..., 0] + translation

    @staticmethod
    def _chain(rotations: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """[21, 3, C] rest points carried along the bones; linear in rest [21, 3, C]."""
        points = np.empty_like(rest)
        points[0] = rest[0]
        points[1:] = rotations[_PARENTS[1:]] @ (rest[1:] - rest[_PARENTS[1:]])
        for level in _LEVELS:
            points[level] += points[_PARENTS[level]]
        return points


def _moved_points() -> np.ndarray:
    """[21, 16, 1] one where a point of the 21-order lies beyond a MANO joint, else zero."""
    moved = np.zeros((21, 16, 1))
    for row, point in enumerate(MANO_TO_21):
        while point != 0:
            point = _PARENTS[point]
            moved[row, point] = 1.0
    return moved
