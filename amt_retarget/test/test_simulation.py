"""The simulated robot: the same robot as the solver's, its servos, contacts and pictures."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import product

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import ARMS, FINGERS, HANDS
from amt_retarget.robot.robot import Robot

pytest.importorskip("mujoco")

from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.model import build_model
from amt_retarget.simulation.renderer import RobotRenderer
from amt_retarget.simulation.robot import SimulatedRobot

ROBOTS = list(product(ARMS, HANDS))


def placed(arm: str, hand: str, positions: np.ndarray):
    """MuJoCo's (model, data) with the robot's joints at positions [22]."""
    mujoco = import_mujoco()
    model = build_model(arm, hand)
    data = mujoco.MjData(model)
    for name, value in zip(Robot.joint_names, positions, strict=True):
        data.joint(name).qpos = value
    mujoco.mj_forward(model, data)
    return model, data


def touching(model, data) -> set[tuple[str, str]]:
    bodies = [model.geom_bodyid[list(contact.geom)] for contact in data.contact]
    return {(model.body(a).name, model.body(b).name) for a, b in bodies}


@pytest.fixture(scope="module", params=ROBOTS, ids="-".join)
def simulated(request):
    return SimulatedRobot(*request.param)


@pytest.mark.parametrize(("arm", "hand"), ROBOTS)
def test_frames_and_limits_equal_the_solvers(arm, hand):
    robot = Robot.load(arm, hand)
    rng = np.random.default_rng(0)
    for positions in rng.uniform(robot.lower, robot.upper, (20, 22)):
        model, data = placed(arm, hand, positions)
        for frame in ["tool0", robot.palm_frame, *robot.tip_frames.values()]:
            rotation, position = robot.frame_pose(positions, frame)
            np.testing.assert_allclose(data.body(frame).xpos, position, atol=1e-6)
            np.testing.assert_allclose(data.body(frame).xmat.reshape(3, 3), rotation, atol=1e-6)
    for j, name in enumerate(robot.joint_names):
        limits = [robot.lower[j], robot.upper[j]]
        np.testing.assert_allclose(model.joint(name).range, limits, atol=1e-9)
        np.testing.assert_allclose(model.actuator(name).ctrlrange, limits, atol=1e-9)
        assert model.jnt_actfrcrange[model.joint(name).id][1] == pytest.approx(robot.effort[j])


@pytest.mark.parametrize(("arm", "hand"), ROBOTS)
def test_mass_matrix_equals_the_solvers(arm, hand):
    import pinocchio

    mujoco = import_mujoco()
    robot = Robot.load(arm, hand)
    model, data = placed(arm, hand, robot.home)
    mass = np.zeros((22, 22))
    for column, dof in enumerate(np.eye(22)):
        mujoco.mj_mulM(model, data, mass[column], dof)
    order = [model.joint(name).dofadr[0] for name in robot.joint_names]
    mass = mass[np.ix_(order, order)] - np.diag(model.dof_armature[order])
    expected = pinocchio.crba(robot.model, robot.data, robot.to_pinocchio(robot.home))
    expected = expected[np.ix_(robot.v_index, robot.v_index)]
    np.testing.assert_allclose(mass, expected, atol=1e-6)


@pytest.mark.parametrize(("arm", "hand"), ROBOTS)
def test_open_hand_touches_nothing_and_a_folded_arm_touches_itself(arm, hand):
    robot = Robot.load(arm, hand)
    assert touching(*placed(arm, hand, robot.home)) == set()
    # Straight fingers at every spread and bend that a person shows stay free of one another.
    straight = robot.home.copy()
    straight[6:18] = 0.0
    assert touching(*placed(arm, hand, straight)) == set()
    folded = robot.home.copy()
    folded[robot.joint_names.index("elbow_joint")] = 3.1
    assert touching(*placed(arm, hand, folded))


def test_fingers_stop_at_the_thumb():
    """A pinch that asks for overlapping tips ends in contact, not in penetration."""
    simulated = SimulatedRobot("ur5e", "right")
    pinch = {
        "index_joint_1": 1.2, "index_joint_2": 1.1, "index_joint_3": 0.6,
        "thumb_joint_0": 1.3, "thumb_joint_1": 0.3, "thumb_joint_2": 0.5, "thumb_joint_3": 0.8,
    }  # fmt: skip
    simulated.set_command(list(pinch), list(pinch.values()))
    simulated.step(2.0)
    pairs = {(a[:5], b[:5]) for a, b in touching(simulated.model, simulated.data)}
    assert ("index", "thumb") in pairs
    assert min(contact.dist for contact in simulated.data.contact) > -0.002
    assert np.abs(simulated.velocities).max() < 0.01


def test_holds_still_against_gravity(simulated):
    home = Robot.load("ur5e", "right").home
    simulated.set_command(simulated.joint_names, home)
    simulated.step(1.0)
    start = simulated.positions
    simulated.step(2.0)
    np.testing.assert_allclose(simulated.positions, home, atol=0.01)
    np.testing.assert_allclose(simulated.positions, start, atol=1e-3)


def test_tracks_a_sine_on_all_joints_faster_than_real_time(simulated):
    robot = Robot.load("ur5e", "right")
    middle = np.clip(robot.home, robot.lower + 0.31, robot.upper - 0.31)
    simulated.set_command(simulated.joint_names, middle)
    simulated.step(1.0)
    begin, wall = simulated.time, time.perf_counter()
    errors = []
    while simulated.time - begin < 2.0:
        phase = 2 * np.pi * (simulated.time - begin)
        command = middle + 0.3 * np.sin(phase)
        simulated.set_command(simulated.joint_names, command)
        simulated.step(0.002)
        errors.append(np.abs(simulated.positions - command))
    assert np.max(errors[100:]) < 0.05  # the first 0.2 s are the start from rest
    assert (simulated.time - begin) / (time.perf_counter() - wall) > 5


def test_efforts_and_limits_hold_under_a_wild_command(simulated):
    robot = Robot.load("ur5e", "right")
    rng = np.random.default_rng(1)
    effort = simulated.model.jnt_actfrcrange[:, 1]
    for _ in range(10):
        simulated.set_command(simulated.joint_names, rng.uniform(robot.lower, robot.upper))
        simulated.step(0.1)
        assert np.all(np.isfinite(simulated.positions))
        assert np.all(np.abs(simulated.data.qfrc_actuator) <= effort + 1e-9)


def test_commands_go_by_name():
    simulated = SimulatedRobot("ur5e", "left")
    before = simulated.positions
    simulated.set_command(["ring_joint_1", "wrist_3_joint"], [0.9, -1.0])
    simulated.step(1.0)
    change = simulated.positions - before
    moved = [simulated.joint_names.index(name) for name in ("ring_joint_1", "wrist_3_joint")]
    np.testing.assert_allclose(simulated.positions[moved], [0.9, -1.0], atol=0.01)
    assert np.abs(np.delete(change, moved)).max() < 0.01


@pytest.mark.parametrize(
    ("names", "positions", "message"),
    [
        (["pinky_joint_0"], [0.0], "pinky_joint_0"),
        (["elbow_joint"], [np.nan], "not finite"),
        (["elbow_joint"], [0.0, 1.0], "1 joints need 1 positions"),
        (["elbow_joint", "elbow_joint"], [0.0, 1.0], "more than once"),
    ],
)
def test_a_wrong_command_changes_nothing(names, positions, message):
    simulated = SimulatedRobot("ur5e", "right")
    before = simulated.data.ctrl.copy()
    with pytest.raises(RetargetError, match=message):
        simulated.set_command(names, positions)
    np.testing.assert_array_equal(simulated.data.ctrl, before)


def test_time_does_not_drift():
    simulated = SimulatedRobot("ur5e", "right")
    for _ in range(300):
        simulated.step(1 / 30)
    assert simulated.time == pytest.approx(10.0, abs=0.0021)
    with pytest.raises(RetargetError, match="duration"):
        simulated.step(-1.0)


def test_missing_mujoco_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(RetargetError, match="pip install mujoco"):
        SimulatedRobot("ur5e", "right")


@pytest.fixture(scope="module")
def renderer():
    try:
        made = RobotRenderer("ur5e", "right", 640, 720)
    except RetargetError as error:
        pytest.skip(f"no OpenGL here: {error}")
    with made:
        yield made


def test_pictures_show_the_gesture(renderer):
    robot = Robot.load("ur5e", "right")
    fist = robot.home.copy()
    for finger in FINGERS[:3]:
        for i in (1, 2, 3):
            fist[robot.joint_names.index(f"{finger}_joint_{i}")] = 1.3
    for view in ("robot", "hand"):
        opened = renderer.render(robot.home, view).astype(int)
        closed = renderer.render(fist, view).astype(int)
        assert opened.shape == (720, 640, 3)
        changed = np.abs(opened - closed).max(axis=2) > 40
        assert changed.mean() > (0.01 if view == "robot" else 0.05)


def test_hand_view_follows_the_palm(renderer):
    robot = Robot.load("ur5e", "right")
    moved = robot.home.copy()
    moved[robot.joint_names.index("shoulder_pan_joint")] += 0.5
    moved[robot.joint_names.index("wrist_3_joint")] += 0.5
    for positions in (robot.home, moved):
        dark = renderer.render(positions, "hand").max(axis=2) < 110
        rows, columns = np.nonzero(dark)
        assert dark.mean() > 0.1
        assert abs(columns.mean() - 320) < 80
        assert abs(rows.mean() - 360) < 120


def test_picture_from_a_given_camera(renderer):
    """The robot's palm lies where a pinhole camera at that pose sees it."""
    robot = Robot.load("ur5e", "right")
    _, palm = robot.frame_pose(robot.home, robot.palm_frame)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])  # looks along -x, y down
    pose[:3, 3] = np.add(palm, [0.9, 0.0, 0.0])
    with RobotRenderer("ur5e", "right", 320, 240, camera_pose=pose) as camera:
        picture = camera.render(robot.home)
    assert picture[135:145, 150:170].max() < 130  # just below the palm's upper edge: black
    with pytest.raises(RetargetError, match="rigid"):
        RobotRenderer("ur5e", "right", camera_pose=np.zeros((4, 4)))


def test_two_renderers_do_not_disturb_each_other(renderer):
    robot = Robot.load("ur5e", "right")
    before = renderer.render(robot.home)
    with RobotRenderer("ur10e", "left", 200, 200) as other:
        first = other.render(robot.home, "hand")
        np.testing.assert_array_equal(renderer.render(robot.home), before)
        np.testing.assert_array_equal(other.render(robot.home, "hand"), first)
    np.testing.assert_array_equal(renderer.render(robot.home), before)


def test_wrong_pictures_are_refused(renderer):
    robot = Robot.load("ur5e", "right")
    with pytest.raises(RetargetError, match="robot, hand"):
        renderer.render(robot.home, "top")
    with pytest.raises(RetargetError, match="22 finite"):
        renderer.render(np.full(22, np.nan))


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is Linux's")
def test_missing_opengl_names_the_packages():
    """PyOpenGL set to another platform refuses EGL as it does where the libraries are missing."""
    code = """
from amt_retarget.errors import RetargetError
from amt_retarget.simulation.renderer import RobotRenderer
try:
    RobotRenderer("ur5e", "right")
except RetargetError as error:
    print(error)
"""
    environment = os.environ | {"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "osmesa"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    for package in ("libegl1", "libgl1", "libegl-mesa0", "libgl1-mesa-dri"):
        assert package in result.stdout
