"""Arm and hand to a grasp and up again: inside all limits, straight where it counts, or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.retarget.grasp_motion import GraspMotion
from amt_retarget.retarget.grasp_plan import GraspPlanner, HandGrasp, Phase
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import CommandGuard

ROBOT = Robot.load("ur5e", "right")
LIMITS = RetargetSettings().joint_limits(ROBOT)
PLANNER = GraspPlanner(ROBOT, LIMITS, table_height=0.0)

OPEN = np.array([0.0, 0.2, 0.2, 0.2] * 3 + [1.2, 0.2, 0.2, 0.2])
CLOSED = np.array([0.0, 0.8, 0.6, 0.4] * 3 + [1.2, 0.4, 0.4, 0.4])
SQUEEZE = CLOSED + 0.05
SIDEWAYS = np.column_stack([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""The palm looks along x of the object; its fingers point to -y."""
PLACE = np.array([-0.048, -0.015, 0.0])
CYLINDER = HandGrasp(
    Configuration(SIDEWAYS, PLACE - [0.05, 0.0, 0.0], OPEN),
    Configuration(SIDEWAYS, PLACE, CLOSED),
    SQUEEZE,
)
"""From the side around an upright cylinder, 16 cm high, whose middle is the object's origin."""


def at(x: float, y: float, z: float = 0.08) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def drive(motion: GraspMotion, seed: int = 0, held: range = range(0)) -> np.ndarray:
    """Commands [n, 24] until it is done, in uneven steps, with time step and phase behind them.

    The guard, which trusts nobody, must accept every one. held: steps in which the motion is held.
    """
    random, guard = np.random.default_rng(seed), CommandGuard(LIMITS)
    guard.start(motion.positions)
    commands = []
    for step in range(5000):
        if motion.phase == Phase.DONE:
            break
        phase, dt = motion.phase, float(random.choice([0.004, 0.02, 0.02, 0.05]))
        positions = motion.hold(dt) if step in held else motion.step(dt)
        checked = guard.check(positions, dt)
        assert checked.accepted, checked.violations
        commands.append([*positions, dt, phase])
    assert motion.phase == Phase.DONE
    return np.array(commands)


def palms(commands: np.ndarray, phase: Phase) -> np.ndarray:
    """Positions [n, 3] of the palm in base_link during a phase."""
    chosen = commands[commands[:, -1] == phase]
    return np.array([ROBOT.frame_pose(q, "palm_link")[1] for q in chosen[:, :22]])


@pytest.mark.parametrize("place", [(0.5, 0.0), (0.45, -0.25)])
def test_every_command_keeps_the_limits_and_the_last_one_has_lifted(
    place: tuple[float, float],
) -> None:
    motion = GraspMotion(PLANNER.plan(CYLINDER, at(*place), ROBOT.home), LIMITS)
    np.testing.assert_allclose(motion.positions, ROBOT.home, atol=1e-9)
    commands = drive(motion)
    phases = commands[:, -1]
    assert np.all(np.diff(phases) >= 0) and set(phases) == {1, 2, 3, 4, 5}
    rotation, position = ROBOT.frame_pose(motion.positions, "palm_link")
    np.testing.assert_allclose(position, np.array([*place, 0.18]) + PLACE, atol=1e-3)
    np.testing.assert_allclose(rotation, SIDEWAYS, atol=2e-3)
    np.testing.assert_allclose(motion.positions[6:], SQUEEZE, atol=1e-3)


def test_the_ways_near_the_object_are_straight_and_slow() -> None:
    motion = GraspMotion(PLANNER.plan(CYLINDER, at(0.5, 0.0), ROBOT.home), LIMITS)
    commands = drive(motion)
    for phase, line in ((Phase.PRE_GRASP, 0), (Phase.GRASP, 0), (Phase.LIFT, 2)):
        way = palms(commands, phase)
        aside = np.delete(way - way[0], line, axis=1)
        assert np.abs(aside).max() < 5e-4, phase
        assert np.all(np.diff(way[:, line]) > -1e-6)
        times = commands[commands[:, -1] == phase][:, 22]
        speeds = np.linalg.norm(np.diff(way, axis=0), axis=1) / times[1:]
        assert speeds.max() < 0.102, phase
    # The hand is open until it is there, and stands still while it squeezes.
    before = commands[commands[:, -1] <= Phase.PRE_GRASP][-1, 6:22]
    np.testing.assert_allclose(before, OPEN, atol=1e-3)
    assert np.ptp(palms(commands, Phase.CLOSE), axis=0).max() < 1e-3


def test_holding_brakes_along_the_way_and_goes_on_afterwards() -> None:
    ways = PLANNER.plan(CYLINDER, at(0.5, 0.0), ROBOT.home)
    free, held = GraspMotion(ways, LIMITS), GraspMotion(ways, LIMITS)
    drive(free)
    commands = drive(held, held=range(60, 160))
    assert np.ptp(commands[120:160, :22], axis=0).max() < 1e-9
    assert np.ptp(commands[160:220, :22], axis=0).max() > 0.01
    np.testing.assert_allclose(held.positions, free.positions, atol=1e-6)
    after = held.positions
    for _ in range(20):
        np.testing.assert_allclose(held.step(0.02), after, atol=1e-6)


def test_the_same_request_gives_the_same_commands() -> None:
    runs = [
        drive(GraspMotion(PLANNER.plan(CYLINDER, at(0.5, 0.1), ROBOT.home), LIMITS), seed=3)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize(
    ("grasp", "pose", "sentence"),
    [
        (CYLINDER, at(1.2, 0.0), r"17 cm beyond the arm's reach"),
        (CYLINDER, at(0.5, 0.0, 0.02), "too near to the table"),
        (CYLINDER, at(0.0, 0.0, 0.3), "the grasp .*: take another grasp, or move the object"),
        (CYLINDER, np.full((4, 4), np.nan), "object's pose must be finite"),
        (replace(CYLINDER, squeeze=CLOSED + 3.0), at(0.5, 0.0), "beyond its limits"),
        (replace(CYLINDER, squeeze=CLOSED[:8]), at(0.5, 0.0), r"shape \(16,\)"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    grasp: HandGrasp, pose: np.ndarray, sentence: str
) -> None:
    with pytest.raises(RetargetError, match=sentence) as caught:
        PLANNER.plan(grasp, pose, ROBOT.home)
    assert "\n" not in str(caught.value)
