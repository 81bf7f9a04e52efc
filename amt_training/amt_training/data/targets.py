"""The truth about a batch, made on its device from compact labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.hand.joints import BASES, MANO_TIP_VERTICES, TIPS, WRIST, Side
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.geometry import NEAREST_DEPTH_M, project
from amt_perception.model.hand_layer import Hand, HandLayer
from amt_perception.model.interface import LEFT, RIGHT
from amt_training.data.contacts import PART_OF_JOINT, with_contacts
from amt_training.data.labels import MAX_CONTACTS, Labels
from amt_training.data.sample import ObjectModel, learned_class
from amt_training.losses.targets import UNKNOWN, AmtTarget, ContactTarget, ObjectTarget

FITTING_M = 0.01
"""The fingers' bases of fitted labels are nearer than this to the joints (m), in the mean; with
another hand model or convention they are not."""


class TargetBuilder(nn.Module):
    """Labels to `AmtTarget`s: meshes, keypoints, surfaces and contacts are computed, not stored.

    right_hand: the model's hand. tip_vertices: what the data set calls fingertips, of the sides
    that it has; targets have the project's. object_models: `HandDataset.object_models`, of all
    objects that occur or empty; without them there are no surfaces, and no contacts that nobody
    annotated.
    """

    own_tips: Tensor
    part: Tensor
    object_class: Tensor
    object_rotations: Tensor
    object_axis: Tensor
    object_surface: Tensor
    object_normals: Tensor

    def __init__(
        self,
        right_hand: HandModelData,
        tip_vertices: Mapping[Side, Sequence[int]],
        object_models: Mapping[int, ObjectModel],
    ) -> None:
        super().__init__()
        self.layer = HandLayer(right_hand)
        tips = np.tile(MANO_TIP_VERTICES, (2, 1))
        for place, side in ((LEFT, Side.LEFT), (RIGHT, Side.RIGHT)):
            tips[place] = tip_vertices.get(side, MANO_TIP_VERTICES)
        part = PART_OF_JOINT[right_hand.weights.argmax(axis=1)]
        self.register_buffer("own_tips", torch.from_numpy(tips), persistent=False)
        self.register_buffer("part", torch.from_numpy(part), persistent=False)
        self.has_surfaces = bool(object_models)
        self._add_object_tables(object_models)

    def _add_object_tables(self, models: Mapping[int, ObjectModel]) -> None:
        rows = max(models, default=0) + 1
        count = max((len(one.symmetry_rotations) for one in models.values()), default=1)
        points = len(next(iter(models.values())).points) if models else 0
        rotations = np.tile(np.eye(3), (rows, count, 1, 1))
        axis, surface, normals = (
            np.zeros((rows, 3)), np.zeros((rows, points, 3)), np.zeros((rows, points, 3))
        )  # fmt: skip
        for index, model in models.items():
            rotations[index, : len(model.symmetry_rotations)] = model.symmetry_rotations
            axis[index] = model.symmetry_axis
            surface[index], normals[index] = model.points, model.normals
        classes = [learned_class(models, index) for index in range(rows)]
        self.register_buffer("object_class", torch.tensor(classes), persistent=False)
        tables = {"rotations": rotations, "axis": axis, "surface": surface, "normals": normals}
        for name, table in tables.items():
            tensor = torch.from_numpy(table.astype(np.float32))
            self.register_buffer(f"object_{name}", tensor, persistent=False)

    @torch.no_grad()
    def forward(self, labels: Labels) -> AmtTarget:
        """The truth in the frame and the pixels of the labels' picture, in float32."""
        with torch.autocast(labels.joints.device.type, enabled=False):
            return self._target(labels)

    def _target(self, labels: Labels) -> AmtTarget:
        rotation = rotation_matrices(labels.mano_pose)
        vertices = self._posed(rotation, labels, lambda hand: hand.vertices)
        joints = self._with_our_tips(labels, vertices)
        in_front = labels.joints_valid & (joints[..., 2] > NEAREST_DEPTH_M)
        objects = self._objects(labels)
        contact = ContactTarget(
            part=labels.contact_part == 1,
            part_valid=labels.contact_part != UNKNOWN,
            points_annotated=labels.contact_annotated,
            points=labels.contact_points,
            point_valid=labels.contact_valid,
            force=torch.zeros_like(labels.contact_points[..., 0]),
            force_valid=torch.zeros_like(labels.contact_valid),
            contact_type=labels.side.new_full((len(joints), MAX_CONTACTS), UNKNOWN),
            interaction=labels.interaction,
        )
        if self.has_surfaces:
            contact = with_contacts(contact, vertices, labels.mano_valid, objects, self.part)
        return AmtTarget(
            joints=joints,
            joints_valid=labels.joints_valid,
            keypoints=project(joints, labels.intrinsics),
            keypoints_valid=in_front,
            vertices=vertices,
            mano_rotation=rotation,
            mano_shape=labels.mano_shape,
            mano_valid=labels.mano_valid,
            objects=objects,
            contact=contact,
        )

    def check_hand_model(self, labels: Labels, name: str) -> None:
        """Raises AmtError when poses and joints do not belong together with this hand model.

        That is so when the labels were made with another model, or are read in a wrong convention.
        name: of the data set.
        """
        whole = labels.mano_valid & labels.joints_valid.all(dim=-1)
        some = labels[whole.nonzero()[:, 0]]
        if not len(some.side):
            return
        rotation = rotation_matrices(some.mano_pose)
        bases = list(BASES)
        joints = self._posed(rotation, some, lambda hand: hand.joints)[:, bases]
        distance = float((joints - some.joints[:, bases]).norm(dim=-1).mean())
        if distance > FITTING_M:
            raise AmtError(
                f"the MANO poses of {name} do not fit its joints: with this hand model the "
                f"fingers' bases are {1e3 * distance:.0f} mm off in the mean; give the hand model "
                "of its labels as mano_folder=FOLDER"
            )

    def _posed(self, rotation: Tensor, labels: Labels, points: Callable[[Hand], Tensor]) -> Tensor:
        """[N, P, 3] points of the hands, of their own side, the wrist where the labels have it (m).

        rotation: [N, 16, 3, 3].
        """
        left = (labels.side == LEFT)[:, None, None]
        reflection = rotation.new_tensor([-1.0, 1.0, 1.0])
        mirrored = reflection[:, None] * rotation * reflection
        right = torch.where(left[..., None], mirrored, rotation)
        found = points(self.layer(right, labels.mano_shape))
        return torch.where(left, found * reflection, found) + labels.joints[:, WRIST, None]

    def _with_our_tips(self, labels: Labels, vertices: Tensor) -> Tensor:
        """The joints [N, 21, 3] with the project's fingertips."""
        own = self.own_tips[labels.side]  # [N, 5]
        sample = torch.arange(len(own), device=own.device)[:, None]
        step = vertices[:, list(MANO_TIP_VERTICES)] - vertices[sample, own]
        joints = labels.joints.clone()
        joints[:, list(TIPS)] += torch.where(labels.mano_valid[:, None, None], step, 0.0)
        return joints

    def _objects(self, labels: Labels) -> ObjectTarget:
        # An object without a model has no known symmetry, and is its own class.
        known = labels.object_class < len(self.object_axis)
        row = labels.object_class.where(known, 0)
        return ObjectTarget(
            annotated=labels.objects_annotated,
            valid=labels.object_class > 0,
            class_index=self.object_class[row].where(known, labels.object_class),
            position=labels.object_pose[..., :3, 3],
            rotation=labels.object_pose[..., :3, :3],
            symmetry_rotations=self.object_rotations[row],
            symmetry_axis=self.object_axis[row],
            surface=self.object_surface[row] if self.has_surfaces else None,
            surface_normals=self.object_normals[row] if self.has_surfaces else None,
        )


def rotation_matrices(vectors: Tensor) -> Tensor:
    """[..., 3, 3] from rotation vectors [..., 3] (rad)."""
    import roma

    matrices: Tensor = roma.rotvec_to_rotmat(vectors)
    return matrices
