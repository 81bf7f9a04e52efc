"""A batch without pictures worth seeing: random crops, and a truth that fits their cameras."""

from __future__ import annotations

import torch

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.config import YCB_CLASSES
from amt_perception.model.geometry import project
from amt_perception.model.hand_layer import HandLayer
from amt_perception.model.interface import AmtInput
from amt_training.losses.targets import AmtTarget, ContactTarget, ObjectTarget

SIZE = 112


def make_batch(count: int, seed: int = 0) -> tuple[AmtInput, AmtTarget]:
    """Left and right hands in turns, each with an object and a contact."""
    import roma

    random = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=random)

    def yes(*shape: int) -> torch.Tensor:
        return torch.ones(count, *shape, dtype=torch.bool)

    camera = torch.tensor([[250.0, 0.0, 55.5], [0.0, 250.0, 55.5], [0.0, 0.0, 1.0]])
    camera = camera.expand(count, 3, 3)
    rotation = roma.rotvec_to_rotmat(0.2 * noise(16, 3))
    shape = 0.3 * noise(10)
    hand = HandLayer(generic_hand(Side.RIGHT))(rotation, shape)
    place = torch.tensor([0.08, 0.0, 0.6]) + 0.01 * noise(3)
    joints, vertices = hand.joints + place[:, None], hand.vertices + place[:, None]
    keypoints = project(joints, camera)
    low, high = keypoints.amin(1), keypoints.amax(1)
    normals = torch.nn.functional.normalize(noise(1, 60, 3), dim=-1)
    inputs = AmtInput(
        image=(256 * torch.rand(count, 1, 3, SIZE, SIZE, generator=random)).to(torch.uint8),
        intrinsics=camera[:, None],
        crop=torch.eye(2, 3).expand(count, 1, 2, 3),
        hand_box=torch.cat([low, high - low], dim=-1)[:, None],
        side=torch.arange(count) % 2,
    )
    return inputs, AmtTarget(
        joints=joints,
        joints_valid=yes(21),
        keypoints=keypoints,
        keypoints_valid=yes(21),
        vertices=vertices,
        mano_rotation=rotation,
        mano_shape=shape,
        mano_valid=yes(),
        objects=ObjectTarget(
            annotated=yes(),
            valid=yes(1),
            class_index=torch.randint(1, len(YCB_CLASSES), (count, 1), generator=random),
            position=place[:, None] + 0.03 * noise(1, 3),
            rotation=roma.rotvec_to_rotmat(noise(1, 3)),
            symmetry_rotations=torch.eye(3).expand(count, 1, 1, 3, 3),
            symmetry_axis=torch.zeros(count, 1, 3),
            surface=0.04 * normals,
            surface_normals=normals,
        ),
        contact=ContactTarget(
            part=noise(6) > 0.0,
            part_valid=yes(6),
            points_annotated=yes(),
            points=joints[:, 4:5],
            point_valid=yes(1),
            force=torch.ones(count, 1),
            force_valid=yes(1),
            contact_type=torch.ones(count, 1, dtype=torch.int64),
            interaction=torch.zeros(count, dtype=torch.int64),
        ),
    )
