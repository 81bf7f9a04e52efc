"""Grasps as vectors, for the flow, and back.

A flow from standard normal noise learns best where every number is of the order of one and where
equal steps are equal motions. `ScaledSpace` is that; `RawSpace` is the source document's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import roma
import torch
from torch import Tensor

from amt_perception.grasp.config import LENGTH_UNIT_M, GraspConfig
from amt_perception.grasp.interface import Grasps
from amt_perception.model.geometry import rotation_from_6d


@dataclass(frozen=True)
class HandNumbers:
    """What a pose of a hand is made of."""

    joints: tuple[int, ...]
    """Shape of `Grasps.joints` of one grasp."""
    shape: int
    """Number of shape coefficients."""
    grip: tuple[float, float, float]
    """Between the fingers, in the frame of the wrist or palm (m)."""
    lower: tuple[float, ...] | None
    """[joints] limits (rad); None for MANO, whose axis-angle vectors have none."""
    upper: tuple[float, ...] | None

    @property
    def joint_count(self) -> int:
        """Numbers in the joints of one grasp."""
        return int(torch.Size(self.joints).numel())

    def scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Middle and half range [joints] (rad); 0 and 1 rad where there are no limits."""
        if self.lower is None or self.upper is None:
            ones = like.new_ones(self.joint_count)
            return 0.0 * ones, ones
        lower, upper = like.new_tensor(self.lower), like.new_tensor(self.upper)
        return (upper + lower) / 2.0, (upper - lower) / 2.0


class PoseSpace(Protocol):
    """Vectors of `size` numbers that stand for grasps."""

    size: int

    def encode(self, grasps: Grasps) -> Tensor:
        """[G, size]."""

    def decode(self, vectors: Tensor) -> Grasps:
        """G grasps from any vectors [G, size]; joints beyond their limits are put at them."""


class ScaledSpace:
    """Position in units of 5 cm, the wrist's rotation in 6D, joints by their limits, shape.

    The position is that of the hand's grip, not of its wrist: what is held is there, so an error of
    the rotation does not move the fingers away from it, and the two are learned apart.
    6D: the rotation's first two columns (Zhou et al., "On the Continuity of Rotation
    Representations in Neural Networks", CVPR 2019). Joints run from -1 to 1 between their limits;
    MANO's axis-angle vectors are in radians, its shape in standard deviations of people.
    """

    def __init__(self, hand: HandNumbers) -> None:
        self.hand = hand
        self.size = 3 + 6 + hand.joint_count + hand.shape

    def encode(self, grasps: Grasps) -> Tensor:
        """[G, size]: position, rotation, joints, shape."""
        middle, half = self.hand.scale(grasps.position)
        return torch.cat(
            [
                (grasps.position + self._to_grip(grasps.rotation)) / LENGTH_UNIT_M,
                grasps.rotation[..., :2].mT.flatten(1),
                (grasps.joints.flatten(1) - middle) / half,
                grasps.shape,
            ],
            dim=1,
        )

    def decode(self, vectors: Tensor) -> Grasps:
        """The reverse, in float32; the rotation by Gram-Schmidt."""
        vectors = vectors.float()
        sizes = (3, 6, self.hand.joint_count, self.hand.shape)
        position, rotation, joints, shape = vectors.split(sizes, dim=1)
        middle, half = self.hand.scale(vectors)
        turn = rotation_from_6d(rotation)
        return Grasps(
            rotation=turn,
            position=position * LENGTH_UNIT_M - self._to_grip(turn),
            joints=_limited(joints * half + middle, self.hand),
            shape=shape,
        )

    def _to_grip(self, rotation: Tensor) -> Tensor:
        """[G, 3] from the wrist to the grip, for rotations [G, 3, 3] (m)."""
        return rotation @ rotation.new_tensor(self.hand.grip)


class RawSpace:
    """The source document's: axis-angle of the wrist and joints (rad), shape, position (m).

    For MANO 48 + 10 + 3 = 61 numbers, nothing scaled: a millimetre is 0.001, lost beside noise of
    one, and axis-angle vectors jump at half a turn. Kept for comparison.
    """

    def __init__(self, hand: HandNumbers) -> None:
        self.hand = hand
        self.size = 3 + hand.joint_count + hand.shape + 3

    def encode(self, grasps: Grasps) -> Tensor:
        """[G, size]: rotation, joints, shape, position."""
        rotation = roma.rotmat_to_rotvec(grasps.rotation)
        parts = [rotation, grasps.joints.flatten(1), grasps.shape, grasps.position]
        return torch.cat(parts, dim=1)

    def decode(self, vectors: Tensor) -> Grasps:
        """The reverse, in float32."""
        sizes = (3, self.hand.joint_count, self.hand.shape, 3)
        rotation, joints, shape, position = vectors.float().split(sizes, dim=1)
        return Grasps(
            rotation=roma.rotvec_to_rotmat(rotation),
            position=position,
            joints=_limited(joints, self.hand),
            shape=shape,
        )


def pose_space(config: GraspConfig) -> PoseSpace:
    """The space that the configuration asks for."""
    if config.hand == "allegro":
        x, y, z = config.allegro_grip
        grip = (x, y if config.side == "right" else -y, z)
        hand = HandNumbers((16,), 0, grip, config.allegro_lower, config.allegro_upper)
    else:
        hand = HandNumbers((15, 3), 10, (0.0, 0.0, 0.0), None, None)
    return ScaledSpace(hand) if config.pose_space == "scaled" else RawSpace(hand)


def _limited(joints: Tensor, hand: HandNumbers) -> Tensor:
    """[G, *hand.joints] within the limits, from [G, joints] (rad)."""
    if hand.lower is not None and hand.upper is not None:
        joints = joints.clamp(joints.new_tensor(hand.lower), joints.new_tensor(hand.upper))
    return joints.unflatten(1, hand.joints)
