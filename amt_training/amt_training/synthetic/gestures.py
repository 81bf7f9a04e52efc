"""Poses of a hand that holds nothing: what people do with their hands, and everything between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amt_perception.sample.motion import FIST, FOUR, ONE, OPEN, PINCH, RELAXED, SPREAD, TWO, Posture
from amt_training.synthetic.flesh import FINGER_JOINTS, INDEX, PINKY, THUMB, Flesh

_THUMB_OUT, _THUMB_UP = (0, 18, 0, -8, -8), (-10, 12, 0, -6, -10)
POSTURES = {
    "open": OPEN,
    "spread": SPREAD,
    "fist": FIST,
    "relaxed": RELAXED,
    "point": ONE,
    "victory": TWO,
    "three": replace(TWO, ring=(0, -4, 5, 3)),
    "four": FOUR,
    "thumb up": replace(FIST, thumb=_THUMB_UP),
    "thumb and index": replace(ONE, thumb=_THUMB_OUT),
    "thumb, index and middle": replace(TWO, thumb=_THUMB_OUT),
    "telephone": replace(FIST, pinky=(0, -6, 5, 3), thumb=_THUMB_OUT),
    "horns": replace(FIST, index=(0, 2, 5, 3), pinky=(0, 2, 5, 3)),
    "pinky up": replace(FIST, pinky=(2, 4, 6, 4)),
    "hook": Posture(
        (5, -3, 95, 60), (5, 0, 95, 60), (8, 12, 92, 60), (5, 3, 95, 60), (10, -25, -10, 10, 20)
    ),
    "table top": Posture((75, -3, 8, 5), (78, 0, 8, 5), (75, 12, 10, 6), (78, 3, 8, 5), OPEN.thumb),
    "claw": Posture(
        (-12, 4, 70, 45), (-12, 0, 70, 45), (-8, -4, 68, 45), (-12, -2, 70, 45), (10, 10, 0, 10, 40)
    ),
    "ball": Posture(
        (28, 8, 38, 24), (28, 1, 38, 24), (32, -6, 38, 24), (30, -3, 38, 24), (48, 12, -12, 8, 15)
    ),
    "index pinch": PINCH,
    "ring of thumb and index": replace(
        PINCH, middle=(8, 2, 14, 8), ring=(2, -2, 8, 5), pinky=(-2, -4, 5, 3)
    ),
    "middle pinch": Posture(
        (12, 2, 18, 10), (54, 0, 54, 30), (15, 4, 20, 12), (26, 2, 30, 18), (52, -20, -26, 10, 26)
    ),
    "ring pinch": Posture(
        (8, 2, 14, 8), (14, 0, 20, 12), (26, 4, 30, 18), (60, 2, 58, 32), (58, -27, -30, 12, 24)
    ),
    "pinky pinch": Posture(
        (6, 2, 10, 6), (8, 0, 14, 8), (66, 10, 58, 34), (26, 3, 30, 18), (60, -36, -32, 12, 22)
    ),
    "three-finger pinch": Posture(
        (48, -6, 48, 26), (52, 2, 48, 26), (24, 6, 30, 18), (32, 3, 36, 20), (48, -17, -25, 12, 26)
    ),
    "key": replace(FIST, index=(55, -2, 75, 45), thumb=(22, -28, -12, 12, 28)),
}
"""Of the right and of the left hand, by what people call them."""
_ANGLES = np.array([posture.angles() for posture in POSTURES.values()])
_NAMED, _MIXED = 0.35, 0.35
"""Shares of the postures with a name, and of those between two of them, finger by finger."""
_DEEPEST_M = 0.0045
"""Flesh that touches flesh gives way: no finger is deeper in the rest of the hand."""
_TRIES = 12


def gesture(flesh: Flesh, random: np.random.Generator) -> np.ndarray:
    """[15, 3] angles (rad) of a natural pose without an object.

    Within the limits of the joints, and no finger in another.
    """
    for _ in range(_TRIES):
        kind = random.random()
        if kind < _NAMED:
            angles = _ANGLES[random.integers(len(_ANGLES))].copy()
        elif kind < _NAMED + _MIXED:
            angles = _between(random)
        else:
            angles = _any(random)
        angles = np.clip(angles + _noise(random), flesh.limits.lower, flesh.limits.upper)
        if flesh.self_gap(angles) > -_DEEPEST_M:
            return angles
    return np.clip(OPEN.angles(), flesh.limits.lower, flesh.limits.upper)


def _between(random: np.random.Generator) -> np.ndarray:
    """Between two postures: all fingers about equally far, each with its own will."""
    one, other = _ANGLES[random.choice(len(_ANGLES), 2, replace=False)]
    way = np.clip(random.uniform() + random.normal(0.0, 0.25, 5), 0.0, 1.0)
    ways = np.empty((15, 1))
    ways[FINGER_JOINTS - 1, 0] = way[:, None]
    between: np.ndarray = one + ways * (other - one)
    return between


def _any(random: np.random.Generator) -> np.ndarray:
    """Any curl: neighbours do alike, and an end joint two thirds of what its middle joint does.

    Rijpkema and Girard, "Computer animation of knowledge-based human grasping", SIGGRAPH 1991.
    """
    angles = np.zeros((15, 3))
    # A random walk from finger to finger: close neighbours, free extremes.
    knuckles, middles = np.cumsum(random.normal(0.0, 0.3, (2, 4)), axis=1)
    knuckles = np.clip(random.uniform() + knuckles - knuckles.mean(), 0.0, 1.0)
    middles = np.clip(random.uniform() + middles - middles.mean(), 0.0, 1.0)
    fingers = FINGER_JOINTS[INDEX : PINKY + 1] - 1
    angles[fingers[:, 0], 0] = np.radians(-22.0 + 105.0 * knuckles)
    angles[fingers[:, 1], 0] = np.radians(105.0 * middles)
    angles[fingers[:, 2], 0] = np.radians(70.0 * middles)
    # Bent knuckles cannot spread.
    spread = random.uniform(-4.0, 11.0) * np.array([1.0, 0.1, -0.5, -1.0])
    angles[fingers[:, 0], 1] = np.radians(spread * (1.0 - knuckles) + [-3.0, 0.0, 3.0, 11.0])
    thumb = FINGER_JOINTS[THUMB] - 1
    angles[thumb[0]] = np.radians(random.uniform((-20.0, -38.0, -30.0), (58.0, 22.0, 12.0)))
    angles[thumb[1:], 0] = np.radians(random.uniform((-15.0, -15.0), (48.0, 70.0)))
    return angles


def _noise(random: np.random.Generator) -> np.ndarray:
    """[15, 3] what tells one person's gesture from another's."""
    noise = random.normal(0.0, np.radians((7.0, 2.5, 2.0)), (15, 3))
    noise[FINGER_JOINTS[:, 1:].ravel() - 1, 1:] *= 0.4
    return noise
