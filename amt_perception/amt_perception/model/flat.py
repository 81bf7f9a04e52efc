"""The model as a function of plain tensors, for compilers and exporters.

They take tensors and give tuples of tensors; `AmtInput` and `AmtOutput` are nested by name.
"""

from __future__ import annotations

from dataclasses import fields

from torch import Tensor, nn

from amt_perception.model.amt import Amt
from amt_perception.model.interface import AmtInput, AmtOutput, ContactOutput, ObjectOutput

_GROUPS = {"objects": ObjectOutput, "contact": ContactOutput}


class FlatAmt(nn.Module):
    """Single frames (T = 1) in and out as plain tensors.

    Called with `AmtInput`'s tensors in its order, without the axis of time; gives `flatten`'s
    values as a tuple.
    """

    def __init__(self, model: Amt) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, image: Tensor, intrinsics: Tensor, crop: Tensor, hand_box: Tensor, side: Tensor
    ) -> tuple[Tensor, ...]:
        """image [B, 3, S, S], intrinsics [B, 3, 3], crop [B, 2, 3], hand_box [B, 4], side [B]."""
        timed = (one.unsqueeze(1) for one in (image, intrinsics, crop, hand_box))
        return tuple(flatten(self.model(AmtInput(*timed, side=side))).values())


def flat_inputs(inputs: AmtInput) -> tuple[Tensor, ...]:
    """`FlatAmt`'s arguments of single frames (T = 1)."""
    timed = (inputs.image, inputs.intrinsics, inputs.crop, inputs.hand_box)
    return (*(one.squeeze(1) for one in timed), inputs.side)


def flatten(output: AmtOutput) -> dict[str, Tensor]:
    """Every tensor of an output by its name ("joint_steps", "objects.position"), without Nones."""
    named = {}
    for field in fields(output):
        value = getattr(output, field.name)
        if field.name in _GROUPS:
            for inner in fields(value):
                named[f"{field.name}.{inner.name}"] = getattr(value, inner.name)
        elif value is not None:
            named[field.name] = value
    return named


def unflatten(named: dict[str, Tensor]) -> AmtOutput:
    """The reverse of `flatten`."""
    groups = {
        group: kind(**{one.name: named[f"{group}.{one.name}"] for one in fields(kind)})
        for group, kind in _GROUPS.items()
    }
    own = {name: value for name, value in named.items() if "." not in name}
    return AmtOutput(**own, **groups)
