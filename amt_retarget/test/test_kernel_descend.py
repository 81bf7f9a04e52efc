"""The kernel's steps of inverse kinematics, against the same programs put together in Python."""

import numpy as np
import pytest

from amt_retarget._kernel import Kernel, solve_box_program
from amt_retarget.retarget.inverse_kinematics import VECTORS
from amt_retarget.retarget.kinematics import make_kernel, set_collisions
from amt_retarget.robot.robot import Robot

K = len(VECTORS)
TRUST, NEAR_M, NO_TABLE = 0.3, 0.05, -np.inf
ARM_DAMPING, PER_COST = 1e-3, 0.02


class Problem:
    """Targets around the home pose, and springs to it."""

    def __init__(self, robot: Robot, kernel: Kernel, seed: int, spread: float) -> None:
        random = np.random.default_rng(seed)
        goal = robot.home + random.normal(0.0, spread, 22)
        self.robot, self.kernel = robot, kernel
        self.targets, self.weights = kernel.vectors(goal), random.uniform(0.5, 2.0, K) * 1e4
        self.lengths = np.linalg.norm(self.targets, axis=1)
        self.length_weights = random.uniform(0.5, 2.0, K) * 1e4
        self.rotation, self.wrist = kernel.palm(goal)
        self.rest, self.stiffness = robot.home, random.uniform(0.1, 5.0, 22)

    def descend(self, q: np.ndarray, converged: float, steps: int):
        return self.kernel.descend(
            q, self.targets, self.weights, self.lengths, self.length_weights, self.wrist,
            self.rotation, 1e4, 100.0, self.rest, self.stiffness, ARM_DAMPING, PER_COST,
            self.robot.lower, self.robot.upper, TRUST, NEAR_M, NO_TABLE, converged, steps,
        )  # fmt: skip

    def program(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Hessian, gradient and bounds of one step, from the kernel's other functions."""
        _, palm_cost, gradient, hessian = self.kernel.least_squares(
            q, self.targets, self.weights, np.full(K, np.inf), self.wrist, self.rotation, 1e4,
            100.0, False,
        )  # fmt: skip
        _, slope, curvature = self.kernel.lengths(q, self.lengths, self.length_weights)
        diagonal = self.stiffness.copy()
        diagonal[:6] += ARM_DAMPING + PER_COST * palm_cost
        return (
            hessian + curvature + np.diag(diagonal),
            gradient + slope + self.stiffness * (q - self.rest),
            np.maximum(self.robot.lower - q, -TRUST),
            np.minimum(self.robot.upper - q, TRUST),
        )


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def free(robot) -> Kernel:
    return make_kernel(robot, VECTORS)


@pytest.mark.parametrize("seed", range(5))
def test_one_step_is_the_box_program(robot, free, seed):
    problem = Problem(robot, free, seed, 0.2)
    q, left, stopped = problem.descend(robot.home, 0.0, 3)
    assert left == 0 and stopped is None
    expected = robot.home
    for _ in range(3):
        expected = expected + solve_box_program(*problem.program(expected))
    np.testing.assert_allclose(q, expected, atol=1e-12)


def test_it_ends_when_converged(robot, free):
    problem = Problem(robot, free, 0, 0.1)
    many, _, _ = problem.descend(robot.home, 0.0, 50)
    few, left, stopped = problem.descend(robot.home, 1e-6, 50)
    assert left == 0 and stopped is None
    assert 0.0 < np.abs(few - many).max() < 1e-5
    gradient = problem.program(many)[1]
    inside = (many > robot.lower + 1e-9) & (many < robot.upper - 1e-9)
    np.testing.assert_allclose(gradient[inside], 0.0, atol=1e-6)


def test_it_stops_before_links_meet_and_hands_over_the_program(robot):
    kernel = make_kernel(robot, VECTORS)
    set_collisions(kernel, robot)
    problem = Problem(robot, kernel, 0, 0.0)
    problem.lengths[4:] = 0.0  # thumb and fingers into each other
    problem.length_weights[4:] = 1e7
    q, left, stopped = problem.descend(robot.home, 0.0, 20)
    assert stopped is not None and 0 < left <= 20
    hessian, gradient, lower, upper, (slack, rows) = stopped
    for got, expected in zip((hessian, gradient, lower, upper), problem.program(q), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-9)
    np.testing.assert_allclose(
        slack, kernel.endangered(q, NEAR_M, NO_TABLE, lower, upper, 1.0)[0], atol=1e-12
    )
    step = solve_box_program(hessian, gradient, lower, upper)
    assert np.min(slack + rows @ step) < 0.0  # what it refused to do
    assert np.min(kernel.near(q, 1.0, NO_TABLE)[0]) > -0.01
