"""The skinned hand inside the network: rotation matrices in, vertices, joints and frames out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from amt_perception.hand.joints import BASES, MANO_TIP_VERTICES, MANO_TO_21
from amt_perception.hand.model_data import HandModelData

FRAMES = 22
"""Coordinate frames of a hand: 16 joints in MANO's order, 5 fingertips, the palm."""
_TIP_JOINTS = [15, 3, 6, 12, 9]
"""The MANO joint that carries each fingertip, thumb to pinky."""
_PALM_POINTS = [0, *BASES[1:]]


@dataclass
class Hand:
    """A posed hand; positions relative to the wrist until `moved`."""

    vertices: Tensor
    """[B, 778, 3] (m)."""
    joints: Tensor
    """[B, 21, 3] in the project's order (m)."""
    frame_rotation: Tensor
    """[B, 22, 3, 3] of the 22 frames."""
    frame_origin: Tensor
    """[B, 22, 3] (m)."""
    rest_wrist: Tensor
    """[B, 3] J0(shape): the wrist is at translation + J0(shape) (m)."""

    def moved(self, offset: Tensor) -> Hand:
        """The hand moved by offset [B, 3]."""
        offset = offset[:, None]
        return Hand(
            self.vertices + offset,
            self.joints + offset,
            self.frame_rotation,
            self.frame_origin + offset,
            self.rest_wrist,
        )


class HandLayer(nn.Module):
    """MANO's linear blend skinning (Romero et al., SIGGRAPH Asia 2017) of a right hand.

    The same function as `hand.model.HandModel`, which is smplx (a test compares them). smplx walks
    the joints one by one through indices held in a tensor, which neither CUDA graphs nor exporters
    take, and keeps the joints' rotations to itself; this walks the fingers side by side.
    Computes in float32. Its arrays are not part of a checkpoint: the hand model's fingerprint is.
    """

    template: Tensor
    shape_directions: Tensor
    pose_directions: Tensor
    skin_weights: Tensor
    joint_regressor: Tensor
    tip_vertices: Tensor
    tip_joints: Tensor
    palm_points: Tensor
    order: Tensor
    """[21] index into the 22 frames that gives the joints in the project's order."""

    def __init__(self, data: HandModelData) -> None:
        super().__init__()
        arrays = {
            "template": data.v_template,
            "shape_directions": data.shapedirs.reshape(-1, 10).T,
            "pose_directions": data.posedirs.reshape(-1, 135).T,
            "skin_weights": data.weights,
            "joint_regressor": data.J_regressor,
        }
        for name, array in arrays.items():
            tensor = torch.tensor(np.ascontiguousarray(array), dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        indices = {
            "order": MANO_TO_21,
            "tip_vertices": MANO_TIP_VERTICES,
            "tip_joints": _TIP_JOINTS,
            "palm_points": _PALM_POINTS,
        }
        for name, index in indices.items():
            self.register_buffer(name, torch.tensor(index), persistent=False)

    def forward(self, rotation: Tensor, shape: Tensor) -> Hand:
        """rotation: [B, 16, 3, 3] in each parent's frame, mean included; shape: [B, 10]."""
        with torch.autocast(rotation.device.type, enabled=False):
            return self._pose(rotation.float(), shape.float())

    def _pose(self, rotation: Tensor, shape: Tensor) -> Hand:
        shaped = self.template + (shape @ self.shape_directions).unflatten(-1, (-1, 3))
        rest = self.joint_regressor @ shaped  # [B, 16, 3]
        bends = rotation[:, 1:] - torch.eye(3, device=rotation.device)
        posed = shaped + (bends.flatten(1) @ self.pose_directions).unflatten(-1, (-1, 3))

        # MANO numbers the joints finger by finger: [B, 5 fingers, 3 joints, ...].
        fingers = rotation[:, 1:].unflatten(1, (5, 3))
        finger_rest = rest[:, 1:].unflatten(1, (5, 3))
        turns, places, parent_rest = rotation[:, :1], torch.zeros_like(rest[:, :1]), rest[:, :1]
        turned, placed = [], []
        for joint in range(3):
            bones = finger_rest[:, :, joint] - parent_rest
            places = places + (turns @ bones[..., None])[..., 0]
            turns = turns @ fingers[:, :, joint]
            parent_rest = finger_rest[:, :, joint]
            turned.append(turns)
            placed.append(places)
        turns = torch.cat([rotation[:, :1], torch.stack(turned, dim=2).flatten(1, 2)], dim=1)
        joints = torch.cat(
            [torch.zeros_like(rest[:, :1]), torch.stack(placed, dim=2).flatten(1, 2)], dim=1
        )  # [B, 16, 3], from the wrist

        offsets = joints - (turns @ rest[..., None])[..., 0]
        transforms = torch.cat([turns, offsets[..., None]], dim=-1).flatten(-2)  # [B, 16, 12]
        blended = (self.skin_weights @ transforms).unflatten(-1, (3, 4))  # [B, 778, 3, 4]
        vertices = (blended[..., :3] @ posed[..., None])[..., 0] + blended[..., 3]

        tips = vertices[:, self.tip_vertices]
        points = torch.cat([joints, tips], dim=1)
        joints21 = points[:, self.order]
        palm = joints21[:, self.palm_points].mean(dim=1, keepdim=True)
        return Hand(
            vertices=vertices,
            joints=joints21,
            frame_rotation=torch.cat([turns, turns[:, self.tip_joints], turns[:, :1]], dim=1),
            frame_origin=torch.cat([points, palm], dim=1),
            rest_wrist=rest[:, 0],
        )
