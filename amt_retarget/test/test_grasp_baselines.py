"""Scripted and random grasps: sensible, within limits, and as chance has them."""

from __future__ import annotations

import numpy as np
import pytest

from amt_retarget.grasp.baselines import Baselines
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.robot import Robot

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
BOX_FACES = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])


@pytest.fixture(scope="module", params=[(0.05, 0.12, 0.10), (0.12, 0.10, 0.04)], ids=str)
def box(request: pytest.FixtureRequest) -> tuple[Baselines, np.ndarray]:
    sides = np.array(request.param)
    surface = ObjectSurface.from_mesh(CORNERS * sides / 2.0 + 1.0, BOX_FACES)
    return Baselines(Robot.load("ur5e", "right"), surface), sides


def assert_sound(grasp: RobotGrasp) -> None:
    robot = Robot.load("ur5e", "right")
    lower, upper = robot.lower, robot.upper
    for joints in (grasp.joints, grasp.squeeze, grasp.pre_grasp):
        assert np.all(joints >= lower[-16:] - 1e-9)
        assert np.all(joints <= upper[-16:] + 1e-9)
    assert grasp.penetration < 0.002
    np.testing.assert_allclose(grasp.rotation @ grasp.rotation.T, np.eye(3), atol=1e-9)


def test_scripted_closes_across_the_shortest_side(box: tuple[Baselines, np.ndarray]) -> None:
    baselines, sides = box
    grasp = baselines.scripted()
    assert_sound(grasp)
    shortest = np.argmin(sides)
    assert abs(grasp.rotation[shortest, 2]) > 0.95
    assert grasp.rotation[2, 0] < 0.3  # not from below, though the best is a little beside
    thumb, middle = (grasp.contacts[f"{finger}_link_3"] for finger in ("thumb", "middle"))
    between = abs(thumb.point - middle.point)[shortest]
    assert between == pytest.approx(sides[shortest], abs=0.003)
    np.testing.assert_allclose(baselines.scripted().joints, grasp.joints, atol=1e-5)


def test_random_comes_from_anywhere_and_again_with_the_same_seed(
    box: tuple[Baselines, np.ndarray],
) -> None:
    baselines, _ = box
    random = np.random.default_rng(3)
    grasps = [baselines.random(random) for _ in range(2)]
    for grasp in grasps:
        assert_sound(grasp)
        towards = 1.0 - grasp.position  # the box's middle is at 1, 1, 1
        assert towards @ grasp.rotation[:, 0] > 0.0
    forward = np.stack([grasp.rotation[:, 0] for grasp in grasps])
    assert forward[0] @ forward[1] < 0.95
    again = baselines.random(np.random.default_rng(3))
    np.testing.assert_allclose(again.joints, grasps[0].joints, atol=1e-5)
