"""PointNet++ with single-scale grouping: what the object's surface looks like around each point.

Qi et al., "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space",
NeurIPS 2017. Layer norm takes the place of batch norm: an object's features do not depend on the
other objects of its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.grasp.config import LENGTH_UNIT_M, GraspConfig
from amt_perception.grasp.point_operations import ball_query, gather, interpolate


class PointNet(nn.Module):
    """Features of every point and of the whole cloud."""

    def __init__(self, config: GraspConfig) -> None:
        super().__init__()
        self.centres = config.centres
        width = config.geometry_width
        widths = (width // 4, width // 4, width // 2, width)
        self.first = SetAbstraction(3, widths, config.radii[0], config.neighbours[0])
        widths = (width // 2, width // 2, width, width)
        self.second = SetAbstraction(width, widths, config.radii[1], config.neighbours[1])
        self.overall = point_mlp(width + 3, (2 * width, width))
        self.to_first = point_mlp(2 * width, (width, width))
        self.to_points = point_mlp(width + 6, (width, width))

    def forward(self, points: Tensor, normals: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, N, G] of the points and [B, G] of the cloud.

        points: [B, N, 3] object frame (m). normals: [B, N, 3] unit vectors out of the object.
        order: [B, centres[0] or more] from `farthest_points`.
        """
        count, fewer = self.centres
        first = gather(points, order[:, :count])  # [B, 512, 3]
        second = first[:, :fewer]  # [B, 128, 3] farthest points come first
        first_features = self.first(points, normals, first)  # [B, 512, G]
        second_features = self.second(first, first_features, second)  # [B, 128, G]
        placed = torch.cat([second_features, second / LENGTH_UNIT_M], dim=-1)
        overall = self.overall(placed).amax(dim=1)  # [B, G]
        carried = interpolate(first, second, second_features)
        first_features = self.to_first(torch.cat([carried, first_features], dim=-1))
        carried = interpolate(points, first, first_features)  # [B, N, G]
        own = [points / LENGTH_UNIT_M, normals]
        return self.to_points(torch.cat([carried, *own], dim=-1)), overall


class SetAbstraction(nn.Module):
    """The largest feature over a ball around each centre."""

    def __init__(
        self, in_width: int, widths: tuple[int, ...], radius: float, neighbours: int
    ) -> None:
        super().__init__()
        self.radius = radius
        self.neighbours = neighbours
        self.mlp = point_mlp(in_width + 3, widths)

    def forward(self, points: Tensor, features: Tensor, centres: Tensor) -> Tensor:
        """[B, M, G] at centres [B, M, 3] from features [B, N, C] at points [B, N, 3] (m)."""
        indices = ball_query(points, centres, self.radius, self.neighbours)  # [B, M, K]
        offset = (gather(points, indices) - centres[:, :, None]) / self.radius
        grouped = torch.cat([offset, gather(features, indices)], dim=-1)  # [B, M, K, 3 + C]
        return self.mlp(grouped).amax(dim=2)


def point_mlp(in_width: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Linear, layer norm and ReLU for each width, on every point alike."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(in_width, width), nn.LayerNorm(width), nn.ReLU()]
        in_width = width
    return nn.Sequential(*layers)
