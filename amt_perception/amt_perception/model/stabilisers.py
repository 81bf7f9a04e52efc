"""What keeps training stable besides sigmaReparam; everything is the identity in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016): a sample skips a residual branch as a whole."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """[B, ...] of the branch; kept samples are scaled up so that the mean stays."""
        if not self.training or self.probability == 0.0:
            return branch
        kept = 1.0 - self.probability
        shape = (branch.shape[0],) + (1,) * (branch.ndim - 1)
        return branch * (torch.rand(shape, device=branch.device) < kept).to(branch.dtype) / kept


class FeatureNoise(nn.Module):
    """Gaussian noise on features, relative to their own standard deviation."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, features: Tensor) -> Tensor:
        """[B, N, C] to the same shape."""
        if not self.training or self.sigma == 0.0:
            return features
        scale = self.sigma * features.detach().std(dim=-1, keepdim=True)
        return features + scale * torch.randn_like(features)


def mix_up(
    image: Tensor, alpha: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """MixUp (Zhang et al., ICLR 2018) of a batch of pictures.

    image: [B, ...] float. Gives the mixed pictures, each sample's share [B] (at least one half) and
    its partner's index [B]; the loss is share * loss(own target) + (1 - share) * loss(partner's).
    generator: on the CPU, for repeatable runs.
    """
    count = image.shape[0]
    partner = torch.randperm(count, generator=generator)
    share = torch.ones(count)
    if alpha > 0.0:
        # In float32 both of a small alpha's gammas could underflow to the same smallest number.
        shape = torch.full((2, count), alpha, dtype=torch.float64)
        first, second = torch._standard_gamma(shape, generator=generator)
        share = (torch.maximum(first, second) / (first + second)).float()
    share = share.to(image.device)
    partner = partner.to(image.device)
    weight = share.to(image.dtype).reshape(-1, *[1] * (image.ndim - 1))
    return weight * image + (1.0 - weight) * image[partner], share, partner
