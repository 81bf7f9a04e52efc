"""A frame that an object brings with it, so that nothing about turned objects need be learned.

Where an object lies in its file's axes says nothing about how to grasp it. In its own axes it looks
the same however it was turned, and so do its grasps (Puny et al., "Frame Averaging for Invariant
and Equivariant Network Design", ICLR 2022; here one of their frames is chosen, not averaged over).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from amt_perception.grasp.interface import Grasps
from amt_perception.model.interface import Tensors


@dataclass
class ObjectFrame(Tensors):
    """Frames of B objects."""

    rotation: Tensor
    """[B, 3, 3] its axes are the columns, in the object frame."""
    middle: Tensor
    """[B, 3] its origin, object frame (m)."""

    def points(self, points: Tensor) -> Tensor:
        """[B, ..., 3] in this frame, of points [B, ..., 3] in the object frame (m)."""
        flat = points.flatten(1, -2) - self.middle[:, None]
        return (flat @ self.rotation).view_as(points)

    def points_back(self, points: Tensor) -> Tensor:
        """The reverse of `points`."""
        flat = points.flatten(1, -2) @ self.rotation.mT + self.middle[:, None]
        return flat.view_as(points)

    def directions(self, directions: Tensor) -> Tensor:
        """[B, N, 3] in this frame, of directions [B, N, 3] in the object frame."""
        return directions @ self.rotation

    def grasps(self, grasps: Grasps) -> Grasps:
        """In this frame, of K grasps of each object, B * K in the object frame."""
        return self._moved(grasps, self.rotation.mT, self.points)

    def grasps_back(self, grasps: Grasps) -> Grasps:
        """The reverse of `grasps`."""
        return self._moved(grasps, self.rotation, self.points_back)

    def _moved(self, grasps: Grasps, turn: Tensor, move: Callable[[Tensor], Tensor]) -> Grasps:
        batch = len(self.rotation)
        rotation = turn[:, None] @ grasps.rotation.unflatten(0, (batch, -1))
        position = move(grasps.position.unflatten(0, (batch, -1)))
        return Grasps(rotation.flatten(0, 1), position.flatten(0, 1), grasps.joints, grasps.shape)


@torch.no_grad()
def own_frame(points: Tensor) -> ObjectFrame:
    """The frame of clouds [B, N, 3] (m): at their means, along their principal axes.

    The longest axis comes first. Along the first two, the side that reaches further (by the third
    moment) is positive; the third makes the frame right-handed. Where a cloud is symmetric, any of
    the frames that its symmetry allows may come out.
    """
    exact = points.double()
    middle = exact.mean(dim=1)
    offset = exact - middle[:, None]
    _, axes = torch.linalg.eigh(offset.mT @ offset)  # shortest first
    first, second = axes[..., 2], axes[..., 1]
    first = first * _side(offset, first)
    second = second * _side(offset, second)
    rotation = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
    return ObjectFrame(rotation.to(points.dtype), middle.to(points.dtype))


def file_frame(points: Tensor) -> ObjectFrame:
    """The object frame itself, for B clouds [B, N, 3]."""
    batch = len(points)
    eye = torch.eye(3, dtype=points.dtype, device=points.device).expand(batch, 3, 3)
    return ObjectFrame(eye, points.new_zeros(batch, 3))


def _side(offset: Tensor, axis: Tensor) -> Tensor:
    """[B, 1] of +1 and -1: where offsets [B, N, 3] reach further along an axis [B, 3]."""
    third = (offset @ axis[..., None]).pow(3).sum(dim=1)  # [B, 1]
    return torch.where(third < 0.0, -1.0, 1.0)
