"""The other hand: mirror images of hand models and poses in the plane x = 0, as MANO's are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData

_REFLECTION = np.array([-1.0, 1.0, 1.0])
_AXIAL = np.array([1.0, -1.0, -1.0])  # what a reflection in x does to a rotation vector


def mirror_model(data: HandModelData) -> HandModelData:
    """The mirror image in x of a hand model: left from right and the reverse.

    A reflection F = diag(-1, 1, 1) turns a rotation R into F R F, so the pose directions change
    sign with their vertex coordinate and with both indices of the rotation's element.
    """
    elements = np.outer(_REFLECTION, _REFLECTION).ravel()
    posedirs = data.posedirs.reshape(-1, 3, 15, 9) * _REFLECTION[:, None, None] * elements
    pose = np.tile(_AXIAL, 15)
    return replace(
        data,
        side=Side.LEFT if data.side == Side.RIGHT else Side.RIGHT,
        v_template=data.v_template * _REFLECTION,
        faces=data.faces[:, ::-1],
        shapedirs=data.shapedirs * _REFLECTION[:, None],
        posedirs=posedirs.reshape(-1, 3, 135),
        hands_components=data.hands_components * pose,
        hands_mean=data.hands_mean * pose,
    )


def mirror_pose(pose: np.ndarray) -> np.ndarray:
    """Axis-angle vectors [..., 3] of the mirrored motion: (x, y, z) becomes (x, -y, -z)."""
    return np.asarray(pose) * _AXIAL
