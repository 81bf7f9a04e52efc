"""AdamW over groups of parameters, and what is done to gradients before its step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import parametrize

from amt_perception.errors import AmtError

_AGC_FLOOR = 1e-3
"""Smallest norm of weights in adaptive clipping, so that zero starts can move."""


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019)."""

    learning_rate: float = 1e-4
    backbone_factor: float = 0.1
    """Of the learning rate, for pretrained parts."""
    decoder_factor: float = 1.0
    """Of the learning rate, for the decoders."""
    new_factor: float = 1.0
    """Of the learning rate, for all the rest, weights of the loss among it."""
    weight_decay: float = 0.05
    """Of matrices and convolutions; norms, biases, gains, embeddings, queries and positions keep
    their size."""
    beta1: float = 0.9
    beta2: float = 0.999
    gradient_norm: float = 1.0
    """The gradient is scaled down to this norm (over all parameters); 0 for no limit."""
    adaptive_clipping: float = 0.0
    """Each row's gradient is scaled down to this share of the row's own norm; 0 for no limit."""
    centralise_gradients: bool = False
    """Take the mean over its inputs out of the gradient of every matrix and convolution."""

    def __post_init__(self) -> None:
        if not self.learning_rate > 0.0:
            raise AmtError(
                f"trainer.optimizer.learning_rate must be positive, not {self.learning_rate}"
            )


def build_optimizer(
    settings: OptimizerSettings, task: nn.Module, device: torch.device
) -> torch.optim.AdamW:
    """AdamW for a `Task`'s trainable parameters; each group's `peak` is its highest learning rate.

    Raises AmtError when nothing is trainable or the task names an unknown group.
    """
    factors = {
        "backbone": settings.backbone_factor,
        "decoders": settings.decoder_factor,
        "new": settings.new_factor,
    }
    group_of: dict[nn.Parameter, str] = {}
    for group, parts in task.parameter_groups().items():  # type: ignore[operator, union-attr]
        if group not in factors:
            raise AmtError(f"there is no parameter group '{group}'; choose one of: {list(factors)}")
        group_of |= {parameter: group for part in parts for parameter in part.parameters()}
    decayed = _matrices(task)
    # Fused kernels take sharded or plain tensors, but not both in one group.
    groups: dict[tuple[str, bool, bool], list[nn.Parameter]] = {}
    for parameter in trainable(task):
        group = group_of.get(parameter, "new")
        key = (group, parameter in decayed, isinstance(parameter, DTensor))
        groups.setdefault(key, []).append(parameter)
    if not groups:
        raise AmtError("the task has no trainable parameters: everything is frozen")
    options: list[dict[str, Any]] = []
    for (group, decays, _), parameters in groups.items():
        peak = settings.learning_rate * factors[group]
        decay = settings.weight_decay if decays else 0.0
        options.append({"params": parameters, "peak": peak, "lr": peak, "weight_decay": decay})
    return torch.optim.AdamW(
        options,
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        fused=device.type in ("cpu", "cuda"),
    )


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Parameters that are trained."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


@torch.no_grad()
def prepare_gradients(settings: OptimizerSettings, parameters: Iterable[nn.Parameter]) -> Tensor:
    """Centralise and clip the gradients in place; gives the norm that they had, a scalar."""
    parameters = [one for one in parameters if one.grad is not None]
    gradients = [one.grad for one in parameters if one.grad is not None]
    norm = present = _norm(gradients)
    if settings.centralise_gradients:
        _centralise(parameters)
    if settings.adaptive_clipping > 0.0:
        _clip_adaptively(parameters, settings.adaptive_clipping)
    if settings.gradient_norm > 0.0:
        if settings.centralise_gradients or settings.adaptive_clipping > 0.0:
            present = _norm(gradients)
        scale = (settings.gradient_norm / (present + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_([_local(gradient) for gradient in gradients], scale)
    return norm


def _matrices(task: nn.Module) -> set[nn.Parameter]:
    """Weights of linear layers and convolutions, reparametrised ones included."""
    found = set()
    for layer in task.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            weight: Any = layer
            if parametrize.is_parametrized(layer, "weight"):
                found.add(weight.parametrizations.weight.original)
            else:
                found.add(weight.weight)
    return found


def _centralise(parameters: list[nn.Parameter]) -> None:
    """Yong et al., "Gradient centralization", ECCV 2020."""
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.ndim > 1:
            gradient.sub_(gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True))


def _clip_adaptively(parameters: list[nn.Parameter], limit: float) -> None:
    """Brock et al., "High-performance large-scale image recognition without normalization", ICML
    2021: by unit, which is a row of a matrix and the whole of a vector."""
    for parameter in parameters:
        gradient = parameter.grad
        assert gradient is not None
        largest = limit * _unit_norm(parameter.detach()).clamp(min=_AGC_FLOOR)
        scale = (largest / _unit_norm(gradient).clamp(min=1e-6)).clamp(max=1.0)
        gradient.mul_(scale)


def _unit_norm(tensor: Tensor) -> Tensor:
    if tensor.ndim < 2:
        return tensor.square().sum().sqrt()
    return tensor.square().sum(dim=tuple(range(1, tensor.ndim)), keepdim=True).sqrt()


def _norm(gradients: list[Tensor]) -> Tensor:
    """Euclidean norm of all gradients; shards count once."""
    squares = [
        torch.stack(torch._foreach_norm([_local(one) for one in some])).square().sum()
        if some
        else torch.zeros((), device=_local(gradients[0]).device)
        for some in (
            [one for one in gradients if isinstance(one, DTensor)],
            [one for one in gradients if not isinstance(one, DTensor)],
        )
    ]
    if any(isinstance(one, DTensor) for one in gradients):
        dist.all_reduce(squares[0])
    return (squares[0] + squares[1]).sqrt()


def _local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
