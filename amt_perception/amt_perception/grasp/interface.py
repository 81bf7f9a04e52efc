"""What goes into the grasp model and what comes out of it.

Object frame: the mesh's or cloud's own axes, metres, the origin moved to the middle of the bounding
box. Hand parts are in the order of `model.interface.HAND_PARTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from amt_perception.model.interface import Tensors

if TYPE_CHECKING:
    from amt_perception.grasp.frames import ObjectFrame

CLOUD_POINTS = 1024
"""N: points of an object that the model sees."""


@dataclass
class Language(Tensors):
    """Features of B instructions (with views of the object, where the encoder looks at them)."""

    tokens: Tensor
    """[B, L, C] of the encoder, before the model's own projection."""
    mask: Tensor
    """[B, L] bool: False where a shorter instruction is padded."""
    is_text: Tensor
    """[B, L] bool: a token of the instruction; False for one of an image."""


@dataclass
class GraspContext(Tensors):
    """What the model knows of B objects and instructions before any grasp is drawn."""

    frame: ObjectFrame
    """In which the model looks at the objects."""
    points: Tensor
    """[B, N, 3] in that frame (m)."""
    point_features: Tensor
    """[B, N, F] after fusion with the instruction."""
    contact_logits: Tensor
    """[B, N, 6] of each point to be touched by each hand part; sigmoid gives probabilities."""
    part_tokens: Tensor
    """[B, 6, F] the points' features, pooled by each hand part's probability of touching them."""
    pooled: Tensor
    """[B, F] pooled by the largest of the parts' probabilities."""
    language: Tensor
    """[B, F] the instruction, pooled."""


@dataclass
class Grasps(Tensors):
    """G grasps of one hand, object frame. `pose_space` turns them into vectors and back."""

    rotation: Tensor
    """[G, 3, 3] MANO's wrist, or the robot's palm_link, to the object's frame."""
    position: Tensor
    """[G, 3] of the wrist joint, or of palm_link's origin (m)."""
    joints: Tensor
    """[G, 15, 3] MANO's finger rotations as axis-angle, mean pose included, or [G, 16] the Allegro
    hand's joint positions in the project's order (rad)."""
    shape: Tensor
    """[G, 10] MANO's shape coefficients; [G, 0] for the robot."""
