"""Trials tell grasps that hold from those that do not, and why."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.baselines import Baselines
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import (
    DIRECTIONS,
    GraspTrial,
    TrialObject,
    TrialSettings,
    motion,
    try_grasp,
)
from amt_retarget.simulation.lift_trial import LiftTrial
from amt_retarget.simulation.trial_command import main, read_grasp
from amt_retarget.simulation.trial_film import HEIGHT, WIDTH, TrialFilm
from amt_retarget.simulation.trial_pool import try_grasps

SIDES_M = np.array([0.06, 0.08, 0.16])
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
BOX_FACES = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])
BOX = TrialObject(CORNERS * SIDES_M / 2.0, BOX_FACES, [CORNERS * SIDES_M / 2.0])


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def grasp(robot: Robot) -> RobotGrasp:
    """The scripted one."""
    return Baselines(robot, BOX.surface).scripted()


@pytest.fixture(scope="module")
def trial(robot: Robot) -> GraspTrial:
    return GraspTrial(robot, BOX)


def test_good_grasp_holds_and_says_where_it_touches(trial: GraspTrial, grasp: RobotGrasp) -> None:
    result = trial.run(grasp)
    assert (result.held, result.reason) == (True, "")
    assert result.penetration < 0.002
    assert result.closing_moved < 0.01
    assert 0.0 < result.moved < 0.01
    assert 0.0 < result.turned < np.radians(5.0)
    assert "thumb_link_3" in result.contact_links
    assert len(result.contact_links) == len(result.contact_points) >= 3
    beyond = np.abs(result.contact_points) - SIDES_M / 2.0
    np.testing.assert_allclose(beyond.max(axis=1), 0.0, atol=0.002)


def test_same_grasp_twice_is_the_same(robot: Robot, trial: GraspTrial, grasp: RobotGrasp) -> None:
    first, second = trial.run(grasp), try_grasp(robot, BOX, grasp)
    assert first.moved == second.moved
    np.testing.assert_array_equal(first.contact_points, second.contact_points)


def test_penetration_is_told_before_anything_moves(trial: GraspTrial, grasp: RobotGrasp) -> None:
    inside = replace(grasp, position=grasp.position + 0.03 * grasp.rotation[:, 0])
    result = trial.run(inside)
    assert (result.held, result.reason) == (False, "penetrates")
    assert result.penetration > 0.01
    assert np.isnan(result.closing_moved)
    assert np.isnan(result.moved)


def test_hand_that_does_not_touch_drops(trial: GraspTrial, grasp: RobotGrasp) -> None:
    away = replace(grasp, position=grasp.position - 0.2 * grasp.rotation[:, 0])
    result = trial.run(away)
    assert (result.held, result.reason) == (False, "dropped while closing")
    assert result.contact_points.shape == (0, 3)
    assert np.isnan(result.moved)


def test_hard_push_is_named_and_ends_the_trial(robot: Robot, grasp: RobotGrasp) -> None:
    result = GraspTrial(robot, BOX, TrialSettings(push=60.0)).run(grasp)
    assert not result.held
    assert result.reason.removeprefix("moved by push ") in DIRECTIONS
    assert result.moved > 0.05 or result.turned > np.radians(15.0)


def test_slippery_object_is_lost(robot: Robot, grasp: RobotGrasp) -> None:
    assert not GraspTrial(robot, replace(BOX, friction=0.01)).run(grasp).held


def test_motion_of_a_body() -> None:
    turn = Rotation.from_rotvec([0.0, 0.3, 0.0]).as_matrix()
    moved, turned = motion((np.zeros(3), turn), (np.array([0.0, 3.0, 4.0]), np.eye(3)))
    assert (moved, turned) == pytest.approx((5.0, 0.3))


def test_lift_takes_the_object_along(robot: Robot, grasp: RobotGrasp) -> None:
    heights = []

    def watch(data: mujoco.MjData, phase: str) -> None:
        heights.append((phase, data.body("object").xipos[2]))

    result = LiftTrial(robot, BOX).run(grasp, watch)
    assert (result.held, result.reason) == (True, "")
    assert result.risen == pytest.approx(0.1, abs=0.01)
    assert result.slipped < 0.01
    assert list(dict(heights)) == ["stand", "approach", "squeeze", "lift", "hold"]
    lifting = [height for phase, height in heights if phase == "lift"]
    assert np.all(np.diff(lifting) > -1e-4)
    assert lifting[-1] - lifting[0] == pytest.approx(0.1, abs=0.015)


def test_lift_that_fails_says_why(robot: Robot, grasp: RobotGrasp) -> None:
    slippery = LiftTrial(robot, replace(BOX, friction=0.01)).run(grasp)
    assert not slippery.held
    assert slippery.reason in ("dropped while lifting", "slipped out of the hand")
    assert slippery.risen < 0.08
    down = np.array([0.0, 0.0, -0.1])
    low = replace(
        grasp,
        position=grasp.position + down,
        pre_grasp_position=grasp.pre_grasp_position + down,
    )
    assert LiftTrial(robot, BOX).run(low).reason == "the table is in the way"


def test_film_shows_hand_object_and_push(
    robot: Robot, trial: GraspTrial, grasp: RobotGrasp
) -> None:
    away = replace(grasp, position=grasp.position - 0.2 * grasp.rotation[:, 0])
    with TrialFilm(trial, BOX, away) as film:
        result = trial.run(away, film)
        film.finish(result.held, result.reason)
        data = mujoco.MjData(trial.model)
        data.xfrc_applied[trial.model.body("object").id, 0] = 1.0
        mujoco.mj_forward(trial.model, data)
        for _ in range(2):
            film(data, "push +x")
    assert {frame.shape for frame in film.frames} == {(HEIGHT, WIDTH, 3)}
    squeeze, pushed = film.frames[0].astype(int), film.frames[-1].astype(int)
    for picture, arrow in ((squeeze, False), (pushed, True)):
        red = (picture[..., 0] > 150) & (picture[..., 1:].max(axis=2) < 60)
        assert (red.sum() > 50) == arrow
    dark = squeeze.max(axis=2) < 60
    yellow = (squeeze[..., 0] > 150) & (squeeze[..., 2] < 90)
    assert min(dark.mean(), yellow.mean()) > 0.01
    assert film.sheet().shape[1:] == (2 * WIDTH, 3)


def write(path: Path, grasp: RobotGrasp) -> Path:
    """As `python -m amt_retarget.grasp` does."""
    by_name = ("contacts", "contact_errors")
    np.savez(path, **{k: v for k, v in asdict(grasp).items() if k not in by_name})
    return path


def test_command_prints_and_draws(
    tmp_path: Path, grasp: RobotGrasp, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = tmp_path / "box.obj"
    lines = [f"v {x} {y} {z}" for x, y, z in BOX.vertices]
    mesh.write_text("\n".join(lines + [f"f {a} {b} {c}" for a, b, c in BOX.faces + 1]))
    away = replace(grasp, position=grasp.position - 0.2 * grasp.rotation[:, 0])
    path = write(tmp_path / "grasp.npz", away)
    main(["--mesh", str(mesh), "--grasp", str(path), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "no, dropped while closing" in said
    assert "convex pieces         1:" in said
    assert Image.open(tmp_path / "out" / "trial.png").width == 2 * WIDTH
    assert Image.open(tmp_path / "out" / "trial.gif").n_frames > 3


def test_command_says_what_is_wrong(tmp_path: Path, grasp: RobotGrasp) -> None:
    missing = tmp_path / "none.npz"
    with pytest.raises(SystemExit, match=r"error: .*does not exist"):
        main(["--mesh", str(missing), "--grasp", str(missing)])
    with pytest.raises(SystemExit, match="--mass must be more than 0"):
        main(["--mesh", "m", "--grasp", "g", "--mass", "-1"])
    with pytest.raises(RetargetError, match=r"joints .* has shape"):
        read_grasp(write(tmp_path / "short.npz", replace(grasp, joints=grasp.joints[:4])))
    bad = replace(grasp, squeeze=np.full(16, np.nan))
    with pytest.raises(RetargetError, match=r"squeeze .* not finite"):
        read_grasp(write(tmp_path / "nan.npz", bad))
    (tmp_path / "text.npz").write_text("no grasp")
    with pytest.raises(RetargetError, match="is no grasp"):
        read_grasp(tmp_path / "text.npz")


class _EndsTheProcess:
    """A grasp whose arrival ends the process that tries it, as a crash would."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def test_batch_keeps_order_and_outlives_crashes(grasp: RobotGrasp) -> None:
    inside = replace(grasp, position=grasp.position + 0.03 * grasp.rotation[:, 0])
    bad = replace(grasp, joints=grasp.joints[:3])
    jobs = [(0, grasp), (0, _EndsTheProcess()), (0, inside), (0, bad)]
    results = try_grasps("ur5e", "right", [BOX], jobs, processes=1)
    assert [result.held for result in results] == [True, False, False, False]
    assert results[1].reason == "the trial's process ended"
    assert results[2].reason == "penetrates"
    assert "Error" in results[3].reason
    with pytest.raises(RetargetError, match="no object 1"):
        try_grasps("ur5e", "right", [BOX], [(1, grasp)], processes=1)
