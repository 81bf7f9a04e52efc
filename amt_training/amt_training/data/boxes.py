"""Hand boxes from joints."""

from __future__ import annotations

import numpy as np


def joints_box(camera: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """[4] x, y, width, height (pixels) around the joints that are known.

    camera: [3, 3]; joints: [J, 3] in front of the camera, NaN where not known.
    """
    known = joints[np.isfinite(joints).all(axis=-1)]
    pixels = known @ camera.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return np.concatenate([low, high - low])
