"""Projection, viewing rays and the translation fit, all in float32 whatever the autocast.

Camera frame with OpenCV axes, metres; pixels have their centres at whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

NEAREST_DEPTH_M = 0.02
"""Points nearer than this are behind the camera or in its lens."""
HAND_LENGTH_M = 0.18
"""A hand of this length as long as its box is the depth that everything else is relative to."""

_Function = TypeVar("_Function", bound=Callable[..., Tensor])


def in_float32(function: _Function) -> _Function:
    """Run a function of tensors in float32: bfloat16 rounds pixel 613.37 to 612."""

    @wraps(function)
    def run(first: Tensor, *others: Any) -> Tensor:
        with torch.autocast(first.device.type, enabled=False):
            return function(
                first.float(), *(x.float() if isinstance(x, Tensor) else x for x in others)
            )

    return run  # type: ignore[return-value]


@in_float32
def product(first: Tensor, second: Tensor) -> Tensor:
    """The matrix product of rotations, points and pixels; a plain `@` rounds under autocast."""
    return first @ second


@in_float32
def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Pixels [B, N, 2] of points [B, N, 3] by camera matrices [B, 3, 3].

    Points nearer than NEAREST_DEPTH_M are projected as if they were there; ask `visible` for them.
    """
    scaled = points[..., :2] / points[..., 2:].clamp_min(NEAREST_DEPTH_M)
    return scaled @ intrinsics[:, :2, :2].mT + intrinsics[:, None, :2, 2]


@in_float32
def visible(points: Tensor, pixels: Tensor, size: int) -> Tensor:
    """[B, N] one where a point is in front of the camera and its pixel in the S x S picture."""
    inside = ((pixels >= -0.5) & (pixels <= size - 0.5)).all(dim=-1)
    return (inside & (points[..., 2] > NEAREST_DEPTH_M)).float()


@in_float32
def viewing_rays(pixels: Tensor, intrinsics: Tensor) -> Tensor:
    """x/z and y/z [B, N, 2] of pixels [B, N, 2]: the reverse of `project`."""
    (a, b), (c, d) = intrinsics[:, 0, :2].unbind(-1), intrinsics[:, 1, :2].unbind(-1)
    x, y = (pixels - intrinsics[:, None, :2, 2]).unbind(-1)
    scale = (1.0 / (a * d - b * c))[:, None]
    a, b, c, d = (value[:, None] * scale for value in (a, b, c, d))
    return torch.stack([d * x - b * y, a * y - c * x], dim=-1)


@in_float32
def look_at(ray: Tensor) -> Tensor:
    """[B, 3, 3] smallest rotation that takes the optical axis to the viewing ray [B, 2].

    What a picture shows of an object's orientation is its rotation relative to the ray through it
    (Kundu et al., "3D-RCNN", CVPR 2018): the network predicts that, this turns it into the camera's
    frame.
    """
    x, y = ray.unbind(-1)
    cosine = torch.rsqrt(1.0 + x**2 + y**2)
    x, y = x * cosine, y * cosine
    share = 1.0 / (1.0 + cosine)
    rows = [
        torch.stack([1.0 - x * x * share, -x * y * share, x], dim=-1),
        torch.stack([-x * y * share, 1.0 - y * y * share, y], dim=-1),
        torch.stack([-x, -y, cosine], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


@in_float32
def rotation_from_6d(vectors: Tensor) -> Tensor:
    """[..., 3, 3] from two columns [..., 6] by Gram-Schmidt (Zhou et al., CVPR 2019).

    In bfloat16 the result would be wrong by up to 34 degrees.
    """
    import roma

    columns = vectors.unflatten(-1, (2, 3)).mT
    return roma.special_gramschmidt(columns, epsilon=1e-6)


def identity_6d() -> Tensor:
    """[6] of no rotation."""
    return torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])


@in_float32
def box_depth(box: Tensor, intrinsics: Tensor) -> Tensor:
    """[B] depth at which a hand of HAND_LENGTH_M is as long as the box [B, 4] (crop pixels)."""
    focal = (intrinsics[:, 0, 0] ** 2 + intrinsics[:, 1, 0] ** 2).sqrt()
    return focal * HAND_LENGTH_M / box[:, 2:].amax(dim=-1)


@in_float32
def solve_translation(
    points: Tensor, rays: Tensor, weights: Tensor, prior_depth: Tensor, prior_weight: Tensor
) -> Tensor:
    """[B, 3] translation that puts points [B, N, 3] onto their viewing rays [B, N, 2].

    Minimises sum_i w_i |(x_i + t_x, y_i + t_y) - (z_i + t_z) ray_i|^2
            + prior_weight * (sum_i w_i) * s^2 * (t_z - prior_depth)^2
    in closed form: t_x, t_y follow from the weighted means, t_z from what is left. s is the size
    of the picture of the prior hand, HAND_LENGTH_M / prior_depth, so that both terms shrink alike
    when the focal length grows and depth stays proportional to it, as a pinhole camera's is.
    weights: [B, N], not negative. prior_depth, prior_weight: [B]. Differentiable.
    """
    share = weights / weights.sum(dim=-1, keepdim=True).clamp_min(1e-6)

    def mean(values: Tensor) -> Tensor:
        return (share[..., None] * values).sum(dim=-2, keepdim=True)

    carried = rays * points[..., 2:]  # where depth alone would put the points
    gap = carried - points[..., :2]
    gap_mean, ray_mean = mean(gap), mean(rays)
    spread = rays - ray_mean
    # Residual of each point once t_x, t_y are best: t_z * spread + (gap - its mean).
    against = (share * ((gap - gap_mean) * spread).sum(dim=-1)).sum(dim=-1)
    curvature = (share * (spread**2).sum(dim=-1)).sum(dim=-1)
    prior = prior_weight * (HAND_LENGTH_M / prior_depth) ** 2
    depth = (prior * prior_depth - against) / (prior + curvature).clamp_min(1e-9)
    across = (gap_mean + depth[:, None, None] * ray_mean)[:, 0]
    return torch.cat([across, depth[:, None]], dim=-1)
