"""What goes into the model and what comes out of it.

Camera frame with OpenCV axes, metres, radians. Pixels have their centres at whole numbers. "Crop
pixels" are those of the S x S picture that the network sees, "image pixels" those of the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

HAND_PARTS = ("palm", "thumb", "index", "middle", "ring", "pinky")
INTERACTIONS = ("grasp", "push", "touch")
CONTACT_TYPES = ("none", "touch", "press", "slide")
LEFT, RIGHT = 0, 1
"""Values of `AmtInput.side`."""
CONFIDENT_DISTANCE_M = 0.02
"""`AmtOutput.joint_confidence` is the probability that a joint is within this distance."""
CONFIDENT_SHARE = 0.1
"""`AmtOutput.hand_confidence`: within this share of the hand's distance from the camera."""

_Self = TypeVar("_Self", bound="Tensors")


@dataclass
class Tensors:
    """Named tensors that move and are indexed together."""

    def to(self: _Self, device: torch.device | str) -> _Self:
        """The same on another device."""
        return self.each(lambda tensor: tensor.to(device))

    def __getitem__(self: _Self, index: slice | Tensor) -> _Self:
        """The chosen samples of the batch."""
        return self.each(lambda tensor: tensor[index])

    def each(self: _Self, change: Callable[[Tensor], Tensor]) -> _Self:
        """The same with every tensor changed."""
        changed = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = change(value)
            elif isinstance(value, Tensors):
                changed[field.name] = value.each(change)  # type: ignore[assignment]
        return replace(self, **changed)


@dataclass
class AmtInput(Tensors):
    """Crops around hands: B samples of T frames in time order, the last one is asked about."""

    image: Tensor
    """[B, T, 3, S, S] RGB, uint8 in 0..255 or float in 0..1."""
    intrinsics: Tensor
    """[B, T, 3, 3] camera matrix of the crop: crop pixels from the camera frame."""
    crop: Tensor
    """[B, T, 2, 3] affine map from image pixels to crop pixels."""
    hand_box: Tensor
    """[B, T, 4] x, y, width, height of the hand in image pixels."""
    side: Tensor
    """[B] int64, LEFT or RIGHT."""

    def flat(self) -> AmtInput:
        """The frames as samples of their own: [B * T] of one frame each."""
        flat = {
            name: getattr(self, name).flatten(0, 1)[:, None]
            for name in ("image", "intrinsics", "crop", "hand_box")
        }
        return AmtInput(**flat, side=self.side.repeat_interleave(self.image.shape[1]))


@dataclass
class ObjectOutput(Tensors):
    """Q object queries; a query without an object has low confidence."""

    position: Tensor
    """[B, Q, 3] of the objects' frames (m)."""
    rotation: Tensor
    """[B, Q, 3, 3] from the object's frame to the camera's."""
    confidence_logits: Tensor
    """[B, Q]."""
    class_logits: Tensor
    """[B, Q, C] of `AmtConfig.object_classes`; the first is background."""

    @property
    def confidence(self) -> Tensor:
        """[B, Q] in 0..1."""
        return self.confidence_logits.sigmoid()

    @property
    def rotation_6d(self) -> Tensor:
        """[B, Q, 6]: the rotation's first two columns (Zhou et al., CVPR 2019)."""
        return self.rotation[..., :2].transpose(-1, -2).flatten(-2)


@dataclass
class ContactOutput(Tensors):
    """Contacts of the hand with what it handles: six hand parts and K points."""

    part_logits: Tensor
    """[B, 6] in the order of HAND_PARTS."""
    points: Tensor
    """[B, K, 3] (m)."""
    point_logits: Tensor
    """[B, K]: is the point a contact?"""
    forces: Tensor
    """[B, K] (N), not negative."""
    type_logits: Tensor
    """[B, K, types] in the order of CONTACT_TYPES."""
    interaction_logits: Tensor
    """[B, 3] in the order of INTERACTIONS."""

    @property
    def part_probability(self) -> Tensor:
        """[B, 6] in 0..1."""
        return self.part_logits.sigmoid()

    @property
    def point_confidence(self) -> Tensor:
        """[B, K] in 0..1."""
        return self.point_logits.sigmoid()


@dataclass
class AmtOutput(Tensors):
    """What the model says about the last frame of each sample."""

    joint_steps: Tensor
    """[B, 1 + refinements, 21, 3] joints in the project's order: coarse, then after each step (m).
    """
    joint_log_sigma: Tensor
    """[B, 21] logarithm of each final joint's standard deviation along one axis (m)."""
    keypoints: Tensor
    """[B, 21, 2] joints as the network sees them in the picture (crop pixels)."""
    objects: ObjectOutput
    contact: ContactOutput
    first_joints: Tensor | None = None
    """[B, 21, 3] of the first estimate, from which the vertices were made that the second one looks
    at; for its own supervision (m)."""
    mano_rotation: Tensor | None = None
    """[B, 16, 3, 3] each joint's rotation in its parent's frame, wrist first, mean pose included.
    None where the model has no hand model (the baseline)."""
    mano_shape: Tensor | None = None
    """[B, 10]."""
    translation: Tensor | None = None
    """[B, 3] MANO's translation: the wrist is at translation + J0(shape) (m)."""
    vertices: Tensor | None = None
    """[B, 778, 3] (m)."""
    heatmap_logits: Tensor | None = None
    """[B, 21, N] where in the grid of image tokens each joint is seen, before the softmax."""

    @property
    def joints(self) -> Tensor:
        """[B, 21, 3] the final joints (m)."""
        return self.joint_steps[:, -1]

    @property
    def mano_pose(self) -> Tensor | None:
        """[B, 16, 3] axis-angle vectors, mean pose included."""
        import roma

        return None if self.mano_rotation is None else roma.rotmat_to_rotvec(self.mano_rotation)

    @property
    def joint_confidence(self) -> Tensor:
        """[B, 21] probability that a joint is within CONFIDENT_DISTANCE_M of its true place."""
        return self._nearer_than(torch.full_like(self.joint_log_sigma, CONFIDENT_DISTANCE_M))

    @property
    def hand_confidence(self) -> Tensor:
        """[B] probability that a joint is within CONFIDENT_SHARE of the wrist's distance of its
        true place, the mean of all joints.

        One picture tells the way to a hand in shares of it only, so this, and no length, says
        whether a hand is seen: where there is none, the network expects larger errors.
        """
        away = self.joints[:, :1, 2].clamp(min=0.0)
        return self._nearer_than(CONFIDENT_SHARE * away).mean(dim=1)

    def _nearer_than(self, distance: Tensor) -> Tensor:
        """[B, 21] probability that a joint's error is below a distance [B, 21] or [B, 1] (m).

        The length of an error with independent normal components of that sigma follows Maxwell's
        distribution.
        """
        ratio = distance.float() * torch.exp(-self.joint_log_sigma.float())
        tail = (2.0 / torch.pi) ** 0.5 * ratio * torch.exp(-0.5 * ratio**2)
        return (torch.erf(ratio / 2.0**0.5) - tail).clamp(0.0, 1.0)
