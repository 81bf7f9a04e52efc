"""Ways to open and close a hand around something."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amt_training.synthetic.flesh import FINGER_JOINTS, INDEX, THUMB, Flesh


class Grip(NamedTuple):
    """Degrees: how far a hand is open or closed. Every finger alike."""

    finger: tuple[float, float, float]
    """Flexion of knuckle, middle and end joint."""
    thumb: tuple[float, float, float, float, float]
    """Flexion, abduction and twist of its base, flexion of its two outer joints."""

    def angles(self) -> np.ndarray:
        """[15, 3] flexion, abduction and twist (rad) of MANO joints 1 to 15."""
        angles = np.zeros((15, 3))
        angles[FINGER_JOINTS[INDEX:] - 1, 0] = self.finger
        angles[FINGER_JOINTS[THUMB] - 1, 0] = self.thumb[0], *self.thumb[3:]
        angles[FINGER_JOINTS[THUMB, 0] - 1, 1:] = self.thumb[1:3]
        return np.radians(angles)


WRAP_OPEN, WRAP_CLOSED = (
    Grip((0, 8, 5), (56, 25, 15, 2, 0)),
    Grip((88, 105, 75), (56, -42, -28, 25, 40)),
)
PINCH_OPEN, PINCH_CLOSED = (
    Grip((15, 25, 12), (40, 14, -15, -5, 5)),
    Grip((62, 60, 35), (56, -24, -25, 28, 40)),
)


def varied(
    flesh: Flesh, opened: Grip, closed: Grip, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """[15, 3] angles of a person's own way to open and to close, within the joints' limits."""
    # Spread of index, middle, ring and pinky; the rest pose is splayed already.
    spread = np.radians([-2.0, 0.0, 3.0, 9.0]) - random.uniform(-0.03, 0.2) * np.array(
        [-1.0, -0.2, 0.4, 1.0]
    )
    thumb = random.normal(0.0, np.radians([6.0, 5.0, 8.0]))
    rates = random.normal(1.0, 0.08, (5, 3))
    both = []
    for posture, spreads in ((opened, 1.0), (closed, 0.3)):
        angles = posture.angles()
        angles[FINGER_JOINTS - 1, 0] *= rates
        angles[FINGER_JOINTS[INDEX:, 0] - 1, 1] = spreads * spread
        angles[FINGER_JOINTS[THUMB, 0] - 1] += thumb
        both.append(np.clip(angles, flesh.limits.lower, flesh.limits.upper))
    return both[0], both[1]


def other_thumb(end: np.ndarray, flesh: Flesh, random: np.random.Generator) -> np.ndarray:
    """A closed hand [15, 3] whose thumb goes another way."""
    joints = FINGER_JOINTS[THUMB] - 1
    end = end.copy()
    end[joints[0]] = np.radians(random.uniform((30.0, -45.0, -40.0), (60.0, 0.0, 15.0)))
    end[joints[1:], 0] = np.radians(random.uniform((0.0, 0.0), (55.0, 70.0)))
    return np.clip(end, flesh.limits.lower, flesh.limits.upper)
