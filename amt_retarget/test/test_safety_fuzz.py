"""Ten thousand inputs, most of them wrong, through retargeter and guard as the node calls them.

Whatever comes in, no command may break a limit, and nothing but a documented refusal may be raised:
ValueError for joints of another shape (a HandPose message cannot hold any) and RetargetError for a
time step out of its range. A refused input changes nothing: the next cycle goes on as if it had not
been.
"""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.solver import DT_RANGE_S, Retargeter
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import TOLERANCE, CommandGuard, JointLimits
from amt_retarget.safety.state import Reason

INPUTS = 5000
"""For each of two robots."""
LEFT, RIGHT = 1, 2
WRONG_SHAPES = ((20, 3), (22, 3), (21, 2), (21, 4), (63,), (0, 3), (1, 21, 3), ())
REFUSED_DT = (0.0, -0.0, -0.03, 5e-324, 1e-300, 9e-4, 0.21, 1e300, np.inf, -np.inf, np.nan)


class Fuzz:
    """A stream of inputs for `Retargeter.step`: a hand that moves, and faults of every kind."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.turn = Rotation.identity()
        self.place = np.array([0.5, 0.0, 0.4])

    def hand(self) -> np.ndarray:
        """[21, 3] joints of a hand that moves and turns, with fingers bent anyhow."""
        random = self.random
        self.turn = Rotation.from_rotvec(random.normal(0, 0.1, 3)) * self.turn
        self.place = self.place + random.normal(0, 0.02, 3)
        joints = np.zeros((21, 3))
        steps = [[0.01, 0.03, 0.02], [0.005, 0.025, 0.02], [0.0, 0.02, 0.02], [0, 0.015, 0.02]]
        joints[1:5] = np.cumsum(steps, axis=0)
        for finger, y in enumerate((0.025, 0.0, -0.02, -0.04)):
            angles = random.uniform(-0.3, 1.6) * np.arange(1, 4)
            bones = np.array([0.045, 0.025, 0.022])[:, None]
            bent = bones * np.column_stack([np.sin(angles), np.zeros(3), np.cos(angles)])
            joints[5 + 4 * finger] = [0.0, y, 0.09]
            joints[6 + 4 * finger : 9 + 4 * finger] = joints[5 + 4 * finger] + np.cumsum(bent, 0)
        return self.turn.apply(joints * random.uniform(0.7, 1.3)) + self.place

    def joints(self) -> tuple[str, object]:
        """Kind of input and the input; only "hand" is one that the robot should follow."""
        hand, random = self.hand(), self.random
        some = random.random((21, 3)) < 0.1
        line = hand[0] + np.linspace(0, 0.2, 21)[:, None] * hand[1]
        kinds = {
            "hand": hand,
            "list": hand.tolist(),
            "float32": hand.astype(np.float32),
            "some nan": np.where(some, np.nan, hand),
            "all nan": np.full((21, 3), np.nan),
            "some infinite": np.where(some, np.inf * random.choice([-1, 1]), hand),
            "zeros": np.zeros((21, 3)),
            "all equal": np.tile(hand[0], (21, 1)),
            "on a line": line,
            "in a plane": hand * [1.0, 1.0, 0.0],
            "teleport": hand + random.normal(0, 5, 3),
            "far away": hand + random.choice([-1, 1]) * 1e15,
            "mirrored": hand * [1.0, -1.0, 1.0],
            "noise": random.normal(0, 0.1, (21, 3)),
            "shuffled": random.permutation(hand),
            "one outlier": np.where(np.arange(21)[:, None] == random.integers(21), 1e3, hand),
            "tiny": hand * 1e-3,
            "denormal": hand * 1e-310,
            "large": hand * 10.0,
            "huge": hand * 1e300,
            "huge of both signs": random.choice([-1e300, 1e300, 1.7e308], (21, 3)),
            "wrong shape": np.zeros(WRONG_SHAPES[random.integers(len(WRONG_SHAPES))]),
        }
        likely = np.where([name == "hand" for name in kinds], 12.0, 1.0)
        name = str(random.choice(list(kinds), p=likely / likely.sum()))
        return name, kinds[name]

    def side(self, own: int) -> object:
        """Mostly the robot's side, sometimes the other one or none at all."""
        others = [LEFT, RIGHT, 0, 3, -1, 255, 2**40, 1.5, np.nan, None, "right"]
        return own if self.random.random() < 0.8 else others[self.random.integers(len(others))]

    def dt(self) -> float:
        """Seconds: all of the range and its ends, sometimes a value that must be refused."""
        if self.random.random() < 0.05:
            return float(self.random.choice(REFUSED_DT))
        low, high = DT_RANGE_S
        return float(self.random.choice([low, high, 0.02, 1 / 30, self.random.uniform(low, high)]))


def assert_keeps_limits(
    limits: JointLimits, last: np.ndarray, last_velocity: np.ndarray, new: np.ndarray, dt: float
) -> np.ndarray:
    """Velocity [22] of a command, which is finite and within every limit after the one before."""
    assert np.isfinite(new).all()
    # A joint that stands beyond its limit may stay there or come back, but not go farther out.
    assert np.all(new >= np.minimum(limits.lower, last) - TOLERANCE)
    assert np.all(new <= np.maximum(limits.upper, last) + TOLERANCE)
    velocity = (new - last) / dt
    assert np.all(np.abs(velocity) <= limits.velocity * (1 + 1e-9) + TOLERANCE)
    slack = 1e-14 / dt / dt  # positions near 2 pi are rounded to 1e-15
    allowed = limits.acceleration * (1 + 1e-9) + slack + TOLERANCE
    assert np.all(np.abs(velocity - last_velocity) / dt <= allowed)
    return velocity


@pytest.mark.parametrize(
    ("arm", "hand", "settings"),
    [
        ("ur5e", "right", RetargetSettings()),
        (
            "ur10e",
            "left",
            RetargetSettings(arm_velocity_scale=1.0, ramp_time_s=0.0, position_mode="absolute"),
        ),
    ],
)
def test_no_input_breaks_a_limit(arm, hand, settings):
    robot = Robot.load(arm, hand)
    retargeter = Retargeter(robot, settings)
    guard = CommandGuard(retargeter.limits)
    own = {"left": LEFT, "right": RIGHT}[hand]
    fuzz = Fuzz(seed=own)
    last, velocity = robot.home, np.zeros(22)
    retargeter.engage(last)
    guard.start(last)
    seen: Counter[str] = Counter()

    with np.errstate(over="ignore", invalid="ignore"):  # a hand of 1e300 m on its way to refusal
        for cycle in range(INPUTS):
            if cycle % 500 == 499:  # as after a fault, with a joint that is pushed out of its range
                last = last + fuzz.random.normal(0.0, 0.02, 22)
                velocity = np.zeros(22)
                retargeter.engage(last)
                guard.start(last)
            kind, joints = fuzz.joints()
            dt = fuzz.dt()
            held = fuzz.random.random() < 0.1
            try:
                result = (
                    retargeter.hold(dt) if held else retargeter.step(joints, fuzz.side(own), dt)
                )
            except (ValueError, RetargetError):
                assert dt in REFUSED_DT or np.isnan(dt) or (kind == "wrong shape" and not held)
                seen["refused"] += 1
                continue
            assert dt not in REFUSED_DT
            checked = guard.check(result.positions, dt)
            assert checked.accepted, f"{kind}: {checked.violations}"
            assert result.reasons & Reason.SOLVER_FAILED == 0, kind
            velocity = assert_keeps_limits(retargeter.limits, last, velocity, checked.positions, dt)
            last = checked.positions
            seen["held" if held or result.reasons else "followed"] += 1
    assert min(seen["followed"], seen["held"]) > INPUTS / 5
    assert seen["refused"] > INPUTS / 50


def test_a_refused_input_changes_nothing():
    robot = Robot.load("ur5e", "right")
    hands = Fuzz(seed=0)
    with_refused, without = (Retargeter(robot) for _ in range(2))
    for retargeter in (with_refused, without):
        retargeter.engage(robot.home)
    for _ in range(40):
        joints = hands.hand()
        for shape in WRONG_SHAPES:
            with pytest.raises(ValueError, match=r"\(21, 3\)"):
                with_refused.step(np.zeros(shape), RIGHT, 0.03)
        for dt in REFUSED_DT:
            with pytest.raises(RetargetError, match="must take"):
                with_refused.step(joints, RIGHT, dt)
            with pytest.raises(RetargetError, match="must take"):
                with_refused.hold(dt)
        expected = without.step(joints, RIGHT, 0.03)
        np.testing.assert_array_equal(
            with_refused.step(joints, RIGHT, 0.03).positions, expected.positions
        )


def test_no_command_breaks_a_limit_behind_the_guard():
    """The guard alone, against commands that no solver would make."""
    robot = Robot.load("ur5e", "right")
    limits = RetargetSettings().joint_limits(robot)
    guard = CommandGuard(limits)
    random = np.random.default_rng(0)
    last, velocity = robot.home, np.zeros(22)
    guard.start(last)
    accepted = 0
    for _ in range(INPUTS):
        dt = float(10 ** random.uniform(-4, 3))
        lower, upper = limits.velocity_bounds(last, velocity, dt)
        commands = [
            last,
            last + dt * random.uniform(lower, upper),
            last + dt * random.choice([lower, upper]),
            last + random.normal(0, 1e-3, 22),
            random.uniform(robot.lower, robot.upper),
            np.where(random.random(22) < 0.1, random.choice([np.nan, np.inf, -np.inf]), last),
            np.zeros(22),
            np.full(22, 5e-324),
            random.choice([-1e300, 1e300, 1.7e308], 22),
            np.zeros(WRONG_SHAPES[random.integers(len(WRONG_SHAPES))]),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            checked = guard.check(commands[random.integers(len(commands))], dt)
        velocity = assert_keeps_limits(limits, last, velocity, checked.positions, dt)
        last = checked.positions
        accepted += checked.accepted
        assert checked.accepted == (not checked.violations)
    assert INPUTS / 10 < accepted < INPUTS / 2


@pytest.mark.parametrize("dt", [0.0, -0.02, 5e-324, 9e-5, np.nan, np.inf, -np.inf])
def test_the_guard_refuses_a_time_step_that_is_none(dt):
    robot = Robot.load("ur5e", "right")
    guard = CommandGuard(RetargetSettings().joint_limits(robot))
    guard.start(robot.home)
    with pytest.raises(RetargetError, match="or more"):
        guard.check(robot.home, dt)


@pytest.mark.parametrize(
    "wrong", [np.zeros(21), np.zeros((22, 1)), np.full(22, np.nan), [np.inf] * 22]
)
def test_nothing_starts_from_joints_that_are_none(wrong):
    robot = Robot.load("ur5e", "right")
    retargeter = Retargeter(robot)
    with pytest.raises(RetargetError, match="22 finite"):
        retargeter.engage(wrong)
    with pytest.raises(RetargetError, match="22 finite"):
        CommandGuard(retargeter.limits).start(wrong)
    with pytest.raises(RetargetError, match="engage"):
        retargeter.hold(0.02)
