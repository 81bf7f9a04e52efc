"""Pictures of posed hands and objects: things are where they are said to be, left and right."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import TIPS, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose
from amt_perception.sample.look import Look, random_backdrop, random_look
from amt_perception.sample.motion import FINGERS_UP_PALM_TO_CAMERA, OPEN
from amt_perception.sample.posed_hand import PosedHand

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.sample.scene import HandObjectScene

CAMERA = Intrinsics(220.0, 220.0, 80.0, 64.0, 160, 128)
GREEN = np.full((128, 160, 3), (0, 200, 0), dtype=np.uint8)
UPRIGHT = Rotation.from_matrix(FINGERS_UP_PALM_TO_CAMERA)
WRIST = HandKinematics(generic_hand(Side.RIGHT)).rest(np.zeros(10))[0][0]
PLACE = np.array([0.0, 0.08, 0.45]) - WRIST


def open_hand(turn: Rotation) -> np.ndarray:
    return JointLimits(generic_hand(Side.RIGHT)).pose(OPEN.angles(), (turn * UPRIGHT).as_rotvec())


@pytest.fixture(scope="module")
def scene():
    with HandObjectScene(CAMERA, generic_hand(Side.RIGHT)) as scene:
        yield scene


def is_backdrop(picture: np.ndarray) -> np.ndarray:
    return (picture == GREEN).all(axis=2)


def test_skin_covers_the_joints_of_any_shape_and_nothing_else_is_touched(scene):
    kinematics = HandKinematics(generic_hand(Side.RIGHT))
    bare = Look(sleeve=None)
    for seed in range(3):
        random = np.random.default_rng(seed)
        shape = random.normal(size=10).clip(-2, 2)
        pose = open_hand(Rotation.from_euler("ZYX", random.uniform(-0.3, 0.3, 3)))
        picture = scene.render(pose, shape, PLACE, GREEN, look=bare)
        pixels = CAMERA.project(kinematics.joints21(pose, shape, PLACE))
        column, row = np.delete(pixels, TIPS, axis=0).round().astype(int).T
        assert not is_backdrop(picture)[row, column].any()
        assert is_backdrop(picture)[:10].all()
        drawn = ~is_backdrop(picture)
        top = np.flatnonzero(drawn.any(axis=1)).min()
        assert abs(top - pixels[12, 1]) < 4  # the middle finger's end
        assert 0.05 < drawn.mean() < 0.5


def test_a_left_hand_is_the_mirror_image():
    pose = open_hand(Rotation.from_euler("Y", 0.3))
    shape = np.linspace(-1.0, 1.0, 10)
    right, left = (PosedHand(generic_hand(side)) for side in (Side.RIGHT, Side.LEFT))
    one = right.surfaces(pose, shape, PLACE, np.array([0.1, 0.3, 0.5]))
    other = left.surfaces(mirror_pose(pose), shape, PLACE * (-1, 1, 1), np.array([-0.1, 0.3, 0.5]))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine * (-1, 1, 1), theirs, atol=1e-12)
    for hand, skin in ((right, one.skin), (left, other.skin)):
        corners = skin[hand.skin_faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.einsum("fi,fi->", corners[:, 0] - skin.mean(axis=0), normals) > 0  # outwards


def test_objects_are_where_they_are_put_and_hide_what_is_behind(scene):
    pose = open_hand(Rotation.identity())
    behind = PLACE + np.array([0.0, 0.0, 0.3])
    box = np.eye(4)
    box[:3, 3] = (0.02, -0.01, 0.35)
    picture = scene.render(pose, np.zeros(10), behind, GREEN, objects={"box": box})
    column, row = CAMERA.project(box[:3, 3]).round().astype(int)
    red, green, blue = picture[row, column].astype(int)
    assert red > 80 and blue > red  # the face -z is violet
    assert green < red
    without = scene.render(pose, np.zeros(10), behind, GREEN)
    assert (is_backdrop(without) & ~is_backdrop(picture)).mean() > 0.1
    with pytest.raises(AmtError, match="No object is called 'cup'; there are box, bottle"):
        scene.render(pose, np.zeros(10), behind, GREEN, objects={"cup": box})


def test_looks_change_the_picture_and_equal_seeds_do_not(scene):
    pose = open_hand(Rotation.identity())

    def picture(seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        backdrop = random_backdrop(random, CAMERA.width, CAMERA.height)
        return scene.render(pose, np.zeros(10), PLACE, backdrop, look=random_look(random))

    first, second = picture(1), picture(2)
    np.testing.assert_array_equal(picture(1), first)
    assert np.abs(first.astype(int) - second).mean() > 10
    pale, dark = (
        scene.render(pose, np.zeros(10), PLACE, GREEN, look=Look(skin=(tone, tone, tone)))
        for tone in (1.0, 0.4)
    )
    on_skin = ~is_backdrop(pale)
    assert dark[on_skin].mean() < 0.7 * pale[on_skin].mean()
