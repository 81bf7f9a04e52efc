"""Boxes around hands."""

from __future__ import annotations

import numpy as np


def joints_box(joints: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """[4] x, y, width, height in pixels around joints [J, 3], through camera matrix [3, 3]."""
    projected = joints @ camera.T
    pixels = projected[:, :2] / projected[:, 2:]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return np.concatenate([low, high - low])
