"""Pictures of a person's hand at a grasp of a MANO model."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.lines import draw_dot
from amt_perception.drawing.mesh import draw_mesh
from amt_perception.grasp.object_input import ObjectCloud
from amt_perception.grasp.predictor import GraspProposal
from amt_perception.hand.joints import WRIST, Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.model import HandModel

PIXELS = 560
FIELD_OF_VIEW_DEG = 30.0
MARGIN = 1.05
VIEWS_DEG = (60.0, -60.0, 180.0)
"""About the object's z."""
TILT_DEG = 20.0
"""The camera looks down by this."""
OBJECT_COLOUR, SKIN_COLOUR = (226, 188, 70), (224, 172, 140)
HAND_OPACITY = 0.8
"""The object shows through where the hand covers it."""
BACKGROUND = 248
POINT_PIXELS = 3.0


class ManoPictures:
    """Draws grasps of one object with the generic hand. Raises AmtError without torch or smplx."""

    def __init__(self, cloud: ObjectCloud, side: Side) -> None:
        self._cloud = cloud
        self._hand = HandModel(load_hand_model(side))
        self._camera = Intrinsics.from_field_of_view(PIXELS, PIXELS, FIELD_OF_VIEW_DEG)

    def grasp(self, proposal: GraspProposal) -> list[np.ndarray]:
        """Pictures [PIXELS, PIXELS, 3] uint8 RGB of the hand, one for each view."""
        vertices, _ = self.posed(proposal)
        seen = np.concatenate([self._cloud.points, vertices])
        pictures = []
        for view in VIEWS_DEG:
            rotation, offset = self._look(seen, view)
            picture = self._object(rotation, offset)
            skin = vertices @ rotation.T + offset
            faces = self._hand.data.faces
            draw_mesh(picture, skin, faces, self._camera, SKIN_COLOUR, HAND_OPACITY)
            pictures.append(picture)
        return pictures

    def posed(self, proposal: GraspProposal) -> tuple[np.ndarray, np.ndarray]:
        """Skin [778, 3] and joints [21, 3] in the project's order: object frame (m)."""
        wrist = Rotation.from_matrix(proposal.rotation).as_rotvec()
        pose = np.concatenate([wrist[None], proposal.joints])
        with torch.no_grad():
            vertices, joints = self._hand(
                torch.tensor(pose, dtype=torch.float32)[None],
                torch.tensor(proposal.shape, dtype=torch.float32)[None],
                torch.zeros(1, 3),
            )
        offset = proposal.position - joints[0, WRIST].double().numpy()
        return vertices[0].double().numpy() + offset, joints[0].double().numpy() + offset

    def _look(self, seen: np.ndarray, view: float) -> tuple[np.ndarray, np.ndarray]:
        """Rotation [3, 3] and offset [3] of the object frame to a camera that sees points [n, 3].

        At view 0 it stands on the x axis, tilted, z up.
        """
        upright = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
        turn = Rotation.from_euler("z", view, degrees=True).as_matrix()
        tilt = Rotation.from_euler("x", TILT_DEG, degrees=True).as_matrix()
        rotation = tilt @ upright @ turn.T
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2.0
        radius = float(np.linalg.norm(seen - middle, axis=1).max())
        distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW_DEG / 2.0))
        return rotation, (0.0, 0.0, distance) - rotation @ middle

    def _object(self, rotation: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """The object alone: its mesh, or its points."""
        cloud = self._cloud
        picture = np.full((PIXELS, PIXELS, 3), BACKGROUND, np.uint8)
        if cloud.vertices is not None and cloud.faces is not None:
            vertices = cloud.vertices @ rotation.T + offset
            draw_mesh(picture, vertices, cloud.faces, self._camera, OBJECT_COLOUR, 1.0)
        else:
            for pixel in self._camera.project(cloud.points @ rotation.T + offset):
                draw_dot(picture, pixel, OBJECT_COLOUR, POINT_PIXELS)
        return picture
