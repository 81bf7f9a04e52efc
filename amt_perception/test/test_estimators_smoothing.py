"""The smoothing of hand states: calm at rest, no lag in motion, no jumps."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.estimators.hand_fit import HandState
from amt_perception.estimators.smoothing import FINGER_ANGLE, LOG_DEPTH, StateSmoother
from amt_perception.metrics.jitter import lag_frames

FRAME = 1.0 / 30.0


def smoothed(states: list[HandState]) -> list[HandState]:
    smoother = StateSmoother()
    return [smoother.smooth(state, i * FRAME) for i, state in enumerate(states)]


def state(
    turn: tuple[float, ...] = (0.0, 0.0, 0.0), angle: float = 0.3, z: float = 0.6
) -> HandState:
    return HandState(
        Rotation.from_rotvec(turn), np.full((15, 3), angle), np.array([0.1 * z, -0.05 * z, z])
    )


def test_a_state_that_does_not_change_stays():
    for one in smoothed([state((0.4, 2.0, -1.0))] * 20):
        assert one.wrist_rotation.approx_equal(state((0.4, 2.0, -1.0)).wrist_rotation)
        assert one.angles == pytest.approx(np.full((15, 3), 0.3))
        assert one.wrist_position == pytest.approx([0.06, -0.03, 0.6])


def test_noise_of_a_still_hand_shrinks():
    random = np.random.default_rng(1)
    noisy = [
        HandState(
            Rotation.from_rotvec(0.02 * random.normal(size=3)),
            0.3 + 0.02 * random.normal(size=(15, 3)),
            np.array([0.06, -0.03, 0.6]) * np.exp(0.01 * random.normal()),
        )
        for _ in range(300)
    ]
    calm = smoothed(noisy)[30:]
    angles = np.array([one.angles for one in calm])
    turns = np.array([one.wrist_rotation.as_rotvec() for one in calm])
    depths = np.array([one.wrist_position[2] for one in calm])
    assert angles.std() < 0.6 * 0.02
    assert turns.std() < 0.6 * 0.02
    assert depths.std() < 0.5 * 0.01 * 0.6


@pytest.mark.parametrize("frequency_hz", [0.5, 1.0, 2.0])
def test_a_moving_hand_is_followed_within_a_frame(frequency_hz):
    wave = np.sin(2.0 * np.pi * frequency_hz * FRAME * np.arange(300))
    out = smoothed([state((0.0, 0.8 * w, 0.0), angle=0.6 * w) for w in wave])
    angles = np.array([one.angles[:1] for one in out])
    turns = np.array([one.wrist_rotation.as_rotvec()[None] for one in out])
    assert lag_frames(angles[..., :1], 0.6 * wave[:, None, None]) < 1.0
    assert lag_frames(turns[..., 1:2], 0.8 * wave[:, None, None]) < 1.0
    assert angles[60:].max() > 0.9 * 0.6


def test_turns_beyond_half_a_turn_are_followed():
    out = smoothed([state((0.0, 0.05 * i, 0.0)) for i in range(120)])
    last = state((0.0, 0.05 * 119, 0.0)).wrist_rotation
    assert (out[-1].wrist_rotation * last.inv()).magnitude() < 0.1


def test_one_wrong_frame_moves_nothing_faster_than_a_hand_can():
    states = [state()] * 30
    states[15] = state((0.0, 3.0, 0.0), angle=3.0, z=3.0)
    out = smoothed(states)
    assert np.abs(out[15].angles - 0.3).max() <= FINGER_ANGLE.fastest * FRAME
    assert out[15].wrist_position[2] <= 0.6 * np.exp(LOG_DEPTH.fastest * FRAME)
    assert out[-1].angles == pytest.approx(np.full((15, 3), 0.3), abs=0.02)
