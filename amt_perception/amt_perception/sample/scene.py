"""Draws a hand, and objects that it holds, with MuJoCo: any pose, shape, light and backdrop."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from ctypes.util import find_library
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.model_data import HandModelData
from amt_perception.sample.appearance import SKIN_TEXTURE_SIZE, skin_texture
from amt_perception.sample.look import Look
from amt_perception.sample.objects import OBJECTS, add_objects
from amt_perception.sample.posed_hand import PosedHand

if TYPE_CHECKING:
    import mujoco

OPENGL_HINT = (
    "MuJoCo cannot draw without OpenGL: on Debian or Ubuntu run "
    "`apt install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri` and set MUJOCO_GL=egl"
)
LIT_HALF_WIDTH = 0.2
"""The shadow map covers so much around the hand (m)."""
OUT_OF_SIGHT = (0.0, 0.0, -10.0)
"""Behind the camera: where objects are that a picture does not show (m)."""
BLINDING = 1e3
"""Brightness at which everything is white."""


class HandObjectScene:
    """Pictures of one hand and some objects by a pinhole camera. A context manager, or `close`.

    intrinsics: without distortion, square pixels and a centred principal point. data: the hand to
    draw, left or right. Everything is in the camera frame (OpenCV axes), metres and radians. Raises
    AmtError when MuJoCo is not installed or finds no OpenGL.
    """

    def __init__(self, intrinsics: Intrinsics, data: HandModelData) -> None:
        self._mujoco = import_mujoco()
        self._hand = PosedHand(data)
        spec = self._camera_and_light(intrinsics)
        self._add_materials(spec)
        add_objects(spec, self._mujoco)
        at_rest = self._hand.surfaces(np.zeros((16, 3)), np.zeros(10), np.zeros(3))
        skin = add_skin(spec, "skin", at_rest.skin, self._hand.skin_faces)
        skin.texcoord = self._hand.skin_coordinates.ravel().tolist()
        add_skin(spec, "sleeve", at_rest.sleeve, self._hand.sleeve_faces)
        self._model = spec.compile()
        self._data = self._mujoco.MjData(self._model)
        self._plain = self._mujoco.MjvOption()
        self._plain.flags[self._mujoco.mjtVisFlag.mjVIS_TEXTURE] = False
        try:
            self._renderer = self._mujoco.Renderer(self._model, intrinsics.height, intrinsics.width)
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise AmtError(f"{OPENGL_HINT} ({error})") from error
        self._renderer.scene.flags[self._mujoco.mjtRndFlag.mjRND_SKYBOX] = False

    def __enter__(self) -> HandObjectScene:
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

    def render(
        self,
        pose: np.ndarray,
        shape: np.ndarray,
        translation: np.ndarray,
        backdrop: np.ndarray,
        *,
        elbow: np.ndarray | None = None,
        objects: Mapping[str, np.ndarray] | None = None,
        look: Look | None = None,
    ) -> np.ndarray:
        """Picture [height, width, 3] uint8 RGB.

        pose: [16, 3] axis-angle, mean included, shape: [10] and translation: [3] as of MANO;
        backdrop: [height, width, 3] uint8 RGB, what is behind; elbow: [3] where the forearm comes
        from, None for a straight wrist; objects: 4x4 pose in the camera frame of each object that
        is there, by its name in `objects.OBJECTS`; look: None for the built-in clip's.
        """
        surfaces = self._hand.surfaces(pose, shape, translation, elbow)
        self._model.skin_vert[:] = np.vstack(surfaces)
        self._set_look(look or Look(), surfaces.skin.mean(axis=0))
        self._set_objects(objects or {})
        self._mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, "camera")
        picture = self._renderer.render()
        behind = 255 - self._silhouette()
        # What is drawn is dark where the backdrop shows through, so that the two add up.
        return picture + (backdrop * (behind / np.float32(255.0))).astype(np.uint8)

    def _silhouette(self) -> np.ndarray:
        """[height, width, 1] uint8: 255 inside hand and objects, between on their outlines.

        The same picture without textures and shadows, in a light that leaves only white.
        """
        flags, scene = self._mujoco.mjtRndFlag, self._renderer.scene
        self._renderer.update_scene(self._data, "camera", self._plain)
        scene.flags[flags.mjRND_SHADOW] = False
        for light in range(scene.nlight):
            scene.lights[light].ambient[:] = BLINDING
        white = self._renderer.render()
        scene.flags[flags.mjRND_SHADOW] = True
        return white.max(axis=2, keepdims=True)

    def _set_look(self, look: Look, lit_point: np.ndarray) -> None:
        model = self._model
        ray = np.array(look.lamp_direction) / np.linalg.norm(look.lamp_direction)
        model.light_dir[0], model.light_pos[0] = ray, lit_point - 0.5 * ray
        model.light_diffuse[0] = look.lamp
        model.vis.headlight.ambient[:] = look.ambient
        model.mat_rgba[model.material("skin").id, :3] = look.skin
        # MuJoCo leaves out what is wholly transparent.
        model.mat_rgba[model.material("sleeve").id] = (*look.sleeve, 1.0) if look.sleeve else 0.0

    def _set_objects(self, objects: Mapping[str, np.ndarray]) -> None:
        for name in set(objects) - set(OBJECTS):
            raise AmtError(f"No object is called {name!r}; there are {', '.join(OBJECTS)}.")
        self._data.mocap_pos[:] = OUT_OF_SIGHT
        for name, pose in objects.items():
            body = self._model.body(name).mocapid[0]
            self._data.mocap_pos[body] = pose[:3, 3]
            quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
            self._data.mocap_quat[body] = quaternion[[3, 0, 1, 2]]

    def _camera_and_light(self, intrinsics: Intrinsics) -> mujoco.MjSpec:
        """The world's frame is the camera's."""
        mujoco = self._mujoco
        vertical = float(np.degrees(2.0 * np.arctan(0.5 * intrinsics.height / intrinsics.fy)))
        spec = mujoco.MjSpec()
        spec.visual.global_.offwidth = intrinsics.width
        spec.visual.global_.offheight = intrinsics.height
        spec.visual.quality.offsamples = 4
        spec.visual.quality.shadowsize = 2048
        spec.visual.map.znear = 0.02
        spec.visual.map.shadowclip = LIT_HALF_WIDTH
        spec.stat.extent = 1.0
        spec.visual.headlight.diffuse, spec.visual.headlight.specular = [0.22] * 3, [0.0] * 3
        # MuJoCo's cameras look along -z with y up: a half turn about x from OpenCV's axes.
        spec.worldbody.add_camera(name="camera", xyaxes=[1, 0, 0, 0, -1, 0], fovy=vertical)
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, specular=[0.15] * 3, castshadow=True
        )
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
        spec.add_material(name="sleeve", specular=0.0, shininess=0.0)


def add_skin(
    spec: mujoco.MjSpec, name: str, vertices: np.ndarray, faces: np.ndarray
) -> mujoco.MjsSkin:
    """A surface in the material of its name, whose vertices can be moved: a skin on a still bone.

    MuJoCo sends a skin's vertices to the GPU for every picture, a mesh's only once.
    """
    body = spec.worldbody.add_body(name=f"bone of {name}")
    # A body needs a geometry; this one is never seen.
    body.add_geom(size=[0.001, 0, 0], rgba=[0, 0, 0, 0], contype=0, conaffinity=0)
    skin = spec.add_skin(name=name, material=name)
    skin.vert, skin.face = vertices.ravel().tolist(), faces.ravel().tolist()
    skin.bodyname = [body.name]
    skin.bindpos, skin.bindquat = [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
    skin.vertid, skin.vertweight = [list(range(len(vertices)))], [[1.0] * len(vertices)]
    return skin


def import_mujoco() -> ModuleType:
    """Import MuJoCo; where there is no display, let it draw through EGL.

    MuJoCo reads MUJOCO_GL once, at its first import. A value that the user set stays.
    """
    headless = sys.platform == "linux" and not os.environ.get("DISPLAY")
    if headless and "MUJOCO_GL" not in os.environ and find_library("EGL"):
        os.environ["MUJOCO_GL"] = "egl"
    try:
        import mujoco
    except ModuleNotFoundError as error:
        raise AmtError("Drawing hands needs MuJoCo: pip install mujoco") from error
    except (ImportError, AttributeError, OSError) as error:  # PyOpenGL without its libraries
        raise AmtError(f"{OPENGL_HINT} ({error})") from error
    return mujoco
