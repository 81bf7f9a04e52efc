"""Quiet poses without visible lag: a 1-euro filter on every part of a hand's state.

The filter is a first-order low pass whose cut-off grows with speed (Casiez, Roussel and Vogel, CHI
2012): a still hand is calm, a fast one passes. Here it runs on the wrist's rotation (as turns from
the filtered rotation), the finger angles, the wrist's viewing direction, and the logarithm of its
depth, which one camera sees far less exactly than the rest and which is therefore kept calmer.
A step that no hand can make in the time is cut to the fastest possible one, so that one wrong frame
cannot throw the pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.estimators.hand_fit import HandState


@dataclass(frozen=True)
class Smoothness:
    """How one kind of value is filtered. Its unit is that of the value (radians here)."""

    still_cutoff_hz: float
    """Cut-off of a value at rest: lower is calmer."""
    cutoff_per_speed: float
    """Hz that each unit per second adds: higher lags less in motion."""
    fastest: float
    """No real hand changes faster (unit per second)."""


WRIST_TURN = Smoothness(still_cutoff_hz=2.0, cutoff_per_speed=3.0, fastest=25.0)
FINGER_ANGLE = Smoothness(still_cutoff_hz=2.0, cutoff_per_speed=3.0, fastest=40.0)
DIRECTION = Smoothness(still_cutoff_hz=3.0, cutoff_per_speed=20.0, fastest=8.0)
LOG_DEPTH = Smoothness(still_cutoff_hz=0.7, cutoff_per_speed=5.0, fastest=5.0)
SPEED_CUTOFF_HZ = 1.5
"""Low pass on the speed that opens the filter."""


class OneEuroFilter:
    """The filter for one group of values [N, D], each row with its own cut-off.

    It works on changes: `step` takes how far the newest measurement is from the filtered value and
    gives how far the filtered value moves, so that it serves vectors and rotations alike.
    """

    def __init__(self, smoothness: Smoothness) -> None:
        self._smoothness = smoothness
        self._speed: np.ndarray | float = 0.0

    def step(self, change: np.ndarray, duration: float) -> np.ndarray:
        """[N, D] move of the filtered value for a measurement that lies `change` away from it."""
        kind = self._smoothness
        distance = np.linalg.norm(change, axis=-1, keepdims=True)
        change = change * np.minimum(1.0, kind.fastest * duration / np.maximum(distance, 1e-12))
        velocity = change / duration
        self._speed = self._speed + _gain(SPEED_CUTOFF_HZ, duration) * (velocity - self._speed)
        speed = np.linalg.norm(self._speed, axis=-1, keepdims=True)
        cutoff = kind.still_cutoff_hz + kind.cutoff_per_speed * speed
        return _gain(cutoff, duration) * change


class StateSmoother:
    """Filters the states of one hand, in order of time."""

    def __init__(self) -> None:
        self._turn = OneEuroFilter(WRIST_TURN)
        self._fingers = OneEuroFilter(FINGER_ANGLE)
        self._direction = OneEuroFilter(DIRECTION)
        self._depth = OneEuroFilter(LOG_DEPTH)
        self._state: HandState | None = None
        self._time = 0.0

    def smooth(self, state: HandState, time: float) -> HandState:
        """The filtered state at this time (s, increasing). The first state comes back as it is."""
        if self._state is not None:
            state = self._follow(self._state, state, time - self._time)
        self._state, self._time = state, time
        return state

    def _follow(self, last: HandState, state: HandState, duration: float) -> HandState:
        turn = (state.wrist_rotation * last.wrist_rotation.inv()).as_rotvec()
        turn = self._turn.step(turn[None], duration)[0]
        angles = last.angles + self._fingers.step(state.angles - last.angles, duration)
        seen, before = _ray_and_log_depth(state), _ray_and_log_depth(last)
        ray = before[:2] + self._direction.step((seen - before)[None, :2], duration)[0]
        log_depth = before[2] + self._depth.step((seen - before)[None, 2:], duration)[0, 0]
        position = np.exp(log_depth) * np.array([ray[0], ray[1], 1.0])
        return HandState(Rotation.from_rotvec(turn) * last.wrist_rotation, angles, position)


def _ray_and_log_depth(state: HandState) -> np.ndarray:
    """[3] x/z, y/z and ln z of the wrist."""
    x, y, z = state.wrist_position
    return np.array([x / z, y / z, np.log(z)])


def _gain(cutoff_hz: np.ndarray | float, duration: float) -> np.ndarray | float:
    """Share of a change that a first-order low pass lets through in one step."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * duration))
