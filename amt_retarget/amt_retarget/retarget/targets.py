"""From a human hand to what the robot is to reach: scale, wrist pose, fingertips and pinches."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame, mirrored

PINCH_CLOSED_M = 0.035
"""Human fingertips (landmarks inside the tips) that are closer than this touch each other, or are
about to: the robot, which is a little behind, begins to close in time."""
PINCH_OPEN_M = 0.060
"""From this distance on, thumb and finger have nothing to do with each other."""
PRESS_M = 0.0015
"""A pinch closes this much farther than to the touch, so that it does touch."""
SCALE_FRAMES = 300
"""Frames from which the scale is estimated."""
SETTLING_S = 2.0
SCALE_CHANGE_PER_S = 0.01
STRETCH = 0.9
"""Share of the robot's finger length that a stretched human finger is given. At 0.8 the tips come
nearest to their targets on recorded hands, but a stretched hand's robot fingers look bent; at 1.0
they are just stretched, which is singular, and the thumb, shorter in proportion, cannot follow."""


@dataclass(frozen=True)
class Targets:
    """What the robot is to reach. Base frame for the wrist, palm frame for the fingers; metres."""

    wrist: np.ndarray
    """[3] position of the robot's wrist point in the base frame."""
    rotation: np.ndarray
    """[3, 3] palm frame to base frame."""
    tips: np.ndarray
    """[4, 3] thumb, index, middle and ring tip in the palm frame."""
    pinch_gaps: np.ndarray
    """[3] from the centre of the thumb's tip to that of index, middle and ring tip."""
    pinch_closeness: np.ndarray
    """[3] 0 for a finger far from the thumb to 1 for one that touches it."""


def finger_targets(
    frame: HandFrame, scale: float, mirror: bool, fingertip_radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fingertips [4, 3] (m), pinch gaps [3] (m) and pinch closeness [3], palm frame.

    scale: robot over human size; mirror: whether robot and person use different sides;
    fingertip_radius of the robot (m). As in DexPilot (Handa et al., ICRA 2020, arXiv:1910.03135)
    thumb and finger that come close are closed on purpose, because the touch is what the gesture
    means: a human touch becomes a robot touch whatever the sizes of the hands, and the targets of
    the two tips are drawn together by as much. Unlike there, gap and weight change smoothly, so
    that no noise switches them on and off, and the direction from thumb to finger, which is mostly
    noise at such a distance, has no weight of its own.
    """
    human = mirrored(frame.tips) if mirror else frame.tips
    between = human[1:] - human[0]
    distances = np.sqrt((between * between).sum(axis=1))
    gaps = 2.0 * fingertip_radius - PRESS_M + scale * np.maximum(distances - PINCH_CLOSED_M, 0.0)
    nearness = (PINCH_OPEN_M - distances) / (PINCH_OPEN_M - PINCH_CLOSED_M)
    nearness = np.minimum(np.maximum(nearness, 0.0), 1.0)
    closeness = nearness * nearness * (3.0 - 2.0 * nearness)

    tips = scale * human
    too_far = np.maximum(scale * distances - gaps, 0.0) / np.maximum(scale * distances, 1e-6)
    drawn = (0.5 * scale * closeness * too_far)[:, None] * between
    tips[1:] -= drawn
    tips[0] += drawn.sum(axis=0) / max(1.0, closeness.sum())  # the mean of several pinches
    return tips, gaps, closeness


class ScaleEstimator:
    """Robot size over human size, from the length of the middle finger.

    The median over the last SCALE_FRAMES frames of the summed bone lengths: bent fingers count as
    well as stretched ones, and one bad frame does not matter. It is there from the first frame on
    and settles in the first SETTLING_S; after that it is refined so slowly that nobody notices.
    """

    def __init__(self, robot_finger_length: float) -> None:
        """robot_finger_length: from the palm frame's origin to the stretched middle tip (m)."""
        self._robot_length = robot_finger_length
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []
        self._time = 0.0
        self._scale: float | None = None

    def update(self, human_finger_length: float, dt: float) -> float:
        """Scale with this frame's finger length (m), dt seconds after the one before, taken in."""
        self._latest.append(human_finger_length)
        insort(self._sorted, human_finger_length)
        if len(self._latest) > SCALE_FRAMES:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._time += dt
        scale = STRETCH * self._robot_length / self._sorted[len(self._sorted) // 2]
        if self._scale is not None and self._time > SETTLING_S:
            most = SCALE_CHANGE_PER_S * dt * self._scale
            scale = min(max(scale, self._scale - most), self._scale + most)
        self._scale = scale
        return scale


class WristMapper:
    """Where the robot's wrist is to go when the person's wrist is somewhere in the base frame."""

    def __init__(
        self,
        position_mode: str,
        position_scale: float,
        workspace_min: np.ndarray,
        workspace_max: np.ndarray,
    ) -> None:
        """position_mode: "relative" or "absolute"; position_scale: robot's way over the person's,
        with "relative"; workspace: corners [3] of a box (m).
        """
        self._relative = position_mode == "relative"
        self._scale = position_scale if self._relative else 1.0
        self._box = (np.asarray(workspace_min, float), np.asarray(workspace_max, float))
        self._offset: np.ndarray | None = None

    @property
    def anchored(self) -> bool:
        """Whether person and robot have been tied to each other since the last release."""
        return self._offset is not None

    def anchor(self, human_wrist: np.ndarray, robot_wrist: np.ndarray) -> None:
        """Tie the person's wrist [3] to the robot's [3] (base frame, m) as they are now."""
        self._offset = robot_wrist - self._scale * human_wrist if self._relative else np.zeros(3)

    def release(self) -> None:
        """Untie them: the next anchor may be anywhere."""
        self._offset = None

    def target(self, human_wrist: np.ndarray) -> np.ndarray:
        """Target [3] of the robot's wrist, inside the workspace box; base frame, m."""
        if self._offset is None:
            raise RetargetError("The wrist has no anchor yet: engage the retargeter first.")
        low, high = self._box
        return np.minimum(np.maximum(self._scale * human_wrist + self._offset, low), high)
