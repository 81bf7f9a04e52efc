"""The synthetic world as a data set: samples and labels are what was drawn."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.mirror import mirror_pose
from amt_perception.model.interface import INTERACTIONS
from amt_training.build import hand_models
from amt_training.data.contacts import TOUCHING_M
from amt_training.data.labels import label_row, stack_labels
from amt_training.data.sample import UnlabelledError
from amt_training.data.settings import DATA_SETS
from amt_training.data.targets import TargetBuilder
from amt_training.synthetic.dataset import (
    NEAR_M,
    SyntheticDataset,
    contact_label,
    hand_sample,
    settings_digest,
)
from amt_training.synthetic.geometry import hand_joints, hand_mesh
from amt_training.synthetic.scene import LEFT_HAND, RIGHT_HAND, Touch
from amt_training.synthetic.settings import WorldSettings

from .synthetic_scenes import SMALL, FlatWorld


def test_the_data_set_has_every_hand_of_every_frame():
    dataset = SyntheticDataset(FlatWorld(replace(SMALL, frames=2)))
    digest = settings_digest(dataset.world.settings)
    assert len(dataset.entries) == 2 * 5
    assert [entry.side.name[0] for entry in dataset.entries] == list("RRLLRRLLLL")
    assert [entry.frame for entry in dataset.entries] == [0, 1] * 5
    assert dataset.entries[6].sequence == f"train-{digest}/000002/left"
    assert len({dataset.sample(index).key for index in range(10)}) == 10
    assert dataset.object_models.keys() == set(range(1, 7))
    assert settings_digest(SMALL) == settings_digest(replace(SMALL, train=9))
    assert settings_digest(SMALL) != settings_digest(replace(SMALL, sleeves=0.1))


def test_labels_are_those_of_the_shot():
    dataset = SyntheticDataset(FlatWorld(SMALL))
    shot = next(dataset.world.shots(2))
    for index, side, number in ((2, Side.RIGHT, RIGHT_HAND), (3, Side.LEFT, LEFT_HAND)):
        sample = dataset.sample(index)
        hand = next(one for one in shot.moment.hands if one.side == side)
        np.testing.assert_allclose(sample.joints[0], hand.wrist, atol=1e-12)
        np.testing.assert_array_equal(sample.mano.pose, hand.pose)
        pixels = shot.camera.project(sample.joints)
        x, y, width, height = sample.hand_box
        assert np.allclose(pixels.min(axis=0), (x, y))
        assert np.allclose(pixels.max(axis=0), (x + width, y + height))
        seen = np.argwhere(shot.picture.mask == number)[:, ::-1]
        nearest = np.linalg.norm(seen[:, None] - pixels, axis=-1).min(axis=0)
        assert nearest.max() < 6.0  # tips are inside the flesh, and others may hide some
        touch = shot.touches[shot.moment.hands.index(hand)]
        assert sample.contact.part.tolist() == (touch.distance < TOUCHING_M).tolist()
    assert [one.class_index for one in dataset.sample(2).objects] == [1, 2]  # the nearest first


def test_thumb_and_palm_are_a_grasp():
    distance = np.array([-0.001, 0.004, 0.006, 0.02, 0.03, np.inf])
    label = contact_label(Touch(distance, np.zeros((6, 3)), np.arange(18.0).reshape(6, 3)))
    assert label.part.tolist() == [1, 1, 0, 0, 0, 0]
    assert label.points.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert INTERACTIONS[label.interaction] == "grasp"


def test_left_hands_are_mirrored_right_ones():
    """The shape is the right hand's model's: the training's own hands must fit."""
    dataset = SyntheticDataset(FlatWorld(SMALL))
    hands = {side: generic_hand(side) for side in (Side.RIGHT, Side.LEFT)}
    builder = TargetBuilder(hands[Side.RIGHT], dataset.tip_vertices, dataset.object_models)
    samples = [dataset.sample(index) for index in range(5)]
    labels = stack_labels([label_row(sample, np.eye(2, 3)) for sample in samples])
    builder.check_hand_model(labels, "flat world")
    target = builder(labels)
    for index, sample in enumerate(samples):
        shot = next(dataset.world.shots(dataset.scene_of(index)))
        mesh = next(hand_mesh(one) for one in shot.moment.hands if one.side == sample.side)
        np.testing.assert_allclose(target.vertices[index], mesh, atol=1e-5)
    hand = next(dataset.world.shots(1)).moment.hands[0]
    assert hand.side == Side.LEFT
    other = replace(hand, side=Side.RIGHT, pose=mirror_pose(hand.pose), wrist=np.zeros(3))
    mirrored = hand_joints(other) * (-1.0, 1.0, 1.0)
    np.testing.assert_allclose(mirrored + hand.wrist, hand_joints(hand), atol=1e-6)


def test_hands_outside_the_picture_and_far_objects_are_left_out():
    world = FlatWorld(SMALL)
    shot, entry = next(world.shots(0)), SyntheticDataset(world).entries[0]
    away = np.eye(4)
    away[0, 3] = 0.45
    with pytest.raises(UnlabelledError, match="outside the picture"):
        hand_sample(replace(shot, moment=shot.moment.moved(away)), entry)
    box, can = shot.moment.objects
    far = replace(box, pose=box.pose + np.pad([[NEAR_M]], ((2, 1), (3, 0))))
    moment = replace(shot.moment, objects=(far, can))
    assert len(hand_sample(replace(shot, moment=moment), entry).objects) == 1


def test_the_second_hand_costs_nothing_and_other_processes_draw_for_themselves():
    dataset = SyntheticDataset(FlatWorld(SMALL))
    first = dataset.sample(2)
    second = dataset.sample(3)
    assert dataset.world.drawn == 1 and dataset.scene_of(2) == dataset.scene_of(3) == 2
    assert first.image is second.image
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.sample(3).image, second.image)
    assert len(pickle.dumps(dataset)) < first.image.nbytes  # no pictures travel


def test_training_finds_it():
    assert isinstance(DATA_SETS["synthetic"], WorldSettings)
    assert hand_models(None, DATA_SETS["synthetic"]).keys() == {Side.RIGHT, Side.LEFT}
