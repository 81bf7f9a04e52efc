"""The smooth continuation of a motion toward its goal: a third-order Butterworth filter.

Of all linear filters a Butterworth low-pass is the flattest; one of third order has a continuous
acceleration. It is written as a continuation: the next position is a weighted mean of the goal and
of where the motion would go by itself, so that its state is the motion that really took place, and
limits that changed the motion do not wind it up.
"""

from __future__ import annotations

import math

import numpy as np


def butterworth_step(
    goal: np.ndarray,
    positions: np.ndarray,
    velocities: np.ndarray,
    accelerations: np.ndarray,
    dt: float,
    cutoff: np.ndarray,
) -> np.ndarray:
    """Positions [n] dt seconds on, of a motion that follows goal [n] smoothly.

    velocities, accelerations: [n] backward differences of the positions per second and second^2.
    cutoff: [n] frequency where the amplitude falls to 0.71 (Hz). The poles of the continuous filter,
    w (-1) and w (-1 +- i sqrt 3) / 2, are mapped to z = exp(s dt), so the motion is the same at any
    rate of frames.
    """
    w = 2.0 * math.pi * cutoff * dt
    real = np.exp(-w)  # the real pole, and the squared modulus of the pair
    pair = 2.0 * np.exp(-0.5 * w) * np.cos(0.5 * math.sqrt(3.0) * w)
    first, second, third = real + pair, real * pair + real, real * real
    share = 1.0 - first + second - third  # of the goal
    return (
        share * goal
        + (1.0 - share) * positions
        + (second - 2.0 * third) * velocities * dt
        + third * accelerations * dt * dt
    )
