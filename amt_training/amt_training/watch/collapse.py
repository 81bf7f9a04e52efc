"""Whether a network stops using what it has: alike predictions, collapsed attention, dead units."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from amt_perception.model.interface import LEFT
from amt_training.losses.diversity import diversity_losses
from amt_training.losses.targets import AmtTarget
from amt_training.losses.temporal import AttentionEntropy

_ACTIVATIONS = ("torch.nn.modules.activation", "transformers.activations")
"""Modules that define activation functions."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CollapseSettings:
    """What is worth a warning."""

    least_spread: float = 0.3
    """Standard deviation of the predicted poses over a batch, relative to that of the true ones."""
    least_entropy: float = 0.1
    """Of a layer's attention, relative to the greatest possible; the loss's entropy_floor is what
    training is asked to keep."""
    most_dead: float = 0.5
    """Share of the units of an MLP that are never active."""
    active_above: float = 0.01
    """A unit whose activation never exceeds this is dead."""
    window: int = 3
    """Something has to be wrong at so many looks in a row: no network says much at the start."""


class CollapseWatch:
    """Watches a network's forward passes, as a context manager around them.

    A warning names the part and comes once, until the part has recovered. The backbone's attention
    is not watched (its kernels are its own), its units are.
    """

    def __init__(self, settings: CollapseSettings, model: nn.Module) -> None:
        self._settings = settings
        self._attention = AttentionEntropy(model, tokens=16)
        self._activations = {
            name: module
            for name, module in model.named_modules()
            if type(module).__module__ in _ACTIVATIONS and not list(module.parameters())
        }
        self._strongest: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []
        self._wrong: Counter[str] = Counter()
        """Looks in a row at which something was wrong, by the sentence that says so."""

    def __enter__(self) -> CollapseWatch:
        self._strongest = {}
        self._attention.__enter__()
        self._hooks = [
            module.register_forward_hook(self._watch(name))
            for name, module in self._activations.items()
        ]
        return self

    def __exit__(self, *error: object) -> None:
        self._attention.__exit__(*error)
        while self._hooks:
            self._hooks.pop().remove()

    def numbers(self, joints: Tensor, target: AmtTarget, side: Tensor) -> dict[str, float]:
        """What has been seen; warns of what is wrong. For a log: `spread`, `entropy/<layer>` and
        `dead/<activation>` (share of its units).

        joints: [B, 21, 3] predicted in the watched pass for `target`; side: [B]. Left hands are
        mirrored for the spread: one and the same pose for all right hands and its mirror image for
        all left ones is a collapse.
        """
        spread = {}
        valid = target.joints_valid
        if valid.all(-1).sum() > 1:  # else there is nothing to compare
            mirror = torch.ones_like(joints[:, :1])
            mirror[side == LEFT, :, 0] = -1.0
            terms = diversity_losses(mirror * joints, mirror * target.joints, valid)
            spread = {"spread": 1.0 - float(terms["diversity_variance"])}
        entropies = {name: float(one) for name, one in self._attention.entropies().items()}
        settings = self._settings
        dead = {
            name: float((strongest <= settings.active_above).float().mean())
            for name, strongest in self._strongest.items()
        }
        self._warn(
            spread, lambda value: value < settings.least_spread,
            "The predicted poses have collapsed: their {name} is {value:.0%} of that of the "
            "true ones.",
        )  # fmt: skip
        self._warn(
            entropies, lambda value: value < settings.least_entropy,
            "The attention of {name} has collapsed: its entropy is {value:.1%} of the greatest "
            "possible.",
        )  # fmt: skip
        self._warn(
            dead, lambda value: value > settings.most_dead,
            "{value:.0%} of the units of {name} are dead: they are never active.",
        )  # fmt: skip
        return (
            spread
            | {f"entropy/{name}": value for name, value in entropies.items()}
            | {f"dead/{name}": value for name, value in dead.items()}
        )

    def _watch(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, arguments: object, output: Tensor) -> None:
            strongest = output.detach().float().flatten(0, -2).amax(0)
            if name in self._strongest:  # called several times in a pass
                strongest = torch.maximum(strongest, self._strongest[name])
            self._strongest[name] = strongest

        return hook

    def _warn(
        self, values: Mapping[str, float], is_wrong: Callable[[float], bool], sentence: str
    ) -> None:
        for name, value in values.items():
            key = f"{name}: {sentence}"
            self._wrong[key] = self._wrong[key] + 1 if is_wrong(value) else 0
            if self._wrong[key] == self._settings.window:
                _log.warning(sentence.format(name=name, value=value))
