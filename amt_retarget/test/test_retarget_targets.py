"""Scale, fingertip and pinch targets, and the mapping of the wrist."""

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.targets import (
    PINCH_CLOSED_M,
    PINCH_OPEN_M,
    ScaleEstimator,
    WristMapper,
    finger_targets,
)

RADIUS = 0.012
BOX = (np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 1.0]))


def hand_with_gap(gap: float) -> HandFrame:
    """A hand whose index tip is `gap` from the thumb tip; the others are far away."""
    tips = np.array([[0.05, 0.03, 0.0], [0.05, 0.03, gap], [0.0, 0.0, 0.2], [0.0, -0.05, 0.2]])
    return HandFrame(np.zeros(3), np.eye(3), tips, 0.09)


def test_tips_are_scaled_and_mirrored():
    frame = hand_with_gap(0.1)
    tips, _, _ = finger_targets(frame, 1.5, mirror=False, fingertip_radius=RADIUS)
    np.testing.assert_allclose(tips, 1.5 * frame.tips)
    tips, vectors, _ = finger_targets(frame, 1.5, mirror=True, fingertip_radius=RADIUS)
    np.testing.assert_allclose(tips, 1.5 * frame.tips * [1, -1, 1])
    assert vectors[2, 1] > 0.0


def test_a_human_touch_becomes_a_robot_touch():
    _, vectors, closeness = finger_targets(hand_with_gap(0.02), 1.5, False, RADIUS)
    np.testing.assert_allclose(vectors[0], [0.0, 0.0, 2 * RADIUS])
    np.testing.assert_allclose(closeness, [1.0, 0.0, 0.0])


def test_pinch_fades_out_smoothly():
    gaps = np.linspace(PINCH_CLOSED_M, PINCH_OPEN_M, 50)
    results = [finger_targets(hand_with_gap(gap), 1.5, False, RADIUS) for gap in gaps]
    closeness = np.array([c[0] for _, _, c in results])
    distance = np.array([np.linalg.norm(v[0]) for _, v, _ in results])
    assert closeness[0] == 1.0 and closeness[-1] == 0.0
    assert np.all(np.diff(closeness) < 0.0) and np.max(-np.diff(closeness)) < 0.05
    assert np.all(np.diff(distance) > 0.0)


def test_tips_in_one_point_give_finite_targets():
    _, vectors, closeness = finger_targets(hand_with_gap(0.0), 1.5, False, RADIUS)
    assert np.all(np.isfinite(vectors)) and closeness[0] == 1.0


def test_scale_is_robust_and_then_constant():
    estimator, random = ScaleEstimator(0.148), np.random.default_rng(0)
    for i in range(60):
        length = 0.05 if i % 5 == 4 else random.normal(0.09, 0.003)  # a fifth are failures
        scale = estimator.update(length)
    assert scale == pytest.approx(0.9 * 0.148 / 0.09, rel=0.02)
    assert estimator.update(0.2) == scale


def test_relative_wrist_starts_where_the_robot_stands():
    mapper = WristMapper("relative", *BOX)
    with pytest.raises(RetargetError, match="engage"):
        mapper.target(np.zeros(3))
    robot = np.array([0.5, 0.1, 0.4])
    mapper.anchor(np.array([0.0, 0.0, 3.0]), robot)
    np.testing.assert_allclose(mapper.target(np.array([0.0, 0.0, 3.0])), robot)
    np.testing.assert_allclose(
        mapper.target(np.array([0.1, 0.0, 2.9])), robot + np.array([0.1, 0, -0.1])
    )


def test_absolute_wrist_and_workspace_box():
    mapper = WristMapper("absolute", *BOX)
    mapper.anchor(np.array([0.3, 0.2, 0.5]), np.zeros(3))
    np.testing.assert_allclose(mapper.target(np.array([0.3, 0.2, 0.5])), [0.3, 0.2, 0.5])
    np.testing.assert_allclose(mapper.target(np.array([9.0, -9.0, -9.0])), [1.0, -1.0, 0.0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"arm_velocity_scale": 0.0},
        {"hand_velocity_scale": 1.1},
        {"arm_max_accel": np.nan},
        {"ramp_time_s": -1.0},
        {"position_mode": "absolut"},
        {"workspace_min": (0.0, 0.0, 2.0)},
        {"scale": 0.0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(RetargetError, match=next(iter(wrong))):
        RetargetSettings(**wrong)
