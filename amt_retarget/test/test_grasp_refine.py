"""Rough grasps that come to touch: by any link, clear of everything, pressed so that they hold."""

from __future__ import annotations

import coal
import numpy as np
import pinocchio as pin
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.grasp import ObjectSurface, RobotGrasp
from amt_retarget.grasp.closing import Closing
from amt_retarget.grasp.configuration import Configuration, rotation_matrix
from amt_retarget.grasp.contact_parts import NO_SUCH_PART_M, part_distances, part_of_link
from amt_retarget.grasp.hand_model import HAND_LINKS, HandModel
from amt_retarget.grasp.human import PARTS, Contact
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.grasp.squeeze import SQUEEZE_DEPTH_M, Press, squeeze
from amt_retarget.robot.description import FINGERS, urdf_path
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import TrialObject, try_grasp

RADIUS_M, HEIGHT_M = 0.03, 0.12
PALM_TO_AXIS_M = 0.043
ACROSS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""The palm looks along x; the cylinder's axis z lies across the fingers."""
CLOSED_RAD = np.array([*(0.0, 0.5, 1.1, 1.0) * 3, 1.3, 0.4, 0.7, 0.8])
OPEN_RAD = np.array([*(0.0, 0.1, 0.1, 0.1) * 3, 1.3, 0.4, 0.0, 0.1])
ROUGH = Configuration(ACROSS, np.array([-PALM_TO_AXIS_M + 0.004, 0.014, 0.0]), CLOSED_RAD)
"""Some millimetres too near."""


def cylinder_mesh(radius: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """A closed cylinder about z."""
    count = 64
    angle = 2.0 * np.pi * np.arange(count) / count
    ring = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(count)])
    half = np.array([0.0, 0.0, height / 2.0])
    vertices = np.concatenate([ring - half, ring + half, [-half, half]])
    a, b = np.arange(count), np.roll(np.arange(count), -1)
    low, high = np.full(count, 2 * count), np.full(count, 2 * count + 1)
    sides = [
        (a, b, b + count),
        (a, b + count, a + count),
        (low, b, a),
        (high, a + count, b + count),
    ]
    return vertices, np.concatenate([np.column_stack(side) for side in sides])


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


@pytest.fixture(scope="module")
def hand(robot: Robot) -> HandModel:
    return HandModel(robot)


@pytest.fixture(scope="module")
def surface() -> ObjectSurface:
    return ObjectSurface.from_mesh(*cylinder_mesh(RADIUS_M, HEIGHT_M))


@pytest.fixture(scope="module")
def refiner(robot: Robot, surface: ObjectSurface) -> GraspRefiner:
    return GraspRefiner(robot, surface)


@pytest.fixture(scope="module")
def refined(refiner: GraspRefiner) -> RobotGrasp:
    return refiner.refine(ROUGH)


def exact_gaps(
    robot: Robot, grasp: Configuration, solid: coal.CollisionGeometry
) -> dict[str, float]:
    """Distance (m) of each of the hand's links to a solid in the object's frame, by coal."""
    positions = np.concatenate([robot.home[:6], grasp.joints])
    palm = pin.SE3(*robot.frame_pose(positions, robot.palm_frame))
    to_object = pin.SE3(grasp.rotation, grasp.position) * palm.inverse()
    path = str(urdf_path(robot.arm, robot.hand))
    links = pin.buildGeomFromUrdf(robot.model, path, pin.GeometryType.COLLISION)
    poses = links.createData()
    pin.updateGeometryPlacements(
        robot.model, robot.data, links, poses, robot.to_pinocchio(positions)
    )
    gaps: dict[str, float] = {}
    for link, pose in zip(links.geometryObjects, poses.oMg, strict=True):
        name = robot.model.frames[link.parentFrame].name
        if name in HAND_LINKS:
            there = to_object * pose
            transform = coal.Transform3s(there.rotation, there.translation)
            request, result = coal.DistanceRequest(), coal.DistanceResult()
            gap = coal.distance(
                solid, coal.Transform3s(), link.geometry, transform, request, result
            )
            gaps[name] = min(gaps.get(name, np.inf), gap)
    return gaps


def test_refined_grasp_touches_and_penetrates_nothing(robot: Robot, refined: RobotGrasp) -> None:
    solid = coal.Cylinder(RADIUS_M, HEIGHT_M)
    assert min(exact_gaps(robot, ROUGH, solid).values()) < -0.002  # there was something to do
    gaps = exact_gaps(robot, at_grasp(refined), solid)
    assert min(gaps.values()) > -0.0005
    assert refined.penetration < 0.0005
    touching = {part_of_link(link) for link in refined.contacts}
    assert touching >= {"thumb", "index", "middle"}
    assert len(refined.contacts) >= 4
    assert max(gaps[link] for link in refined.contacts) < 0.0015
    assert refined.reached
    np.testing.assert_allclose(refined.position, ROUGH.position, atol=0.015)


def test_contacts_lie_on_the_object_where_the_links_are(refined: RobotGrasp) -> None:
    for contact in refined.contacts.values():
        outward = contact.point * [1.0, 1.0, 0.0]
        assert np.linalg.norm(outward) == pytest.approx(RADIUS_M, abs=0.001)
        assert contact.normal @ outward / np.linalg.norm(outward) > 0.97


def test_refined_grasp_holds(robot: Robot, refined: RobotGrasp) -> None:
    vertices, faces = cylinder_mesh(RADIUS_M, HEIGHT_M)
    trial = try_grasp(robot, TrialObject(vertices, faces, pieces=[vertices]), refined)
    assert trial.held
    assert trial.closing_moved < 0.01
    assert trial.moved < 0.01


def test_pre_grasp_is_open_and_its_way_clear(robot: Robot, refined: RobotGrasp) -> None:
    assert refined.approach_penetration <= 0.001
    assert refined.opening > 0.01
    before = Configuration(
        refined.pre_grasp_rotation, refined.pre_grasp_position, refined.pre_grasp
    )
    solid = coal.Cylinder(RADIUS_M, HEIGHT_M)
    for share in (0.0, 0.2, 0.5, 0.8):
        place = before.towards(at_grasp(refined), share)
        assert min(exact_gaps(robot, place, solid).values()) > -0.0015


def test_joints_stay_within_limits_and_results_repeat(
    hand: HandModel, refiner: GraspRefiner
) -> None:
    wild = Configuration(ACROSS, ROUGH.position, CLOSED_RAD + np.tile([0.7, 2.0, -2.0, 2.0], 4))
    first, second = refiner.refine(wild), refiner.refine(wild)
    for joints in (first.joints, first.squeeze, first.pre_grasp):
        assert np.all(joints >= hand.lower) and np.all(joints <= hand.upper)
    np.testing.assert_array_equal(first.joints, second.joints)
    np.testing.assert_array_equal(first.position, second.position)


def test_hand_far_away_touches_nothing(refiner: GraspRefiner) -> None:
    away = Configuration(ACROSS, np.array([-0.6, 0.0, 0.0]), CLOSED_RAD)
    grasp = refiner.refine(away)
    assert not grasp.contacts
    assert not grasp.reached
    assert grasp.unbalanced == np.inf
    np.testing.assert_array_equal(grasp.joints, CLOSED_RAD)
    np.testing.assert_array_equal(grasp.squeeze, CLOSED_RAD)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"joints": np.full(16, np.nan)}, "not finite"),
        ({"position": np.array([0.0, np.inf, 0.0])}, "not finite"),
        ({"joints": np.zeros(15)}, r"\(16,\)"),
        ({"rotation": 2.0 * np.eye(3)}, "orthonormal"),
        ({"rotation": -np.eye(3)}, "orthonormal"),
    ],
)
def test_bad_input_gets_one_sentence(
    refiner: GraspRefiner, change: dict[str, np.ndarray], sentence: str
) -> None:
    values = {"rotation": ROUGH.rotation, "position": ROUGH.position, "joints": ROUGH.joints}
    with pytest.raises(RetargetError, match=sentence):
        refiner.refine(Configuration(**values | change))


def test_fingers_close_until_they_touch(
    robot: Robot, hand: HandModel, surface: ObjectSurface
) -> None:
    start = Configuration(ACROSS, np.array([-PALM_TO_AXIS_M - 0.002, 0.012, 0.0]), OPEN_RAD)
    end = np.where(np.arange(16) % 4 == 0, OPEN_RAD, 0.95 * hand.upper)
    end[13] = OPEN_RAD[13]
    closed = Closing(hand, Proximity(hand, surface)).close(start, end)
    assert closed.touching == set(FINGERS)
    gaps = exact_gaps(robot, closed.configuration, coal.Cylinder(RADIUS_M, HEIGHT_M))
    assert min(gaps.values()) > -0.0005
    for finger in FINGERS:
        assert min(gap for link, gap in gaps.items() if link.startswith(finger)) < 0.001
    np.testing.assert_array_equal(closed.configuration.position, start.position)
    assert np.all(closed.configuration.joints >= OPEN_RAD)


def test_closing_does_not_jump_through_a_thin_wall(hand: HandModel) -> None:
    """A wall of 1 mm stands 5 cm before the palm; the fingers would come through it."""
    y, z = np.meshgrid(np.arange(-0.1, 0.1, 0.003), np.arange(-0.1, 0.2, 0.003))
    points = np.column_stack([np.full(y.size, 0.05), y.ravel(), z.ravel()])
    normals = np.tile([-1.0, 0.0, 0.0], (y.size, 1))
    wall = ObjectSurface(points, normals)
    thumb_aside = np.array([*(0.0, 0.0, 0.0, 0.0) * 3, 0.3, 0.0, 0.0, 0.0])
    start = Configuration(np.eye(3), np.zeros(3), thumb_aside)
    fist = np.array([*(0.0, 1.5, 1.5, 1.4) * 3, 0.3, 0.0, 0.0, 0.0])
    closed = Closing(hand, Proximity(hand, wall)).close(start, fist, FINGERS[:3])
    assert closed.touching == set(FINGERS[:3])
    state = hand(closed.configuration.joints)
    for finger in FINGERS[:3]:
        assert hand.dome_centre(state, finger)[0] < 0.05 - hand.domes[finger].radius + 1e-4


def test_links_press_into_the_object(hand: HandModel, refined: RobotGrasp) -> None:
    """Where the squeeze is commanded to, most of what touches would be inside the object."""
    before, after = hand(refined.joints), hand(refined.squeeze)
    depths = []
    for link, contact in refined.contacts.items():
        joint = hand.shape_joints[hand.shape_links.index(link)]
        in_palm = (contact.point - refined.position) @ refined.rotation
        in_link = before.rotations[joint].T @ (in_palm - before.positions[joint])
        moved = after.positions[joint] + after.rotations[joint] @ in_link
        depths.append(-contact.normal @ refined.rotation @ (moved - in_palm))
    assert max(depths) == pytest.approx(SQUEEZE_DEPTH_M, rel=0.3)
    assert np.mean(np.array(depths) > 0.0) > 0.5


def test_palm_alone_cannot_press(hand: HandModel) -> None:
    state = hand(OPEN_RAD)
    contact = Contact(np.array([0.0121, 0.0, -0.04]), np.array([-1.0, 0.0, 0.0]))
    place = Configuration(np.eye(3), np.zeros(3), OPEN_RAD)
    pressing = squeeze(hand, state, place, [Press(0, contact.point, contact)])
    np.testing.assert_array_equal(pressing.joints, OPEN_RAD)
    assert pressing.unbalanced > 0.5


def test_proximity_is_the_shapes_distance(hand: HandModel) -> None:
    random = np.random.default_rng(0)
    cloud = ObjectSurface(random.uniform(-0.1, 0.15, (400, 3)), random.normal(size=(400, 3)))
    joints = random.uniform(hand.lower, hand.upper)
    place = Configuration(rotation_matrix(random.normal(size=3)), random.normal(0, 0.02, 3), joints)
    state = hand(joints)
    gaps = Proximity(hand, cloud).gaps(state, place, 0.03)
    in_palm = (cloud.points - place.position) @ place.rotation
    for shape, (turn, centre), gap in zip(hand.shapes, state.shape_poses, gaps, strict=True):
        expected = shape.signed_distance((in_palm - centre) @ turn)[0].min()
        assert gap == pytest.approx(min(expected, 0.03), abs=1e-12)


def test_part_distances_are_those_of_coal(robot: Robot, hand: HandModel) -> None:
    random = np.random.default_rng(1)
    place = Configuration(
        rotation_matrix(random.normal(size=3)), random.normal(0, 0.1, 3), OPEN_RAD
    )
    points = place.position + random.uniform(-0.15, 0.15, (6, 3))
    distances = part_distances(hand, place, points)
    assert distances.shape == (6, len(PARTS))
    for point, row in zip(points, distances, strict=True):
        moved = Configuration(place.rotation, place.position - point, OPEN_RAD)
        gaps = exact_gaps(robot, moved, coal.Sphere(1e-6))
        for part, distance in zip(PARTS, row, strict=True):
            links = [gap for link, gap in gaps.items() if part_of_link(link) == part]
            expected = max(min(links), 0.0) if links else NO_SUCH_PART_M
            assert distance == pytest.approx(expected, abs=1e-5)
    middle = hand.dome_centre(hand(OPEN_RAD), "ring")
    inside = part_distances(hand, place, place.to_object(middle)[None])
    assert inside[0, PARTS.index("ring")] == 0.0


def at_grasp(grasp: RobotGrasp) -> Configuration:
    return Configuration(grasp.rotation, grasp.position, grasp.joints)
