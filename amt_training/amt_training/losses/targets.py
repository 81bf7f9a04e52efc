"""The truth about a batch, in the camera frame (OpenCV axes), metres and radians.

Every part says what of it is known; values that are not known may be anything, NaN included.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from amt_perception.model.interface import Tensors

UNKNOWN = -1
"""A label that nobody annotated."""


@dataclass
class ObjectTarget(Tensors):
    """Up to M objects of each sample, in any order."""

    annotated: Tensor
    """[B] bool: are the objects of this sample known, if only that there are none?"""
    valid: Tensor
    """[B, M] bool: is there an object in this place?"""
    class_index: Tensor
    """[B, M] int64 index into `AmtConfig.object_classes`, not 0, which is background."""
    position: Tensor
    """[B, M, 3] of the object's frame (m)."""
    rotation: Tensor
    """[B, M, 3, 3] from the object's frame to the camera's."""
    symmetry_rotations: Tensor
    """[B, M, K, 3, 3] turns about the object's own axes after which it looks the same, the identity
    among them; fewer than K are filled up with the identity."""
    symmetry_axis: Tensor
    """[B, M, 3] unit axis, in the object's frame, about which any turn leaves its look unchanged;
    zero for none."""
    surface: Tensor | None = None
    """[B, M, P, 3] points on the surface, in the object's frame (m)."""
    surface_normals: Tensor | None = None
    """[B, M, P, 3] unit normals there, outwards."""

    def cleaned(self) -> ObjectTarget:
        """The same with zeros where there is no object."""
        known = {
            field.name: _known(value, self.valid)
            for field in fields(self)
            if field.name not in ("annotated", "valid")
            and (value := getattr(self, field.name)) is not None
        }
        return replace(self, **known)


@dataclass
class ContactTarget(Tensors):
    """Contacts of the hand: six hand parts and up to L points."""

    part: Tensor
    """[B, 6] bool in the order of HAND_PARTS: does the part touch something?"""
    part_valid: Tensor
    """[B, 6] bool."""
    points_annotated: Tensor
    """[B] bool: are the contact points known, if only that there are none?"""
    points: Tensor
    """[B, L, 3] (m)."""
    point_valid: Tensor
    """[B, L] bool."""
    force: Tensor
    """[B, L] (N)."""
    force_valid: Tensor
    """[B, L] bool."""
    contact_type: Tensor
    """[B, L] int64 index into CONTACT_TYPES, or UNKNOWN."""
    interaction: Tensor
    """[B] int64 index into INTERACTIONS, or UNKNOWN."""

    def cleaned(self) -> ContactTarget:
        """The same with zeros where there is no point or no force is known."""
        return replace(
            self,
            points=_known(self.points, self.point_valid),
            force=_known(self.force, self.point_valid & self.force_valid),
        )


@dataclass
class AmtTarget(Tensors):
    """The truth about the last frame of each sample."""

    joints: Tensor
    """[B, 21, 3] in the project's order (m)."""
    joints_valid: Tensor
    """[B, 21] bool. Joints outside the picture or hidden are valid where their place is known."""
    keypoints: Tensor
    """[B, 21, 2] joints in crop pixels."""
    keypoints_valid: Tensor
    """[B, 21] bool; false behind the camera."""
    vertices: Tensor
    """[B, 778, 3] (m)."""
    mano_rotation: Tensor
    """[B, 16, 3, 3] each joint's rotation in its parent's frame, wrist first, mean pose included.
    """
    mano_shape: Tensor
    """[B, 10]."""
    mano_valid: Tensor
    """[B] bool: are vertices, rotation and shape known?"""
    objects: ObjectTarget
    contact: ContactTarget

    def cleaned(self) -> AmtTarget:
        """The same with zeros where nothing is known, so that no NaN reaches a gradient."""
        return replace(
            self,
            joints=_known(self.joints, self.joints_valid),
            keypoints=_known(self.keypoints, self.keypoints_valid),
            vertices=_known(self.vertices, self.mano_valid),
            mano_rotation=_known(self.mano_rotation, self.mano_valid),
            mano_shape=_known(self.mano_shape, self.mano_valid),
            objects=self.objects.cleaned(),
            contact=self.contact.cleaned(),
        )


def _known(values: Tensor, valid: Tensor) -> Tensor:
    valid = valid.reshape(valid.shape + (1,) * (values.ndim - valid.ndim))
    return torch.where(valid, values, torch.zeros_like(values))
