"""Losses of the hand: joints in space and in the picture, MANO's parameters, their uncertainty."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from amt_perception.hand.joints import TIPS, WRIST
from amt_perception.model.geometry import project
from amt_perception.model.interface import AmtInput
from amt_training.losses.config import LENGTH_UNIT_M, LossConfig
from amt_training.losses.reduction import known_mean, length, masked_mean
from amt_training.losses.rotations import geodesic


class AdaptiveJointLoss(nn.Module):
    """Distances of the joints with learned weights, by homoscedastic uncertainty.

    Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", CVPR 2018: a
    joint's error counts w = exp(-s) times and s = -log w is added, so that no weight shrinks for
    free. Here the weights keep a mean of one, so that the term keeps its place among the others;
    -log w counts in units of the mean error, whatever that is; and s is bounded, so that no
    gradient can make a weight vanish. Fingertips count more.
    """

    factor: Tensor

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.absolute_share = config.absolute_share
        self.raw = nn.Parameter(torch.zeros(21))
        self.bound = float(torch.tensor(config.adaptive_range).log())
        factor = torch.ones(21)
        factor[list(TIPS)] = config.fingertip_factor
        self.register_buffer("factor", factor)

    @property
    def weights(self) -> Tensor:
        """[21] learned weights, of mean one."""
        return 21.0 * (self.bound * torch.tanh(self.raw)).softmax(0)

    def forward(self, joints: Tensor, truth: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
        """joints [B, S, 21, 3] (S estimates of the same), truth [B, 21, 3], valid [B, 21].

        A share of it is the distance in the camera's frame, the rest that of the joints seen from
        the wrist: depth and pose err in different ways, and neither may hide the other.
        """
        truth = truth.unsqueeze(1)
        absolute = length(joints - truth)  # [B, S, 21]
        relative = length(_from_wrist(joints) - _from_wrist(truth))
        seen = valid.unsqueeze(1).expand_as(absolute)
        zero = torch.zeros_like(absolute)
        relative = torch.where(seen & seen[..., WRIST, None], relative, zero)
        error = torch.lerp(relative, torch.where(seen, absolute, zero), self.absolute_share)
        error = error / LENGTH_UNIT_M
        mean = known_mean(error, seen)
        weights = self.weights
        return masked_mean(self.factor * (weights * error - mean * weights.log()), seen, weight)


def reprojection_loss(
    joints: Tensor, keypoints: Tensor, valid: Tensor, inputs: AmtInput, weight: Tensor, beta: float
) -> Tensor:
    """Joints [B, 21, 3] projected into the crop against keypoints [B, 21, 2] (crop pixels)."""
    pixels = project(joints, inputs.intrinsics[:, -1])
    return keypoint_loss(pixels, keypoints, valid, inputs, weight, beta)


def keypoint_loss(
    predicted: Tensor, keypoints: Tensor, valid: Tensor, inputs: AmtInput, weight: Tensor,
    beta: float,
) -> Tensor:  # fmt: skip
    """Smooth L1 of joints in the picture [B, 21, 2] (crop pixels), as shares of the hand box."""
    scale = torch.linalg.det(inputs.crop[:, -1, :, :2]).abs().sqrt()  # crop pixels an image pixel
    size = (inputs.hand_box[:, -1, 2:].amax(-1) * scale)[:, None, None]
    loss = smooth_l1_loss(predicted / size, keypoints / size, reduction="none", beta=beta)
    return masked_mean(loss, valid, weight)


def heatmap_loss(
    logits: Tensor, keypoints: Tensor, valid: Tensor, image_size: int, sigma: float, weight: Tensor
) -> Tensor:
    """Cross-entropy of heatmaps [B, 21, N], N = n x n cells, to a Gaussian about each keypoint.

    keypoints: [B, 21, 2] crop pixels of a crop of `image_size`; sigma: in cells. A joint outside
    the picture has no cell and does not count.
    """
    side = round(logits.shape[-1] ** 0.5)
    centres = (torch.arange(side, device=logits.device) + 0.5) * (image_size / side) - 0.5
    offset = (centres - keypoints.unsqueeze(-1)) * (side / image_size)  # [B, 21, 2, n]
    column, row = (torch.exp(-0.5 * (offset / sigma).square())).unbind(-2)
    target = (row.unsqueeze(-1) * column.unsqueeze(-2)).flatten(-2)
    target = target / target.sum(-1, keepdim=True).clamp(min=1e-9)
    inside = ((keypoints > -0.5) & (keypoints < image_size - 0.5)).all(-1)
    loss = cross_entropy(logits.flatten(0, 1), target.flatten(0, 1), reduction="none")
    return masked_mean(loss.unflatten(0, inside.shape), valid & inside, weight)


def vertex_loss(
    vertices: Tensor, wrist: Tensor, truth: Tensor, true_wrist: Tensor, valid: Tensor,
    weight: Tensor,
) -> Tensor:  # fmt: skip
    """Distance of vertices [B, 778, 3], seen from the wrists [B, 3]; joints place the hand."""
    offset = (vertices - wrist.unsqueeze(1)) - (truth - true_wrist.unsqueeze(1))
    return masked_mean(length(offset) / LENGTH_UNIT_M, valid, weight)


def mano_rotation_loss(rotation: Tensor, truth: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Angle (rad) between joint rotations [B, 16, 3, 3]."""
    return masked_mean(geodesic(rotation, truth), valid, weight)


def mano_shape_loss(shape: Tensor, truth: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Smooth L1 of shape coefficients [B, 10], whose unit is a standard deviation of people."""
    return masked_mean(smooth_l1_loss(shape, truth, reduction="none"), valid, weight)


def sigma_loss(
    log_sigma: Tensor, joints: Tensor, truth: Tensor, valid: Tensor, tail: float, weight: Tensor
) -> Tensor:
    """Negative log likelihood of the errors of joints [B, 21, 3] under log_sigma [B, 21].

    Independent normal errors of one sigma along three axes: 3 log sigma + error^2 / (2 sigma^2).
    The errors are detached: this term learns to know them, not to change them. It counts joints
    outside the picture too, so their sigma grows and their confidence falls. Beyond `tail` sigmas
    it goes on along its tangent in log sigma. Errors enter in units of LENGTH_UNIT_M.
    """
    error = length((joints - truth).detach())
    ratio = torch.log(error.clamp(min=1e-6)) - log_sigma
    end = float(torch.tensor(tail).log())
    inner = ratio.clamp(max=end)
    half_square = 0.5 * torch.exp(2.0 * inner) * (1.0 + 2.0 * (ratio - inner))
    unit = float(torch.tensor(LENGTH_UNIT_M).log())
    return masked_mean(3.0 * (log_sigma - unit) + half_square, valid, weight)


def _from_wrist(joints: Tensor) -> Tensor:
    return joints - joints[..., WRIST, None, :]
