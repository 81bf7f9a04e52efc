"""The truth check passes on the world, and sees every kind of untruth."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side

pytest.importorskip("mujoco", reason="mujoco is not installed")
pytest.importorskip("igl", reason="libigl is not installed")

from amt_training.synthetic import check as check_module
from amt_training.synthetic.__main__ import main
from amt_training.synthetic.agreement import Measure, depth_errors, is_side
from amt_training.synthetic.check import check, check_shots
from amt_training.synthetic.geometry import hand_joints
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import LEFT_HAND, RIGHT_HAND
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.world import World

SETTINGS = WorldSettings(
    test=12, objects=(1, 1, 5), two_hands=0.5, activities=(0.6, 0.4, 0.0), width=480, height=360
)


@pytest.fixture(scope="module")
def world():
    return World(SETTINGS, "test")


@pytest.fixture(scope="module")
def shots(world):
    return [(scene, shot) for scene in range(4) for shot in world.shots(scene)]


def passed(shots, world):
    """By check: joints, hands' depth, objects' depth, touches, sides."""
    return [one.passed for one in check_shots(shots, world.library).checks]


def spoilt(shots, change):
    return [(scene, change(shot)) for scene, shot in shots]


def with_hands(shot, change):
    hands = tuple(change(hand) for hand in shot.moment.hands)
    return replace(shot, moment=replace(shot.moment, hands=hands))


def with_touches(shot, change):
    return replace(shot, touches=tuple(change(touch) for touch in shot.touches))


def test_the_truth_holds(shots, world):
    result = check_shots(shots, world.library)
    assert [one.passed for one in result.checks[:4]] == [True] * 4, result.table().to_markdown()
    assert result.checks[4].agreeing == 1.0
    assert result.shots == 4 and result.hands > 4 and result.objects > 2
    joints, hands, objects, touches, _ = result.checks
    assert joints.values > 6 * result.hands, "most joints can be seen"
    assert hands.values > 20 * result.hands and objects.values > 10 * result.objects
    assert hands.median < 0.3 and objects.median < 0.05
    assert touches.values == 6 * result.hands


@pytest.mark.parametrize("step", [(0.015, 0.0, 0.0), (0.0, 0.0, 0.004)])
def test_a_hand_that_is_elsewhere(shots, world, step):
    def move(hand):
        return replace(hand, wrist=hand.wrist + step)

    found = passed(spoilt(shots, lambda shot: with_hands(shot, move)), world)
    assert found[1] is False and found[3] is False
    assert found[0] is False


def test_fingers_that_are_bent_otherwise(shots, world):
    def bend(hand):
        pose = hand.pose.copy()
        pose[1:, 2] += 0.25
        return replace(hand, pose=pose)

    assert passed(spoilt(shots, lambda shot: with_hands(shot, bend)), world)[1] is False


def test_joints_off_the_hand(shots, world):
    def swap(shot):
        mask = shot.picture.mask
        other = np.arange(256, dtype=np.uint8)
        other[[LEFT_HAND, RIGHT_HAND]] = RIGHT_HAND, LEFT_HAND
        return replace(shot, picture=replace(shot.picture, mask=other[mask]))

    found = passed(spoilt(shots, swap), world)
    assert found[0] is False, "a left hand is drawn as a left hand"


def test_another_camera(shots, world):
    def shift(shot):
        return replace(shot, camera=replace(shot.camera, cx=shot.camera.cx + 0.5))

    wrong = check_shots(spoilt(shots[:2], shift), world.library)
    right = check_shots(shots[:2], world.library)
    assert wrong.checks[2].median > 5.0 * right.checks[2].median, "half a pixel is seen"


def test_another_depth(shots, world):
    def scale(shot):
        return replace(shot, picture=replace(shot.picture, depth=1.005 * shot.picture.depth))

    assert passed(spoilt(shots, scale), world)[1:3] == [False, False]


def test_objects_that_are_elsewhere(shots, world):
    def move(shot):
        objects = tuple(
            replace(one, pose=one.pose + np.outer([0, 0, 0.003, 0], [0, 0, 0, 1]))
            for one in shot.moment.objects
        )
        return replace(shot, moment=replace(shot.moment, objects=objects))

    found = passed(spoilt(shots, move), world)
    assert found[:4] == [True, True, False, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda touch: replace(touch, distance=touch.distance + 0.002),
        lambda touch: replace(touch, distance=-touch.distance),
        lambda touch: replace(touch, on_hand=np.roll(touch.on_hand, 1, axis=0)),
        lambda touch: replace(touch, on_object=touch.on_object + 0.01),
        lambda touch: replace(touch, distance=np.full(6, np.inf)),
    ],
    ids=["distance", "sign", "part", "point", "no object"],
)
def test_touches_that_are_not(shots, world, change):
    found = passed(spoilt(shots, lambda shot: with_touches(shot, change)), world)
    assert found[:4] == [True, True, True, False]


def test_the_other_side(shots):
    for _, shot in shots:
        for hand in shot.moment.hands:
            joints = hand_joints(hand)
            assert is_side(joints, hand.side)
            assert not is_side(joints, Side.LEFT if hand.side == Side.RIGHT else Side.RIGHT)
            assert not is_side(joints * (-1.0, 1.0, 1.0), hand.side)
            turn = Rotation.random(random_state=0)
            assert is_side(turn.apply(joints), hand.side)


def test_nothing_to_look_at_is_no_pass(world):
    assert not check_shots([], world.library).passed


def test_distances_are_measured_as_libigl_does():
    library = ObjectLibrary("train", WorldSettings(objects=(13, 0, 0)))
    random = np.random.default_rng(0)
    for number, one in library.objects.items():
        points = 1.1 * random.choice(one.vertices, 60) + random.normal(0.0, 0.01, (60, 3))
        measured = Measure(one).distance(points)
        exact, _ = library.surface(number).distance(points)
        assert np.abs(measured - exact).max() < 5e-4, one.name


def test_depth_between_pixels_is_exact_on_a_plane(shots):
    _, shot = shots[0]
    camera = shot.camera
    normal = np.array([0.3, -0.4, -1.0]) / np.sqrt(1.25)
    pixels = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), axis=-1)
    rays = np.dstack([(pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy),
                      np.ones(pixels.shape[:2])])  # fmt: skip
    depth = (-0.5 / (rays @ normal)).astype(np.float32)
    picture = replace(shot.picture, depth=depth, mask=np.full(depth.shape, 7, np.uint8))
    rays = np.random.default_rng(0).uniform(-0.1, 0.1, (50, 3))
    rays[:, 2] = 1.0
    points = rays * (-0.5 / (rays @ normal))[:, None]
    errors = depth_errors(camera, picture, 7, points, np.tile(normal, (50, 1)))
    assert len(errors) == 50 and np.abs(errors).max() < 1e-6
    assert len(depth_errors(camera, picture, 8, points, np.tile(normal, (50, 1)))) == 0
    assert len(depth_errors(camera, picture, 7, points, np.tile(-normal, (50, 1)))) == 0


def test_more_scenes_than_there_are(world):
    with pytest.raises(AmtError, match=r"12 scenes of test, not 13"):
        check(world, 13)


def test_command(tmp_path, capsys, monkeypatch, world):
    monkeypatch.setattr(check_module, "World", lambda settings, part: world)
    out = tmp_path / "check.json"
    words = ["check", "--count", "3", "--out", str(out)]
    with pytest.raises(SystemExit, match="left is left"):
        main(words)  # of so few hands, nothing can be said about sides
    values = json.loads(out.read_text())
    assert values["shots"] == 3 and not values["passed"]
    assert [one["passed"] for one in values["checks"]][:4] == [True] * 4
    assert "touches" in capsys.readouterr().out
