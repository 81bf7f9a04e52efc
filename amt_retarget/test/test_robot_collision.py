"""Capsules against the true collision shapes: coal on the boxes and cylinders of the URDF."""

from __future__ import annotations

import time
from itertools import pairwise, product

import numpy as np
import pinocchio
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.robot import collision
from amt_retarget.robot.collision import ARM_LINKS, STICK_OUT, CollisionModel, collision_model
from amt_retarget.robot.description import ARMS, FINGERS, HANDS, read_urdf, urdf_path
from amt_retarget.robot.robot import Robot

SPINE = (*ARM_LINKS, "palm_link")
CHAINS = [SPINE, *(("palm_link", *(f"{f}_link_{i}" for i in range(4))) for f in FINGERS)]
NEIGHBOURS = {frozenset(pair) for chain in CHAINS for pair in pairwise(chain)}
# The description's palm is a box without the notch that the real one has at the base of the thumb.
OVERLAPPING = frozenset(("palm_link", "thumb_link_1"))


class Scene:
    """A robot with its capsules and its true shapes."""

    def __init__(self, arm: str, hand: str) -> None:
        self.robot = robot = Robot.load(arm, hand)
        self.capsules = collision_model(robot)
        path = str(urdf_path(arm, hand))
        self.shapes = pinocchio.buildGeomFromUrdf(robot.model, path, pinocchio.COLLISION)
        shapes = self.shapes.geometryObjects
        self.links = [robot.model.frames[shape.parentFrame].name for shape in shapes]
        self.true_pairs = []
        for j, i in product(range(len(shapes)), repeat=2):
            pair = frozenset((self.links[i], self.links[j]))
            apart = shapes[i].parentJoint != shapes[j].parentJoint
            if i < j and apart and pair not in NEIGHBOURS and pair != OVERLAPPING:
                self.shapes.addCollisionPair(pinocchio.CollisionPair(i, j))
                self.true_pairs.append(pair)
        self.data = robot.model.createData()
        self.shapes_data = self.shapes.createData()
        names = ["universe", *robot.joint_names]
        self._joints = [robot.model.getJointId(names[j + 1]) for j in self.capsules.joints]

    def slack(self, positions: np.ndarray) -> np.ndarray:
        """Distance less clearance of each pair [m] of capsules (m)."""
        starts, ends = self.segments(positions)
        model, (a, b) = self.capsules, self.capsules.pairs.T
        distances = segment_distances(starts[a], ends[a], starts[b], ends[b])
        return distances - model.radii[a] - model.radii[b] - model.clearances

    def segments(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends [n, 3] of the capsules in base_link (m)."""
        model, data, q = self.robot.model, self.data, self.robot.to_pinocchio(positions)
        pinocchio.forwardKinematics(model, data, q)
        poses = [data.oMi[joint] for joint in self._joints]
        return tuple(
            np.array([pose.act(point) for pose, point in zip(poses, points, strict=True)])
            for points in (self.capsules.starts, self.capsules.ends)
        )

    def true_distances(self, positions: np.ndarray) -> np.ndarray:
        """Distance of each of `true_pairs` (m); below 0 they penetrate."""
        q = self.robot.to_pinocchio(positions)
        pinocchio.computeDistances(self.robot.model, self.data, self.shapes, self.shapes_data, q)
        return np.array([result.min_distance for result in self.shapes_data.distanceResults])

    def contact(self, start: np.ndarray, end: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Where, on the way from a free start to an end that is not, the first pair touches."""
        low, high = 0.0, 1.0
        for _ in range(14):
            middle = (low + high) / 2
            free = self.slack(start + middle * (end - start))[pairs].min() >= 0.0
            low, high = (middle, high) if free else (low, middle)
        return start + low * (end - start)


def segment_distances(p1: np.ndarray, q1: np.ndarray, p2: np.ndarray, q2: np.ndarray) -> np.ndarray:
    """Distances [m] of segments [m, 3]: least of the four ends' and, if inside, the lines'."""
    u, v, w = q1 - p1, q2 - p2, p1 - p2
    a, b, c = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    d, e = (u * w).sum(1), (v * w).sum(1)
    determinant = np.maximum(a * c - b * b, 1e-15)
    s, t = (b * e - c * d) / determinant, (a * e - b * d) / determinant
    crossing = np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1)
    inside = (s > 0) & (s < 1) & (t > 0) & (t < 1)

    def to_segment(point: np.ndarray, start: np.ndarray, way: np.ndarray) -> np.ndarray:
        squared = np.maximum((way * way).sum(1), 1e-15)
        share = np.clip(((point - start) * way).sum(1) / squared, 0.0, 1.0)
        return np.linalg.norm(point - start - share[:, None] * way, axis=1)

    ends = [to_segment(p1, p2, v), to_segment(q1, p2, v), to_segment(p2, p1, u)]
    return np.minimum.reduce([*ends, to_segment(q2, p1, u), np.where(inside, crossing, np.inf)])


@pytest.fixture(scope="module", params=list(product(ARMS, HANDS)), ids="-".join)
def scene(request):
    return Scene(*request.param)


@pytest.fixture(scope="module")
def right():
    return Scene("ur5e", "right")


def open_hand(robot: Robot) -> np.ndarray:
    positions = robot.home.copy()
    positions[6:] = np.clip(0.0, robot.lower[6:], robot.upper[6:])
    return positions


def is_hand_pair(model: CollisionModel) -> np.ndarray:
    return np.array([model.links[a] not in ARM_LINKS for a, _ in model.pairs])


def assert_nothing_penetrates(scene: Scene, positions: np.ndarray) -> float:
    """Least true distance of all links that have capsules against each other (m)."""
    true = scene.true_distances(positions)
    modelled = {
        frozenset((scene.capsules.links[a], scene.capsules.links[b]))
        for a, b in scene.capsules.pairs
    }
    for pair, distance in zip(scene.true_pairs, true, strict=True):
        # The description's palm has a sharp edge, on which a fully bent thumb lies flat.
        allowed = 1e-3
        assert distance >= -allowed, f"{set(pair)} by {-1e3 * distance:.2f} mm"
    return min(d for pair, d in zip(scene.true_pairs, true, strict=True) if pair in modelled)


def test_hand_that_touches_itself(scene):
    """At capsule contact the true shapes overlap by 1 mm at most, and are mostly within 5 mm."""
    robot, pairs = scene.robot, is_hand_pair(scene.capsules)
    generator = np.random.default_rng(0)
    distances = []
    while len(distances) < 150:
        start, end = robot.home.copy(), robot.home.copy()
        start[6:], end[6:] = generator.uniform(robot.lower[6:], robot.upper[6:], (2, 16))
        if scene.slack(start)[pairs].min() > 0.0 > scene.slack(end)[pairs].min():
            touching = scene.contact(start, end, pairs)
            distances.append(assert_nothing_penetrates(scene, touching))
    assert np.mean(np.array(distances) < 5e-3) > 0.88
    assert np.median(distances) < 3e-3


def test_arm_that_touches_itself_or_the_hand(scene):
    """The arm keeps its clearance."""
    robot, pairs = scene.robot, ~is_hand_pair(scene.capsules)
    generator = np.random.default_rng(0)
    lower, upper = np.maximum(robot.lower, -np.pi), np.minimum(robot.upper, np.pi)
    found = 0
    while found < 100:
        end = generator.uniform(lower, upper)
        start = np.concatenate([robot.home[:6], end[6:]])
        if scene.slack(start).min() > 0.0 > scene.slack(end)[pairs].min():
            found += 1
            touching = scene.contact(start, end, pairs)
            true = scene.true_distances(touching)
            with_arm = [bool(pair & set(ARM_LINKS[:4])) for pair in scene.true_pairs]
            assert true[with_arm].min() > 0.003  # base and upper arm pass at 3.5 mm, whatever
            assert_nothing_penetrates(scene, touching)


def test_natural_poses_are_free(scene):
    robot = scene.robot
    assert scene.slack(robot.home).min() > 0.005
    assert scene.slack(open_hand(robot)).min() > 0.005
    generator = np.random.default_rng(0)
    for _ in range(1000):
        positions = robot.home.copy()
        grip = generator.uniform(0.0, 1.0)
        for finger in range(3):
            bend = np.clip(grip + generator.normal(0.0, 0.1), 0.0, 1.2)
            positions[6 + 4 * finger] = generator.uniform(-0.05, 0.05)
            positions[7 + 4 * finger : 10 + 4 * finger] = bend * np.array([1.0, 0.9, 0.6])
        positions[18:] = generator.uniform([0.3, 0.0, 0.0, 0.0], [1.0, 0.6, 0.5, 0.6])
        assert scene.slack(positions).min() > 0.0


def test_a_fist_is_free(scene):
    for thumb in ([0.5, 0.3, 0.2, 0.2], [1.3, 0.3, 0.6, 0.5]):
        positions = scene.robot.home.copy()
        for finger in range(3):
            positions[7 + 4 * finger : 10 + 4 * finger] = 1.5
        positions[18:] = thumb
        assert scene.slack(positions).min() > 0.0


def test_a_hand_in_the_table_and_an_arm_in_itself_are_found(scene):
    robot, model = scene.robot, scene.capsules
    starts, ends = scene.segments(robot.home)
    lowest = np.minimum(starts[:, 2], ends[:, 2]) - model.radii
    assert lowest[model.table_capsules].min() > 0.1
    reaching_down = robot.home.copy()
    reaching_down[1] = 0.3
    starts, ends = scene.segments(reaching_down)
    lowest = np.minimum(starts[:, 2], ends[:, 2]) - model.radii
    assert lowest[model.table_capsules].min() < 0.0
    folded = robot.home.copy()
    folded[2] = 3.1
    assert scene.slack(folded).min() < 0.0


def test_the_table_sees_all_that_the_true_shapes_have(scene):
    """Nothing after the elbow reaches lower than the table's capsules by more than a millimetre."""
    generator = np.random.default_rng(0)
    robot, model = scene.robot, scene.capsules
    after_elbow = scene.links.index("forearm_link")
    for positions in generator.uniform(robot.lower, robot.upper, (50, 22)):
        starts, ends = scene.segments(positions)
        table = model.table_capsules
        capsules = (np.minimum(starts[:, 2], ends[:, 2]) - model.radii)[table].min()
        pinocchio.updateGeometryPlacements(
            robot.model, scene.data, scene.shapes, scene.shapes_data, robot.to_pinocchio(positions)
        )
        for shape, pose in zip(
            scene.shapes.geometryObjects[after_elbow:],
            scene.shapes_data.oMg[after_elbow:],
            strict=True,
        ):
            box = shape.geometry
            if hasattr(box, "halfSide"):
                half = np.abs(pose.rotation[2]) @ box.halfSide
            elif hasattr(box, "halfLength"):
                along = pose.rotation[2, 2]
                half = abs(along) * box.halfLength + np.sqrt(1 - min(along**2, 1)) * box.radius
            else:
                half = box.radius
            assert pose.translation[2] - half > capsules - 2 * STICK_OUT


def test_fingertips_are_exact_and_pinches_close(scene):
    robot, model = scene.robot, scene.capsules
    starts, ends = scene.segments(robot.home)
    tips = [model.links.index(f"{finger}_link_3") for finger in FINGERS]
    for finger, i in zip(FINGERS, tips, strict=True):
        rotation, tip = robot.frame_pose(robot.home, robot.tip_frames[finger])
        _, joint = robot.frame_pose(robot.home, f"{finger}_link_3")
        assert model.radii[i] == pytest.approx(0.012)
        np.testing.assert_allclose(ends[i], tip - 0.012 * rotation[:, 2], atol=1e-9)
        np.testing.assert_allclose(starts[i], joint, atol=1e-9)
    between = np.isin(model.pairs, tips).all(axis=1)
    assert between.sum() == 6
    radii = model.radii[model.pairs[between]].sum(axis=1)
    assert np.all(radii + model.clearances[between] < 0.024)  # domes touch at 24 mm


def test_left_mirrors_right():
    left, right = (collision_model(Robot.load("ur5e", hand)) for hand in ("left", "right"))
    assert left.links == right.links
    np.testing.assert_allclose(left.radii, right.radii)
    np.testing.assert_array_equal(left.pairs, right.pairs)


def test_arrays(scene):
    model, robot = scene.capsules, scene.robot
    n, m = len(model.links), len(model.pairs)
    assert model.joints.shape == model.radii.shape == (n,)
    assert model.starts.shape == model.ends.shape == (n, 3)
    assert model.pairs.shape == (m, 2)
    assert model.clearances.shape == (m,)
    assert model.joints.dtype == model.pairs.dtype == model.table_capsules.dtype == np.int32
    assert n < 50
    assert m < 300  # every pair costs time in each step of the solver
    assert np.all(model.pairs[:, 0] != model.pairs[:, 1])
    assert len({tuple(sorted(pair)) for pair in model.pairs.tolist()}) == m
    used = set(model.pairs.ravel()) | set(model.table_capsules)
    assert used == set(range(n))  # no capsule is computed for nothing
    assert model.joints[model.links.index("base_link_inertia")] == -1
    for link, joint in zip(model.links, model.joints, strict=True):
        if link.startswith(FINGERS):
            assert robot.joint_names[joint] == link.replace("link", "joint")


def test_it_is_made_quickly(right):
    start = time.perf_counter()
    collision_model(right.robot)
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '<sphere radius="0.012"/>',
            '<box size="0.02 0.02 0.02"/>',
            "index_link_3 must have a cyl",
        ),
        ('<box size="0.0196 0.0275 0.0164"/>', '<sphere radius="0.01"/>', "index_link_0 must have"),
        (
            '<cylinder length="0.099" radius="0.075"/>',
            '<sphere radius="0.1"/>',
            "base_link_inertia",
        ),
    ],
)
def test_other_shapes_are_refused(tmp_path, monkeypatch, right, old, new, message):
    text = read_urdf("ur5e", "right")
    head, *links = text.split("<collision>")
    changed = head + "<collision>".join(["", *(link.replace(old, new, 1) for link in links)])
    assert changed != text
    path = tmp_path / "robot.urdf"
    path.write_text(changed)
    monkeypatch.setattr(collision, "urdf_path", lambda arm, hand: path)
    with pytest.raises(RetargetError, match=message):
        collision_model(right.robot)
