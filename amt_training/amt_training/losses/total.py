"""The whole loss."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from amt_perception.hand.joints import WRIST
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_training.losses.config import LossConfig
from amt_training.losses.contact import contact_losses, proximity_loss
from amt_training.losses.diversity import diversity_losses
from amt_training.losses.hand import (
    AdaptiveJointLoss,
    heatmap_loss,
    keypoint_loss,
    mano_rotation_loss,
    mano_shape_loss,
    reprojection_loss,
    sigma_loss,
    vertex_loss,
)
from amt_training.losses.matching import Matches, match_objects, match_points
from amt_training.losses.objects import object_losses
from amt_training.losses.physics import JointLimitLoss, force_bound_loss, penetration_loss
from amt_training.losses.targets import AmtTarget
from amt_training.losses.temporal import velocity_loss


class Loss(NamedTuple):
    """What to minimise, and its parts."""

    total: Tensor
    """Weighted sum of the terms."""
    terms: dict[str, Tensor]
    """Each term by name, before its weight."""


class AmtLoss(nn.Module):
    """All terms, computed in float32. It has parameters: the joints' learned weights.

    right_hand: the hand model of the right hand, for the joints' axes.
    """

    def __init__(self, config: LossConfig, right_hand: HandModelData) -> None:
        super().__init__()
        self.config = config
        self.coarse = AdaptiveJointLoss(config)
        self.refined = AdaptiveJointLoss(config)
        self.joint_limits = JointLimitLoss(right_hand)

    def forward(
        self,
        output: AmtOutput,
        target: AmtTarget,
        inputs: AmtInput,
        progress: float,
        *,
        sample_weight: Tensor | None = None,
        previous: tuple[AmtOutput, AmtTarget] | None = None,
        attention_entropy: Tensor | None = None,
    ) -> Loss:
        """The loss of a batch; progress: share of the training that is done (0..1).

        sample_weight: [B], for MixUp; previous: the same samples one frame earlier, for the
        velocity term; attention_entropy: of `temporal.AttentionEntropy.loss`. A term whose part of
        the model or of the arguments is missing is left out; one without annotation is zero.
        """
        with torch.autocast(inputs.image.device.type, enabled=False):
            output, target = output.each(_single), target.each(_single).cleaned()
            weight = sample_weight
            if weight is None:
                weight = torch.ones(len(target.joints), device=target.joints.device)
            matches = match_objects(output.objects, target.objects, self.config)
            terms = (
                self._hand(output, target, inputs, weight)
                | object_losses(output.objects, target.objects, matches, self.config, weight)
                | self._contact(output, target, weight)
                | self._physics(output, inputs, weight)
                | self._surfaces(output, target, matches, weight)
                | diversity_losses(output.joints, target.joints, target.joints_valid)
            )
            if previous is not None:
                earlier, earlier_target = previous[0].each(_single), previous[1].each(_single)
                earlier_target = earlier_target.cleaned()
                terms["velocity"] = velocity_loss(
                    output.joints, earlier.joints, target.joints, earlier_target.joints,
                    target.joints_valid & earlier_target.joints_valid, weight,
                )  # fmt: skip
            if attention_entropy is not None:
                terms["attention_entropy"] = attention_entropy
            factors = {name: self.config.weight(name, progress) for name in terms}
            total = torch.stack([factors[name] * term for name, term in terms.items()]).sum()
        return Loss(total, terms)

    def _hand(
        self, output: AmtOutput, target: AmtTarget, inputs: AmtInput, weight: Tensor
    ) -> dict[str, Tensor]:
        config = self.config
        joints, seen = target.joints, target.joints_valid
        keypoints, visible = target.keypoints, target.keypoints_valid
        coarse, refined = output.joint_steps[:, :1], output.joint_steps[:, 1:]
        wrist = coarse[:, 0, WRIST]
        if output.first_joints is not None:
            coarse = torch.cat([output.first_joints.unsqueeze(1), coarse], dim=1)
        terms = {"coarse": self.coarse(coarse, joints, seen, weight)}
        if refined.shape[1]:
            terms["refined"] = self.refined(refined, joints, seen, weight)
        terms |= {
            "reprojection": reprojection_loss(
                output.joints, keypoints, visible, inputs, weight, config.smooth_l1_beta
            ),
            "keypoints": keypoint_loss(
                output.keypoints, keypoints, visible, inputs, weight, config.smooth_l1_beta
            ),
            "sigma": sigma_loss(
                output.joint_log_sigma, output.joints, joints, seen, config.sigma_tail, weight
            ),
        }
        if output.heatmap_logits is not None:
            terms["heatmap"] = heatmap_loss(
                output.heatmap_logits, keypoints, visible, inputs.image.shape[-1],
                config.heatmap_sigma, weight,
            )  # fmt: skip
        if output.mano_rotation is not None:
            terms["mano_rotation"] = mano_rotation_loss(
                output.mano_rotation, target.mano_rotation, target.mano_valid, weight
            )
        if output.mano_shape is not None:
            terms["mano_shape"] = mano_shape_loss(
                output.mano_shape, target.mano_shape, target.mano_valid, weight
            )
        if output.vertices is not None:
            terms["vertices"] = vertex_loss(
                output.vertices, wrist, target.vertices, joints[:, WRIST],
                target.mano_valid & seen[:, WRIST], weight,
            )  # fmt: skip
        return terms

    def _contact(self, output: AmtOutput, target: AmtTarget, weight: Tensor) -> dict[str, Tensor]:
        contact, true = output.contact, target.contact
        terms = contact_losses(contact, true, match_points(contact, true, self.config), weight)
        if output.vertices is not None:
            every = torch.arange(len(weight), device=weight.device)
            terms["contact_near_hand"] = proximity_loss(
                contact, output.vertices, every, self.config.contact_tolerance,
                true.points_annotated, weight,
            )  # fmt: skip
        return terms

    def _physics(self, output: AmtOutput, inputs: AmtInput, weight: Tensor) -> dict[str, Tensor]:
        forces = output.contact.forces
        terms = {"physics_force": force_bound_loss(forces, self.config.force_limit, weight)}
        if output.mano_rotation is not None:
            terms["physics_joint_limits"] = self.joint_limits(
                output.mano_rotation, inputs.side, weight
            )
        return terms

    def _surfaces(
        self, output: AmtOutput, target: AmtTarget, matches: Matches, weight: Tensor
    ) -> dict[str, Tensor]:
        """What hand and contacts have to do with the objects' surfaces, placed as predicted."""
        true = target.objects
        if true.surface is None or true.surface_normals is None:
            return {}
        config = self.config
        rotation = matches.predicted(output.objects.rotation).mT
        position = matches.predicted(output.objects.position).unsqueeze(1)
        surface = matches.true(true.surface) @ rotation + position
        annotated = target.contact.points_annotated
        terms = {
            "contact_near_object": proximity_loss(
                output.contact, surface, matches.sample, config.contact_tolerance, annotated, weight
            )
        }
        if output.vertices is not None:
            terms["physics_penetration"] = penetration_loss(
                output.vertices, surface, matches.true(true.surface_normals) @ rotation, matches,
                config.penetration_reach, weight,
            )  # fmt: skip
        return terms


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
