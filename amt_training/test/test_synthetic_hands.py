"""Grasps, gestures, motions and touches of the synthetic world's hands."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.interface import HAND_PARTS
from amt_training.data.contacts import PART_OF_JOINT
from amt_training.synthetic.clearance import pierced
from amt_training.synthetic.flesh import Flesh, hand_rotation, palm_directions
from amt_training.synthetic.geometry import hand_mesh
from amt_training.synthetic.gestures import POSTURES, gesture
from amt_training.synthetic.grasps import DEEPEST_M, TOUCHES_M, grasp
from amt_training.synthetic.motions import eased
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.placing import moved_back, with_second_hand
from amt_training.synthetic.scene import Hand, Moment, PlacedObject
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.stage import draw_moments
from amt_training.synthetic.touches import touches_of

SIDES = (Side.RIGHT, Side.LEFT)
ONE_OF_EACH = WorldSettings(objects=(13, 0, 0))


@pytest.fixture(scope="module")
def library() -> ObjectLibrary:
    return ObjectLibrary("train", ONE_OF_EACH)


@pytest.fixture(scope="module")
def grasps(library: ObjectLibrary) -> list[tuple[int, Hand]]:
    """A grasp of an object of every family, right and left in turn."""
    random = np.random.default_rng(3)
    found = []
    for number, target in library.objects.items():
        data = generic_hand(SIDES[number % 2])
        shape = random.normal(0.0, 1.0, 10)
        for _ in range(60):
            hand = grasp(data, target, library.surface(number), shape, random)
            if hand is not None:
                found.append((number, hand))
                break
    return found


def parts(hand: Hand) -> np.ndarray:
    return PART_OF_JOINT[generic_hand(hand.side).weights.argmax(axis=1)]


def inside_limits(hand: Hand) -> bool:
    return bool(abs(JointLimits(generic_hand(hand.side)).excess(hand.pose)).max() < 1e-9)


def posed(hand: Hand) -> tuple[np.ndarray, np.ndarray]:
    """The hand's fingers' and palm's directions."""
    turn = Rotation.from_rotvec(hand.pose[0]).as_matrix() @ palm_directions(hand.side)
    return turn[:, 0], turn[:, 1]


@pytest.mark.parametrize("side", SIDES)
def test_flesh_is_the_hand_model_in_many_poses(side: Side) -> None:
    random = np.random.default_rng(0)
    data, shape = generic_hand(side), random.normal(0.0, 1.0, 10)
    flesh, kinematics = Flesh(data, shape), HandKinematics(data)
    angles = random.uniform(flesh.limits.lower, flesh.limits.upper, (3, 15, 3))
    rotation = Rotation.random(rng=random).as_matrix()
    wrist = random.normal(0.0, 0.1, 3)
    few = flesh.only(np.arange(778) % 5 == 0).vertices(angles, rotation, wrist)
    fingers = flesh.fingers(angles, rotation, wrist)
    for k in range(3):
        hand = flesh.hand(angles[k], rotation, wrist, wrist)
        translation = wrist - kinematics.rest(shape)[0][0]
        vertices = hand_vertices(data, hand.pose, shape, translation)
        joints = kinematics.joints21(hand.pose, shape, translation)
        np.testing.assert_allclose(few[k], vertices[::5], atol=1e-12)
        np.testing.assert_allclose(fingers[k].reshape(20, 3), joints[1:], atol=1e-12)
        np.testing.assert_allclose(hand_mesh(hand), vertices, atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_hand_rotation_points_fingers_and_palm(side: Side) -> None:
    flesh = Flesh(generic_hand(side), np.zeros(10))
    rotation = hand_rotation(side, np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    fingers = flesh.fingers(np.zeros((1, 15, 3)), rotation, np.zeros(3))[0]
    assert fingers[2, 3, 2] > 0.15  # the middle finger's tip
    bent = np.zeros((1, 15, 3))
    bent[0, :12:3, 0] = 1.5
    assert flesh.fingers(bent, rotation, np.zeros(3))[0, 2, 3, 1] > 0.04  # bends to the palm


def test_every_family_is_grasped_without_going_in(
    library: ObjectLibrary, grasps: list[tuple[int, Hand]]
) -> None:
    assert len(grasps) >= 12
    for number, hand in grasps:
        distance, _ = library.surface(number).distance(hand_mesh(hand))
        nearest = np.array([distance[parts(hand) == part].min() for part in range(6)])
        assert distance.min() >= -DEEPEST_M
        assert nearest[HAND_PARTS.index("thumb")] <= TOUCHES_M
        assert nearest[2:].min() <= TOUCHES_M
        assert inside_limits(hand)


def test_a_grasp_has_the_object_in_front_of_the_palm(
    library: ObjectLibrary, grasps: list[tuple[int, Hand]]
) -> None:
    for number, hand in grasps:
        moment = Moment((hand,), (PlacedObject(number, np.eye(4)),))
        (touch,) = touches_of(moment, library)
        _, palm = posed(hand)
        held = touch.on_object[touch.distance < TOUCHES_M].mean(axis=0)
        assert (held - hand.wrist) @ palm > 0.0


def test_wrists_bend_as_far_as_wrists_do(grasps: list[tuple[int, Hand]]) -> None:
    for _, hand in grasps:
        arm = hand.wrist - hand.elbow
        assert 0.25 <= np.linalg.norm(arm) <= 0.3
        fingers, _ = posed(hand)
        assert fingers @ arm / np.linalg.norm(arm) > np.cos(np.radians(56.0))


def test_a_hand_that_approaches_touches_nothing_yet(
    library: ObjectLibrary, grasps: list[tuple[int, Hand]]
) -> None:
    random = np.random.default_rng(0)
    away = [
        (number, hand, moved_back(Flesh(generic_hand(hand.side), hand.shape), hand, library,
                                  number, random))
        for number, hand in grasps
    ]  # fmt: skip
    assert sum(back is not None for _, _, back in away) > len(away) // 2
    for number, hand, back in away:
        if back is not None:
            distance, _ = library.surface(number).distance(hand_mesh(back))
            assert 0.0 < distance.min() < 0.15
            assert 0.019 < np.linalg.norm(back.wrist - hand.wrist) < 0.121
            assert inside_limits(back)


def test_gestures_are_natural_and_differ() -> None:
    random = np.random.default_rng(0)
    flesh = Flesh(generic_hand(Side.LEFT), random.normal(0.0, 1.0, 10))
    drawn = np.array([gesture(flesh, random) for _ in range(60)])
    assert (drawn >= flesh.limits.lower).all() and (drawn <= flesh.limits.upper).all()
    assert min(flesh.self_gap(angles) for angles in drawn) > -0.005
    # Every finger's knuckle and middle joint go from straight to bent.
    flexion = drawn[:, [0, 1, 3, 4, 6, 7, 9, 10], 0]
    assert (np.ptp(flexion, axis=0) > 1.2).all()


def test_self_gap_sees_a_thumb_in_a_finger() -> None:
    flesh = Flesh(generic_hand(Side.RIGHT), np.zeros(10))
    spread = POSTURES["spread"].angles()
    assert flesh.self_gap(spread) > 0.003
    crossed = POSTURES["fist"].angles()
    crossed[12:] = np.radians([[20, -45, 0], [60, 0, 0], [80, 0, 0]])
    assert flesh.self_gap(crossed) < -0.005


def test_a_thin_wall_through_a_finger_is_seen(tmp_path: Path) -> None:
    import trimesh

    path = tmp_path / "plate.ply"
    trimesh.creation.box((0.001, 0.1, 0.12)).export(path)
    plate = ObjectLibrary("train", WorldSettings(objects=(0, 0, 0), meshes=(str(path),)))
    hand = Flesh(generic_hand(Side.RIGHT), np.zeros(10)).hand(
        np.zeros((15, 3)), np.eye(3), np.zeros(3), np.ones(3)
    )
    skin, faces = hand_mesh(hand), generic_hand(Side.RIGHT).faces
    random = np.random.default_rng(0)
    # Between two rings of the fingers' vertices, where none is in the plate.
    along = np.sort(skin[(skin[:, 0] > -0.15) & (skin[:, 0] < -0.12), 0])
    gap = np.diff(along).argmax()
    through = skin - np.array([0.5 * (along[gap] + along[gap + 1]), 0.0, 0.0])
    assert plate.surface(1).distance(through)[0].min() > 0.0
    assert pierced(through, faces, plate.objects[1], random)
    assert not pierced(skin + np.array([0.3, 0.0, 0.0]), faces, plate.objects[1], random)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> ObjectLibrary:
    """A library of one box of 6 x 8 x 20 cm."""
    import trimesh

    path = tmp_path_factory.mktemp("meshes") / "box.ply"
    trimesh.creation.box((0.06, 0.08, 0.2)).export(path)
    return ObjectLibrary("train", WorldSettings(objects=(0, 0, 0), meshes=(str(path),)))


@pytest.mark.parametrize("side", SIDES)
def test_touches_equal_the_distance_to_a_box(box: ObjectLibrary, side: Side) -> None:
    random = np.random.default_rng(1)
    flesh = Flesh(generic_hand(side), np.zeros(10))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.random(rng=random).as_matrix(), (0.1, -0.2, 0.5)
    wrist = pose[:3, 3] + (0.05, 0.0, 0.08)
    hand = flesh.hand(np.zeros((15, 3)), np.eye(3), wrist, wrist)
    (touch,) = touches_of(Moment((hand,), (PlacedObject(1, pose),)), box)
    vertices = hand_mesh(hand)
    beyond = abs((vertices - pose[:3, 3]) @ pose[:3, :3]) - (0.03, 0.04, 0.1)
    distance = np.linalg.norm(beyond.clip(min=0.0), axis=1) + beyond.max(axis=1).clip(max=0.0)
    for part in range(6):
        mine = parts(hand) == part
        assert touch.distance[part] == pytest.approx(
            distance[mine].min(), abs=1e-7
        )  # a file of floats
        gap = np.linalg.norm(touch.on_hand[part] - touch.on_object[part])
        assert gap == pytest.approx(abs(touch.distance[part]), abs=1e-9)
        assert abs(vertices[mine] - touch.on_hand[part]).sum(axis=1).min() < 1e-12


def test_without_objects_touches_are_infinite_and_finite_points(box: ObjectLibrary) -> None:
    hand = Flesh(generic_hand(Side.RIGHT), np.zeros(10)).hand(
        np.zeros((15, 3)), np.eye(3), np.zeros(3), np.ones(3)
    )
    (touch,) = touches_of(Moment((hand,), ()), box)
    assert np.isinf(touch.distance).all() and np.isfinite(touch.on_hand).all()
    vertices = hand_mesh(hand)
    for part in range(6):
        here = vertices[parts(hand) == part]
        assert abs(here - touch.on_hand[part]).sum(axis=1).min() < 1e-12


def test_moments_are_possible(library: ObjectLibrary) -> None:
    drawn = []
    for seed in range(14):
        random = np.random.default_rng(seed)
        sides = SIDES if seed % 3 == 0 else (SIDES[seed % 2],)
        activity, (moment,) = draw_moments(library, ONE_OF_EACH, random, sides)
        drawn.append(activity)
        assert tuple(hand.side for hand in moment.hands) == tuple(sides)
        numbers = [one.number for one in moment.objects]
        assert len(set(numbers)) == len(numbers)
        assert all(inside_limits(hand) for hand in moment.hands)
        touches = touches_of(moment, library)
        assert min(touch.distance.min() for touch in touches) >= -0.0021
        if activity == "grasp":
            assert touches[0].distance.min() < TOUCHES_M
        if len(moment.hands) == 2:
            first, second = (hand_mesh(hand) for hand in moment.hands)
            assert KDTree(first).query(second)[0].min() > 0.002
    assert set(drawn) == {"grasp", "approach", "gesture"}


def test_the_same_seed_gives_the_same_moment(library: ObjectLibrary) -> None:
    one, other = (
        draw_moments(library, ONE_OF_EACH, np.random.default_rng(5), [Side.LEFT])[1][0]
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.hands[0].pose, other.hands[0].pose)
    np.testing.assert_array_equal(one.hands[0].wrist, other.hands[0].wrist)


def test_a_second_hand_is_near_the_first(
    library: ObjectLibrary, grasps: list[tuple[int, Hand]]
) -> None:
    random = np.random.default_rng(0)
    for number, hand in grasps[:4]:
        other = SIDES[1 - SIDES.index(hand.side)]
        alone = Moment((hand,), (PlacedObject(number, np.eye(4)),))
        both = with_second_hand(alone, Flesh(generic_hand(other), hand.shape), library, random)
        assert [one.side for one in both.hands] == [hand.side, other]
        first, second = (hand_mesh(one) for one in both.hands)
        assert 0.002 < KDTree(first).query(second)[0].min() < 0.4


def test_eased_time_rests_at_its_rests() -> None:
    rests = np.array([0.0, 0.5, 2.0])
    times = np.linspace(-0.5, 2.5, 3001)
    moved = eased(rests, times)
    np.testing.assert_allclose(eased(rests, rests), rests)
    assert moved[0] == 0.0 and moved[-1] == 2.0 and (np.diff(moved) >= 0.0).all()
    speed = np.gradient(moved, times)
    at = np.searchsorted(times, rests)
    assert abs(speed[at]).max() < 0.01
    assert speed.max() == pytest.approx(1.875, abs=0.001)


@pytest.mark.parametrize("sides", [(Side.RIGHT,), (Side.LEFT,), SIDES])
@pytest.mark.parametrize("gestures", [0.0, 1.0])
def test_sequences_move_as_people_do(
    library: ObjectLibrary, sides: tuple[Side, ...], gestures: float
) -> None:
    settings = WorldSettings(
        objects=(13, 0, 0), frames=24, rate=10.0, activities=(1.0 - gestures, 0.0, gestures)
    )
    random = np.random.default_rng(0)
    activity, moments = draw_moments(library, settings, random, sides)
    assert activity == "sequence" and len(moments) == 24
    assert all(len(moment.hands) == len(sides) for moment in moments)
    assert all(inside_limits(hand) for moment in moments for hand in moment.hands)
    # Fingertips are faster than hands; nothing jumps.
    skin = np.array([hand_mesh(moment.hands[0]) for moment in moments])
    speed = np.linalg.norm(np.diff(skin, axis=0), axis=2) * settings.rate
    assert 0.05 < speed.max() < 2.0
    if gestures:
        return
    touches = [touches_of(moment, library)[0].distance for moment in moments]
    assert min(touch.min() for touch in touches) > -0.0031
    # An object does not move by itself, and not within the hand that holds it.
    poses = np.array([moment.objects[0].pose for moment in moments])
    own = [
        moment.objects[0].pose[:3, :3].T @ (moment.hands[0].wrist - moment.objects[0].pose[:3, 3])
        for moment in moments
    ]
    moving = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) > 1e-4
    assert moving.any()
    for step in np.flatnonzero(moving)[1:-1]:
        assert touches[step].min() < TOUCHES_M
        np.testing.assert_allclose(own[step], own[step + 1], atol=1e-9)
