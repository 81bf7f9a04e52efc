"""The one place where left hands become right ones and back.

The network knows right hands only. A left hand's picture is mirrored left to right, which is what
a camera mirrored in its plane x = 0 would see; every result is mirrored back in that plane.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from amt_perception.model.interface import LEFT, AmtInput, AmtOutput


def mirror_input(inputs: AmtInput) -> AmtInput:
    """The same scene with every left hand turned into a right one (`side` stays as it was)."""
    left = inputs.side == LEFT
    size = inputs.image.shape[-1]
    flip = torch.diag(inputs.intrinsics.new_tensor([-1.0, 1.0, 1.0]))
    pixel_flip = flip.clone()  # x becomes size - 1 - x
    pixel_flip[0, 2] = size - 1.0
    crop = torch.cat([inputs.crop, inputs.crop.new_tensor([[0.0, 0.0, 1.0]]).expand(
        *inputs.crop.shape[:-2], 1, 3)], dim=-2)  # fmt: skip
    return replace(
        inputs,
        image=_choose(left, inputs.image.flip(-1), inputs.image),
        intrinsics=_choose(left, pixel_flip @ inputs.intrinsics @ flip, inputs.intrinsics),
        crop=_choose(left, (pixel_flip.to(crop.dtype) @ crop)[..., :2, :], inputs.crop),
    )


def mirror_output(output: AmtOutput, side: Tensor, image_size: int) -> AmtOutput:
    """The results of `mirror_input`'s scene, in the true camera frame. side: [B]."""
    left = side == LEFT

    def points(value: Tensor) -> Tensor:
        return value * _choose(left, value.new_tensor([-1.0, 1.0, 1.0]), torch.ones_like(value))

    def rotations(value: Tensor) -> Tensor:
        """F R F: the rotation of the mirrored body."""
        signs = value.new_tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
        return value * _choose(left, signs, torch.ones_like(value))

    pixels = output.keypoints
    flipped = torch.stack([image_size - 1.0 - pixels[..., 0], pixels[..., 1]], dim=-1)
    heatmap = output.heatmap_logits
    if heatmap is not None:
        grid = round(heatmap.shape[-1] ** 0.5)
        mirrored = heatmap.unflatten(-1, (grid, grid)).flip(-1).flatten(-2)
        heatmap = _choose(left, mirrored, heatmap)
    return replace(
        output,
        joint_steps=points(output.joint_steps),
        first_joints=_map(points, output.first_joints),
        keypoints=_choose(left, flipped, pixels),
        heatmap_logits=heatmap,
        mano_rotation=_map(rotations, output.mano_rotation),
        translation=_map(points, output.translation),
        vertices=_map(points, output.vertices),
        objects=replace(
            output.objects,
            position=points(output.objects.position),
            rotation=rotations(output.objects.rotation),
        ),
        contact=replace(output.contact, points=points(output.contact.points)),
    )


def _choose(left: Tensor, mirrored: Tensor, same: Tensor) -> Tensor:
    """mirrored where left [B], else same [B, ...]."""
    return torch.where(left.reshape(-1, *[1] * (same.ndim - 1)), mirrored, same)


def _map(change, value: Tensor | None) -> Tensor | None:  # type: ignore[no-untyped-def]
    return None if value is None else change(value)
