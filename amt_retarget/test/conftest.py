"""A hand whose fingers bend as one likes, for the tests of the retargeting."""

from collections.abc import Callable

import numpy as np
import pytest


def hand(curl: float = 0.2) -> np.ndarray:
    """[21, 3] an upright right hand, palm to x, fingers bent by `curl` rad at every joint."""
    joints = np.zeros((21, 3))
    thumb = np.cumsum(
        [[0.01, 0.03, 0.02], [0.005, 0.025, 0.02], [0.0, 0.02, 0.02], [0, 0.015, 0.02]], 0
    )
    joints[1:5] = thumb
    angles = curl * np.arange(1, 4)
    bones = np.array([0.045, 0.025, 0.022])[:, None]
    steps = bones * np.column_stack([np.sin(angles), np.zeros(3), np.cos(angles)])
    for finger, y in enumerate((0.025, 0.0, -0.020, -0.040)):
        first = 5 + 4 * finger
        joints[first] = [0.0, y, 0.09]
        joints[first + 1 : first + 4] = joints[first] + np.cumsum(steps, axis=0)
    return joints


@pytest.fixture
def make_hand() -> Callable[..., np.ndarray]:
    return hand


class Clock:
    """Seconds that pass only when `now` is changed."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
