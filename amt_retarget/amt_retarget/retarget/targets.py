"""From a human hand to what the robot is to reach: scale, wrist pose, fingertips and pinches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame, mirrored

PINCH_CLOSED_M = 0.030
"""Human fingertips (landmarks inside the tips) that are closer than this touch each other."""
PINCH_OPEN_M = 0.060
"""From this distance on, thumb and finger have nothing to do with each other."""
SCALE_FRAMES = 60
"""Frames from which the scale is estimated."""
STRETCH = 0.9
"""Share of the robot's finger length that a stretched human finger is given. The thumb is shorter
than the human one in proportion, and a finger that is just stretched is singular: at 1.0 the mean
distance of the tips from their targets grows by half."""


@dataclass(frozen=True)
class Targets:
    """What the robot is to reach. Base frame for the wrist, palm frame for the fingers; metres."""

    wrist: np.ndarray
    """[3] position of the robot's wrist point in the base frame."""
    rotation: np.ndarray
    """[3, 3] palm frame to base frame."""
    tips: np.ndarray
    """[4, 3] thumb, index, middle and ring tip in the palm frame."""
    pinch_vectors: np.ndarray
    """[3, 3] from the centre of the thumb's tip to that of index, middle and ring tip, palm frame.
    """
    pinch_closeness: np.ndarray
    """[3] 0 for a finger far from the thumb to 1 for one that touches it."""


def finger_targets(
    frame: HandFrame, scale: float, mirror: bool, fingertip_radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fingertips [4, 3] (m), pinch vectors [3, 3] (m) and pinch closeness [3], palm frame.

    scale: robot over human size; mirror: whether robot and person use different sides;
    fingertip_radius of the robot (m). As in DexPilot (Handa et al., ICRA 2020, arXiv:1910.03135)
    thumb and finger that come close are closed on purpose, because the touch is what the gesture
    means: a human touch becomes a robot touch whatever the sizes of the hands. Unlike there, the
    distance and the weight change smoothly, so that no noise switches them on and off.
    """
    human = mirrored(frame.tips) if mirror else frame.tips
    vectors = human[1:] - human[0]
    distances = np.linalg.norm(vectors, axis=1)
    gaps = 2.0 * fingertip_radius + scale * np.maximum(distances - PINCH_CLOSED_M, 0.0)
    nearness = (PINCH_OPEN_M - distances) / (PINCH_OPEN_M - PINCH_CLOSED_M)
    nearness = np.clip(nearness, 0.0, 1.0)
    directions = vectors / np.maximum(distances, 1e-6)[:, None]
    return (
        scale * human,
        gaps[:, None] * directions,
        nearness * nearness * (3.0 - 2.0 * nearness),
    )


class ScaleEstimator:
    """Robot size over human size, from the length of the middle finger; once for a person.

    The median over the first frames of the summed bone lengths: bent fingers count as well as
    stretched ones, and one bad frame does not matter. Afterwards the scale stays as it is.
    """

    def __init__(self, robot_finger_length: float) -> None:
        """robot_finger_length: from the palm frame's origin to the stretched middle tip (m)."""
        self._robot_length = robot_finger_length
        self._human_lengths: list[float] = []
        self._scale: float | None = None

    def update(self, human_finger_length: float) -> float:
        """Scale with this frame's finger length (m) taken in."""
        if len(self._human_lengths) < SCALE_FRAMES:
            self._human_lengths.append(human_finger_length)
            self._scale = STRETCH * self._robot_length / float(np.median(self._human_lengths))
        assert self._scale is not None
        return self._scale


class WristMapper:
    """Where the robot's wrist is to go when the person's wrist is somewhere in the base frame."""

    def __init__(
        self, position_mode: str, workspace_min: np.ndarray, workspace_max: np.ndarray
    ) -> None:
        """position_mode: "relative" or "absolute"; workspace: corners [3] of a box (m)."""
        self._relative = position_mode == "relative"
        self._box = (np.asarray(workspace_min, float), np.asarray(workspace_max, float))
        self._offset: np.ndarray | None = None

    @property
    def anchored(self) -> bool:
        """Whether person and robot have been tied to each other since the last release."""
        return self._offset is not None

    def anchor(self, human_wrist: np.ndarray, robot_wrist: np.ndarray) -> None:
        """Tie the person's wrist [3] to the robot's [3] (base frame, m) as they are now."""
        self._offset = robot_wrist - human_wrist if self._relative else np.zeros(3)

    def release(self) -> None:
        """Untie them: the next anchor may be anywhere."""
        self._offset = None

    def target(self, human_wrist: np.ndarray) -> np.ndarray:
        """Target [3] of the robot's wrist, inside the workspace box; base frame, m."""
        if self._offset is None:
            raise RetargetError("The wrist has no anchor yet: engage the retargeter first.")
        return np.clip(human_wrist + self._offset, *self._box)
