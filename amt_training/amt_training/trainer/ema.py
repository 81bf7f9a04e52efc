"""Exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from amt_perception.errors import AmtError


@dataclass(frozen=True)
class EmaSettings:
    """Of the weights that are evaluated and kept for use."""

    decay: float = 0.9995
    """Share of the average that one step keeps."""
    warm_up: bool = True
    """Keep (1 + step) / (10 + step) of it at first, so that the start is forgotten."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            raise AmtError(f"trainer.ema.decay must be at least 0 and below 1, not {self.decay}")


class Ema:
    """The average beside a network. Shards of a sharded network are averaged where they are.

    Trained parameters are averaged, in float32; frozen ones and buffers are the network's own.
    """

    def __init__(self, settings: EmaSettings, model: nn.Module) -> None:
        self.settings = settings
        parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
        self.names = list(parameters)
        self._live = [_local(parameter) for parameter in parameters.values()]
        self._average = [tensor.clone() for tensor in self._live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After step `step` (counted from 1)."""
        decay = self.settings.decay
        if self.settings.warm_up:
            decay = min(decay, (1.0 + step) / (10.0 + step))
        torch._foreach_lerp_(self._average, self._live, 1.0 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin again from the network's present weights."""
        torch._foreach_copy_(self._average, self._live)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the averaged weights inside this context."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and the averaged ones."""
        for live, average in zip(self._live, self._average, strict=True):
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)


def _local(parameter: nn.Parameter) -> Tensor:
    """This process's part of the parameter; shares its memory."""
    tensor = parameter.detach()
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
