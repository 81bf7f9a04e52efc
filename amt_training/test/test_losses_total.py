"""The whole loss: matching instead of slot order, unknown truth, MixUp, schedules."""

from dataclasses import fields, replace

import pytest
import roma
import torch

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.config import YCB_CLASSES
from amt_perception.model.interface import (
    AmtInput,
    AmtOutput,
    ContactOutput,
    ObjectOutput,
    Tensors,
)
from amt_training.losses.config import LossConfig
from amt_training.losses.matching import match_objects
from amt_training.losses.targets import UNKNOWN, AmtTarget, ContactTarget, ObjectTarget
from amt_training.losses.total import AmtLoss

BATCH, QUERIES, PLACES, POINTS, TRUE_POINTS = 4, 5, 3, 6, 4
CLASSES = len(YCB_CLASSES)


@pytest.fixture
def loss() -> AmtLoss:
    return AmtLoss(LossConfig(), generic_hand(Side.RIGHT))


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def rotations(random: torch.Generator, *shape: int) -> torch.Tensor:
    return roma.unitquat_to_rotmat(
        torch.nn.functional.normalize(torch.randn(*shape, 4, generator=random), dim=-1)
    )


def make_output(random: torch.Generator) -> AmtOutput:
    """A prediction that asks for gradients."""

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    place = torch.tensor([0.0, 0.0, 0.5])
    output = AmtOutput(
        joint_steps=place + 0.03 * noise(BATCH, 3, 21, 3),
        joint_log_sigma=-4.0 + 0.1 * noise(BATCH, 21),
        keypoints=56.0 + 10.0 * noise(BATCH, 21, 2),
        first_joints=place + 0.05 * noise(BATCH, 21, 3),
        mano_rotation=rotations(random, BATCH, 16),
        mano_shape=noise(BATCH, 10),
        translation=place + 0.05 * noise(BATCH, 3),
        vertices=place + 0.05 * noise(BATCH, 778, 3),
        heatmap_logits=noise(BATCH, 21, 64),
        objects=ObjectOutput(
            position=place + 0.1 * noise(BATCH, QUERIES, 3),
            rotation=rotations(random, BATCH, QUERIES),
            confidence_logits=noise(BATCH, QUERIES),
            class_logits=noise(BATCH, QUERIES, CLASSES),
        ),
        contact=ContactOutput(
            part_logits=noise(BATCH, 6),
            points=place + 0.05 * noise(BATCH, POINTS, 3),
            point_logits=noise(BATCH, POINTS),
            forces=100.0 * torch.rand(BATCH, POINTS, generator=random),
            type_logits=noise(BATCH, POINTS, 4),
            interaction_logits=noise(BATCH, 3),
        ),
    )
    return output.each(lambda tensor: tensor.requires_grad_())


def make_target(random: torch.Generator) -> AmtTarget:
    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    def yes(*shape: int) -> torch.Tensor:
        return torch.ones(*shape, dtype=torch.bool)

    place = torch.tensor([0.0, 0.0, 0.5])
    normals = torch.nn.functional.normalize(noise(BATCH, PLACES, 40, 3), dim=-1)
    there = torch.arange(PLACES) < torch.tensor([[0], [1], [2], [3]])
    return AmtTarget(
        joints=place + 0.05 * noise(BATCH, 21, 3),
        joints_valid=yes(BATCH, 21),
        keypoints=56.0 + 10.0 * noise(BATCH, 21, 2),
        keypoints_valid=yes(BATCH, 21),
        vertices=place + 0.05 * noise(BATCH, 778, 3),
        mano_rotation=rotations(random, BATCH, 16),
        mano_shape=noise(BATCH, 10),
        mano_valid=yes(BATCH),
        objects=ObjectTarget(
            annotated=yes(BATCH),
            valid=there,
            class_index=torch.randint(1, CLASSES, (BATCH, PLACES), generator=random),
            position=place + 0.1 * noise(BATCH, PLACES, 3),
            rotation=rotations(random, BATCH, PLACES),
            symmetry_rotations=torch.eye(3).expand(BATCH, PLACES, 1, 3, 3),
            symmetry_axis=torch.zeros(BATCH, PLACES, 3),
            surface=0.05 * normals,
            surface_normals=normals,
        ),
        contact=ContactTarget(
            part=noise(BATCH, 6) > 0.0,
            part_valid=yes(BATCH, 6),
            points_annotated=yes(BATCH),
            points=place + 0.05 * noise(BATCH, TRUE_POINTS, 3),
            point_valid=noise(BATCH, TRUE_POINTS) > -0.5,
            force=10.0 * torch.rand(BATCH, TRUE_POINTS, generator=random),
            force_valid=yes(BATCH, TRUE_POINTS),
            contact_type=torch.randint(0, 4, (BATCH, TRUE_POINTS), generator=random),
            interaction=torch.randint(0, 3, (BATCH,), generator=random),
        ),
    )


def make_inputs() -> AmtInput:
    matrix = torch.tensor([[150.0, 0.0, 56.0], [0.0, 150.0, 56.0], [0.0, 0.0, 1.0]])
    return AmtInput(
        image=torch.zeros(BATCH, 1, 3, 112, 112),
        intrinsics=matrix.expand(BATCH, 1, 3, 3),
        crop=torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]).expand(BATCH, 1, 2, 3),
        hand_box=torch.tensor([60.0, 60.0, 100.0, 100.0]).expand(BATCH, 1, 4),
        side=torch.arange(BATCH) % 2,
    )


def gradients(output: Tensors) -> dict[str, torch.Tensor]:
    """Of every tensor by name, zeros where none came."""
    found = {}
    for field in fields(output):
        value = getattr(output, field.name)
        if isinstance(value, Tensors):
            found |= {f"{field.name}.{name}": one for name, one in gradients(value).items()}
        else:
            found[field.name] = torch.zeros_like(value) if value.grad is None else value.grad
    return found


def permuted(part: Tensors, order: torch.Tensor, *keep: str) -> Tensors:
    """A copy whose slots (axis 1) stand in another order; `keep`: what has none."""
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    moved = {
        name: value[:, order].detach().requires_grad_(value.requires_grad)
        for name, value in values.items()
        if name not in keep
    }
    return replace(part, **moved)


def test_every_part_of_the_output_learns_and_nothing_is_nan(loss, random):
    output, target = make_output(random), make_target(random)
    result = loss(output, target, make_inputs(), 0.5)
    assert all(term.isfinite() for term in result.terms.values())
    result.total.backward()
    for name, gradient in gradients(output).items():
        assert gradient.isfinite().all(), name
        learns = name != "translation"  # joints and vertices say it all
        assert bool(gradient.abs().sum() > 0.0) == learns, name


@pytest.mark.parametrize("which", ["predicted objects", "predicted contacts"])
def test_order_of_predicted_slots_does_not_matter(loss, random, which):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    order = torch.randperm(QUERIES if which == "predicted objects" else POINTS, generator=random)
    if which == "predicted objects":
        other = replace(output, objects=permuted(output.objects, order))
        names = [f"objects.{field.name}" for field in fields(output.objects)]
    else:
        keep = ("part_logits", "interaction_logits")
        other = replace(output, contact=permuted(output.contact, order, *keep))
        names = [
            f"contact.{field.name}" for field in fields(output.contact) if field.name not in keep
        ]
    one, same = loss(output, target, inputs, 0.5), loss(other, target, inputs, 0.5)
    for name, term in one.terms.items():
        torch.testing.assert_close(term, same.terms[name], msg=name)
    one.total.backward()
    before = {name: gradients(output)[name].clone() for name in names}
    output.each(lambda tensor: tensor.grad.zero_() if tensor.grad is not None else tensor)
    same.total.backward()
    after = gradients(other)
    for name in names:
        torch.testing.assert_close(before[name][:, order], after[name], msg=name)


def test_order_of_true_objects_and_contacts_does_not_matter(loss, random):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    objects = permuted(target.objects, torch.tensor([2, 0, 1]), "annotated")
    keep = ("part", "part_valid", "points_annotated", "interaction")
    contact = permuted(target.contact, torch.tensor([3, 1, 0, 2]), *keep)
    one = loss(output, target, inputs, 0.5)
    same = loss(output, replace(target, objects=objects, contact=contact), inputs, 0.5)
    for name, term in one.terms.items():
        torch.testing.assert_close(term, same.terms[name], msg=name)


def test_matching_finds_the_truth_wherever_it_is(loss, random):
    output, target = make_output(random), make_target(random)
    slots = torch.tensor([4, 0, 2])
    objects = output.objects.each(lambda tensor: tensor.detach().clone())
    objects.position[:, slots] = target.objects.position
    objects.rotation[:, slots] = target.objects.rotation
    matches = match_objects(objects, target.objects, loss.config)
    assert len(matches.sample) == int(target.objects.valid.sum()) == 6
    torch.testing.assert_close(matches.slot, slots[matches.place])
    result = loss(replace(output, objects=objects), target, make_inputs(), 0.5)
    assert result.terms["object_position"] < 1e-5
    assert result.terms["object_rotation"] < 1e-3


OF_PREDICTIONS_ALONE = ("physics_force", "physics_joint_limits")
UNKNOWN_TERMS = {
    "joints_valid": ("coarse", "refined", "sigma", "vertices", "diversity_variance",
                     "diversity_pairwise"),
    "keypoints_valid": ("keypoints", "reprojection", "heatmap"),
    "mano_valid": ("mano_rotation", "mano_shape", "vertices"),
}  # fmt: skip


def poisoned(part: Tensors) -> Tensors:
    """Nothing is known, and what stands there is NaN."""
    values = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, Tensors):
            values[field.name] = poisoned(value)
        elif value.dtype == torch.bool:
            values[field.name] = torch.zeros_like(value)
        elif value.is_floating_point():
            values[field.name] = torch.full_like(value, torch.nan)
        else:
            values[field.name] = torch.full_like(value, UNKNOWN)
    return replace(part, **values)


def test_unknown_truth_costs_exactly_nothing_and_teaches_nothing(loss, random):
    output, target = make_output(random), poisoned(make_target(random))
    result = loss(output, target, make_inputs(), 0.5)
    of_truth = {
        name: term for name, term in result.terms.items() if name not in OF_PREDICTIONS_ALONE
    }
    assert all(term == 0.0 for term in of_truth.values()), of_truth
    assert all(term.isfinite() for term in result.terms.values())
    sum(of_truth.values()).backward()
    assert all((gradient == 0.0).all() for gradient in gradients(output).values())
    assert all(one.grad is None or (one.grad == 0.0).all() for one in loss.parameters())


@pytest.mark.parametrize("flag", UNKNOWN_TERMS)
def test_each_flag_switches_its_own_terms_off(loss, random, flag):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    unknown = replace(target, **{flag: torch.zeros_like(getattr(target, flag))})
    before, after = (loss(output, one, inputs, 0.5).terms for one in (target, unknown))
    for name in before:
        if name in UNKNOWN_TERMS[flag]:
            assert after[name] == 0.0, name
            assert before[name] != 0.0, name
        else:
            torch.testing.assert_close(after[name], before[name], msg=name)


def test_unknown_samples_do_not_change_what_the_known_ones_cost(loss, random):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    known = torch.tensor([2, 3])
    mixed = poisoned(target)

    def only_known(clean: Tensors, unknown: Tensors) -> Tensors:
        values = {}
        for field in fields(clean):
            one, other = getattr(clean, field.name), getattr(unknown, field.name)
            if isinstance(one, Tensors):
                values[field.name] = only_known(one, other)
            else:
                values[field.name] = other.index_copy(0, known, one[known])
        return replace(clean, **values)

    mixed = only_known(target, mixed)
    alone = loss(output[known], target[known], inputs[known], 0.5).terms
    among = loss(output, mixed, inputs, 0.5).terms
    for name, term in alone.items():
        if name not in OF_PREDICTIONS_ALONE:
            torch.testing.assert_close(among[name], term, msg=name)


def test_mixup_shares_add_up(loss, random):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    whole = loss(output, target, inputs, 0.5).terms
    share = torch.tensor([0.9, 0.5, 0.7, 1.0])
    one = loss(output, target, inputs, 0.5, sample_weight=share).terms
    rest = loss(output, target, inputs, 0.5, sample_weight=1.0 - share).terms
    for name in whole:
        if not name.startswith("diversity"):  # of the batch, not of a sample
            torch.testing.assert_close(one[name] + rest[name], whole[name], msg=name)


def test_a_model_without_hand_model_or_refinement_has_fewer_terms(loss, random):
    output, target = make_output(random), make_target(random)
    everything = loss(output, target, make_inputs(), 0.5).terms
    plain = replace(
        output, first_joints=None, mano_rotation=None, mano_shape=None, translation=None,
        vertices=None, heatmap_logits=None, joint_steps=output.joint_steps[:, :1],
    )  # fmt: skip
    fewer = loss(plain, target, make_inputs(), 0.5)
    assert set(everything) - set(fewer.terms) == {
        "refined", "heatmap", "mano_rotation", "mano_shape", "vertices", "contact_near_hand",
        "physics_joint_limits", "physics_penetration",
    }  # fmt: skip
    assert fewer.total.isfinite()


def test_weights_of_the_design_and_their_schedules():
    config = LossConfig()
    assert config.weight("coarse", 0.0) == 1.326
    assert config.weight("object_rotation", 0.3) == 0.463
    assert config.weight("contact_near_hand", 0.9) == 0.359
    for term, group, start in (
        ("diversity_pairwise", 0.060, 2.0),
        ("physics_force", 0.086, 0.3),
        ("refined", 1.189, config.refined_ramp.start),
    ):
        assert config.weight(term, 0.0) == pytest.approx(start * group)
        assert config.weight(term, 1.0) == pytest.approx(group)
        halfway = [config.weight(term, progress) for progress in (0.0, 0.05, 0.1, 1.0)]
        assert halfway == sorted(halfway, reverse=start > 1.0)


def test_total_is_the_weighted_sum(loss, random):
    output, target = make_output(random), make_target(random)
    result = loss(output, target, make_inputs(), 0.2)
    expected = sum(loss.config.weight(name, 0.2) * term for name, term in result.terms.items())
    torch.testing.assert_close(result.total, expected)


def test_velocity_needs_the_frame_before(loss, random):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    assert "velocity" not in loss(output, target, inputs, 0.5).terms
    terms = loss(output, target, inputs, 0.5, previous=(make_output(random), target)).terms
    assert terms["velocity"] > 0.0
    still = loss(output, target, inputs, 0.5, previous=(output, target)).terms
    assert still["velocity"] < 1e-6


def test_half_precision_outputs_are_judged_in_single_precision(loss, random):
    output, target, inputs = make_output(random), make_target(random), make_inputs()
    half = output.each(lambda tensor: tensor.detach().bfloat16().float())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = loss(half.each(lambda tensor: tensor.bfloat16()), target, inputs, 0.5)
    exact = loss(half, target, inputs, 0.5)
    for name, term in exact.terms.items():
        assert rounded.terms[name].dtype == torch.float32
        torch.testing.assert_close(rounded.terms[name], term, msg=name)
