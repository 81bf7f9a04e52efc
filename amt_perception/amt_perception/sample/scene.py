"""Draws a hand with MuJoCo: a skin over 16 finger bones and a forearm, in a room."""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TO_21, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.sample.appearance import (
    ROOM_SIZE,
    SKIN_TEXTURE_SIZE,
    SLEEVE,
    room,
    skin_coordinates,
    skin_texture,
)
from amt_perception.sample.mesh import FOREARM, Mesh, hand_and_forearm, sleeve, smooth

if TYPE_CHECKING:
    import mujoco

OPENGL_HINT = (
    "MuJoCo cannot draw without OpenGL: on Debian or Ubuntu run "
    "`apt install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri` and set MUJOCO_GL=egl"
)
ELBOW = (0.03, 0.36, 0.50)
"""Where the forearm comes from, in the camera frame (m)."""
LIGHT_DIRECTION = (-0.45, 0.75, 0.9)
"""Of the lamp's rays, in the camera frame: from above, right of the camera."""
LIT_POINT, LIT_HALF_WIDTH = (0.0, 0.02, 0.46), 0.2
"""What the shadow map covers, in the camera frame (m)."""


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
        self._add_materials(spec)
        joints, _ = self._kinematics.rest(np.zeros(10))
        bones = np.vstack([joints, joints[0]])  # the forearm turns about the wrist
        self._add_bones(spec, len(bones))
        hand = smooth(hand_and_forearm(data))
        skin = _add_skin(spec, "skin", hand, bones)
        skin.texcoord = skin_coordinates(data, hand).ravel().tolist()
        _add_skin(spec, "sleeve", smooth(sleeve(data)), bones)
        self._model = spec.compile()
        self._data = self._mujoco.MjData(self._model)
        try:
            self._renderer = self._mujoco.Renderer(self._model, intrinsics.height, intrinsics.width)
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

    def _room(self, intrinsics: Intrinsics) -> mujoco.MjSpec:
        """Camera, light and backdrop; the world's frame is the camera's."""
        mujoco = self._mujoco
        width, height = intrinsics.width, intrinsics.height
        vertical = float(np.degrees(2.0 * np.arctan(0.5 * height / intrinsics.fy)))
        spec = mujoco.MjSpec()
        spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
        spec.visual.quality.offsamples = 4
        spec.visual.quality.shadowsize = 2048
        spec.visual.map.znear = 0.02
        spec.visual.map.shadowclip = LIT_HALF_WIDTH
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
        # A sky is neither lit nor shadowed. Of its six faces the camera sees the third, bottom up.
        faces = np.zeros((6, ROOM_SIZE, ROOM_SIZE, 3), dtype=np.uint8)
        faces[2] = room(0.5 * width / intrinsics.fx, 0.5 * height / intrinsics.fy)[::-1]
        sky = spec.add_texture(
            name="room", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            width=ROOM_SIZE, height=6 * ROOM_SIZE, nchannel=3,
        )  # fmt: skip
        sky.data = faces.tobytes()
        return spec

    def _add_materials(self, spec: mujoco.MjSpec) -> None:
        """The person's skin and the sleeve's cloth."""
        texture = spec.add_texture(
            name="skin", type=self._mujoco.mjtTexture.mjTEXTURE_2D,
            width=SKIN_TEXTURE_SIZE, height=SKIN_TEXTURE_SIZE, nchannel=3,
        )  # fmt: skip
        texture.data = skin_texture().tobytes()
        skin = spec.add_material(name="skin", specular=0.12, shininess=0.2)
        skin.textures[self._mujoco.mjtTextureRole.mjTEXROLE_RGB] = "skin"
        cloth = [value / 255 for value in SLEEVE]
        spec.add_material(name="sleeve", rgba=[*cloth, 1.0], specular=0.0, shininess=0.0)

    def _add_bones(self, spec: mujoco.MjSpec, count: int) -> None:
        """Bodies that go where they are told."""
        for number in range(count):
            body = spec.worldbody.add_body(name=_bone(number), mocap=True)
            # A body needs a geometry; this one is never seen.
            body.add_geom(
                type=self._mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.001, 0, 0], rgba=[0, 0, 0, 0],
                contype=0, conaffinity=0,
            )  # fmt: skip


def _bone(number: int) -> str:
    return f"bone{number}"


def _add_skin(spec: mujoco.MjSpec, name: str, mesh: Mesh, bones: np.ndarray) -> mujoco.MjsSkin:
    """A skin in the material of its name; bones: [17, 3] where they are at rest."""
    moved = [np.flatnonzero(column > 1e-4) for column in mesh.weights.T]
    moving = [number for number, vertices in enumerate(moved) if len(vertices)]
    skin = spec.add_skin(name=name, material=name)
    skin.vert, skin.face = mesh.vertices.ravel().tolist(), mesh.faces.ravel().tolist()
    skin.bodyname = [_bone(number) for number in moving]
    skin.bindpos = bones[moving].ravel().tolist()
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
