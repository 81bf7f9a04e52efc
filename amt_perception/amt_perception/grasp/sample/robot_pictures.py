"""Pictures of the Allegro hand at a grasp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull

from amt_perception.grasp.object_input import ObjectCloud
from amt_retarget.errors import RetargetError
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.description import HAND_JOINT_NAMES
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.engine import OPENGL_HINT, import_mujoco
from amt_retarget.simulation.hand_and_object import (
    HAND_PREFIX,
    OBJECT_GROUP,
    add_studio,
    build_hand_and_object,
    place_palm,
)
from amt_retarget.simulation.model import VISUAL_GROUP

if TYPE_CHECKING:
    import mujoco

WIDTH = HEIGHT = 560
FIELD_OF_VIEW_DEG = 30.0
MARGIN = 1.05
VIEWS_DEG = (60.0, -60.0, 180.0)
"""Directions of sight about the object's z, from behind the palm."""
ELEVATION_DEG = -20.0
WRIST_CORNERS = np.array([[0.0, -0.06, -0.095], [0.0, 0.06, -0.095]])
"""[2, 3] the palm's corners at the wrist in palm_link (m): a picture holds them."""
CLOUD_POINT_M = 0.002
"""Radius of the balls that show an object without a mesh."""
MASS_KG = 1.0
"""Any: a picture knows no forces."""
OBJECT_COLOUR = (0.93, 0.76, 0.22, 1.0)


class RobotPictures:
    """Draws grasps of one object. Use it as a context manager, or call `close`.

    Raises RetargetError without MuJoCo or OpenGL.
    """

    def __init__(self, robot: Robot, cloud: ObjectCloud) -> None:
        self._mujoco = import_mujoco()
        self._cloud = cloud
        self._model = self._build(robot)
        self._data = self._mujoco.MjData(self._model)
        names = [HAND_PREFIX + name for name in HAND_JOINT_NAMES]
        self._joints = [self._model.joint(name).qposadr[0] for name in names]
        self._links = [
            body
            for body in range(self._model.nbody)
            if self._model.body(body).name.startswith(HAND_PREFIX)
        ]
        try:
            self._renderer = self._mujoco.Renderer(self._model, HEIGHT, WIDTH)
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise RetargetError(f"{OPENGL_HINT} ({error})") from error

    def __enter__(self) -> RobotPictures:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def grasp(self, grasp: RobotGrasp) -> list[np.ndarray]:
        """Pictures [HEIGHT, WIDTH, 3] uint8 RGB of the hand that touches, one for each view."""
        place_palm(self._model, grasp.rotation, grasp.position)
        self._data.qpos[self._joints] = grasp.joints
        self._mujoco.mj_forward(self._model, self._data)
        wrist = WRIST_CORNERS @ grasp.rotation.T + grasp.position
        seen = np.concatenate([self._cloud.points, wrist, self._data.xpos[self._links]])
        forward = np.degrees(np.arctan2(grasp.rotation[1, 0], grasp.rotation[0, 0]))
        pictures = []
        for view in VIEWS_DEG:
            self._look(seen, forward + view)
            if self._cloud.surface_points is not None:
                self._add_points(self._cloud.surface_points)
            pictures.append(self._renderer.render())
        return pictures

    def _build(self, robot: Robot) -> mujoco.MjModel:
        """Hand and object before a light sky."""
        cloud = self._cloud
        if cloud.vertices is not None and cloud.faces is not None:
            vertices, faces = cloud.vertices, cloud.faces
        else:
            hull = ConvexHull(cloud.points)  # stands for the object in the model, is not shown
            vertices, faces = cloud.points, hull.simplices
        spec = build_hand_and_object(robot.arm, robot.hand, vertices, faces, MASS_KG)
        add_studio(spec)
        spec.visual.global_.offwidth, spec.visual.global_.offheight = WIDTH, HEIGHT
        spec.visual.global_.fovy = FIELD_OF_VIEW_DEG
        return spec.compile()

    def _look(self, seen: np.ndarray, azimuth: float) -> None:
        """Begin a picture that holds the points seen [n, 3] (m); azimuth: degrees."""
        camera = self._mujoco.MjvCamera()
        camera.azimuth, camera.elevation = azimuth, ELEVATION_DEG
        camera.lookat = (seen.min(axis=0) + seen.max(axis=0)) / 2.0
        radius = np.linalg.norm(seen - camera.lookat, axis=1).max()
        camera.distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW_DEG / 2.0))
        option = self._mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[OBJECT_GROUP] = self._cloud.vertices is not None
        option.geomgroup[VISUAL_GROUP] = True
        self._renderer.update_scene(self._data, camera, option)

    def _add_points(self, points: np.ndarray) -> None:
        """Balls at points [n, 3] (m) in this picture only, as many as the scene has room for."""
        scene = self._renderer.scene
        for point in points[: scene.maxgeom - scene.ngeom]:
            self._mujoco.mjv_initGeom(
                scene.geoms[scene.ngeom],
                self._mujoco.mjtGeom.mjGEOM_SPHERE,
                np.full(3, CLOUD_POINT_M),
                point.astype(float),
                np.eye(3).ravel(),
                np.array(OBJECT_COLOUR, np.float32),
            )
            scene.ngeom += 1
