"""Links keep apart over whole motions: within the hand, at the table and at the arm itself."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget._kernel import Kernel
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.inverse_kinematics import VECTORS
from amt_retarget.retarget.kinematics import make_kernel, set_collisions
from amt_retarget.retarget.limited_motion import STOP_TOLERANCE_M
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import Retargeter
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.state import NO_REASON

FRAME_S = 1.0 / 30.0
MOST_M = STOP_TOLERANCE_M + 1e-4
"""By which a distance may fall below its clearance, in steps as long as a frame."""
START = np.array([0.51, 0.13, 0.53])
"""About where the robot's wrist is in its ready pose."""
DEEP = (-1.0, -1.0, -1.0)
"""A workspace that reaches below the table."""
WITHIN_HAND = RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.0)
ANYWHERE = RetargetSettings(ramp_time_s=0.0, position_mode="absolute", workspace_min=DEEP)


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def capsules(robot) -> Kernel:
    """Measures, whatever the retargeter under test avoids."""
    kernel = make_kernel(robot, VECTORS)
    set_collisions(kernel, robot)
    return kernel


def least_slack(capsules: Kernel, positions: np.ndarray, table: float = 0.0) -> float:
    slack, _ = capsules.near(positions, 0.1, table)
    return float(np.min(slack, initial=0.1))


def lowest(capsules, robot, settings, hands, hold_after: int | None = None) -> float:
    """Least slack (m) over the motion that follows these hands, or holds after some of them."""
    retargeter = Retargeter(robot, settings)
    retargeter.engage(robot.home)
    least, followed = np.inf, 0
    for i, joints in enumerate(hands):
        if hold_after is not None and i >= hold_after:
            result = retargeter.hold(FRAME_S)
        else:
            result = retargeter.step(joints, Side.RIGHT, FRAME_S)
            followed += result.reasons == NO_REASON
        least = min(least, least_slack(capsules, result.positions, settings.table_height))
    assert followed > 20
    return least


def turned(joints: np.ndarray, axis: int, angle: float) -> np.ndarray:
    return joints @ Rotation.from_rotvec(angle * np.eye(3)[axis]).as_matrix().T


@pytest.fixture
def gestures(make_hand) -> dict[str, list[np.ndarray]]:
    fist, opened = make_hand(1.5), make_hand(0.1)
    crossed = make_hand(0.3)
    crossed[[7, 8], 1] -= [0.025, 0.04]  # the index finger over the middle finger, and so on
    crossed[[11, 12], 1] += [0.02, 0.03]
    crossed[16, 1] += 0.045
    crossed[4] = [0.02, -0.04, 0.12]  # the thumb across the palm
    thumb_in_fist = fist.copy()
    thumb_in_fist[4] = [0.03, 0.0, 0.10]
    return {
        "fist": [opened] * 15 + [fist] * 45 + [opened] * 30,
        "thumb in the fist": [opened] * 15 + [thumb_in_fist] * 60,
        "crossed fingers": [opened] * 15 + [crossed] * 45 + [fist] * 45,
        "waving": [fist if (i // 6) % 2 else opened for i in range(120)],
    }


@pytest.mark.parametrize("name", ["fist", "thumb in the fist", "crossed fingers", "waving"])
def test_fingers_do_not_run_into_each_other(robot, capsules, gestures, name):
    hands = gestures[name]
    assert lowest(capsules, robot, WITHIN_HAND, hands) > -MOST_M
    careless = replace(WITHIN_HAND, avoid_collisions=False)
    assert lowest(capsules, robot, careless, hands) < -0.01


@pytest.fixture
def ways(make_hand) -> dict[str, list[np.ndarray]]:
    """[21, 3] hands of which each gets the robot into something: over 2 s, and 2 s there."""
    joints = make_hand()

    def go(turn: float, way: list[float]) -> list[np.ndarray]:
        shares = np.minimum(np.arange(120) / 60.0, 1.0)
        return [turned(joints, 1, turn * u) + START + u * np.array(way) for u in shares]

    return {
        "palm onto the table": go(np.pi / 2, [0.0, 0.0, -0.65]),
        "fingertips onto the table": go(np.pi, [0.0, 0.0, -0.6]),
        "into the arm's base": go(0.0, [-0.51, -0.13, -0.33]),
        "fingers to the arm": go(-np.pi / 2, [-0.4, -0.13, -0.1]),
    }


WAYS = [
    "palm onto the table",
    "fingertips onto the table",
    "into the arm's base",
    "fingers to the arm",
]


@pytest.mark.parametrize("name", WAYS)
def test_the_robot_does_not_run_into_the_table_or_itself(robot, capsules, ways, name):
    assert lowest(capsules, robot, ANYWHERE, ways[name]) > -MOST_M
    careless = replace(ANYWHERE, avoid_collisions=False)
    assert lowest(capsules, robot, careless, ways[name]) < -0.01


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("hold_after", range(40, 80, 5))
def test_a_hold_at_any_time_does_not_run_into_anything(robot, capsules, ways, name, hold_after):
    assert lowest(capsules, robot, ANYWHERE, ways[name], hold_after) > -MOST_M


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("hold_after", [26, 30, 34, 120])
def test_the_fastest_arm_stops_in_time_as_well(robot, capsules, ways, name, hold_after):
    """Twice as fast a hand, and an arm that may move at its limits."""
    fastest = replace(ANYWHERE, arm_velocity_scale=1.0)
    hands = ways[name][:1] * 5 + ways[name][::2]
    assert lowest(capsules, robot, fastest, hands, hold_after) > -MOST_M


def test_the_table_is_where_the_settings_put_it(robot, capsules, ways):
    hands = ways["palm onto the table"]
    high = replace(ANYWHERE, table_height=0.2)
    assert lowest(capsules, robot, high, hands) > -MOST_M
    none = replace(ANYWHERE, table_height=-np.inf)
    low = Retargeter(robot, none)
    low.engage(robot.home)
    for joints in hands:
        result = low.step(joints, Side.RIGHT, FRAME_S)
    assert least_slack(capsules, result.positions) < -0.05


def test_a_hold_moves_nothing_that_is_too_near_already(robot, capsules):
    """The robot is engaged as it is measured, here with fingers in each other; it may stay so."""
    measured = robot.home.copy()
    for finger, sideways in (("index", -0.4), ("middle", 0.4)):
        measured[robot.joint_names.index(f"{finger}_joint_0")] = sideways
        measured[robot.joint_names.index(f"{finger}_joint_1")] = 1.2
    assert least_slack(capsules, measured) < -0.001
    retargeter = Retargeter(robot, ANYWHERE)
    retargeter.engage(measured)
    for _ in range(30):
        result = retargeter.hold(FRAME_S)
    np.testing.assert_allclose(result.positions, measured, atol=1e-9)
