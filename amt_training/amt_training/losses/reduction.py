"""Means over what is known, and lengths with a gradient everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-12


def masked_mean(values: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Mean of values [B, ...] where valid [B, ...] (broadcast to the values), weighted by sample.

    weight: [B], one for a plain mean; the count of valid values alone divides the sum, so that the
    losses of MixUp's two targets add up. Zero, without gradient, where nothing is valid.
    """
    valid = valid.reshape(valid.shape + (1,) * (values.ndim - valid.ndim)).expand_as(values)
    weight = weight.reshape(weight.shape + (1,) * (values.ndim - 1))
    total = (torch.where(valid, values, torch.zeros_like(values)) * weight).sum()
    return total / valid.sum().clamp(min=1)


def length(vectors: Tensor) -> Tensor:
    """Euclidean length [...] of vectors [..., D]; its gradient at zero is zero, not NaN."""
    return (vectors.square().sum(-1) + _TINY).sqrt() - _TINY**0.5
