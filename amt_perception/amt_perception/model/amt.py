"""The Advanced Manipulation Transformer, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.backbone import FROM_CHECKPOINT
from amt_perception.model.camera import CameraEmbedding, View
from amt_perception.model.config import AmtConfig
from amt_perception.model.contact_branch import ContactBranch, ContactHead
from amt_perception.model.fusion import Fusion
from amt_perception.model.hand_branch import PALM, HandBranch
from amt_perception.model.hand_layer import Hand, HandLayer
from amt_perception.model.image_encoder import ImageEncoder, ImageTokens
from amt_perception.model.interface import AmtInput, AmtOutput, Tensors
from amt_perception.model.mirror import mirror_input, mirror_output
from amt_perception.model.object_branch import ObjectBranch, ObjectHead
from amt_perception.model.refinement import Refinement
from amt_perception.model.sigma_reparam import add_sigma_reparam
from amt_perception.model.temporal import FrameMemory, TemporalEncoder


@dataclass
class FrameTokens(Tensors):
    """One frame after the spatial pass, in the right hand's (perhaps mirrored) picture."""

    memory: FrameMemory
    output: AmtOutput
    view: View
    side: Tensor
    """[B]."""

    def by_frame(self, frames: int) -> list[FrameTokens]:
        """Windows [B * frames] taken apart: each frame of all windows [B], in time order."""
        first = torch.arange(0, len(self.side), frames, device=self.side.device)
        return [self[first + age] for age in range(frames)]


class Amt(nn.Module):
    """Crops around hands to hands, objects and contacts.

    data: the right hand's model; left hands are mirrored. backbone_weights: see
    `backbone.Backbone`. Raises AmtError for a configuration that cannot be built.
    """

    def __init__(
        self, config: AmtConfig, data: HandModelData, backbone_weights: str | Path
    ) -> None:
        super().__init__()
        if data.side != Side.RIGHT:
            raise AmtError("the model needs the right hand's MANO file; left hands are mirrored")
        self.config = config
        self.hand_model = data
        self.hand_layer = HandLayer(data)
        self.image_encoder = ImageEncoder(config, backbone_weights)
        grid = self.image_encoder.grid
        self.camera = CameraEmbedding(config)
        self.hand_branch = HandBranch(config, self.hand_layer, data, grid)
        self.object_branch = ObjectBranch(config)
        self.contact_branch = ContactBranch(config, config.contact_layers, config.contact_points)
        self.fusion = Fusion(config)
        self.object_head = ObjectHead(config.width, len(config.object_classes))
        self.contact_head = ContactHead(config.width, config.contact_points)
        self.refinement = Refinement(config, grid)
        self.temporal = TemporalEncoder(config, self.hand_layer) if config.temporal_layers else None
        if config.stabilisers.sigma_reparam:
            for part in self.new_parts():
                add_sigma_reparam(part, from_checkpoint=backbone_weights == FROM_CHECKPOINT)

    def new_parts(self) -> list[nn.Module]:
        """Everything that no pretrained weights exist for: all but the backbone."""
        parts: list[nn.Module] = []
        for part in self.children():
            if part is self.image_encoder:
                parts += [one for one in part.children() if one is not part.backbone]
            else:
                parts.append(part)
        return parts

    def forward(self, inputs: AmtInput, given: Hand | None = None) -> AmtOutput:
        """Results for the last of the T frames.

        More than one frame needs a temporal encoder. given: a right hand's vertices and frames
        [B * T], seen in the (mirrored) picture, to look at instead of the first estimate's.
        Raises AmtError when there are more frames than the model can use.
        """
        frames = inputs.image.shape[1]
        if frames > (self.config.frames if self.temporal else 1):
            raise AmtError(
                f"{frames} frames were given, but the model takes "
                f"{self.config.frames if self.temporal else 1}"
            )
        tokens = self.encode_frame(inputs.flat(), given)
        return self.decode(tokens.by_frame(frames) if frames > 1 else [tokens])

    def encode_frame(self, inputs: AmtInput, given: Hand | None = None) -> FrameTokens:
        """The spatial pass over frames on their own (T = 1), for `decode`.

        A video keeps the last `config.frames` results of it and calls `decode` with them.
        """
        size = inputs.image.shape[-1]
        mirrored = mirror_input(inputs)
        view = View.of(
            mirrored.intrinsics[:, 0], mirrored.crop[:, 0], mirrored.hand_box[:, 0], size
        )
        image = self.image_encoder(mirrored.image[:, 0])
        image = ImageTokens(self.camera(image.tokens, view), image.summary)

        first, estimate, hand_tokens = self.hand_branch(image, view, given)
        hand_tokens, object_tokens, contact_tokens = self.fusion(
            hand_tokens,
            objects := self.object_branch(image),
            self.contact_branch(hand_tokens, objects),
        )
        coarse = estimate.hand.joints
        steps, log_sigma = self.refinement(
            coarse,
            estimate.keypoints,
            hand_tokens[:, self.hand_layer.order],
            image.tokens,
            view,
        )
        output = AmtOutput(
            joint_steps=steps,
            joint_log_sigma=log_sigma,
            keypoints=estimate.keypoints,
            heatmap_logits=estimate.heatmap_logits,
            first_joints=first.hand.joints,
            mano_rotation=estimate.rotation,
            mano_shape=estimate.shape,
            translation=estimate.translation,
            vertices=estimate.hand.vertices,
            objects=self.object_head(object_tokens, view, coarse[:, 0, 2].detach()),
            contact=self.contact_head(
                contact_tokens,
                # Contacts say nothing of where the hand is: their errors shall not move it.
                estimate.hand.frame_origin[:, PALM].detach(),
                estimate.hand.frame_rotation[:, PALM].detach(),
            ),
        )
        memory = FrameMemory(hand_tokens, steps[:, -1], estimate.rotation)
        return FrameTokens(memory, output, view, inputs.side)

    def decode(self, frames: list[FrameTokens]) -> AmtOutput:
        """Results for the last of the frames, in the true camera frame.

        frames: in time order, of the same hands. Without a temporal encoder only the last counts.
        """
        last = frames[-1]
        output = last.output
        if self.temporal is not None:
            output = self.temporal([frame.memory for frame in frames], output, last.view)
        return mirror_output(output, last.side, last.view.size)


def freeze_spatial(model: Amt) -> None:
    """Stage 2: train the temporal encoder only. Raises AmtError when the model has none."""
    if model.temporal is None:
        raise AmtError("stage 2 trains the temporal encoder, but the model has none")
    model.requires_grad_(False)
    model.temporal.requires_grad_(True)


def with_temporal(config: AmtConfig, layers: int = 2) -> AmtConfig:
    """The configuration of stage 2."""
    return replace(config, temporal_layers=layers)


def add_temporal(model: Amt, layers: int = 2) -> None:
    """Give a model of stage 1 a new temporal encoder, which changes nothing yet.

    Raises AmtError when it has one.
    """
    if model.temporal is not None:
        raise AmtError("the model has a temporal encoder already")
    model.config = with_temporal(model.config, layers)
    model.temporal = TemporalEncoder(model.config, model.hand_layer)
    if model.config.stabilisers.sigma_reparam:
        add_sigma_reparam(model.temporal)
