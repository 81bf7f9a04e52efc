"""Losses of the hand, each for what it promises."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import TIPS, Side
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.mirror import mirror_pose
from amt_perception.model.interface import LEFT, RIGHT, AmtInput
from amt_training.losses.config import LossConfig
from amt_training.losses.diversity import diversity_losses
from amt_training.losses.hand import (
    AdaptiveJointLoss,
    heatmap_loss,
    keypoint_loss,
    reprojection_loss,
    sigma_loss,
)
from amt_training.losses.physics import JointLimitLoss
from amt_training.losses.temporal import velocity_loss

CONFIG = LossConfig()


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def hands(random: torch.Generator, count: int) -> torch.Tensor:
    return torch.tensor([0.0, 0.0, 0.5]) + 0.05 * torch.randn(count, 21, 3, generator=random)


def test_adaptive_loss_starts_as_the_mean_distance_with_heavier_fingertips(random):
    loss = AdaptiveJointLoss(CONFIG)
    truth = hands(random, 4)
    valid, weight = torch.ones(4, 21, dtype=torch.bool), torch.ones(4)
    moved = truth + torch.tensor([0.0, 0.0, 0.02])
    # All joints move alike: nothing seen from the wrist. 16 joints count once, 5 tips 1.5 times.
    expected = 0.5 * 0.2 * (16 + 5 * 1.5) / 21
    assert float(loss(moved[:, None], truth, valid, weight)) == pytest.approx(expected, rel=1e-3)
    for joint in (3, TIPS[0]):
        one = truth.clone()
        one[:, joint, 0] += 0.03
        expected = 0.3 * (1.5 if joint in TIPS else 1.0) / 21
        assert float(loss(one[:, None], truth, valid, weight)) == pytest.approx(expected, rel=1e-3)


def test_adaptive_weights_favour_what_can_be_learned_and_never_vanish(random):
    loss = AdaptiveJointLoss(CONFIG)
    truth = hands(random, 8)
    noise = torch.full((21, 1), 0.01)
    noise[5] = 0.1  # a joint that nobody can predict
    joints = (truth + noise * torch.randn(truth.shape, generator=random))[:, None]
    valid, weight = torch.ones(8, 21, dtype=torch.bool), torch.ones(8)
    optimiser = torch.optim.SGD(loss.parameters(), lr=1.0)
    for _ in range(300):
        optimiser.zero_grad()
        loss(joints, truth, valid, weight).backward()
        optimiser.step()
    weights = loss.weights.detach()
    assert weights.argmin() == 5
    assert weights[5] < 0.5
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    others = torch.cat([weights[1:5], weights[6:]])
    assert others.min() > 0.8
    assert others.max() < 1.3

    for _ in range(1000):  # an adversary that only wants the weight of joint 5 gone
        optimiser.zero_grad()
        (1e3 * loss.weights[5]).backward()
        optimiser.step()
    assert loss.weights[5] > 1.0 / 20.0
    assert loss.raw.isfinite().all()


def test_sigma_is_best_where_it_is_the_errors_own(random):
    sigma = 0.013
    truth = torch.zeros(4000, 21, 3)
    joints = sigma * torch.randn(truth.shape, generator=random)
    valid, weight = torch.ones(truth.shape[:2], dtype=torch.bool), torch.ones(len(truth))

    def at(value: float) -> float:
        log_sigma = torch.full(truth.shape[:2], float(np.log(value)))
        return float(sigma_loss(log_sigma, joints, truth, valid, CONFIG.sigma_tail, weight))

    candidates = sigma * np.linspace(0.7, 1.4, 71)
    best = candidates[np.argmin([at(value) for value in candidates])]
    assert best == pytest.approx(sigma, rel=0.02)


def test_sigma_teaches_nothing_to_the_joints_and_its_gradient_is_bounded():
    joints = torch.zeros(1, 21, 3, requires_grad=True)
    log_sigma = torch.full((1, 21), np.log(1e-4), requires_grad=True)
    truth = torch.full((1, 21, 3), 0.3)  # thousands of sigmas away
    valid, weight = torch.ones(1, 21, dtype=torch.bool), torch.ones(1)
    sigma_loss(log_sigma, joints, truth, valid, CONFIG.sigma_tail, weight).backward()
    assert joints.grad is None
    assert log_sigma.grad.isfinite().all()
    assert (log_sigma.grad < 0.0).all()
    assert log_sigma.grad.abs().sum() < 3.0 + CONFIG.sigma_tail**2


def crop_inputs(count: int, focal: float = 200.0) -> AmtInput:
    matrix = torch.tensor([[focal, 0.0, 56.0], [0.0, focal, 56.0], [0.0, 0.0, 1.0]])
    crop = torch.tensor([[0.5, 0.0, 3.0], [0.0, 0.5, -7.0]])
    return AmtInput(
        image=torch.zeros(count, 1, 3, 112, 112),
        intrinsics=matrix.expand(count, 1, 3, 3),
        crop=crop.expand(count, 1, 2, 3),
        hand_box=torch.tensor([10.0, 10.0, 100.0, 80.0]).expand(count, 1, 4),
        side=torch.zeros(count, dtype=torch.int64),
    )


def test_reprojection_is_zero_at_the_truth_and_counts_shares_of_the_box(random):
    joints, inputs = hands(random, 3), crop_inputs(3)
    valid, weight = torch.ones(3, 21, dtype=torch.bool), torch.ones(3)
    keypoints = joints[..., :2] / joints[..., 2:] * 200.0 + 56.0
    beta = CONFIG.smooth_l1_beta
    assert reprojection_loss(joints, keypoints, valid, inputs, weight, beta) < 1e-9
    # The box is 50 crop pixels long: 5 pixels are a tenth of it.
    moved = keypoints + torch.tensor([5.0, 0.0])
    expected = 0.5 * (0.1 - 0.5 * beta)
    for loss in (
        reprojection_loss(joints, moved, valid, inputs, weight, beta),
        keypoint_loss(keypoints, moved, valid, inputs, weight, beta),
    ):
        assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_reprojection_behind_the_camera_is_finite():
    joints = torch.full((1, 21, 3), 0.1)
    joints[..., 2] = -0.3
    joints.requires_grad_()
    valid, weight = torch.ones(1, 21, dtype=torch.bool), torch.ones(1)
    loss = reprojection_loss(joints, torch.zeros(1, 21, 2), valid, crop_inputs(1), weight, 0.01)
    loss.backward()
    assert loss.isfinite()
    assert joints.grad.isfinite().all()


def test_heatmap_is_best_at_the_keypoint_and_outside_joints_do_not_count():
    keypoints = torch.zeros(1, 21, 2) + torch.tensor([31.0, 73.0])
    valid, weight = torch.ones(1, 21, dtype=torch.bool), torch.ones(1)
    logits = torch.zeros(1, 21, 64, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimiser.zero_grad()
        heatmap_loss(logits, keypoints, valid, 112, 0.75, weight).backward()
        optimiser.step()
    centres = (torch.arange(8) + 0.5) * 14.0 - 0.5
    share = logits.detach().softmax(-1)[0, 0].unflatten(-1, (8, 8))  # rows, columns
    assert float((share.sum(0) * centres).sum()) == pytest.approx(31.0, abs=1.0)
    assert float((share.sum(1) * centres).sum()) == pytest.approx(73.0, abs=1.0)

    outside = keypoints + torch.tensor([100.0, 0.0])
    fresh = torch.zeros(1, 21, 64, requires_grad=True)
    heatmap_loss(fresh, outside, valid, 112, 0.75, weight).backward()
    assert (fresh.grad == 0.0).all()


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_joint_limits_agree_with_the_numpy_ones(side):
    limits = JointLimits(generic_hand(side))
    poses = Rotation.random(32 * 16, random_state=1).as_rotvec().reshape(32, 16, 3) * 0.5
    loss = JointLimitLoss(generic_hand(Side.RIGHT))
    rotation = torch.tensor(
        Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(32, 16, 3, 3),
        dtype=torch.float32,
    )
    sides = torch.full((32,), LEFT if side == Side.LEFT else RIGHT)
    angles = loss.angles(rotation, sides).numpy()
    expected = np.stack([limits.angles(pose) for pose in poses])
    np.testing.assert_allclose(angles, expected, atol=2e-5)
    excess = np.mean([np.abs(limits.excess(pose)).mean() for pose in poses])
    assert float(loss(rotation, sides, torch.ones(32))) == pytest.approx(excess, rel=1e-4)


def test_a_mirrored_pose_has_the_same_excess():
    poses = Rotation.random(16, random_state=2).as_rotvec() * 0.6
    loss = JointLimitLoss(generic_hand(Side.RIGHT))
    right, left = (
        torch.tensor(Rotation.from_rotvec(pose).as_matrix(), dtype=torch.float32)[None]
        for pose in (poses, mirror_pose(poses))
    )
    one = loss(right, torch.tensor([RIGHT]), torch.ones(1))
    assert float(one) > 0.0
    torch.testing.assert_close(one, loss(left, torch.tensor([LEFT]), torch.ones(1)))


def test_joint_limits_have_a_finite_gradient_at_gimbal_lock():
    loss = JointLimitLoss(generic_hand(Side.RIGHT))
    abduction = np.radians([0.0, 90.0, 0.0]) + np.zeros((15, 3))
    pose = JointLimits(generic_hand(Side.RIGHT)).pose(abduction, np.zeros(3))
    rotation = torch.tensor(
        Rotation.from_rotvec(pose).as_matrix()[None], dtype=torch.float32, requires_grad=True
    )
    loss(rotation, torch.tensor([RIGHT]), torch.ones(1)).backward()
    assert rotation.grad.isfinite().all()
    assert rotation.grad.norm() < 10.0


def test_diversity_is_zero_for_the_truth_and_one_for_a_collapsed_model(random):
    truth = hands(random, 16)
    valid = torch.ones(16, 21, dtype=torch.bool)
    assert all(term < 1e-6 for term in diversity_losses(truth, truth, valid).values())
    collapsed = truth.mean(0, keepdim=True).expand_as(truth).clone().requires_grad_()
    terms = diversity_losses(collapsed, truth, valid)
    assert all(float(term) == pytest.approx(1.0, abs=1e-3) for term in terms.values())
    sum(terms.values()).backward()
    assert collapsed.grad.isfinite().all()
    half = diversity_losses(0.5 * truth, truth, valid)
    assert all(float(term) == pytest.approx(0.5, abs=1e-3) for term in half.values())
    # Where all hands are truly alike, nobody asks for variety.
    alike = truth[:1].expand_as(truth)
    assert all(term == 0.0 for term in diversity_losses(alike, alike, valid).values())
    assert all(term == 0.0 for term in diversity_losses(truth, truth, valid & False).values())


def test_velocity_punishes_jitter_and_not_a_constant_error(random):
    truth, before = hands(random, 2), hands(random, 2)
    valid, weight = torch.ones(2, 21, dtype=torch.bool), torch.ones(2)
    shifted = velocity_loss(truth + 0.05, before + 0.05, truth, before, valid, weight)
    assert float(shifted) < 1e-6
    jumped = velocity_loss(truth + torch.tensor([0.01, 0.0, 0.0]), before, truth, before, valid,
                           weight)  # fmt: skip
    assert float(jumped) == pytest.approx(0.1, rel=1e-3)
