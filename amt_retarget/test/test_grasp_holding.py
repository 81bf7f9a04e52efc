"""What a grasp withstands by statics, and the best of the grasps near a rough one."""

import numpy as np
import pytest
import trimesh

from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.holding import MOST_PUSH_N, Contacts, withstood_push
from amt_retarget.grasp.refine import ENOUGH_N, GraspRefiner
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.robot import Robot

MIDDLE = np.zeros(3)
_rod = trimesh.creation.cylinder(0.025, 0.2)
ROD = ObjectSurface.from_mesh(np.asarray(_rod.vertices), np.asarray(_rod.faces))


def jaws(*positions: float) -> Contacts:
    """Contacts along x at both sides of the middle; motors push each along x, y and z."""
    count = len(positions)
    points = np.array([[x, 0.0, 0.0] for x in positions])
    jacobians = np.zeros((count, 3, 16))
    for i in range(count):
        jacobians[i, :, 3 * i : 3 * i + 3] = np.eye(3)
    return Contacts(points, np.sign(points), jacobians)


@pytest.mark.parametrize("force", [1.0, 4.0])
def test_two_jaws_withstand_what_one_of_them_can_press(force: float) -> None:
    """Along x one jaw must do all alone; across, friction of both gives 2 * 0.6 * 0.87 of it."""
    found = withstood_push(jaws(-0.03, 0.03), np.full(16, force), MIDDLE)
    assert found == pytest.approx(force, rel=1e-6)


def test_it_is_never_more_than_can_be_told_apart() -> None:
    assert withstood_push(jaws(-0.03, 0.03), np.full(16, 19.0), MIDDLE) == MOST_PUSH_N


@pytest.mark.parametrize("positions", [(), (0.03,), (0.03, 0.04)])
def test_one_side_holds_nothing(positions: tuple[float, ...]) -> None:
    assert withstood_push(jaws(*positions), np.full(16, 5.0), MIDDLE) == pytest.approx(0.0)


def test_jaws_aside_of_the_middle_withstand_less() -> None:
    """Two points on a line cannot hold a moment about it, nor much about others."""
    aside = withstood_push(jaws(-0.03, 0.03), np.full(16, 5.0), np.array([0.0, 0.02, 0.0]))
    assert aside < 1.0


@pytest.fixture(scope="module")
def refiner() -> GraspRefiner:
    return GraspRefiner(Robot.load("ur5e", "right"), ROD)


def test_the_best_nearby_withstands_no_less(refiner: GraspRefiner) -> None:
    hand = HandModel(Robot.load("ur5e", "right"))
    rough = Configuration(np.eye(3), np.array([-0.09, 0.0, 0.0]), 0.5 * (hand.lower + hand.upper))
    alone = refiner.refine(rough)
    best = refiner.refine_best(rough, np.random.default_rng(0))
    again = refiner.refine_best(rough, np.random.default_rng(0))
    np.testing.assert_allclose(best.joints, again.joints, atol=1e-6)
    assert min(best.withstands, ENOUGH_N) >= min(alone.withstands, ENOUGH_N) - 1e-6
    assert best.penetration <= max(0.002, alone.penetration)
