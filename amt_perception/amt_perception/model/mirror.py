"""The one place where left hands become right ones and back.

The network knows right hands only. A left hand's picture is mirrored left to right, which is what
a camera mirrored in its plane x = 0 would see; every result is mirrored back in that plane.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from amt_perception.model.interface import LEFT, AmtInput, AmtOutput


def mirror_input(inputs: AmtInput) -> AmtInput:
    """The same scene with every left hand turned into a right one (`side` stays as it was)."""
    left = inputs.side == LEFT
    signs = _signs(left)
    edge = left * (inputs.image.shape[-1] - 1.0)  # x becomes S - 1 - x
    intrinsics = inputs.intrinsics * _outer(signs)[:, None]
    crop = inputs.crop * signs[:, None, :2, None]
    return replace(
        inputs,
        image=_choose(left, inputs.image.flip(-1), inputs.image),
        intrinsics=_add_to_corner(intrinsics, edge),
        crop=_add_to_corner(crop, edge),
    )


def mirror_output(output: AmtOutput, side: Tensor, image_size: int) -> AmtOutput:
    """The results of `mirror_input`'s scene, in the true camera frame. side: [B]."""
    left = side == LEFT
    signs = _signs(left)

    def points(value: Tensor | None) -> Any:
        """[B, ..., 3] reflected."""
        return None if value is None else value * _like(signs, value, 1)

    def rotations(value: Tensor | None) -> Any:
        """[B, ..., 3, 3] to F R F: the rotation of the mirrored body."""
        return None if value is None else value * _like(_outer(signs), value, 2)

    pixels = output.keypoints
    flipped = torch.stack([image_size - 1.0 - pixels[..., 0], pixels[..., 1]], dim=-1)
    heatmap = output.heatmap_logits
    if heatmap is not None:
        grid = round(heatmap.shape[-1] ** 0.5)
        mirrored = heatmap.unflatten(-1, (grid, grid)).flip(-1).flatten(-2)
        heatmap = _choose(left, mirrored, heatmap)
    objects, contact = output.objects, output.contact
    return replace(
        output,
        joint_steps=points(output.joint_steps),
        first_joints=points(output.first_joints),
        keypoints=_choose(left, flipped, pixels),
        heatmap_logits=heatmap,
        mano_rotation=rotations(output.mano_rotation),
        translation=points(output.translation),
        vertices=points(output.vertices),
        objects=replace(
            objects, position=points(objects.position), rotation=rotations(objects.rotation)
        ),
        contact=replace(contact, points=points(contact.points)),
    )


def _signs(left: Tensor) -> Tensor:
    """[B, 3] diagonal of the reflection F in x, or of the identity."""
    ones = torch.ones_like(left, dtype=torch.float32)
    return torch.stack([1.0 - 2.0 * left, ones, ones], dim=-1)


def _outer(signs: Tensor) -> Tensor:
    """[B, 3, 3]: multiplied with a matrix M it gives F M F."""
    return signs[:, :, None] * signs[:, None]


def _like(factor: Tensor, value: Tensor, axes: int) -> Tensor:
    """The factor [B, ...] of the last axes, shaped to multiply value [B, ..., ...]."""
    between = value.ndim - 1 - axes
    return factor.reshape(factor.shape[0], *[1] * between, *factor.shape[1:])


def _add_to_corner(matrix: Tensor, number: Tensor) -> Tensor:
    """matrix [B, T, rows, 3] with the number [B] added to its upper right element."""
    added = torch.zeros_like(matrix)
    added[..., 0, 2] = number[:, None]
    return matrix + added


def _choose(left: Tensor, mirrored: Tensor, same: Tensor) -> Tensor:
    """mirrored where left [B], else same [B, ...]."""
    return torch.where(left.reshape(-1, *[1] * (same.ndim - 1)), mirrored, same)
