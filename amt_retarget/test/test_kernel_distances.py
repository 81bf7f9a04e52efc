"""The compiled kernel against coal: distances of capsules, and input that is refused."""

from itertools import product

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget._kernel import Kernel
from amt_retarget.retarget.inverse_kinematics import VECTORS
from amt_retarget.retarget.kinematics import make_kernel, set_collisions
from amt_retarget.robot.collision import collision_model
from amt_retarget.robot.description import ARMS, HANDS
from amt_retarget.robot.robot import Robot

ROBOTS = list(product(ARMS, HANDS))
ALL = 1e9
"""Farther apart than any two links: every pair gets its row."""
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


def differences(function, q: np.ndarray) -> np.ndarray:
    """Central differences of function(q) in every joint, the joints last."""
    steps = DIFFERENCE_RAD * np.eye(q.size)
    changes = [np.subtract(function(q + step), function(q - step)) for step in steps]
    return np.stack(changes, axis=-1) / (2.0 * DIFFERENCE_RAD)


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
