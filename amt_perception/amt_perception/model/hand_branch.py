"""The hand: 22 queries, one for each coordinate frame, a first estimate, and a second that has seen
the first one's vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.camera import View
from amt_perception.model.config import AmtConfig
from amt_perception.model.geometry import product, rotation_from_6d, solve_translation, viewing_rays
from amt_perception.model.hand_layer import FRAMES, Hand, HandLayer
from amt_perception.model.image_encoder import ImageTokens
from amt_perception.model.layers import MLP, Decoder, zero_start
from amt_perception.model.multi_coordinate import MultiCoordinateEncoder

PALM = FRAMES - 1
_HEATMAP_WIDTH = 64
_OFFSET_UNIT = 0.2
"""Offsets of keypoints are predicted in this share of the picture: in whole pictures, each step of
an optimiser like Adam would throw every keypoint about by many pixels."""


@dataclass
class HandEstimate:
    """One estimate of a right hand, in the camera frame of the (perhaps mirrored) picture."""

    hand: Hand
    """Posed and in its place."""
    pose_6d: Tensor
    """[B, 16, 6] first two columns of each joint's rotation, before orthonormalisation; the wrist's
    is relative to the ray through the crop's centre."""
    rotation: Tensor
    """[B, 16, 3, 3] in each parent's frame, the wrist's in the camera's."""
    shape: Tensor
    """[B, 10]."""
    keypoints: Tensor
    """[B, 21, 2] where the joints are seen (crop pixels)."""
    heatmap_logits: Tensor
    """[B, 21, N]."""

    @property
    def translation(self) -> Tensor:
        """[B, 3] MANO's."""
        return self.hand.joints[:, 0] - self.hand.rest_wrist


class HandHead(nn.Module):
    """Tokens of the 22 frames to pose, shape, keypoints and, by geometry, the place in space.

    A keypoint is the mean of the image tokens' centres under a softmax heatmap (Sun et al.,
    "Integral human pose regression", ECCV 2018) plus an offset, so that joints outside the picture
    can be said, too.
    """

    centres: Tensor
    """[N, 2] of the image tokens' patches (crop pixels)."""

    def __init__(self, config: AmtConfig, layer: HandLayer, grid: int) -> None:
        super().__init__()
        self.layer = layer
        width = config.width
        self.pose = nn.Sequential(MLP(width, width, width), zero_start(nn.Linear(width, 6)))
        self.shape = zero_start(nn.Linear(width, 10))
        self.size = zero_start(nn.Linear(width, 1))
        """Logarithm of the hand's length in its box, against the nominal one."""
        self.query = nn.Linear(width, _HEATMAP_WIDTH)
        self.key = nn.Linear(width, _HEATMAP_WIDTH)
        self.offset = zero_start(nn.Linear(width, 2))
        self.weight = zero_start(nn.Linear(width, 1))
        self.prior = nn.Parameter(torch.tensor(-3.0))
        """Logarithm of the weight of the depth that follows from the box alone."""
        cell = config.image_size / grid
        centres = (torch.arange(grid) + 0.5) * cell - 0.5
        rows, columns = torch.meshgrid(centres, centres, indexing="ij")
        self.register_buffer(
            "centres", torch.stack([columns, rows], dim=-1).flatten(0, 1), persistent=False
        )

    def forward(
        self, tokens: Tensor, image: Tensor, pose_6d: Tensor, shape: Tensor, view: View
    ) -> HandEstimate:
        """tokens [B, 22, C], image [B, N, C]; the pose [B, 16, 6] and shape [B, 10] to change."""
        palm = tokens[:, PALM]
        joints = tokens[:, self.layer.order]  # [B, 21, C] in the project's order
        pose_6d = pose_6d + self.pose(tokens[:, :16]).float()
        shape = shape + self.shape(palm).float()
        logits = (self.query(joints) @ self.key(image).mT).float() / _HEATMAP_WIDTH**0.5
        seen = product(logits.softmax(dim=-1), self.centres)
        keypoints = seen + _OFFSET_UNIT * view.size * self.offset(joints).float()
        weights = nn.functional.softplus(self.weight(joints).float())[..., 0] + 1e-3
        nearer = torch.exp(-self.size(palm).float())[:, 0]
        return self.place(pose_6d, shape, keypoints, logits, weights, view.box_depth * nearer, view)

    def place(
        self,
        pose_6d: Tensor,
        shape: Tensor,
        keypoints: Tensor,
        heatmap_logits: Tensor,
        weights: Tensor,
        prior_depth: Tensor,
        view: View,
    ) -> HandEstimate:
        """Pose the hand and put its joints onto the rays through their keypoints [B, 21, 2]."""
        rotation = rotation_from_6d(pose_6d)
        wrist = product(view.turn, rotation[:, 0])
        rotation = torch.cat([wrist[:, None], rotation[:, 1:]], dim=1)
        hand = self.layer(rotation, shape)
        offset = solve_translation(
            hand.joints,
            viewing_rays(keypoints, view.intrinsics),
            weights,
            prior_depth,
            self.prior.exp().expand_as(prior_depth),
        )
        return HandEstimate(hand.moved(offset), pose_6d, rotation, shape, keypoints, heatmap_logits)


class HandBranch(nn.Module):
    """Image tokens to two hand estimates and one token for each of the 22 frames."""

    mean_pose_6d: Tensor

    def __init__(self, config: AmtConfig, layer: HandLayer, data: HandModelData, grid: int) -> None:
        super().__init__()
        if config.multi_coordinate not in ("full", "translation", "none"):
            raise AmtError(
                f"there is no multi_coordinate '{config.multi_coordinate}'; choose full, "
                "translation or none"
            )
        self.queries = nn.Parameter(torch.randn(FRAMES, config.width))
        self.decoder = Decoder(config, config.hand_layers)
        self.first = HandHead(config, layer, grid)
        self.looks_at_vertices = config.multi_coordinate != "none"
        if self.looks_at_vertices:
            self.vertices = MultiCoordinateEncoder(config)
            self.vertex_norm = nn.LayerNorm(config.width)
            self.vertex_decoder = Decoder(config, config.vertex_layers)
            self.second = HandHead(config, layer, grid)
        self.register_buffer("mean_pose_6d", _mean_pose_6d(data), persistent=False)

    def forward(
        self, image: ImageTokens, view: View, given: Hand | None = None
    ) -> tuple[HandEstimate, HandEstimate, Tensor]:
        """The first estimate, the final one, and tokens [B, 22, C].

        given: vertices and frames from elsewhere (the frame before, another estimator) to look at
        in place of the first estimate's.
        """
        queries = self.queries + image.summary[:, None]
        tokens = self.decoder(queries, image.tokens)
        mean_shape = self.mean_pose_6d.new_zeros(1, 10)
        first = self.first(tokens, image.tokens, self.mean_pose_6d[None], mean_shape, view)
        if not self.looks_at_vertices:
            return first, first, tokens
        hand = given or first.hand
        seen = self.vertices(
            hand.vertices.detach(), hand.frame_rotation.detach(), hand.frame_origin.detach()
        )
        tokens = self.vertex_decoder(tokens + self.vertex_norm(seen), image.tokens)
        second = self.second(tokens, image.tokens, first.pose_6d, first.shape, view)
        return first, second, tokens


def _mean_pose_6d(data: HandModelData) -> Tensor:
    """[16, 6]: the model's mean pose; the wrist's fingers point up and its back to the viewer."""
    upright = Rotation.from_matrix([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    fingers = Rotation.from_rotvec(np.array(data.hands_mean).reshape(15, 3))
    matrices = np.concatenate([upright.as_matrix()[None], fingers.as_matrix()])
    return torch.tensor(matrices[..., :2].swapaxes(-1, -2).reshape(16, 6), dtype=torch.float32)
