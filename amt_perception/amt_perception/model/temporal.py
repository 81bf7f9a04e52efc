"""Temporal encoder (stage 2): the last frame's hand, seen together with the frames before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amt_perception.model.camera import View
from amt_perception.model.config import AmtConfig
from amt_perception.model.geometry import identity_6d, product, rotation_from_6d
from amt_perception.model.hand_layer import FRAMES, HandLayer
from amt_perception.model.interface import AmtOutput, Tensors
from amt_perception.model.layers import MLP, Decoder, zero_start

_SCALE_M = 0.1


@dataclass
class FrameMemory(Tensors):
    """What is kept of one frame, in the (perhaps mirrored) right hand's picture.

    It depends on that frame alone, so a video costs one spatial pass for each new frame.
    """

    tokens: Tensor
    """[B, 22, C] of the hand after fusion."""
    joints: Tensor
    """[B, 21, 3] final joints in the camera frame (m)."""
    rotation: Tensor
    """[B, 16, 3, 3]."""


class TemporalEncoder(nn.Module):
    """Causal: the last frame looks at its own tokens and at those of up to `frames - 1` before it.

    Starts out changing nothing, so that stage 2 begins where stage 1 ended.
    """

    def __init__(self, config: AmtConfig, layer: HandLayer) -> None:
        super().__init__()
        width = config.width
        self.frames = config.frames
        self.layer = layer
        self.age = nn.Parameter(0.02 * torch.randn(config.frames, width))
        """Of each frame, the newest first."""
        self.part = nn.Parameter(0.02 * torch.randn(FRAMES, width))
        self.place = MLP(3 * 21 + 9, width, width)
        self.context_norm = nn.LayerNorm(width)
        self.decoder = Decoder(config, config.temporal_layers)
        self.pose = zero_start(nn.Linear(width, 6))
        self.shape = zero_start(nn.Linear(width, 10))
        self.offset = zero_start(nn.Linear(width, 3))
        self.log_sigma = zero_start(nn.Linear(width, 1))
        self.register_buffer("identity", identity_6d(), persistent=False)

    def forward(self, memory: list[FrameMemory], output: AmtOutput, view: View) -> AmtOutput:
        """The last frame's output, refined.

        memory: frames in time order, the last one is `output`'s; at most `frames` of them count.
        """
        memory = memory[-self.frames :]
        newest = memory[-1]
        # Everything that a frame says is seen from the newest wrist and its line of sight.
        context = torch.cat(
            [
                frame.tokens + self.part + self.age[age] + self._place(frame, newest, view)[:, None]
                for age, frame in enumerate(reversed(memory))
            ],
            dim=1,
        )
        tokens = self.decoder(newest.tokens, self.context_norm(context))

        rotation, shape = output.mano_rotation, output.mano_shape
        assert rotation is not None and shape is not None and output.translation is not None
        turn = self.pose(tokens[:, :16]).float() + self.identity
        rotation = product(rotation, rotation_from_6d(turn))
        shape = shape + self.shape(tokens[:, -1]).float()
        before = self.layer(output.mano_rotation, output.mano_shape)
        after = self.layer(rotation, shape)
        offsets = product(_SCALE_M * self.offset(tokens).float(), view.turn.mT)  # [B, 22, 3]
        # The palm's offset moves the whole hand; each joint follows its bones and adds its own.
        joints = output.joints + after.joints - before.joints
        joints = joints + offsets[:, -1:] + offsets[:, self.layer.order]
        wrist = output.translation + before.rest_wrist + offsets[:, -1]
        return AmtOutput(
            joint_steps=torch.cat([output.joint_steps, joints[:, None]], dim=1),
            first_joints=output.first_joints,
            joint_log_sigma=output.joint_log_sigma
            + self.log_sigma(tokens[:, self.layer.order]).float()[..., 0],
            keypoints=output.keypoints,
            heatmap_logits=output.heatmap_logits,
            mano_rotation=rotation,
            mano_shape=shape,
            translation=wrist - after.rest_wrist,
            vertices=after.vertices + wrist[:, None],
            objects=output.objects,
            contact=output.contact,
        )

    def _place(self, frame: FrameMemory, newest: FrameMemory, view: View) -> Tensor:
        """[B, C] where the hand was and how it was turned, relative to the newest frame."""
        place = product(frame.joints - newest.joints[:, :1], view.turn) / _SCALE_M
        turn = product(newest.rotation[:, 0].mT, frame.rotation[:, 0])
        return self.place(torch.cat([place.flatten(1), turn.flatten(1)], dim=-1))
