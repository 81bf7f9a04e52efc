"""The compiled kernel against Pinocchio, coal and finite differences."""

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
from amt_retarget.robot.collision import collision_model
from amt_retarget.robot.description import ARMS, HANDS
from amt_retarget.robot.robot import Robot

ROBOTS = list(product(ARMS, HANDS))
HAND = slice(6, 22)
ALL = 1e9
"""Farther apart than any two links: every pair gets its row."""
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


class Capsules:
    """The robot's capsules in coal, placed by Pinocchio."""

    def __init__(self, robot: Robot) -> None:
        import coal

        self.model = collision_model(robot)
        self.robot = robot
        along = self.model.ends - self.model.starts
        halves = 0.5 * np.linalg.norm(along, axis=1)
        self.shapes = [
            coal.Capsule(radius, 2.0 * half)
            for radius, half in zip(self.model.radii, halves, strict=True)
        ]

    def segments(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends [n, 3] of all segments in the base frame."""
        import pinocchio

        robot = self.robot
        pinocchio.forwardKinematics(robot.model, robot.data, robot.to_pinocchio(q))
        starts, ends = [], []
        for joint, start, end in zip(
            self.model.joints, self.model.starts, self.model.ends, strict=True
        ):
            name = "universe" if joint < 0 else robot.joint_names[joint]
            pose = robot.data.oMi[robot.model.getJointId(name)]
            starts.append(pose.act(start))
            ends.append(pose.act(end))
        return np.array(starts), np.array(ends)

    def distances(self, q: np.ndarray) -> np.ndarray:
        """[m] of all pairs, negative for capsules that overlap."""
        import coal

        starts, ends = self.segments(q)
        poses = []
        for start, end in zip(starts, ends, strict=True):
            along = end - start
            length = np.linalg.norm(along)
            axis = along / length if length > 0.0 else np.array([0.0, 0.0, 1.0])
            turn, _ = Rotation.align_vectors([axis], [[0.0, 0.0, 1.0]])
            poses.append(coal.Transform3s(turn.as_matrix(), 0.5 * (start + end)))
        request, distances = coal.DistanceRequest(), []
        for a, b in self.model.pairs:
            result = coal.DistanceResult()
            coal.distance(self.shapes[a], poses[a], self.shapes[b], poses[b], request, result)
            distances.append(result.min_distance)
        return np.array(distances)


def test_distances_agree_with_coal(robot, kernel):
    capsules = Capsules(robot)
    table, least = 0.1, np.inf
    for q in random_positions(robot, 20):
        slack, _ = kernel.near(q, ALL, table)
        expected = capsules.distances(q) - capsules.model.clearances
        np.testing.assert_allclose(slack[: expected.size], expected, atol=1e-9)
        least = min(least, np.min(expected))
        above = capsules.model.table_capsules
        heights = np.stack([end[above, 2] for end in capsules.segments(q)], axis=1)
        heights -= capsules.model.radii[above, None] + table
        np.testing.assert_allclose(slack[expected.size :], heights.ravel(), atol=1e-12)
    assert least < -0.01  # capsules that overlap are among them


def test_gradients_of_distances(robot, kernel):
    for q in random_positions(robot, 3, seed=4):
        _, rows = kernel.near(q, ALL, 0.0)
        change = differences(lambda at: kernel.near(at, ALL, 0.0)[0], q)
        np.testing.assert_allclose(rows, change, atol=1e-6)


def test_only_what_is_near_has_a_row(robot, kernel):
    for q in random_positions(robot, 5, seed=5):
        everything, rows = kernel.near(q, ALL, 0.0)
        slack, near_rows = kernel.near(q, 0.05, 0.0)
        np.testing.assert_array_equal(slack, everything[everything <= 0.05])
        np.testing.assert_array_equal(near_rows, rows[everything <= 0.05])
        assert 0 < slack.size < everything.size
        without_table, _ = kernel.near(q, ALL, -np.inf)
        assert without_table.size == len(collision_model(robot).pairs)


def test_endangered_are_those_that_can_meet(robot, kernel):
    random, steps = np.random.default_rng(6), 4.0
    for q in random_positions(robot, 5, seed=6):
        lower, upper = -random.uniform(0.0, 0.05, 22), random.uniform(0.0, 0.05, 22)
        slack, rows = kernel.near(q, 0.2, 0.0)
        most = -np.minimum(rows * lower, rows * upper).sum(axis=1) * steps
        found, found_rows = kernel.endangered(q, 0.2, 0.0, lower, upper, steps)
        np.testing.assert_array_equal(found, slack[slack < most])
        np.testing.assert_array_equal(found_rows, rows[slack < most])
        assert 0 < found.size < slack.size


def test_can_stop_is_braking_step_by_step(robot, kernel):
    """Against the same braking in Python; both answers occur, and one with a wall in the way."""
    random, dt, deceleration = np.random.default_rng(10), 0.03, np.repeat([5.0, 100.0], [6, 16])
    answers = []
    for q in random_positions(robot, 60, seed=10):
        velocity = random.normal(0.0, 2.0, 22)
        least = float(np.min(kernel.near(q, ALL, -1.0)[0])) - random.uniform(0.0, 0.003)
        given = kernel.can_stop(q, velocity, deceleration, dt, least, -1.0)
        slacks = [np.min(kernel.near(q, ALL, -1.0)[0])]
        while velocity.any():
            velocity = velocity - np.clip(velocity, -deceleration * dt, deceleration * dt)
            q = q + velocity * dt
            slacks.append(np.min(kernel.near(q, ALL, -1.0)[0]))
        assert given == (min(slacks) > least)
        answers.append(given)
    assert 10 < sum(answers) < 50
    assert kernel.can_stop(robot.home, np.zeros(22), deceleration, dt, 0.0, 0.0)
    assert not kernel.can_stop(robot.home, np.zeros(22), deceleration, dt, 0.0, 0.6)
    for wrong in ("q", "velocities", "decelerations"):
        sizes = {"q": 22, "velocities": 22, "decelerations": 22, wrong: 21}
        with pytest.raises(ValueError, match=f"{wrong} needs 22"):
            kernel.can_stop(*(np.zeros(size) for size in sizes.values()), dt, 0.0, 0.0)


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


ONE_JOINT = {
    "parents": np.array([-1]),
    "rotations": np.eye(3)[None],
    "translations": np.zeros((1, 3)),
    "axes": np.array([[0.0, 0.0, 1.0]]),
    "point_joints": np.array([0, 0]),
    "point_offsets": np.zeros((2, 3)),
    "vectors": np.array([[0, 1]]),
    "palm_joint": 0,
    "palm_rotation": np.eye(3),
    "wrist_offset": np.zeros(3),
}
"""A joint that turns about z."""
TWO_CAPSULES = {
    "joints": np.array([-1, 0]),
    "starts": np.zeros((2, 3)),
    "ends": np.zeros((2, 3)),
    "radii": np.array([0.01, 0.02]),
    "pairs": np.array([[0, 1]]),
    "clearances": np.zeros(1),
    "table_capsules": np.array([1]),
}
"""One stands still, the other turns with the joint."""


@pytest.mark.parametrize(
    ("still", "turning", "distance"),
    [
        ([[0.1, 0, 0], [0.1, 0, 0.2]], [[0.1, 0.1, 0.05], [0.1, 0.1, 0.3]], 0.1),
        ([[0.1, 0, 0], [0.1, 0, 0.2]], [[0.1, 0.1, 0.3], [0.1, 0.1, 0.05]], 0.1),
        ([[0.1, 0, 0], [0.1, 0, 0.2]], [[0.1, 0.04, 0.23], [0.1, 0.04, 0.4]], 0.05),
        ([[0.1, 0, 0], [0.2, 0, 0]], [[0.3, 0, 0], [0.5, 0, 0]], 0.1),
        ([[0.1, 0, 0], [0.3, 0, 0]], [[0.2, 0.1, 0], [0.2, 0.1, 0]], 0.1),
        ([[0.2, 0.1, 0], [0.2, 0.1, 0]], [[0.1, 0, 0], [0.3, 0, 0]], 0.1),
        ([[0.1, 0.1, 0], [0.1, 0.1, 0]], [[0.1, 0, 0], [0.1, 0, 0]], 0.1),
        ([[0.1, 0, 0], [0.3, 0, 0]], [[0.2, 0.05, -0.1], [0.2, 0.05, 0.1]], 0.05),
    ],
    ids=[
        "side by side",
        "side by side, turned round",
        "parallel, apart",
        "in one line",
        "a ball",
        "a ball that stands still",
        "two balls",
        "crosswise",
    ],
)
def test_parallel_and_degenerate_capsules(still, turning, distance):
    kernel = Kernel(*ONE_JOINT.values())
    starts, ends = np.array([still, turning]).swapaxes(0, 1)
    kernel.set_collisions(*(TWO_CAPSULES | {"starts": starts, "ends": ends}).values())
    slack, rows = kernel.near(np.zeros(1), ALL, -np.inf)
    assert slack[0] == pytest.approx(distance - 0.03, abs=1e-12)
    change = differences(lambda at: kernel.near(at, ALL, -np.inf)[0], np.zeros(1))
    np.testing.assert_allclose(rows, change, atol=1e-6)


@pytest.mark.parametrize(
    "turning",
    [
        [[0.2, 0, -0.1], [0.2, 0, 0.1]],
        [[0.0, 0, 0.0], [0.4, 0, 0.0]],
        [[0.2, 0, 0], [0.2, 0, 0]],
    ],
    ids=["crossing", "within each other", "a ball on the axis"],
)
def test_capsules_whose_axes_touch_have_a_finite_row(turning):
    kernel = Kernel(*ONE_JOINT.values())
    starts, ends = np.array([[[0.1, 0, 0], [0.3, 0, 0]], turning]).swapaxes(0, 1)
    kernel.set_collisions(*(TWO_CAPSULES | {"starts": starts, "ends": ends}).values())
    slack, rows = kernel.near(np.zeros(1), ALL, -np.inf)
    assert slack[0] == pytest.approx(-0.03, abs=1e-12)
    assert np.all(np.isfinite(rows))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("parents", np.array([0]), "parent"),
        ("rotations", np.eye(2), "rotations needs 9"),
        ("translations", np.zeros(2), "translations needs 3"),
        ("axes", np.zeros(4), "axes needs 3"),
        ("point_joints", np.array([0, 1]), "point's joint"),
        ("point_offsets", np.zeros(3), "point offsets needs 6"),
        ("vectors", np.array([[0, 2]]), "vector's point"),
        ("vectors", np.array([0, 1, 0]), "pairs"),
        ("palm_joint", 1, "palm_joint"),
        ("palm_rotation", np.eye(4), "palm_rotation needs 9"),
        ("wrist_offset", np.zeros(2), "wrist_offset needs 3"),
    ],
)
def test_a_wrong_tree_is_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        Kernel(*(ONE_JOINT | {name: value}).values())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("joints", np.array([0, 1]), "capsule's joint"),
        ("starts", np.zeros(3), "starts needs 6"),
        ("ends", np.zeros(5), "ends needs 6"),
        ("radii", np.zeros(3), "radii needs 2"),
        ("pairs", np.array([[0, 2]]), "pair's capsule"),
        ("pairs", np.array([0, 1, 0]), "pairs"),
        ("clearances", np.zeros(2), "clearances needs 1"),
        ("table_capsules", np.array([2]), "table capsule"),
    ],
)
def test_wrong_capsules_are_refused_and_change_nothing(name, value, message):
    kernel = Kernel(*ONE_JOINT.values())
    kernel.set_collisions(*TWO_CAPSULES.values())
    with pytest.raises(ValueError, match=message):
        kernel.set_collisions(*(TWO_CAPSULES | {name: value}).values())
    assert kernel.near(np.zeros(1), ALL, 0.0)[0].size == 3


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


CHAIN = {
    "parents": np.arange(-1, 19),
    "rotations": np.tile(np.eye(3), (20, 1, 1)),
    "translations": np.zeros((20, 3)),
    "axes": np.tile([0.0, 0.0, 1.0], (20, 1)),
}
"""Twenty joints in a row."""


@pytest.mark.parametrize(
    ("palm_joint", "ends", "message"),
    [
        (2, [2, 1], "move with the palm"),
        (0, [0, 19], "too many joints"),
        (0, [10, 10], "too many joints"),
        (17, [17, 17], "too many joints"),
    ],
    ids=["on the arm", "a long finger", "two long fingers", "a long arm"],
)
def test_vectors_that_the_kernel_cannot_do_are_refused(palm_joint, ends, message):
    wrong = {"palm_joint": palm_joint, "point_joints": np.array(ends)}
    with pytest.raises(ValueError, match=message):
        Kernel(*(ONE_JOINT | CHAIN | wrong).values())
