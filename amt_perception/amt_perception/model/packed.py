"""The model as a function of two tensors that gives one, for compilers, exporters and GPUs.

`AmtInput` and `AmtOutput` are nested by name. Compilers want plain tensors, and on a GPU every
tensor that crosses to or from the host costs a call: here the numbers about the crops go in as one
row each, and everything that comes out is one row each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from amt_perception.model.amt import Amt, FrameTokens
from amt_perception.model.interface import AmtInput, AmtOutput

Results = TypeVar("Results", bound=AmtOutput | FrameTokens)

_WIDTHS = (9, 6, 4, 1)
"""Of intrinsics, crop, hand_box and side in a row of numbers."""


class PackedAmt(nn.Module):
    """Single frames (T = 1): pictures and rows of numbers in, rows of numbers out.

    A row holds everything that the model gives for one hand: of a model of single frames its
    `AmtOutput`, of one with a temporal encoder the `FrameTokens` for `Amt.decode`. Heatmaps are
    left out: they are for training, and larger than the rest.
    """

    def __init__(self, model: Amt) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, numbers: Tensor) -> Tensor:
        """[B, D] float32 from image [B, 3, S, S] uint8 and numbers [B, 20], see `pack_numbers`."""
        values = _tensors(self.results(image, numbers)).values()
        return torch.cat([value.reshape(len(value), -1).float() for value in values], dim=1)

    def results(self, image: Tensor, numbers: Tensor) -> AmtOutput | FrameTokens:
        """The same before it is packed."""
        intrinsics, crop, box, side = numbers.split(_WIDTHS, dim=1)
        inputs = AmtInput(
            image=image[:, None],
            intrinsics=intrinsics.unflatten(1, (1, 3, 3)),
            crop=crop.unflatten(1, (1, 2, 3)),
            hand_box=box[:, None],
            side=side[:, 0].long(),
        )
        if self.model.temporal is None:
            return replace(self.model(inputs), heatmap_logits=None)
        tokens = self.model.encode_frame(inputs)
        return replace(tokens, output=replace(tokens.output, heatmap_logits=None))


def pack_numbers(inputs: AmtInput) -> Tensor:
    """[B, 20] float32: what `PackedAmt` wants beside the pictures of single frames (T = 1)."""
    parts = (inputs.intrinsics, inputs.crop, inputs.hand_box, inputs.side[:, None])
    return torch.cat([part.flatten(1).float() for part in parts], dim=1)


class Layout:
    """Where each tensor lies in `PackedAmt`'s rows."""

    def __init__(self, like: AmtOutput | FrameTokens) -> None:
        """like: what `PackedAmt.results` gives, of any batch."""
        self._like = like
        self._named = _tensors(like)

    def unpack(self, rows: Tensor) -> Any:
        """`AmtOutput` or `FrameTokens`, whichever the model gives, from rows [B, D]."""
        widths = [value[0].numel() for value in self._named.values()]
        parts = rows.split(widths, dim=1)
        named = {
            name: part.reshape(len(rows), *like.shape[1:]).to(like.dtype)
            for (name, like), part in zip(self._named.items(), parts, strict=True)
        }
        return _rebuilt(self._like, named, "")


def sample(value: Results, index: int) -> Results:
    """One sample of a batch, as a batch of its own."""
    named = {name: tensor[index : index + 1] for name, tensor in _tensors(value).items()}
    return _rebuilt(value, named, "")


def joined(values: Sequence[AmtOutput]) -> AmtOutput:
    """One batch from several."""
    named = [_tensors(value) for value in values]
    together = {name: torch.cat([one[name] for one in named]) for name in named[0]}
    return _rebuilt(values[0], together, "")


def _tensors(value: Any, prefix: str = "") -> dict[str, Tensor]:
    """Every tensor in nested dataclasses by its path."""
    found = {}
    for field in fields(value):
        inner = getattr(value, field.name)
        if isinstance(inner, Tensor):
            found[prefix + field.name] = inner
        elif is_dataclass(inner):
            found |= _tensors(inner, f"{prefix}{field.name}.")
    return found


def _rebuilt(like: Any, named: dict[str, Tensor], prefix: str) -> Any:
    """A dataclass like another one, with the named tensors in place of its own."""
    changed = {}
    for field in fields(like):
        inner = getattr(like, field.name)
        if isinstance(inner, Tensor):
            changed[field.name] = named[prefix + field.name]
        elif is_dataclass(inner):
            changed[field.name] = _rebuilt(inner, named, f"{prefix}{field.name}.")
    return replace(like, **changed)
