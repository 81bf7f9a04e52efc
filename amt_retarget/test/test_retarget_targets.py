"""Scale, fingertip and pinch targets, and the mapping of the wrist."""

from dataclasses import fields

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame
from amt_retarget.retarget.inverse_kinematics import Weights
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.targets import (
    PINCH_CLOSED_M,
    PINCH_OPEN_M,
    PRESS_M,
    SCALE_CHANGE_PER_S,
    SETTLING_S,
    STRETCH,
    ScaleEstimator,
    WristMapper,
    finger_targets,
)

FRAME_S = 1.0 / 30.0
RADIUS = 0.012
BOX = (np.array([-1.0, -1.0, 0.0]), np.array([1.0, 1.0, 1.0]))


def hand_with_gap(gap: float) -> HandFrame:
    """A hand whose index tip is `gap` from the thumb tip; the others are far away."""
    tips = np.array([[0.05, 0.03, 0.0], [0.05, 0.03, gap], [0.0, 0.0, 0.2], [0.0, -0.05, 0.2]])
    return HandFrame(np.zeros(3), np.eye(3), tips, 0.09)


def test_tips_are_scaled_and_mirrored():
    frame = hand_with_gap(0.1)
    tips, gaps, _ = finger_targets(frame, 1.5, mirror=False, fingertip_radius=RADIUS)
    np.testing.assert_allclose(tips, 1.5 * frame.tips)
    mirrored, same_gaps, _ = finger_targets(frame, 1.5, mirror=True, fingertip_radius=RADIUS)
    np.testing.assert_allclose(mirrored, 1.5 * frame.tips * [1, -1, 1])
    np.testing.assert_allclose(same_gaps, gaps)


@pytest.mark.parametrize("scale", [0.7, 1.5])
@pytest.mark.parametrize("gap", [0.0, 0.02, PINCH_CLOSED_M])
def test_a_human_touch_becomes_a_robot_touch_whatever_the_sizes(gap, scale):
    _, gaps, closeness = finger_targets(hand_with_gap(gap), scale, False, RADIUS)
    assert gaps[0] == pytest.approx(2 * RADIUS - PRESS_M)
    assert closeness[0] == 1.0
    np.testing.assert_array_equal(closeness[1:], 0.0)


def test_pinch_fades_out_smoothly():
    distances = np.linspace(PINCH_CLOSED_M, PINCH_OPEN_M, 50)
    results = [
        finger_targets(hand_with_gap(distance), 1.5, False, RADIUS) for distance in distances
    ]
    closeness = np.array([closeness[0] for _, _, closeness in results])
    gaps = np.array([gaps[0] for _, gaps, _ in results])
    assert closeness[0] == 1.0 and closeness[-1] == 0.0
    assert np.all(np.diff(closeness) < 0.0) and np.max(-np.diff(closeness)) < 0.05
    np.testing.assert_allclose(np.diff(gaps), 1.5 * np.diff(distances))


def test_scale_ignores_failures_from_the_first_frames_on():
    estimator, random = ScaleEstimator(0.148), np.random.default_rng(0)
    assert estimator.update(0.09, FRAME_S) == pytest.approx(STRETCH * 0.148 / 0.09)
    for i in range(60):
        length = 0.05 if i % 5 == 4 else random.normal(0.09, 0.003)  # a fifth are failures
        scale = estimator.update(length, FRAME_S)
    assert scale == pytest.approx(STRETCH * 0.148 / 0.09, rel=0.02)


def test_scale_settles_and_then_is_refined_slowly():
    estimator = ScaleEstimator(0.148)
    for _ in range(round(SETTLING_S / FRAME_S)):
        settled = estimator.update(0.10, FRAME_S)
    for dt in [FRAME_S] * 900 + [0.2] * 300:  # now somebody with shorter fingers
        scale = estimator.update(0.08, dt)
        assert settled <= scale <= settled * (1.0 + SCALE_CHANGE_PER_S * dt) + 1e-12
        settled = scale
    assert scale == pytest.approx(STRETCH * 0.148 / 0.08)


def test_relative_wrist_starts_where_the_robot_stands():
    mapper = WristMapper("relative", 1.0, *BOX)
    with pytest.raises(RetargetError, match="engage"):
        mapper.target(np.zeros(3))
    robot, person = np.array([0.5, 0.1, 0.4]), np.array([0.0, 0.0, 3.0])
    mapper.anchor(person, robot)
    np.testing.assert_allclose(mapper.target(person), robot)
    moved = np.array([0.1, 0.0, -0.1])
    np.testing.assert_allclose(mapper.target(person + moved), robot + moved)
    mapper.release()
    assert not mapper.anchored


def test_position_scale_is_the_robots_way_over_the_persons():
    robot, person = np.array([0.5, 0.1, 0.4]), np.array([0.0, 0.0, 3.0])
    moved = np.array([0.1, 0.05, -0.1])
    for scale in (0.5, 2.0):
        mapper = WristMapper("relative", scale, *BOX)
        mapper.anchor(person, robot)
        np.testing.assert_allclose(mapper.target(person), robot)
        np.testing.assert_allclose(mapper.target(person + moved), robot + scale * moved)
    absolute = WristMapper("absolute", 2.0, *BOX)
    absolute.anchor(person, robot)
    np.testing.assert_allclose(absolute.target(robot), robot)


def test_absolute_wrist_and_workspace_box():
    mapper = WristMapper("absolute", 1.0, *BOX)
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
        {"position_scale": 0.0},
        {"position_scale": np.inf},
        {"hand_smoothing_hz": 0.0},
        {"hand_smoothing_hz": np.inf},
        {"arm_smoothing_hz": -1.0},
        {"arm_smoothing_hz": np.nan},
        {"table_height": np.nan},
        {"table_height": np.inf},
    ],
    ids=str,
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(RetargetError, match=next(iter(wrong))):
        RetargetSettings(**wrong)


@pytest.mark.parametrize("name", [field.name for field in fields(Weights)])
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_wrong_weights_are_named(name, value):
    with pytest.raises(RetargetError, match=name):
        Weights(**{name: value})


def test_there_may_be_no_table():
    assert RetargetSettings(table_height=-np.inf).table_height == -np.inf
