"""Scenes: repeatable, seen as the settings ask, and never shared between the parts."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.errors import AmtError
from amt_training.data.boxes import joints_box
from amt_training.synthetic.cameras import draw_camera
from amt_training.synthetic.geometry import hand_joints
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.stage import draw_moments
from amt_training.synthetic.world import World

SETTINGS = WorldSettings(train=40, val=20, test=20, objects=(13, 13, 13))


@pytest.fixture(scope="module")
def world():
    return World(SETTINGS, "train")


def test_a_scene_is_the_same_in_any_order_and_process(world):
    other = pickle.loads(pickle.dumps(world))
    (again,) = other.shots(7)
    list(world.shots(3))
    (shot,) = world.shots(7)
    np.testing.assert_array_equal(shot.picture.image, again.picture.image)
    np.testing.assert_array_equal(shot.picture.depth, again.picture.depth)
    np.testing.assert_array_equal(shot.moment.hands[0].pose, again.moment.hands[0].pose)
    assert tuple(hand.side for hand in shot.moment.hands) == world.sides(7)


def test_parts_share_nothing(world):
    held_out = World(SETTINGS, "test")
    assert not set(world.library.objects) & set(held_out.library.objects)
    (one,), (other,) = world.shots(0), held_out.shots(0)
    assert not np.allclose(one.moment.hands[0].shape, other.moment.hands[0].shape)


def test_cameras_see_the_hand_as_the_settings_ask(world):
    random = np.random.default_rng(0)
    bands = np.array(SETTINGS.held_out_focal).reshape(-1, 2)
    between = {True: 0, False: 0}
    for scene in range(12):
        _, (moment,) = draw_moments(world.library, SETTINGS, random, world.sides(scene))
        for all_lenses in (True, False) * 8:
            found = draw_camera(moment, SETTINGS, random, all_lenses)
            assert found is not None
            camera, transform = found
            assert 400.0 <= camera.fx <= 1400.0
            between[all_lenses] += any(low < camera.fx < high for low, high in bands)
            joints = hand_joints(moment.hands[0].moved(transform))
            assert (joints[:, 2] > 0.1).all()
            assert 45.0 <= joints_box(camera.matrix, joints)[2:].max() <= 420.0
            middle = camera.project(joints).mean(axis=0)
            assert (middle > -60).all()
            assert (middle < (camera.width + 60, camera.height + 60)).all()
            turn = transform[:3, :3]
            np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(turn) > 0.0
    assert between[True] > 5  # a quarter of the lenses are between those that training sees
    assert between[False] == 0


def test_joints_move_with_their_hand(world):
    (shot,) = world.shots(1)
    hand = shot.moment.hands[0]
    transform = np.eye(4)
    transform[:3, :3] = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    transform[:3, 3] = (0.1, -0.2, 0.3)
    expected = hand_joints(hand) @ transform[:3, :3].T + transform[:3, 3]
    np.testing.assert_allclose(hand_joints(hand.moved(transform)), expected, atol=1e-9)


def test_a_scene_that_is_not_there(world):
    with pytest.raises(AmtError, match="no scene 40 among 40"):
        next(world.shots(40))


def test_sequences_keep_camera_and_people(world):
    shots = list(World(replace(SETTINGS, frames=5), "val").shots(2))
    assert len(shots) == 5
    assert len({shot.camera for shot in shots}) == 1
    for shot in shots[1:]:
        np.testing.assert_array_equal(shot.moment.hands[0].shape, shots[0].moment.hands[0].shape)
        assert not np.array_equal(shot.picture.image, shots[0].picture.image)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 0}, "data.train is 0"),
        ({"focal": (900.0, 400.0)}, "data.focal is"),
        ({"two_hands": 1.5}, "data.two_hands is 1.5"),
        ({"activities": (0.0, 0.0, 0.0)}, "data.activities"),
        ({"objects": (5, -1, 5)}, "data.objects"),
        ({"held_out_focal": (400.0, 1400.0)}, "leave it some"),
    ],
)
def test_a_world_that_cannot_be_is_refused(changes, message):
    with pytest.raises(AmtError, match=message):
        replace(SETTINGS, **changes)


def test_a_part_without_objects_is_refused():
    with pytest.raises(AmtError, match="the part val has no objects"):
        World(replace(SETTINGS, objects=(5, 0, 5)), "val")


def test_a_hand_that_no_camera_sees_is_an_error(world):
    tiny = World(replace(SETTINGS, hand_pixels=(2.0, 3.0), activities=(0.0, 0.0, 1.0)), "train")
    with pytest.raises(AmtError, match="no camera sees a hand"):
        next(tiny.shots(0))
