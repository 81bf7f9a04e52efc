"""The flow's network of the source document, kept to compare with: the variant `document`.

What it shares with ours (PointNet++, the fusion transformer, contact, the flow) follows the
configuration: radii, the raw pose space, `pooled`. Normals and the cloud's overall feature enter
here too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.interface import GraspContext
from amt_perception.grasp.velocity import time_waves

_TIME_WAVES = 64
_HIDDEN = 1024


class PooledVelocityNetwork(nn.Module):
    """An MLP on a state, the time and one vector that stands for the object and instruction."""

    def __init__(self, config: GraspConfig, state_size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(state_size + 2 * _TIME_WAVES + config.width, _HIDDEN),
            nn.SiLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.SiLU(),
            nn.Linear(_HIDDEN, state_size),
        )

    def read(self, context: GraspContext) -> Tensor:
        """[B, F] the features pooled by contact."""
        return context.pooled

    def forward(self, state: Tensor, time: Tensor, read: Tensor) -> Tensor:
        """[B, K, D] from states [B, K, D] at times [B, K] in 0..1 and what `read` gives."""
        condition = read[:, None].expand(-1, state.shape[1], -1)
        return self.mlp(torch.cat([state, time_waves(time, _TIME_WAVES), condition], dim=-1))
