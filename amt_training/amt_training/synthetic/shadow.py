"""The shadow that hands and objects throw on what is behind them."""

from __future__ import annotations

import cv2
import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_training.synthetic.looks import Look


def in_shadow(
    backdrop: np.ndarray, mask: np.ndarray, camera: Intrinsics, look: Look, depth: float
) -> np.ndarray:
    """A backdrop [H, W, 3] with the shadow of what the mask shows, as if it hung behind it.

    depth: of the hands (m). The backdrop is far off; its shadow is painted.
    """
    lamp = look.lamps[0]
    x, y, z = np.array(lamp.direction) / np.linalg.norm(lamp.direction)
    if z < 0.2:  # it falls out of the picture
        return backdrop
    height, width = mask.shape
    # Lamps are no points: the further the shadow falls, the softer it is. A quarter of the pixels
    # along each side is enough for it.
    wall = depth + look.wall
    nearer, pixels = depth / wall, look.wall * camera.fx / wall
    shift = pixels * np.array([x, y]) / z + (1.0 - nearer) * np.array([camera.cx, camera.cy])
    small = (width // 4, height // 4)
    moved = np.hstack([nearer * np.eye(2), 0.25 * shift[:, None]])
    covered = cv2.resize((mask > 0).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    shadow = cv2.warpAffine(covered, moved, small)
    shadow = cv2.GaussianBlur(shadow, (0, 0), 0.6 + 0.02 * pixels)
    direct, ambient = np.sum(lamp.colour), np.sum(look.ambient)
    light = 1.0 - direct / (direct + ambient) * cv2.resize(shadow, (width, height))
    return (backdrop * light[..., None]).astype(np.uint8)
