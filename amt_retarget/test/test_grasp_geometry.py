"""Distances, kinematics and derivatives that grasp retargeting stands on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.grasp import ObjectSurface
from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.configuration import Configuration, rotation_matrix
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.human import Contact
from amt_retarget.grasp.objective import Goals, residuals
from amt_retarget.grasp.shapes import Shape
from amt_retarget.grasp.squeeze import FRICTION, balanced_forces, left_over
from amt_retarget.robot.description import FINGERS
from amt_retarget.robot.robot import Robot

STEP = 1e-6
SHAPES = [Shape("sphere", (0.012,)), Shape("box", (0.01, 0.014, 0.03))]
SHAPES += [Shape("cylinder", (0.012, 0.02))]


def box_mesh(sides: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return corners * np.array(sides) / 2.0, np.array(faces)


@pytest.fixture(scope="module", params=["right", "left"])
def robot(request: pytest.FixtureRequest) -> Robot:
    return Robot.load("ur5e", request.param)


@pytest.fixture(scope="module")
def hand(robot: Robot) -> HandModel:
    return HandModel(robot)


def random_configuration(hand: HandModel, seed: int) -> Configuration:
    rng = np.random.default_rng(seed)
    return Configuration(
        rotation_matrix(rng.normal(size=3)),
        rng.normal(scale=0.05, size=3),
        rng.uniform(hand.lower, hand.upper),
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_shape_distance(shape: Shape) -> None:
    """Outside as coal finds it; inside, the way to the surface is as long as the distance says."""
    coal = pytest.importorskip("coal")
    solids = {"sphere": coal.Sphere, "cylinder": lambda r, h: coal.Cylinder(r, 2 * h)}
    solids["box"] = lambda x, y, z: coal.Box(2 * x, 2 * y, 2 * z)
    solid, point, origin = solids[shape.kind](*shape.size), coal.Sphere(1e-6), coal.Transform3s()
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (300, 3)) * shape.outer_radius
    distances, gradients = shape.signed_distance(points)
    assert (distances < 0).sum() > 10 and (distances > 0).sum() > 10
    for place, distance in zip(points, distances, strict=True):
        there = coal.Transform3s(np.eye(3), place)
        result = coal.DistanceResult()
        expected = coal.distance(solid, origin, point, there, coal.DistanceRequest(), result)
        if distance > 0:
            assert distance == pytest.approx(expected, abs=5e-6)
        else:
            assert expected < 0
    on_surface, _ = shape.signed_distance(points - distances[:, None] * gradients)
    np.testing.assert_allclose(on_surface, 0.0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_shape_gradient_is_the_derivative(shape: Shape) -> None:
    points = np.random.default_rng(1).uniform(-0.04, 0.04, (100, 3))
    _, gradient = shape.signed_distance(points)
    for axis in range(3):
        step = STEP * np.eye(3)[axis]
        ahead, _ = shape.signed_distance(points + step)
        behind, _ = shape.signed_distance(points - step)
        np.testing.assert_allclose((ahead - behind) / (2 * STEP), gradient[:, axis], atol=1e-6)


def test_samples_cover_a_mesh_evenly_and_always_the_same() -> None:
    vertices, faces = box_mesh((0.06, 0.04, 0.1))
    surface = ObjectSurface.from_mesh(vertices, faces)
    np.testing.assert_array_equal(surface.points, ObjectSurface.from_mesh(vertices, faces).points)
    beyond = np.abs(surface.points) - [0.03, 0.02, 0.05]
    np.testing.assert_allclose(beyond.max(axis=1), 0.0, atol=1e-12)  # all on the surface
    assert np.all(np.einsum("ij,ij->i", surface.points, surface.normals) > 0)  # normals outward
    rng = np.random.default_rng(2)
    anywhere = rng.uniform(-1, 1, (2000, 3)) * [0.03, 0.02, 0.05]
    side = rng.integers(0, 3, 2000)
    anywhere[np.arange(2000), side] = np.array([0.03, 0.02, 0.05])[side]
    gaps = np.sqrt(surface.squared_distances(anywhere).min(axis=1))
    assert gaps.max() < 0.004


def test_mesh_wound_inside_out_is_turned() -> None:
    vertices, faces = box_mesh((0.06, 0.04, 0.1))
    surface = ObjectSurface.from_mesh(vertices + 1.0, faces[:, ::-1])
    assert np.all(np.einsum("ij,ij->i", surface.points - 1.0, surface.normals) > 0)


def test_inside_and_outside_near_a_sharp_edge() -> None:
    surface = ObjectSurface.from_mesh(*box_mesh((0.06, 0.06, 0.06)))
    points = np.random.default_rng(3).uniform(-0.05, 0.05, (3000, 3))
    depth = np.abs(points).max(axis=1) - 0.03
    distance, gradient = surface.signed_distance(points)
    clear = np.abs(depth) > 0.003
    np.testing.assert_array_equal(distance[clear] < 0, depth[clear] < 0)
    np.testing.assert_allclose(np.linalg.norm(gradient, axis=1), 1.0)


def test_mesh_files(tmp_path: Path) -> None:
    vertices, faces = box_mesh((0.06, 0.04, 0.1))
    lines = [f"v {x} {y} {z}" for x, y, z in vertices]
    lines += [f"f {a} {b} {c}" for a, b, c in faces + 1]
    path = tmp_path / "box.obj"
    path.write_text("\n".join(lines))
    surface = ObjectSurface.load(path)
    np.testing.assert_allclose(np.abs(surface.points).max(axis=0), [0.03, 0.02, 0.05], atol=1e-6)
    with pytest.raises(RetargetError, match="does not exist"):
        ObjectSurface.load(tmp_path / "none.obj")
    (tmp_path / "bad.obj").write_text("no mesh")
    with pytest.raises(RetargetError, match="no mesh"):
        ObjectSurface.load(tmp_path / "bad.obj")


def test_surface_says_what_is_wrong_with_it() -> None:
    with pytest.raises(RetargetError, match=r"\(N, 3\)"):
        ObjectSurface(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(RetargetError, match="needs its normal"):
        ObjectSurface(np.zeros((2, 3)), np.ones((1, 3)))
    with pytest.raises(RetargetError, match="have a direction"):
        ObjectSurface(np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(RetargetError, match="no area"):
        ObjectSurface.from_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))


def test_hand_alone_moves_as_on_the_arm(robot: Robot, hand: HandModel) -> None:
    joints = np.random.default_rng(4).uniform(hand.lower, hand.upper)
    positions = np.concatenate([robot.home[:6], joints])
    palm_rotation, palm_position = robot.frame_pose(positions, robot.palm_frame)
    state = hand(joints)
    for finger in FINGERS:
        rotation, tip = robot.frame_pose(positions, robot.tip_frames[finger])
        # The tip's frame is the dome's outermost point along the finger.
        centre = tip - hand.domes[finger].radius * rotation[:, 2]
        expected = palm_rotation.T @ (centre - palm_position)
        np.testing.assert_allclose(hand.dome_centre(state, finger), expected, atol=1e-9)


def test_residuals_motion_is_their_derivative(hand: HandModel) -> None:
    configuration = random_configuration(hand, 5)
    rng = np.random.default_rng(6)
    units = rng.normal(size=(9, 3))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    contacts = {f: Contact(0.1 * units[i], units[i + 4]) for i, f in enumerate(FINGERS)}
    goals = Goals(
        contacts=contacts,
        palm_contact=Contact(0.1 * units[8], units[8]),
        rotation=configuration.rotation,  # its motion is exact where the error is small
        directions={f: units[i] for i, f in enumerate(FINGERS)},
        gap=0.01,
        position=units[0],
    )
    _, motion = residuals(hand, hand(configuration.joints), configuration, goals)
    for k in range(22):
        change = STEP * np.eye(22)[k]
        ends = [configuration.moved(sign * change) for sign in (1.0, -1.0)]
        ahead, behind = (residuals(hand, hand(end.joints), end, goals)[0] for end in ends)
        np.testing.assert_allclose((ahead - behind) / (2 * STEP), motion[:, k], atol=1e-7)


def test_clearance_motion_is_its_derivative(hand: HandModel) -> None:
    """With one sample and little else near, each row can be told apart."""
    configuration = random_configuration(hand, 7)
    state = hand(configuration.joints)
    tip = configuration.to_object(hand.dome_centre(state, "middle"))
    point = tip + configuration.rotation @ [0.011, 0.003, 0.012]
    clearance = Clearance(hand, ObjectSurface(point[None], (tip - point)[None]))
    rows = clearance.rows(state, configuration, 0.02)
    assert rows.fingertip.any() and not rows.fingertip.all()
    step = 1e-4  # coal's distances between links have steps of 1e-7 m
    # Where links penetrate, coal's depth is approximate.
    exact = rows.fingertip | (rows.distance > 0)
    for k in range(22):
        change = step * np.eye(22)[k]
        ends = [configuration.moved(sign * change) for sign in (1.0, -1.0)]
        ahead, behind = (clearance.rows(hand(end.joints), end, 0.02).distance for end in ends)
        slope = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(slope[exact], rows.motion[exact, k], atol=3e-3)


def test_hand_wholly_inside_an_object_penetrates(hand: HandModel) -> None:
    surface = ObjectSurface.from_mesh(*box_mesh((1.0, 1.0, 1.0)), spacing=0.02)
    middle = Configuration(np.eye(3), np.zeros(3), np.clip(np.zeros(16), hand.lower, hand.upper))
    outside = Configuration(np.eye(3), np.array([0.0, 0.0, 0.8]), middle.joints)
    assert Clearance(hand, surface).penetration(middle) > 0.4
    assert Clearance(hand, surface).penetration(outside) == 0.0


def test_hand_that_penetrates_itself_is_found(hand: HandModel) -> None:
    far = ObjectSurface(np.array([[9.0, 0.0, 0.0]]), np.array([[-1.0, 0.0, 0.0]]))
    side = 1.0 if hand(np.zeros(16)).positions[hand.dome_joints["index"], 1] > 0 else -1.0
    joints = np.zeros(16)
    joints[12] = 0.5
    crossed = joints.copy()
    crossed[0], crossed[8] = -0.47 * side, 0.47 * side
    crossed[[1, 5, 9]] = 1.4  # bent forward, spread towards each other
    clearance = Clearance(hand, far)
    assert clearance.penetration(Configuration(np.eye(3), np.zeros(3), joints)) == 0.0
    assert clearance.penetration(Configuration(np.eye(3), np.zeros(3), crossed)) > 0.001


def test_forces_balance_within_friction() -> None:
    points = np.array([[0.03, 0.0, 0.0], [-0.03, 0.0, 0.01], [-0.03, 0.0, -0.02]])
    normals = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    forces = balanced_forces(points, normals)
    pressing = -np.einsum("ij,ij->i", forces, normals)
    along = np.linalg.norm(forces + pressing[:, None] * normals, axis=1)
    assert pressing.mean() == pytest.approx(1.0)
    assert np.all(along <= FRICTION * pressing + 1e-9)
    assert pressing[0] == pytest.approx(pressing[1] + pressing[2], abs=0.01)
    assert left_over(points, forces) < 0.01
    # Fingers that all press from one side leave everything to be balanced by something else.
    assert left_over(points[1:], balanced_forces(points[1:], normals[1:])) > 1.0
