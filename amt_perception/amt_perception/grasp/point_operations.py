"""Sampling, grouping and interpolation of point clouds, in plain torch.

The operations of PointNet++ (Qi et al., NeurIPS 2017), so made that the order of the points does
not matter: sampling starts at a point that the cloud's shape determines, and a ball keeps its
nearest points, not the first of a list. Only exact ties are left to the order.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vecdot

from amt_perception.errors import AmtError

_NEAREST = 3
_SMALL_SQUARE_M2 = 1e-10
"""Under squared distances (1e-5 m): a point that coincides with a known one takes its features."""


@torch.no_grad()
def farthest_points(points: Tensor, count: int) -> Tensor:
    """[B, count] indices of points [B, N, 3], each the farthest from all before it.

    The first is the one farthest from the middle of the cloud's bounding box. The first n of the
    result are the sample of n points, so one call serves every level of a hierarchy. Raises
    AmtError where the cloud has fewer points.
    """
    batch, total, _ = points.shape
    if total < count:
        raise AmtError(
            f"the grasp model needs clouds of at least {count} points, not {total}; sample more "
            "points on the object's surface"
        )
    columns = points.float().mT.contiguous()  # [B, 3, N]: sums over x, y, z are then contiguous
    middle = (columns.amin(dim=2) + columns.amax(dim=2)) / 2.0  # unlike a mean, without rounding
    offset = columns - middle[..., None]
    chosen = [vecdot(offset, offset, dim=1).argmax(dim=1)]  # each [B]
    nearest = torch.full_like(columns[:, 0], torch.inf)  # [B, N] squared distance to the sample
    rows = torch.arange(batch, device=points.device)
    while len(chosen) < count:
        offset = columns - columns[rows, :, chosen[-1]][..., None]
        nearest = torch.minimum(nearest, vecdot(offset, offset, dim=1))
        chosen.append(nearest.argmax(dim=1))
    return torch.stack(chosen, dim=1)


@torch.no_grad()
def ball_query(points: Tensor, centres: Tensor, radius: float, count: int) -> Tensor:
    """[B, M, count] indices of the points [B, N, 3] nearest to each centre [B, M, 3] (m).

    Where fewer are within the radius (m), the nearest fills the rest: a maximum over the ball is
    the same as without it.
    """
    distance = _distances(centres, points)  # [B, M, N]
    nearest, indices = distance.topk(min(count, points.shape[1]), largest=False)
    return torch.where(nearest <= radius, indices, indices[..., :1])


def interpolate(points: Tensor, known: Tensor, features: Tensor) -> Tensor:
    """[B, N, C] features at points [B, N, 3] from those [B, M, C] at known places [B, M, 3] (m).

    The mean of the three nearest, weighted by the inverse squares of their distances.
    """
    with torch.no_grad():
        distance, indices = _distances(points, known).topk(_NEAREST, largest=False)  # [B, N, 3]
        weight = 1.0 / (distance.square() + _SMALL_SQUARE_M2)
        weight = weight / weight.sum(dim=-1, keepdim=True)
    return (weight[..., None] * gather(features, indices)).sum(dim=-2)


def gather(values: Tensor, indices: Tensor) -> Tensor:
    """[B, ..., C] rows of values [B, N, C] at indices [B, ...]."""
    batch = torch.arange(len(values), device=values.device)
    return values[batch.view(-1, *[1] * (indices.ndim - 1)), indices]


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """[B, N, M] between points [B, N, 3] and [B, M, 3], exact to rounding.

    cdist's faster way by a matrix product would be wrong by millimetres.
    """
    return torch.cdist(first.float(), second.float(), compute_mode="donot_use_mm_for_euclid_dist")
