"""Drawn moments: things are where they are said to be, looks and faults change the picture."""

from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose
from amt_perception.hand.skinning import hand_vertices
from amt_perception.sample.motion import FINGERS_UP_PALM_TO_CAMERA, OPEN
from amt_training.synthetic.backdrops import random_backdrop
from amt_training.synthetic.camera_faults import Faults, photograph, random_faults
from amt_training.synthetic.looks import MOST_OBJECTS, random_look
from amt_training.synthetic.scene import (
    FIRST_OBJECT,
    LEFT_HAND,
    LEFT_SLEEVE,
    RIGHT_HAND,
    RIGHT_SLEEVE,
    Hand,
    Moment,
    PlacedObject,
)
from amt_training.synthetic.settings import WorldSettings

pytest.importorskip("mujoco", reason="mujoco is not installed")
pytest.importorskip("trimesh", reason="trimesh is not installed")

import trimesh

from amt_training.synthetic.renderer import WorldRenderer

SETTINGS = WorldSettings(width=320, height=240, sleeves=1.0)
CAMERA = Intrinsics(400.0, 410.0, 150.3, 127.8, 320, 240)
BOX = np.array([0.1, 0.06, 0.04])
UPRIGHT = Rotation.from_matrix(FINGERS_UP_PALM_TO_CAMERA)


@dataclass
class Solid:
    """What the renderer reads of a SyntheticObject."""

    vertices: np.ndarray
    faces: np.ndarray
    part_of_face: np.ndarray


@dataclass
class Library:
    objects: dict[int, Solid]


OFF_CENTRE = np.array([0.03, -0.02, 0.01])


def box(middle: np.ndarray) -> Solid:
    mesh = trimesh.creation.box(BOX)
    return Solid(mesh.vertices + middle, mesh.faces, np.arange(12) % 3)


@pytest.fixture(scope="module")
def renderer():
    library = Library({1: box(np.zeros(3)), 2: box(OFF_CENTRE)})
    with closing(WorldRenderer(library, 320, 240)) as renderer:
        yield renderer


@pytest.fixture(scope="module")
def look():
    return replace(random_look(np.random.default_rng(0), SETTINGS), shadows=True)


def open_hand(side: Side, wrist: tuple[float, float, float], turn: float = 0.3) -> Hand:
    orientation = (Rotation.from_euler("Y", turn) * UPRIGHT).as_rotvec()
    if side == Side.LEFT:
        orientation = mirror_pose(orientation)
    pose = JointLimits(generic_hand(side)).pose(OPEN.angles(), orientation)
    place = np.array(wrist)
    return Hand(side, pose, np.full(10, 0.3), place, place + np.array((0.02, 0.26, 0.08)))


def placed(number: int, *place: float) -> PlacedObject:
    pose = np.eye(4)
    pose[:3, 3] = place
    return PlacedObject(number, pose)


def geometry(hand: Hand) -> tuple[np.ndarray, np.ndarray]:
    """The 21 joints and 778 vertices."""
    kinematics = HandKinematics(generic_hand(hand.side))
    offset = hand.wrist - kinematics.rest(hand.shape)[0][0]
    joints = kinematics.joints21(hand.pose, hand.shape, offset)
    return joints, hand_vertices(kinematics.data, hand.pose, hand.shape, offset)


@pytest.mark.parametrize(("side", "number"), [(Side.LEFT, LEFT_HAND), (Side.RIGHT, RIGHT_HAND)])
def test_a_hand_is_drawn_where_its_joints_and_vertices_are(renderer, look, side, number):
    hand = open_hand(side, (0.0, 0.09, 0.45))
    picture = renderer.render(Moment((hand,), ()), CAMERA, look)
    joints, vertices = geometry(hand)
    column, row = CAMERA.project(joints).round().astype(int).T
    assert (picture.mask[row, column] == number).mean() > 0.9  # the tips are on the outline
    column, row = CAMERA.project(vertices).round().astype(int).T
    difference = picture.depth[row, column] - vertices[:, 2]
    visible = np.abs(difference) < 0.005
    assert visible.mean() > 0.35
    assert np.median(np.abs(difference[visible])) < 0.001
    assert picture.mask.max() <= RIGHT_SLEEVE
    assert picture.depth.dtype == np.float32
    assert np.array_equal(np.isinf(picture.depth), picture.mask == 0)


def test_any_camera_sees_an_object_where_it_projects(renderer, look):
    thing = placed(2, -0.02, 0.04, 0.49)
    hand = open_hand(Side.RIGHT, (0.0, 0.1, -1.0))  # behind the camera
    for camera in (
        CAMERA,
        Intrinsics(700.0, 700.0, 160.0, 120.0, 320, 240),
        Intrinsics(300.0, 320.0, 90.2, 150.9, 320, 240),
    ):
        picture = renderer.render(Moment((hand,), (thing,)), camera, look)
        front = np.array([(-1, -1, -1), (1, 1, -1)]) * BOX / 2 + OFF_CENTRE + thing.pose[:3, 3]
        low, high = camera.project(front)
        row, column = np.nonzero(picture.mask == FIRST_OBJECT)
        np.testing.assert_allclose((column.min() - 0.5, row.min() - 0.5), low, atol=0.55)
        np.testing.assert_allclose((column.max() + 0.5, row.max() + 0.5), high, atol=0.55)
        assert picture.depth[picture.mask == FIRST_OBJECT].min() == pytest.approx(0.48, abs=1e-5)


def test_the_mask_numbers_hands_sleeves_and_objects_in_the_moments_order(renderer, look):
    hands = open_hand(Side.RIGHT, (-0.09, 0.05, 0.5)), open_hand(Side.LEFT, (0.1, 0.05, 0.5))
    things = placed(2, -0.1, -0.1, 0.4), placed(1, 0.1, -0.1, 0.4)
    picture = renderer.render(Moment(hands, things), CAMERA, look)
    all_of_them = {0, LEFT_HAND, RIGHT_HAND, LEFT_SLEEVE, RIGHT_SLEEVE, 10, 11}
    assert set(np.unique(picture.mask)) == all_of_them
    first, second = (np.nonzero(picture.mask == number)[1].mean() for number in (10, 11))
    assert first < second
    bare = renderer.render(
        Moment(hands[:1], ()), CAMERA, replace(look, sleeves=None, shadows=False)
    )
    assert set(np.unique(bare.mask)) == {0, RIGHT_HAND}
    outside = bare.mask == 0
    assert np.median(np.abs(bare.image.astype(int) - look.backdrop)[outside]) < 3.0
    twice = renderer.render(Moment(hands[:1], (things[0], placed(2, 0.1, 0.1, 0.4))), CAMERA, look)
    assert {10, 11} < set(np.unique(twice.mask))
    with pytest.raises(AmtError, match="5 objects cannot be drawn at a time, only 4"):
        renderer.render(Moment(hands, MOST_OBJECTS * things[:1] + things[1:]), CAMERA, look)


def test_equal_looks_give_equal_pictures_and_others_do_not(renderer):
    moment = Moment((open_hand(Side.RIGHT, (0.0, 0.09, 0.45)),), (placed(1, 0.0, -0.1, 0.4),))

    def picture(seed: int) -> np.ndarray:
        look = random_look(np.random.default_rng(seed), SETTINGS)
        return renderer.render(moment, CAMERA, look).image

    first, second = picture(1), picture(2)
    np.testing.assert_array_equal(picture(1), first)
    assert np.abs(first.astype(int) - second).mean() > 10.0


def test_shadows_fall_on_what_is_behind(renderer, look):
    down = replace(
        look, wall=0.2, lamps=(replace(look.lamps[0], direction=(0.9, 0.1, 1.0)), look.lamps[1])
    )
    moment = Moment((open_hand(Side.RIGHT, (0.0, 0.09, 0.45)),), (placed(1, 0.08, 0.02, 0.53),))
    without = renderer.render(moment, CAMERA, replace(down, shadows=False))
    shaded = renderer.render(moment, CAMERA, down).image
    on_box = without.mask == FIRST_OBJECT
    darker = without.image.sum(axis=2, dtype=int) - shaded.sum(axis=2, dtype=int)
    assert (darker[on_box] > 20).mean() > 0.1
    on_backdrop = darker > 0.1 * without.image.sum(axis=2)
    on_backdrop &= without.mask == 0
    assert 0.02 < on_backdrop.mean() < 0.3
    column, hand = np.nonzero(on_backdrop)[1], np.nonzero(without.mask == RIGHT_HAND)[1]
    assert column.mean() > hand.mean() + 20  # where the rays go


def test_backdrops_are_various_and_full_of_detail():
    pictures = [random_backdrop(np.random.default_rng(seed), 320, 240) for seed in range(12)]
    assert all(one.shape == (240, 320, 3) and one.dtype == np.uint8 for one in pictures)
    assert np.std([one.mean() for one in pictures]) > 20.0
    edges = [np.abs(np.diff(one.astype(int), axis=1)).mean() for one in pictures]
    assert np.median(edges) > 0.8


def test_faults_do_what_they_say():
    random = np.random.default_rng(0)
    image = np.full((120, 160, 3), 128, dtype=np.uint8)
    np.testing.assert_allclose(photograph(image, Faults(), random), image, atol=1)
    dot = np.zeros((121, 161, 3), dtype=np.uint8)
    dot[60, 80] = 255
    row, column = np.nonzero(photograph(dot, Faults(motion=(20.0, 0.0)), random)[..., 0] > 10)
    assert set(row) == {60}
    assert abs(np.ptp(column) - 20) <= 1
    assert abs(column.mean() - 80) < 0.6
    corners = photograph(image, Faults(vignetting=0.5), random)
    assert corners[0, 0, 0] < 100
    assert abs(int(corners[60, 80, 0]) - 128) <= 1
    noisy = photograph(image, Faults(read_noise=0.01, shot_noise=0.02), random).astype(float)
    # 128 is 21.6 % of full light, where sRGB rises by 343 values for the whole of it.
    light = 0.2158
    expected = 255.0 * (1.055 / 2.4) * light ** (1 / 2.4 - 1) * np.hypot(0.01, 0.02 * light**0.5)
    assert noisy.std() == pytest.approx(expected, rel=0.1)
    red = photograph(image, Faults(white_balance=(1.3, 1.0, 0.8)), random)[0, 0].astype(int)
    assert red[0] > red[1] > red[2]
    assert photograph(image, Faults(exposure=2.0), random).mean() > 160
    assert photograph(image, Faults(contrast=1.3), random).mean() < 110
    rough = photograph(noisy.astype(np.uint8), Faults(jpeg_quality=10), random)
    assert rough.std() < noisy.std()


def test_most_pictures_are_good_ones():
    faults = [random_faults(np.random.default_rng(seed)) for seed in range(200)]
    assert np.mean([np.hypot(*one.motion) < 3.0 for one in faults]) > 0.7
    assert np.mean([one.defocus < 1.0 for one in faults]) > 0.7
    assert np.mean([one.shot_noise < 0.015 for one in faults]) > 0.7
    assert any(np.hypot(*one.motion) > 10.0 for one in faults)
