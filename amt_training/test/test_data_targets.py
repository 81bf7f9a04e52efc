"""From labels to targets: what is computed equals what the scenes say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TIP_VERTICES, TIPS, Side
from amt_perception.model.interface import INTERACTIONS, LEFT
from amt_training.data.contacts import interaction_of
from amt_training.data.labels import label_row, stack_labels
from amt_training.data.targets import TargetBuilder
from amt_training.losses.targets import UNKNOWN
from amt_training.toy.dataset import ToyDataset
from amt_training.toy.scenes import Variety, make_scenes

OTHER_TIPS = (745, 317, 444, 556, 673)


@pytest.fixture(scope="module")
def dataset():
    return ToyDataset("toy", 6, 5, Variety())


@pytest.fixture(scope="module")
def samples(dataset):
    return [dataset.sample(index) for index in range(6)]


@pytest.fixture(scope="module")
def labels(samples):
    return stack_labels([label_row(sample, np.eye(2, 3)) for sample in samples])


def builder(dataset, tips=MANO_TIP_VERTICES, models=None):
    models = dataset.object_models if models is None else models
    return TargetBuilder(generic_hand(Side.RIGHT), {Side.LEFT: tips, Side.RIGHT: tips}, models)


def test_samples_do_not_depend_on_their_order(dataset, samples):
    again = ToyDataset("toy", 6, 5, Variety())
    for index in (4, 1):
        assert np.array_equal(again.sample(index).image, samples[index].image)
        assert np.array_equal(again.sample(index).joints, samples[index].joints)


def test_joints_vertices_and_keypoints(dataset, samples, labels):
    target = builder(dataset)(labels)
    truth = np.stack([sample.joints for sample in samples])
    assert np.abs(target.joints.numpy() - truth).max() < 1e-6
    tips = target.vertices[:, list(MANO_TIP_VERTICES)]
    assert (tips - target.joints[:, list(TIPS)]).abs().max() < 1e-6, "left hands as well"
    for sample, pixels in zip(samples, target.keypoints.numpy(), strict=True):
        projected = sample.joints @ sample.camera.T
        assert np.abs(pixels - projected[:, :2] / projected[:, 2:]).max() < 1e-3
    assert set(labels.side.tolist()) == {LEFT, 1 - LEFT}


def test_fingertips_become_the_projects_own(dataset, samples, labels):
    ours = builder(dataset)(labels)
    tips = ours.vertices[:, list(OTHER_TIPS)]
    theirs = replace(labels, joints=labels.joints.clone())
    theirs.joints[:, list(TIPS)] = tips
    assert (theirs.joints - labels.joints).norm(dim=-1).max() > 1e-3, "the test can fail"
    target = builder(dataset, OTHER_TIPS)(theirs)
    assert (target.joints - ours.joints).abs().max() < 1e-6
    unknown = replace(theirs, mano_valid=torch.zeros_like(labels.mano_valid))
    assert torch.equal(builder(dataset, OTHER_TIPS)(unknown).joints, theirs.joints)


def test_contacts_are_found_from_geometry(dataset, labels):
    said = builder(dataset)(labels)
    nothing = replace(
        labels,
        contact_part=torch.full_like(labels.contact_part, UNKNOWN),
        contact_annotated=torch.zeros_like(labels.contact_annotated),
        contact_valid=torch.zeros_like(labels.contact_valid),
        interaction=torch.full_like(labels.interaction, UNKNOWN),
    )
    found = builder(dataset)(nothing)
    assert found.contact.part_valid.all() and found.contact.points_annotated.all()
    assert torch.equal(found.contact.part, said.contact.part)
    assert said.contact.part.any() and not said.contact.part.all()
    assert torch.equal(found.contact.interaction, said.contact.interaction)
    for row in range(len(labels.side)):
        points = found.contact.points[row, found.contact.point_valid[row]]
        true = said.contact.points[row, said.contact.point_valid[row]]
        assert (points - true).norm(dim=-1).max() < 0.01


def test_without_meshes_nothing_is_made_up(dataset, labels):
    nothing = replace(
        labels,
        contact_part=torch.full_like(labels.contact_part, UNKNOWN),
        contact_annotated=torch.zeros_like(labels.contact_annotated),
    )
    target = builder(dataset, models={})(nothing)
    assert target.objects.surface is None
    assert not target.contact.part_valid.any() and not target.contact.points_annotated.any()
    assert target.objects.valid[:, 0].all() and not target.objects.valid[:, 1:].any()


def test_an_object_can_be_of_another_class(dataset, labels):
    (index, model), *_ = dataset.object_models.items()
    axis = np.array([0.0, 1.0, 0.0])
    models = {40: replace(model, object_class=3, symmetry_axis=axis), 41: model}
    many = replace(labels, object_class=labels.object_class.clone())
    many.object_class[:3, 0], many.object_class[3:, 0] = 40, 41
    many.object_class[0, 1] = 99
    objects = builder(dataset, models=models)(many).objects
    assert objects.class_index[:, 0].tolist() == [3, 3, 3, 41, 41, 41]
    assert objects.class_index[0, 1] == 99, "an object without a model is its own class"
    assert objects.valid.sum() == 7 and index not in (3, 40, 41)
    assert np.array_equal(objects.symmetry_axis[0, 0], axis), "symmetries go by the model"
    assert not objects.symmetry_axis[3, 0].any()
    assert objects.surface is not None and torch.equal(objects.surface[0, 0], objects.surface[5, 0])


def test_interactions():
    touches = torch.zeros(4, 6, dtype=torch.bool)
    touches[1, 2] = True
    touches[2, [1, 2]] = True
    touches[3, [2, 3]] = True
    touch, grasp = INTERACTIONS.index("touch"), INTERACTIONS.index("grasp")
    assert interaction_of(touches).tolist() == [UNKNOWN, touch, grasp, touch]


def test_variety_narrows_scenes():
    narrow = make_scenes(8, 0, Variety(turn=(0.1, 0.1, 0.1), shape=0.0, place=(0.0, 0.0)))
    assert narrow.truth.mano_shape.abs().max() == 0.0
    palm = narrow.truth.joints[:, [0, 5, 9, 13, 17]].mean(dim=1)
    assert palm[:, :2].abs().max() < 1e-6


def test_another_hand_model_or_convention_is_noticed(dataset, labels):
    fine = builder(dataset)
    fine.check_hand_model(labels, "toy")
    wrong = replace(labels, mano_pose=labels.mano_pose + 0.3)
    with pytest.raises(AmtError, match=r"poses of toy do not fit its joints.*mano_folder"):
        fine.check_hand_model(wrong, "toy")
    mirrored = replace(labels, side=1 - labels.side)
    with pytest.raises(AmtError, match="do not fit"):
        fine.check_hand_model(mirrored, "toy")
    unknown = replace(wrong, mano_valid=torch.zeros_like(labels.mano_valid))
    fine.check_hand_model(unknown, "toy")
