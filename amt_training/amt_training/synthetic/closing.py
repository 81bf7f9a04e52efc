"""Fingers that close around an object until they touch it, each by itself.

As in GraspIt! (Miller and Allen, IEEE Robotics & Automation Magazine 11, 2004): the joints of a
finger close together; where a bone's flesh touches, that joint and those before it stop, and the
outer ones go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amt_training.synthetic.flesh import FINGER_JOINTS, THUMB, Flesh
from amt_training.synthetic.objects.surface import Surface

PRESS_M = 0.0006
"""How far flesh gives way where it touches."""
_STEPS = (11, 7, 6)
"""Positions tried along the way of a finger, and then of its outer joints."""
_REFINEMENTS = 4
_NEAR_M = 0.008


class Closing:
    """One hand that stays where it is, beside one object, and closes its fingers."""

    def __init__(
        self, flesh: Flesh, surface: Surface, rotation: np.ndarray, wrist: np.ndarray
    ) -> None:
        """rotation [3, 3] and wrist [3] in the object's frame."""
        self._flesh = flesh
        self._surface = surface
        self._place = rotation, wrist
        low, high = surface.vertices.min(axis=0), surface.vertices.max(axis=0)
        self._middle, self._half = 0.5 * (low + high), 0.5 * (high - low)

    def close(
        self, angles: np.ndarray, end: np.ndarray, fingers: Sequence[int], idle: np.ndarray
    ) -> np.ndarray:
        """[15, 3] angles after some fingers have closed, from angles [15, 3] on.

        end: [15, 3] of the closed hand; fingers: from 0, the thumb; the thumb stops at the other
        fingers, too. idle: [5] share of its way that a finger goes which meets nothing.
        """
        share = np.zeros(15)
        moving = np.array(fingers)
        for level in range(3):
            met = self._close(angles, end, share, moving, level)
            if level == 0:
                nothing = moving[~met]
                share[FINGER_JOINTS[nothing] - 1] = idle[nothing, None]
                moving = moving[met]
            if not len(moving):
                break
        return angles + share[:, None] * (end - angles)

    def _close(
        self, start: np.ndarray, end: np.ndarray, share: np.ndarray, fingers: np.ndarray, level: int
    ) -> np.ndarray:
        """Move the joints from a level outwards on, which changes share [15].

        Returns which fingers met something [F]; the shares of others are at their end.
        """
        joints = FINGER_JOINTS[fingers, level:]
        # The back of a finger meets nothing; a thumb moves sideways, too.
        meets = (self._flesh.palmar > -0.3) | (self._flesh.finger == THUMB)
        skin = self._flesh.only(np.isin(self._flesh.bone, joints) & meets)
        coarse = skin.only(np.arange(len(skin.bone)) % 2 == 0)
        others = [int(f) for f in range(1, 5)] if THUMB in fingers else []

        def gaps(way: np.ndarray, skin: Flesh) -> np.ndarray:
            """[K, F] smallest gap of each finger at so much [K, F] of its remaining way."""
            shares = np.repeat(share[None], len(way), axis=0)
            at = joints - 1
            shares[:, at] += way[..., None] * (1.0 - share[at])
            return self._gaps(start + shares[..., None] * (end - start), skin, fingers, others)

        way = np.linspace(0.0, 1.0, _STEPS[level])
        found = gaps(np.repeat(way[:, None], len(fingers), axis=1), coarse) + PRESS_M
        touching = found < 0.0
        first = touching.argmax(axis=0)
        met = found.min(axis=0) < 0.0
        which = np.arange(len(fingers))
        before = np.maximum(first - 1, 0)
        low, high = way[before], way[first]
        gap_low, gap_high = found[before, which], found[first, which]
        for _ in range(_REFINEMENTS if met.any() else 0):
            # Between the chord and the middle: the chord alone may creep from one end.
            chord = gap_low / np.maximum(gap_low - gap_high, 1e-9)
            middle = low + np.clip(chord, 0.15, 0.85) * (high - low)
            gap = gaps(middle[None], skin)[0] + PRESS_M
            touches = gap < 0.0
            high, gap_high = np.where(touches, middle, high), np.where(touches, gap, gap_high)
            low, gap_low = np.where(touches, low, middle), np.where(touches, gap_low, gap)
        reached = np.where(met, np.where(first == 0, 0.0, low), 1.0)
        share[joints - 1] += reached[:, None] * (1.0 - share[joints - 1])
        return met

    def _gaps(
        self, angles: np.ndarray, skin: Flesh, fingers: np.ndarray, others: Sequence[int]
    ) -> np.ndarray:
        """[K, F] smallest signed distance of each finger's skin to the object and to the others."""
        points = skin.vertices(angles, *self._place)
        flat = points.reshape(-1, 3)
        # Far outside of the object's box, the distance to the box says enough.
        distance = np.linalg.norm(np.maximum(abs(flat - self._middle) - self._half, 0.0), axis=1)
        near = distance < _NEAR_M
        distance[near], _ = self._surface.distance(flat[near])
        if others:
            still = self._flesh.fingers(angles[:1], *self._place)[0]
            distance = np.minimum(distance, self._flesh.gaps(flat, still, list(others)).min(axis=1))
        distance = distance.reshape(points.shape[:2])
        return np.stack([distance[:, skin.finger == one].min(axis=1) for one in fingers], axis=1)
