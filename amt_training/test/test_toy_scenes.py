"""Toy scenes: what is said about a picture is true."""

import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.geometry import project
from amt_perception.model.hand_layer import HandLayer
from amt_perception.model.interface import HAND_PARTS, INTERACTIONS, LEFT, RIGHT
from amt_training.losses.targets import UNKNOWN
from amt_training.toy.scenes import BOX_HALF, make_scenes

SIZE = 112


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(8, seed=3)


@pytest.fixture(scope="module")
def batch(scenes):
    return scenes.crops(SIZE, 2.0)


def test_sides_alternate_and_seeds_repeat(scenes):
    assert scenes.side.tolist() == [RIGHT, LEFT] * 4
    again = make_scenes(8, seed=3)
    assert torch.equal(again.images, scenes.images)
    assert torch.equal(again.truth.joints, scenes.truth.joints)
    assert not torch.equal(make_scenes(8, seed=4).truth.joints, scenes.truth.joints)


def test_crops_carry_their_own_geometry(scenes):
    inputs, target = scenes.crops(SIZE, 2.0)
    assert inputs.image.shape == (8, 1, 3, SIZE, SIZE)
    assert inputs.image.dtype == torch.uint8
    pixels = project(target.joints, inputs.intrinsics[:, 0])
    torch.testing.assert_close(pixels, target.keypoints, atol=1e-2, rtol=0.0)
    centre = 0.5 * (target.keypoints.amin(1) + target.keypoints.amax(1))
    expected = torch.full((8, 2), (SIZE - 1) / 2)
    torch.testing.assert_close(centre, expected, atol=0.05, rtol=0.0)


def test_parameters_give_the_joints_and_vertices(scenes):
    for side, name in ((RIGHT, Side.RIGHT), (LEFT, Side.LEFT)):
        truth = scenes.truth[scenes.side == side]
        hand = HandLayer(generic_hand(name))(truth.mano_rotation, truth.mano_shape)
        place = truth.joints[:, :1]
        torch.testing.assert_close(hand.joints + place, truth.joints, atol=1e-5, rtol=0.0)
        torch.testing.assert_close(hand.vertices + place, truth.vertices, atol=1e-5, rtol=0.0)


def test_the_picture_shows_the_box_where_it_is(batch):
    inputs, target = batch
    centre = project(target.objects.position, inputs.intrinsics[:, 0])[:, 0]
    shown = 0
    for picture, (x, y) in zip(inputs.image[:, 0], centre.round().int().tolist(), strict=True):
        patch = picture[:, y - 2 : y + 3, x - 2 : x + 3].float().flatten(1)
        shown += bool(patch.std(dim=1).max() < 15.0)  # a face of one colour, or one of the hand's
    assert shown >= 5


def test_contacts_are_on_the_box_and_of_parts_that_touch(scenes):
    target = scenes.truth
    contact, box = target.contact, target.objects
    assert 0.2 < contact.part.float().mean() < 1.0
    inside = (contact.points - box.position) @ box.rotation[:, 0]  # into the box's frame
    beyond = (inside.abs() - torch.tensor(BOX_HALF, dtype=torch.float32)).amax(-1)
    assert (beyond[contact.point_valid] < 0.005).all()
    assert (beyond[~contact.point_valid] > 0.0).all()
    thumb = HAND_PARTS.index("thumb")
    for touches, kind in zip(contact.part, contact.interaction.tolist(), strict=True):
        if kind == INTERACTIONS.index("grasp"):
            assert touches[thumb] and touches.sum() > 1
        elif kind == UNKNOWN:
            assert not touches.any()


def test_surface_points_lie_on_the_box(scenes):
    points, normals = scenes.truth.objects.surface[0, 0], scenes.truth.objects.surface_normals[0, 0]
    half = torch.tensor(BOX_HALF, dtype=torch.float32)
    torch.testing.assert_close((points.abs() / half).amax(-1), torch.ones(len(points)))
    torch.testing.assert_close((points * normals).sum(-1), (normals.abs() @ half))
