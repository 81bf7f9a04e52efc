"""Draws a hand with MuJoCo: a skin over 16 finger bones and a forearm, in a room."""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TO_21, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.sample.appearance import SLEEVE, room, skin_coordinates, skin_texture
from amt_perception.sample.mesh import (
    FOREARM,
    Mesh,
    hand_and_forearm,
    sleeve,
    subdivide,
)

OPENGL_HINT = (
    "MuJoCo cannot draw without OpenGL: on Debian or Ubuntu run "
    "`apt install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri` and set MUJOCO_GL=egl"
)
ELBOW = (0.03, 0.36, 0.50)
"""Where the forearm comes from, in the camera frame (m)."""
ROOM_DEPTH_M = 5.0
LIGHT_DIRECTION = (-0.45, 0.75, 0.9)
"""Of the lamp's rays, in the camera frame: over the person's right shoulder."""
SHADOW_HALF_WIDTH_M = 0.25
LIT_POINT = (0.0, 0.0, 0.45)
"""Middle of the shadows' map, in the camera frame (m)."""


class HandScene:
    """Pictures of a right generic hand by a pinhole camera. A context manager, or call `close`.

    intrinsics: without distortion, square pixels and a centred principal point. Raises AmtError
    when MuJoCo is not installed or finds no OpenGL.
    """

    def __init__(self, intrinsics: Intrinsics) -> None:
        self._mujoco = _import_mujoco()
        data = generic_hand(Side.RIGHT)
        self._kinematics = HandKinematics(data)
        spec = self._room(intrinsics)
        joints, _ = self._kinematics.rest(np.zeros(10))
        bind = np.vstack([joints, joints[0]])  # the forearm turns about the wrist
        bones = [f"bone{number}" for number in range(len(bind))]
        for bone in bones:
            body = spec.worldbody.add_body(name=bone, mocap=True)
            # A body needs a geometry; this one is never seen.
            body.add_geom(
                type=self._mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.001, 0, 0], rgba=[0, 0, 0, 0],
                contype=0, conaffinity=0,
            )  # fmt: skip
        hand = subdivide(subdivide(hand_and_forearm(data)))
        skin = self._add_skin(spec, "hand", hand, bind, bones)
        skin.texcoord = skin_coordinates(data, hand).ravel().tolist()
        self._add_skin(spec, "sleeve", subdivide(subdivide(sleeve(data))), bind, bones)
        self._model = spec.compile()
        self._data = self._mujoco.MjData(self._model)
        try:
            self._renderer = self._mujoco.Renderer(
                self._model, intrinsics.height, intrinsics.width
            )
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise AmtError(f"{OPENGL_HINT} ({error})") from error

    def __enter__(self) -> HandScene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def render(self, pose: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """Picture [height, width, 3] uint8 RGB of a pose [16, 3] with MANO's translation [3].

        Both in the camera frame (OpenCV axes), rad and m.
        """
        rotations = Rotation.from_matrix(self._kinematics.global_rotations(pose))
        joints21 = self._kinematics.joints21(pose, np.zeros(10), translation)
        joints = joints21[np.argsort(MANO_TO_21)[:FOREARM]]
        # The shortest turn of the hand's own forearm towards the elbow: a bend of the wrist.
        along = rotations[0].apply([1.0, 0.0, 0.0])
        bend, _ = Rotation.align_vectors([np.array(ELBOW) - joints[0]], [along])
        quaternions = Rotation.concatenate([rotations, bend * rotations[0]]).as_quat()
        self._data.mocap_pos[:] = np.vstack([joints, joints[0]])
        self._data.mocap_quat[:] = quaternions[:, [3, 0, 1, 2]]
        self._mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, "camera")
        return self._renderer.render()

    def _room(self, intrinsics: Intrinsics) -> Any:
        """Camera, light, materials and backdrop; the world's frame is the camera's."""
        mujoco = self._mujoco
        width, height = intrinsics.width, intrinsics.height
        vertical = float(np.degrees(2.0 * np.arctan(0.5 * height / intrinsics.fy)))
        spec = mujoco.MjSpec()
        spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
        spec.visual.quality.offsamples = 8
        spec.visual.quality.shadowsize = 2048
        spec.visual.map.znear = 0.02
        spec.visual.map.shadowclip = SHADOW_HALF_WIDTH_M
        spec.stat.extent = 1.0
        headlight = spec.visual.headlight
        headlight.ambient, headlight.diffuse, headlight.specular = [0.45] * 3, [0.22] * 3, [0.0] * 3
        # MuJoCo's cameras look along -z with y up: a half turn about x from OpenCV's axes.
        spec.worldbody.add_camera(name="camera", xyaxes=[1, 0, 0, 0, -1, 0], fovy=vertical)
        direction = np.array(LIGHT_DIRECTION) / np.linalg.norm(LIGHT_DIRECTION)
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, dir=direction.tolist(),
            pos=(LIT_POINT - 0.5 * direction).tolist(), diffuse=[0.6] * 3, specular=[0.15] * 3,
            castshadow=True,
        )  # fmt: skip
        self._add_texture(spec, "hand", skin_texture(), specular=0.12, shininess=0.2)
        cloth = np.tile(np.array(SLEEVE, dtype=np.uint8), (2, 2, 1))
        self._add_texture(spec, "sleeve", cloth, specular=0.0, shininess=0.0)
        self._add_texture(spec, "room", room(width, height), specular=0.0, shininess=0.0)
        half = ROOM_DEPTH_M * np.tan(0.5 * np.radians(vertical))
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE, material="room", pos=[0, 0, ROOM_DEPTH_M],
            xyaxes=[1, 0, 0, 0, -1, 0], size=[half * width / height, half, 1],
            contype=0, conaffinity=0,
        )  # fmt: skip
        return spec

    def _add_texture(
        self, spec: Any, name: str, pixels: np.ndarray, specular: float, shininess: float
    ) -> None:
        """A texture, and a material of the same name that shows it once."""
        height, width, channels = pixels.shape
        texture = spec.add_texture(
            name=name, type=self._mujoco.mjtTexture.mjTEXTURE_2D,
            width=width, height=height, nchannel=channels,
        )  # fmt: skip
        texture.data = pixels.tobytes()
        material = spec.add_material(name=name, specular=specular, shininess=shininess)
        material.textures[self._mujoco.mjtTextureRole.mjTEXROLE_RGB] = name

    def _add_skin(
        self, spec: Any, name: str, mesh: Mesh, bind: np.ndarray, bones: list[str]
    ) -> Any:
        """A skin over the bones; bind: [B, 3] where they are at rest."""
        skin = spec.add_skin(name=name, material=name)
        skin.vert, skin.face = mesh.vertices.ravel().tolist(), mesh.faces.ravel().tolist()
        skin.texcoord = [0.5] * (2 * len(mesh.vertices))
        moved = [np.flatnonzero(column > 1e-4) for column in mesh.weights.T]
        moving = [number for number, vertices in enumerate(moved) if len(vertices)]
        skin.bodyname = [bones[number] for number in moving]
        skin.bindpos = bind[moving].ravel().tolist()
        skin.bindquat = np.tile([1.0, 0.0, 0.0, 0.0], len(moving)).tolist()
        skin.vertid = [moved[number].tolist() for number in moving]
        skin.vertweight = [mesh.weights[moved[number], number].tolist() for number in moving]
        return skin


def _import_mujoco() -> ModuleType:
    """Import MuJoCo; where there is no display, let it draw through EGL.

    MuJoCo reads MUJOCO_GL once, at its first import. A value that the user set stays.
    """
    headless = sys.platform == "linux" and not os.environ.get("DISPLAY")
    if headless and "MUJOCO_GL" not in os.environ and find_library("EGL"):
        os.environ["MUJOCO_GL"] = "egl"
    try:
        import mujoco
    except ModuleNotFoundError as error:
        raise AmtError("The built-in sample needs MuJoCo: pip install mujoco") from error
    except (ImportError, AttributeError, OSError) as error:  # PyOpenGL without its libraries
        raise AmtError(f"{OPENGL_HINT} ({error})") from error
    return mujoco
