"""Camera conditioning: what the network is told about intrinsics and box, and in which geometry.

The best-known failing of hand networks is metric depth when the focal length differs from the
training's. Here the network never regresses depth: it says where the joints are in the picture and
how the hand is bent, and `geometry.solve_translation` finds the place in space. The embedding below
only tells the network what the picture cannot show (perspective, where off the axis it looks).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.model.config import AmtConfig
from amt_perception.model.geometry import box_depth, in_float32, look_at, viewing_rays
from amt_perception.model.interface import Tensors
from amt_perception.model.layers import Attention, zero_start

_FEATURES = (2, 2, 4, 4)
"""Focal lengths, the crop's central ray, the box in the crop, rays through the box's corners."""


@dataclass
class View(Tensors):
    """The geometry of a batch of crops."""

    intrinsics: Tensor
    """[B, 3, 3] of the crops."""
    box: Tensor
    """[B, 4] the hand's box in crop pixels: x, y, width, height."""
    size: int
    """S: the crops are S x S pixels."""
    turn: Tensor
    """[B, 3, 3] rotation that takes the optical axis to the ray through the crop's centre: what
    the network says about orientations is relative to that ray."""
    box_depth: Tensor
    """[B] depth of a hand of nominal length that is as long as its box (m)."""

    @classmethod
    def of(cls, intrinsics: Tensor, crop: Tensor, hand_box: Tensor, size: int) -> View:
        """From the crop's intrinsics [B, 3, 3], its affine map [B, 2, 3] and the hand's box in
        image pixels [B, 4]."""
        box = _box_in_crop(crop, hand_box)
        centre = intrinsics.new_full((len(intrinsics), 1, 2), 0.5 * (size - 1))
        turn = look_at(viewing_rays(centre, intrinsics)[:, 0])
        return cls(intrinsics.float(), box, size, turn, box_depth(box, intrinsics))


@in_float32
def _box_in_crop(crop: Tensor, hand_box: Tensor) -> Tensor:
    """[B, 4] the box around the transformed corners."""
    x, y, width, height = hand_box.unbind(-1)
    corners = torch.stack(
        [torch.stack([x, x + width, x, x + width], -1), torch.stack([y, y, y + height, y + height],
                                                                    -1)], dim=-1
    )  # fmt: skip
    corners = corners @ crop[..., :2].mT + crop[:, None, :, 2]
    low, high = corners.amin(dim=1), corners.amax(dim=1)
    return torch.cat([low, high - low], dim=-1)


class CameraEmbedding(nn.Module):
    """Tells the image tokens about the view; starts out saying nothing.

    dense: one vector from an MLP, added to every token. cross_attention: the tokens look at four
    camera tokens.
    """

    def __init__(self, config: AmtConfig) -> None:
        super().__init__()
        width = config.width
        self.kind = config.camera
        if self.kind == "dense":
            self.dense = nn.Sequential(
                nn.Linear(sum(_FEATURES), width), nn.GELU(), zero_start(nn.Linear(width, width))
            )
        elif self.kind == "cross_attention":
            self.embeddings = nn.ModuleList(nn.Linear(count, width) for count in _FEATURES)
            self.kinds = nn.Parameter(0.02 * torch.randn(len(_FEATURES), width))
            self.context_norm = nn.LayerNorm(width)
            self.token_norm = nn.LayerNorm(width)
            self.attention = Attention(
                width, config.heads, config.stabilisers.attention_temperature
            )
            zero_start(self.attention.out)
        else:
            raise AmtError(
                f"there is no camera embedding '{config.camera}'; choose dense or cross_attention"
            )

    def forward(self, tokens: Tensor, view: View) -> Tensor:
        """tokens [B, N, C] to the same shape."""
        features = _camera_features(view.intrinsics, view.box, view.size)
        if self.kind == "dense":
            return tokens + self.dense(features)[:, None]
        parts = features.split(_FEATURES, dim=-1)
        camera = [embed(part) for embed, part in zip(self.embeddings, parts, strict=True)]
        context = self.context_norm(torch.stack(camera, dim=1) + self.kinds)
        return tokens + self.attention(self.token_norm(tokens), context)


@in_float32
def _camera_features(intrinsics: Tensor, box: Tensor, size: int) -> Tensor:
    """[B, 12] numbers of order one, see _FEATURES."""
    focal = torch.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], dim=-1) / size
    low, high = box[:, :2], box[:, :2] + box[:, 2:]
    points = torch.stack([torch.full_like(low, 0.5 * (size - 1)), low, high], dim=1)
    rays = viewing_rays(points, intrinsics)
    scaled = torch.cat([low, high], dim=-1) / size * 2.0 - 1.0
    return torch.cat([focal.log(), rays[:, 0], scaled, rays[:, 1:].flatten(1)], dim=-1)
