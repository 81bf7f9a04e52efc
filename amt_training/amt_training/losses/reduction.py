"""Means over what is known, and lengths with a gradient everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from amt_training.losses.whole_batch import mean_over_parts

_TINY = 1e-12


def masked_mean(values: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Mean of values [B, ...] where valid [B, ...] (broadcast to the values), weighted by sample.

    weight: [B], one for a plain mean; the count of valid values alone divides the sum, so that the
    losses of MixUp's two targets add up. Zero, without gradient, where nothing is valid. Where the
    batch is worked through in parts, the mean of this over the parts is the mean over the batch.
    """
    valid = valid.reshape(valid.shape + (1,) * (values.ndim - valid.ndim)).expand_as(values)
    weight = weight.reshape(weight.shape + (1,) * (values.ndim - 1))
    total = (torch.where(valid, values, torch.zeros_like(values)) * weight).sum()
    return total / _at_least_one(mean_over_parts(valid.sum()))


def known_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the whole batch of values where valid, both of one shape; without gradient."""
    known = torch.where(valid, values, torch.zeros_like(values))
    total, count = mean_over_parts(torch.stack([known.sum(), valid.sum()]))
    return total / _at_least_one(count)


def _at_least_one(count: Tensor) -> Tensor:
    """The count, or one for none; the mean count of several parts may be a fraction."""
    return torch.where(count > 0, count, torch.ones_like(count))


def length(vectors: Tensor) -> Tensor:
    """Euclidean length [...] of vectors [..., D]; its gradient at zero is zero, not NaN."""
    return (vectors.square().sum(-1) + _TINY).sqrt() - _TINY**0.5
