"""Draws the person's hand into the scene in which the robot stands, seen as the robot is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from amt_perception.drawing.skeleton import FINGER_COLOURS, PALM_COLOUR
from amt_perception.hand.joints import BASES, BONES
from amt_retarget.errors import RetargetError
from amt_retarget.simulation.engine import OPENGL_HINT, import_mujoco
from amt_retarget.simulation.renderer import AZIMUTH, ELEVATION, VERTICAL_FIELD_OF_VIEW
from amt_retarget.simulation.scene import add_scene

DISTANCE_M = 0.42
"""From the camera to the hand; the Allegro, which is larger, is seen from 0.54 m."""
MIDDLE_KNUCKLE = BASES[2]
BONE_RADIUS_M = 0.0045
JOINT_RADIUS_M = 0.0065
KNUCKLES = tuple(pairwise(BASES))
"""Links across the palm; they are no bones but make it read as one."""


class SkeletonRenderer:
    """Pictures of the 21 joints and their bones. Call `close` when done.

    The camera follows the middle knuckle but not the hand's rotation, and looks in the direction
    of `RobotRenderer`'s view "hand", which follows the base of the middle finger.
    """

    def __init__(self, width: int, height: int) -> None:
        self._mujoco = import_mujoco()
        spec = self._mujoco.MjSpec()
        add_scene(spec)
        spec.visual.global_.offwidth = width
        spec.visual.global_.offheight = height
        spec.visual.global_.fovy = VERTICAL_FIELD_OF_VIEW
        spec.visual.quality.offsamples = 0
        for light in spec.lights:
            light.castshadow = False
        self._model = spec.compile()
        self._data = self._mujoco.MjData(self._model)
        self._mujoco.mj_forward(self._model, self._data)
        try:
            self._renderer = self._mujoco.Renderer(self._model, height, width)
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise RetargetError(f"{OPENGL_HINT} ({error})") from error

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def render(self, joints: np.ndarray) -> np.ndarray:
        """Picture [height, width, 3] (RGB) of joints [21, 3] in the base frame (m)."""
        camera = self._mujoco.MjvCamera()
        camera.azimuth, camera.elevation = AZIMUTH["hand"], ELEVATION["hand"]
        camera.distance = DISTANCE_M
        camera.lookat = joints[MIDDLE_KNUCKLE]
        self._renderer.update_scene(self._data, camera)
        palm = (*(channel / 255 for channel in PALM_COLOUR), 1.0)
        for parent, child in (*BONES, *KNUCKLES):
            of_palm = parent == 0 or (parent, child) in KNUCKLES
            colour = palm if of_palm else _finger_colour(child)
            self._add_bone(joints[parent], joints[child], BONE_RADIUS_M, colour)
        for joint, point in enumerate(joints):
            colour = palm if joint == 0 else _finger_colour(joint)
            tiny = np.array([0.0, 0.0, 1e-5])
            self._add_bone(point - tiny, point + tiny, JOINT_RADIUS_M, colour)
        return self._renderer.render()

    def _add_bone(
        self, start: np.ndarray, end: np.ndarray, radius: float, colour: tuple[float, ...]
    ) -> None:
        mujoco, scene = self._mujoco, self._renderer.scene
        geom = scene.geoms[scene.ngeom]
        capsule = mujoco.mjtGeom.mjGEOM_CAPSULE
        mujoco.mjv_initGeom(
            geom, capsule, np.zeros(3), np.zeros(3), np.zeros(9), np.array(colour, np.float32)
        )
        mujoco.mjv_connector(geom, capsule, radius, start, end)
        geom.specular, geom.shininess = 0.3, 0.4
        scene.ngeom += 1


def _finger_colour(joint: int) -> tuple[float, ...]:
    return (*(channel / 255 for channel in FINGER_COLOURS[(joint - 1) // 4]), 1.0)
