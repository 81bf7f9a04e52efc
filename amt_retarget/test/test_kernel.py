"""The compiled kernel against Pinocchio and finite differences: objectives and their minima."""

from itertools import product

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget._kernel import Kernel, solve_box_program
from amt_retarget.retarget.inverse_kinematics import VECTORS
from amt_retarget.retarget.kinematics import (
    CENTRES,
    FINGERS,
    FINGERTIP_RADIUS_M,
    MIDDLES,
    PALM,
    PALM_LENGTH_M,
    TIPS,
    WRIST,
    make_kernel,
    set_collisions,
)
from amt_retarget.robot.description import ARMS, HANDS
from amt_retarget.robot.robot import Robot

ROBOTS = list(product(ARMS, HANDS))
HAND = slice(6, 22)
K = len(VECTORS)
DIFFERENCE_RAD = 1e-5


@pytest.fixture(scope="module", params=ROBOTS, ids="-".join)
def robot(request) -> Robot:
    return Robot.load(*request.param)


@pytest.fixture(scope="module")
def kernel(robot) -> Kernel:
    kernel = make_kernel(robot, VECTORS)
    set_collisions(kernel, robot)
    return kernel


def random_positions(robot: Robot, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(robot.lower, robot.upper, (count, 22))


def expected_points(robot: Robot, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [14, 3] by Pinocchio's frames, and their Jacobians [14, 3, 22]."""
    on_frames = [(robot.palm_frame, 0.0), (robot.palm_frame, -PALM_LENGTH_M)]
    for offset in (0.0, -FINGERTIP_RADIUS_M):
        on_frames += [(robot.tip_frames[finger], offset) for finger in FINGERS]
    on_frames += [(f"{finger}_link_2", 0.0) for finger in FINGERS]
    assert len(on_frames) == MIDDLES[-1] + 1
    points, jacobians = [], []
    for frame, offset in on_frames:
        rotation, position = robot.frame_pose(q, frame)
        arm = rotation @ [0.0, 0.0, offset]
        jacobian = robot.frame_jacobian(q, frame)
        points.append(position + arm)
        jacobians.append(jacobian[:3] + np.cross(jacobian[3:], arm, axis=0))
    return np.array(points), np.array(jacobians)


def expected_vectors(robot: Robot, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [k, 3] in the palm's axes and Jacobians [k, 3, 22]; the arm's part must vanish."""
    points, jacobians = expected_points(robot, q)
    rotation, _ = robot.frame_pose(q, robot.palm_frame)
    turn = robot.frame_jacobian(q, robot.palm_frame)[3:]
    start, end = np.array(VECTORS).T
    vectors = points[end] - points[start]
    moved = [
        jacobians[b] - jacobians[a] - np.cross(turn, vector, axis=0)
        for a, b, vector in zip(start, end, vectors, strict=True)
    ]
    return vectors @ rotation, rotation.T @ np.array(moved)


def differences(function, q: np.ndarray) -> np.ndarray:
    """Central differences of function(q) in every joint, the joints last."""
    steps = DIFFERENCE_RAD * np.eye(q.size)
    changes = [np.subtract(function(q + step), function(q - step)) for step in steps]
    return np.stack(changes, axis=-1) / (2.0 * DIFFERENCE_RAD)


class Problem:
    """Random targets and weights for `least_squares`; `palm` switches the palm's part on."""

    def __init__(self, beta: float, palm: bool, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        self.targets = random.normal(0.0, 0.1, (K, 3))
        self.weights = random.uniform(0.5, 2.0, K)
        self.betas = np.full(K, beta)
        self.wrist = random.normal(0.0, 0.5, 3)
        self.rotation = Rotation.random(random_state=random).as_matrix()
        self.palm_weights = (3.0, 0.7) if palm else (0.0, 0.0)

    def solve(self, kernel: Kernel, q: np.ndarray, newton: bool):
        return kernel.least_squares(
            q,
            self.targets,
            self.weights,
            self.betas,
            self.wrist,
            self.rotation,
            *self.palm_weights,
            newton,
        )


def minimise(
    kernel: Kernel,
    q: np.ndarray,
    problem: Problem,
    lower: np.ndarray,
    upper: np.ndarray,
    newton: bool,
    trust: float = 0.3,
    most_steps: int = 500,
) -> tuple[np.ndarray, float]:
    return kernel.minimise(
        q,
        problem.targets,
        problem.weights,
        problem.betas,
        problem.wrist,
        problem.rotation,
        *problem.palm_weights,
        lower,
        upper,
        trust,
        1e-13,
        most_steps,
        newton,
    )


def test_points_vectors_and_palm_agree_with_pinocchio(robot, kernel):
    for q in random_positions(robot, 50):
        points, _ = expected_points(robot, q)
        np.testing.assert_allclose(kernel.points(q), points, atol=1e-12)
        vectors, jacobians = expected_vectors(robot, q)
        np.testing.assert_allclose(kernel.vectors(q), vectors, atol=1e-12)
        np.testing.assert_allclose(jacobians[:, :, :6], 0.0, atol=1e-12)
        rotation, wrist = kernel.palm(q)
        np.testing.assert_allclose(rotation, robot.frame_pose(q, robot.palm_frame)[0], atol=1e-12)
        np.testing.assert_allclose(wrist, points[WRIST], atol=1e-12)


def test_costs_are_those_of_the_definition(robot, kernel):
    q = random_positions(robot, 1)[0]
    vectors, _ = expected_vectors(robot, q)
    rotation, _ = robot.frame_pose(q, robot.palm_frame)
    wrist = expected_points(robot, q)[0][WRIST]
    for beta in (0.01, 0.3, np.inf):
        problem = Problem(beta, palm=True)
        distance = np.linalg.norm(vectors - problem.targets, axis=1)
        squares = 0.5 * distance**2 / (1.0 if np.isinf(beta) else beta)
        smooth_l1 = np.where(distance < beta, squares, distance - 0.5 * beta)
        angle = Rotation.from_matrix(rotation @ problem.rotation.T).magnitude()
        at = np.sum((wrist - problem.wrist) ** 2)
        vector_cost, palm_cost, _, _ = problem.solve(kernel, q, False)
        assert vector_cost == pytest.approx(np.sum(problem.weights * smooth_l1), rel=1e-12)
        position_weight, rotation_weight = problem.palm_weights
        expected = 0.5 * (position_weight * at + rotation_weight * angle**2)
        assert palm_cost == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("beta", [0.01, 0.1, np.inf])
def test_gradients_and_the_newton_hessian_are_exact(robot, kernel, beta):
    for palm, q in product((False, True), random_positions(robot, 3)):
        problem = Problem(beta, palm)

        def cost(at, problem=problem):
            return sum(problem.solve(kernel, at, False)[:2])

        def gradient(at, problem=problem):
            return problem.solve(kernel, at, True)[2]

        for newton in (False, True):
            given = problem.solve(kernel, q, newton)[2]
            np.testing.assert_allclose(given, differences(cost, q), atol=1e-7)
        if not palm:
            hessian = problem.solve(kernel, q, True)[3]
            np.testing.assert_allclose(hessian, differences(gradient, q), atol=1e-7)
            np.testing.assert_allclose(hessian, hessian.T, atol=1e-15)


@pytest.mark.parametrize("beta", [0.01, 0.1, np.inf])
def test_the_other_hessian_is_gauss_newton_with_pinocchios_jacobians(robot, kernel, beta):
    for q in random_positions(robot, 10):
        problem = Problem(beta, palm=True)
        vectors, jacobians = expected_vectors(robot, q)
        length = np.linalg.norm(vectors - problem.targets, axis=1)
        share = np.ones(K) if np.isinf(beta) else 1.0 / np.maximum(length, beta)
        expected = np.einsum("k,kxi,kxj->ij", problem.weights * share, jacobians, jacobians)
        wrist = expected_points(robot, q)[1][WRIST]
        turn = robot.frame_jacobian(q, robot.palm_frame)[3:]
        position_weight, rotation_weight = problem.palm_weights
        expected += position_weight * wrist.T @ wrist + rotation_weight * turn.T @ turn
        hessian = problem.solve(kernel, q, False)[3]
        np.testing.assert_allclose(hessian, expected, atol=1e-12)
        assert np.linalg.eigvalsh(hessian)[0] > -1e-12


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", [0.0, 1e-9, 1.0, 3.13, np.pi - 1e-7, np.pi])
def test_the_angle_of_the_palm_up_to_half_a_turn(robot, kernel, axis, angle):
    now, wrist = kernel.palm(robot.home)
    turn = Rotation.from_rotvec(-angle * np.eye(3)[axis]).as_matrix()
    none, at_rest = np.zeros((K, 3)), np.zeros(K)
    _, cost, gradient, _ = kernel.least_squares(
        robot.home, none, at_rest, np.ones(K), wrist, turn @ now, 0.0, 1.0, False
    )
    assert cost == pytest.approx(0.5 * angle**2, abs=1e-12)
    slopes = robot.frame_jacobian(robot.home, robot.palm_frame)[3 + axis] * angle
    if angle == np.pi:  # either way round is the shortest
        slopes *= np.sign(slopes @ gradient)
    np.testing.assert_allclose(gradient, slopes, atol=1e-9)


def test_lengths_and_their_derivatives(robot, kernel):
    random = np.random.default_rng(2)
    targets, weights = random.uniform(0.0, 0.2, K), random.uniform(0.5, 2.0, K)
    for q in random_positions(robot, 5):
        vectors, jacobians = expected_vectors(robot, q)
        length = np.linalg.norm(vectors, axis=1)
        cost, gradient, hessian = kernel.lengths(q, targets, weights)
        assert cost == pytest.approx(0.5 * np.sum(weights * (length - targets) ** 2), rel=1e-12)
        change = differences(lambda at: kernel.lengths(at, targets, weights)[0], q)
        np.testing.assert_allclose(gradient, change, atol=1e-7)
        slopes = np.einsum("kx,kxi->ki", vectors / length[:, None], jacobians)
        np.testing.assert_allclose(hessian, (weights * slopes.T) @ slopes, atol=1e-12)


def test_the_hand_alone_is_the_hand_of_the_full_kernel(robot, kernel):
    hand = make_kernel(robot, VECTORS, with_arm=False)
    random = np.random.default_rng(3)
    lengths, weights = random.uniform(0.0, 0.2, K), random.uniform(0.5, 2.0, K)
    for q in random_positions(robot, 10):
        np.testing.assert_allclose(hand.vectors(q[HAND]), kernel.vectors(q), atol=1e-12)
        rotation, _ = kernel.palm(q)
        points = kernel.points(q)
        in_palm = (points - points[PALM]) @ rotation
        np.testing.assert_allclose(hand.points(q[HAND]), in_palm, atol=1e-12)
        for beta, newton in product((0.03, np.inf), (False, True)):
            full = Problem(beta, palm=False).solve(kernel, q, newton)
            alone = Problem(beta, palm=False).solve(hand, q[HAND], newton)
            assert alone[0] == pytest.approx(full[0], rel=1e-12) and alone[1] == 0.0
            np.testing.assert_allclose(alone[2], full[2][HAND], atol=1e-12)
            np.testing.assert_allclose(alone[3], full[3][HAND, HAND], atol=1e-12)
        full = kernel.lengths(q, lengths, weights)
        alone = hand.lengths(q[HAND], lengths, weights)
        np.testing.assert_allclose(alone[2], full[2][HAND, HAND], atol=1e-12)


def test_a_tip_is_a_radius_from_the_centre_of_its_dome(robot, kernel):
    points = kernel.points(robot.home)
    distance = np.linalg.norm(points[list(TIPS)] - points[list(CENTRES)], axis=1)
    np.testing.assert_allclose(distance, FINGERTIP_RADIUS_M, atol=1e-12)


def test_minimise_meets_a_target_that_can_be_met(robot, kernel):
    random = np.random.default_rng(7)
    for q in random_positions(robot, 10, seed=7):
        problem = Problem(np.inf, palm=True)
        problem.targets = kernel.vectors(q)
        problem.rotation, problem.wrist = kernel.palm(q)
        start = np.clip(q + random.normal(0.0, 0.1, 22), robot.lower, robot.upper)
        for newton in (False, True):
            reached, cost = minimise(kernel, start, problem, robot.lower, robot.upper, newton)
            assert cost < 1e-10
            np.testing.assert_allclose(kernel.palm(reached)[1], problem.wrist, atol=1e-5)


@pytest.mark.parametrize("beta", [0.02, np.inf])
@pytest.mark.parametrize("newton", [False, True])
def test_minimise_ends_where_only_the_bounds_keep_the_cost_up(robot, kernel, beta, newton):
    for q in random_positions(robot, 5, seed=8):
        problem = Problem(beta, palm=True)
        lower = np.maximum(robot.lower, q - 0.3)
        upper = np.minimum(robot.upper, q + 0.3)
        reached, cost = minimise(kernel, q, problem, lower, upper, newton)
        assert np.all(lower <= reached) and np.all(reached <= upper)
        vector_cost, palm_cost, gradient, _ = problem.solve(kernel, reached, newton)
        assert cost == pytest.approx(vector_cost + palm_cost, rel=1e-12)
        assert cost < sum(problem.solve(kernel, q, newton)[:2])
        pushed = np.where(gradient > 0.0, reached - lower, upper - reached) > 1e-9
        np.testing.assert_allclose(gradient[pushed], 0.0, atol=1e-4)


def test_minimise_takes_steps_within_its_trust(robot, kernel):
    q, problem = robot.home, Problem(np.inf, palm=True)
    unmoved, _ = minimise(kernel, q, problem, robot.lower, robot.upper, False, most_steps=0)
    np.testing.assert_array_equal(unmoved, q)
    moved, _ = minimise(
        kernel, q, problem, robot.lower, robot.upper, False, trust=0.05, most_steps=1
    )
    assert np.max(np.abs(moved - q)) == pytest.approx(0.05, rel=1e-9)
    for name in ("lower", "upper"):
        bounds = {"lower": robot.lower, "upper": robot.upper, name: np.zeros(21)}
        with pytest.raises(ValueError, match=f"{name} needs 22"):
            minimise(kernel, q, problem, bounds["lower"], bounds["upper"], False)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e7])
def test_box_programs_meet_the_conditions_of_an_optimum(condition):
    random = np.random.default_rng(9)
    for n in (1, 2, 6, 16, 22):
        for _ in range(100):
            turn = np.linalg.qr(random.normal(size=(n, n)))[0]
            hessian = (turn * np.geomspace(1.0, condition, n)) @ turn.T
            gradient = random.normal(size=n) * random.choice([0.1, 1.0, 100.0])
            lower, upper = -random.uniform(0.0, 1.0, n), random.uniform(0.0, 1.0, n)
            pinned = random.random(n) < 0.1
            lower[pinned] = upper[pinned]
            x = solve_box_program(hessian, gradient, lower, upper)
            assert np.all(lower <= x) and np.all(x <= upper)
            slope = hessian @ x + gradient
            pushed = np.where(slope > 0.0, x - lower, upper - x) > 1e-9
            np.testing.assert_allclose(slope[pushed], 0.0, atol=1e-8 * condition)


def test_box_programs_without_an_optimum_have_no_solution():
    bounds = -np.ones(2), np.ones(2)
    saddle = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert solve_box_program(saddle, np.array([0.1, -0.1]), *bounds) is None
    for wrong in (np.nan, np.inf):
        assert solve_box_program(np.eye(2), np.array([wrong, 0.0]), *bounds) is None
        assert solve_box_program(np.full((2, 2), wrong), np.ones(2), *bounds) is None
    with pytest.raises(ValueError, match="hessian needs 4"):
        solve_box_program(np.eye(3), np.zeros(2), *bounds)


def test_joints_and_targets_of_a_wrong_size_are_refused(robot, kernel):
    q, lengths = robot.home, np.zeros(K)
    for call in (kernel.points, kernel.vectors, kernel.palm):
        with pytest.raises(ValueError, match="q needs 22"):
            call(q[:21])
    with pytest.raises(ValueError, match="q needs 22"):
        kernel.near(q[:21], 0.1, 0.0)
    with pytest.raises(ValueError, match="targets needs"):
        kernel.lengths(q, lengths[1:], lengths)
    with pytest.raises(ValueError, match="weights needs"):
        kernel.lengths(q, lengths, lengths[1:])
    for name in ("targets", "weights", "betas", "wrist", "rotation"):
        problem = Problem(np.inf, palm=False)
        setattr(problem, name, getattr(problem, name)[1:])
        with pytest.raises(ValueError, match=f"{name} needs"):
            problem.solve(kernel, q, False)
