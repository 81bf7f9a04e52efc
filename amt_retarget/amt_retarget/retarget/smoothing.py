"""The smooth continuation of a motion toward its goal: a third-order Butterworth filter.

Of all linear filters a Butterworth low-pass is the flattest; one of third order has a continuous
acceleration. It is written as a continuation: the next position is a weighted mean of the goal and
of where the motion would go by itself, so that its state is the motion that really took place, and
limits that changed the motion do not wind it up.
"""

from __future__ import annotations

import math

import numpy as np

PREDICTION_TIME_S = 0.05
LONGEST_DELAY_S = 0.15


class Smoothing:
    """The filter of n joints for one step of dt seconds.

    The poles of the continuous filter, w (-1) and w (-1 +- i sqrt 3) / 2, are mapped to
    z = exp(s dt), so that the motion is the same at any rate of frames.
    """

    def __init__(self, cutoff: np.ndarray, dt: float) -> None:
        """cutoff: [n] frequency where the amplitude falls to 0.71 (Hz)."""
        w = 2.0 * math.pi * cutoff * dt
        real = np.exp(-w)  # the real pole, and the squared modulus of the pair
        pair = 2.0 * np.exp(-0.5 * w) * np.cos(0.5 * math.sqrt(3.0) * w)
        first, second, third = real + pair, real * pair + real, real * real
        self._dt = dt
        self._goal = 1.0 - first + second - third
        self._velocity = second - 2.0 * third
        self._acceleration = third

    @property
    def lag(self) -> np.ndarray:
        """[n] seconds by which the motion is behind a goal that moves evenly."""
        return self._dt * (1.0 - self._velocity) / self._goal

    def next(
        self,
        goal: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray,
        accelerations: np.ndarray,
    ) -> np.ndarray:
        """Positions [n] after the step, of a motion that follows goal [n] smoothly.

        velocities, accelerations: [n] backward differences of the positions, per second(^2).
        """
        return (
            positions
            + self._goal * (goal - positions)
            + self._velocity * velocities * self._dt
            + self._acceleration * accelerations * self._dt**2
        )


class Prediction:
    """Where a motion that is seen late is now: its position and its velocity for the delay."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._velocity: np.ndarray = np.zeros(1)

    def ahead(self, positions: np.ndarray, dt: float, delay: float) -> np.ndarray:
        """Positions [n] `delay` seconds on; dt: seconds since the last call.

        The velocity is a mean over about PREDICTION_TIME_S, and no delay above LONGEST_DELAY_S is
        made up for: after that long a hand does something else.
        """
        if self._last is None:
            self._velocity = np.zeros_like(positions)
        else:
            share = dt / (dt + PREDICTION_TIME_S)
            self._velocity = self._velocity + share * (
                (positions - self._last) / dt - self._velocity
            )
        self._last = positions
        return positions + min(max(0.0, delay), LONGEST_DELAY_S) * self._velocity
