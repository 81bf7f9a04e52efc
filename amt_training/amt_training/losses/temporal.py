"""Losses of sequences: motion between frames, and attention that has collapsed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from amt_perception.model.layers import Attention
from amt_training.losses.config import LENGTH_UNIT_M
from amt_training.losses.reduction import length, masked_mean
from amt_training.losses.whole_batch import rows_of_all_parts


def velocity_loss(
    joints: Tensor, previous: Tensor, truth: Tensor, previous_truth: Tensor, valid: Tensor,
    weight: Tensor,
) -> Tensor:  # fmt: skip
    """Motion of the joints between two frames against the true motion; all [B, 21, 3].

    A constant error of place costs nothing here, jitter does. valid: [B, 21] in both frames.
    """
    motion = (joints - previous) - (truth - previous_truth)
    return masked_mean(length(motion) / LENGTH_UNIT_M, valid, weight)


class AttentionEntropy:
    """Watches the attention layers of a model and measures how spread their attention is.

    Entropy collapse goes before unstable training (Zhai et al., ICML 2023). The fused attention
    kernel keeps no probabilities, so those of a few tokens are computed again. Use as a context
    manager around the model's forward passes.
    """

    def __init__(self, model: nn.Module, tokens: int = 4) -> None:
        self._layers = {
            name: layer for name, layer in model.named_modules() if isinstance(layer, Attention)
        }
        self._tokens = tokens
        self._entropies: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> AttentionEntropy:
        for name, layer in self._layers.items():
            self._hooks.append(layer.register_forward_pre_hook(self._watch(name)))
        return self

    def __exit__(self, *_: object) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def entropies(self) -> dict[str, Tensor]:
        """Of each layer in the last forward pass: mean entropy over the greatest possible, 0..1."""
        return dict(self._entropies)

    def loss(self, floor: float) -> Tensor:
        """How far the layers' entropies are below the floor (mean over layers)."""
        entropies = rows_of_all_parts(torch.stack(list(self._entropies.values()))[None]).mean(0)
        return (floor - entropies).clamp(min=0.0).mean()

    def _watch(self, name: str):  # type: ignore[no-untyped-def]
        def hook(layer: Attention, arguments: tuple[Tensor, Tensor]) -> None:
            tokens, context = arguments
            if context.shape[1] > 1:  # attention to a single token has no entropy to lose
                some = torch.randint(tokens.shape[1], (self._tokens,), device=tokens.device)
                logits = layer.logits(tokens[:, some], context).float()
                log = logits.log_softmax(-1)
                entropy = -(log.exp() * log).sum(-1).mean()
                greatest = torch.log(torch.tensor(float(context.shape[1]), device=log.device))
                self._entropies[name] = entropy / greatest

        return hook
