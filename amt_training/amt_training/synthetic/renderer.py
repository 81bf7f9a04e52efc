"""Draws moments with MuJoCo: image, depth and mask, through any pinhole camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.sample.appearance import SKIN_TEXTURE_SIZE, skin_texture
from amt_perception.sample.posed_hand import PosedHand
from amt_perception.sample.scene import OPENGL_HINT, add_skin, import_mujoco
from amt_training.synthetic.looks import CELL, CELLS, MOST_OBJECTS, Look
from amt_training.synthetic.scene import (
    FIRST_OBJECT,
    LEFT_HAND,
    LEFT_SLEEVE,
    RIGHT_HAND,
    RIGHT_SLEEVE,
    Hand,
    Moment,
    Picture,
)
from amt_training.synthetic.shadow import in_shadow
from amt_training.synthetic.solids import add_backdrop, add_body, add_solid

if TYPE_CHECKING:
    import mujoco

    from amt_training.synthetic.objects.library import ObjectLibrary

NEAR, FAR = 0.03, 40.0
"""What the camera sees, in depth (m)."""
LIT_HALF_WIDTH = 0.3
"""The shadow map covers so much around the hands (m)."""
BACKDROP_WIDTH = 8.0
"""Of the backdrop (m): so far off that it fills the picture, it is behind everything."""
SHOWN, HIDDEN = 0, 5
"""MuJoCo draws groups 0 to 2."""
MASK_OF = {
    "left skin": LEFT_HAND, "right skin": RIGHT_HAND,
    "left sleeve": LEFT_SLEEVE, "right sleeve": RIGHT_SLEEVE,
}  # fmt: skip


class WorldRenderer:
    """Pictures of hands and the objects of a library, until `close`.

    Raises AmtError when MuJoCo is not installed or finds no OpenGL.
    """

    def __init__(self, library: ObjectLibrary, width: int, height: int) -> None:
        """width, height: of the pictures (pixels)."""
        self._mujoco = mujoco = import_mujoco()
        self._size = width, height
        self._hands = {side: PosedHand(generic_hand(side), 1) for side in (Side.LEFT, Side.RIGHT)}
        self._kinematics = {
            side: HandKinematics(generic_hand(side)) for side in (Side.LEFT, Side.RIGHT)
        }
        spec = self._camera_and_lights()
        self._add_materials(spec)
        add_backdrop(spec, "backdrop", BACKDROP_WIDTH, BACKDROP_WIDTH * height / width)
        for number, solid in library.objects.items():
            add_solid(spec, f"object {number}", solid, CELLS)
        for slot in range(MOST_OBJECTS):
            add_body(spec, f"slot {slot}", f"object {min(library.objects)}", f"surface {slot}")
        for side, hand in self._hands.items():
            at_rest = hand.surfaces(np.zeros((16, 3)), np.zeros(10), np.zeros(3))
            name = side.name.lower()
            skin = add_skin(spec, f"{name} skin", at_rest.skin, hand.skin_faces)
            skin.texcoord = hand.skin_coordinates.ravel().tolist()
            skin.material = "skin"
            add_skin(spec, f"{name} sleeve", at_rest.sleeve, hand.sleeve_faces).material = "sleeve"
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._look: Look | None = None
        try:
            self._context = mujoco.GLContext(width, height)
            self._context.make_current()
            self._drawing = mujoco.MjrContext(
                self._model, mujoco.mjtFontScale.mjFONTSCALE_100.value
            )
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise AmtError(f"{OPENGL_HINT} ({error})") from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._drawing)
        self._drawing.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR.value
        self._scene = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom + 16)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = False
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._drawing.free()
        self._context.free()

    def render(self, moment: Moment, camera: Intrinsics, look: Look) -> Picture:
        """What the camera sees of a moment in its frame.

        camera: of the renderer's size, without distortion. Raises AmtError for more than
        MOST_OBJECTS objects.
        """
        self._context.make_current()
        self._set_look(look)
        middle = self._set_hands(moment.hands, look)
        self._set_objects(moment)
        self._set_lights(look, middle)
        self._set_backdrop(camera)
        mujoco, scene = self._mujoco, self._scene
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value, scene,
        )  # fmt: skip
        self._aim(camera)
        mask, depth = self._draw_mask()
        behind = look.backdrop
        if look.shadows:
            behind = in_shadow(behind, mask, camera, look, float(middle[2]))
        self._upload("backdrop", behind)
        flags = mujoco.mjtRndFlag
        scene.flags[flags.mjRND_SHADOW] = look.shadows
        scene.flags[flags.mjRND_SEGMENT] = scene.flags[flags.mjRND_IDCOLOR] = False
        image = self._draw(None)
        return Picture(image, depth, mask)

    def _draw_mask(self) -> tuple[np.ndarray, np.ndarray]:
        """[H, W] uint8 and the depth [H, W] float32 (m)."""
        flags, scene = self._mujoco.mjtRndFlag, self._scene
        # What has no number is left out, and the red channel holds one more than the number.
        for index in range(scene.ngeom):
            scene.geoms[index].segid = self._mask_number(scene.geoms[index]) - 1
        scene.flags[flags.mjRND_SHADOW] = False
        scene.flags[flags.mjRND_SEGMENT] = scene.flags[flags.mjRND_IDCOLOR] = True
        width, height = self._size
        buffer = np.empty((height, width), dtype=np.float32)
        mask = np.ascontiguousarray(self._draw(buffer)[..., 0])
        return mask, np.where(mask > 0, _metric(buffer[::-1]), np.float32(np.inf))

    def _draw(self, depth: np.ndarray | None) -> np.ndarray:
        """[H, W, 3] uint8; depth [H, W] float32 is filled with OpenGL's, lowest row first."""
        width, height = self._size
        image = np.empty((height, width, 3), dtype=np.uint8)
        window = self._mujoco.MjrRect(0, 0, width, height)
        self._mujoco.mjr_render(window, self._scene, self._drawing)
        self._mujoco.mjr_readPixels(image, depth, window, self._drawing)
        return np.ascontiguousarray(image[::-1])

    def _aim(self, camera: Intrinsics) -> None:
        """MuJoCo's two eyes, both at the origin, with the camera's frustum.

        Pixels have their centres at whole numbers: the picture begins at -0.5.
        """
        width, height = self._size
        for eye in self._scene.camera:
            eye.pos, eye.forward, eye.up = np.zeros(3), np.array([0, 0, 1]), np.array([0, -1, 0])
            eye.frustum_center = NEAR * (0.5 * width - 0.5 - camera.cx) / camera.fx
            eye.frustum_width = NEAR * 0.5 * width / camera.fx
            eye.frustum_top = NEAR * (camera.cy + 0.5) / camera.fy
            eye.frustum_bottom = NEAR * (camera.cy + 0.5 - height) / camera.fy
            eye.frustum_near, eye.frustum_far = NEAR, FAR

    def _set_hands(self, hands: tuple[Hand, ...], look: Look) -> np.ndarray:
        """Show the moment's hands; gives the middle of all of them [3]."""
        model, shown = self._model, []
        model.skin_group[:] = HIDDEN
        for hand in hands:
            name = hand.side.name.lower()
            rest, _ = self._kinematics[hand.side].rest(hand.shape)
            surfaces = self._hands[hand.side].surfaces(
                hand.pose, hand.shape, hand.wrist - rest[0], hand.elbow
            )
            shown.append(hand.wrist)
            self._move_skin(f"{name} skin", surfaces.skin)
            if look.sleeves:
                self._move_skin(f"{name} sleeve", surfaces.sleeve)
        return np.mean(shown, axis=0)

    def _move_skin(self, name: str, vertices: np.ndarray) -> None:
        skin = self._model.skin(name)
        start = int(skin.vertadr[0])
        self._model.skin_vert[start : start + len(vertices)] = vertices
        self._model.skin_group[skin.id] = SHOWN

    def _set_objects(self, moment: Moment) -> None:
        """Each object of the moment takes a slot, which takes the object's mesh."""
        if len(moment.objects) > MOST_OBJECTS:
            raise AmtError(
                f"{len(moment.objects)} objects cannot be drawn at a time, only {MOST_OBJECTS}"
            )
        model = self._model
        model.geom_group[:] = HIDDEN
        model.geom_group[model.geom("backdrop").id] = SHOWN
        for slot, placed in enumerate(moment.objects):
            geom, mesh = model.geom(f"slot {slot}").id, model.mesh(f"object {placed.number}").id
            model.geom_group[geom], model.geom_dataid[geom] = SHOWN, mesh
            # MuJoCo's meshes have a frame of their own, which need not be the body's.
            model.geom_sameframe[geom] = self._mujoco.mjtSameFrame.mjSAMEFRAME_NONE
            model.geom_pos[geom], model.geom_quat[geom] = (
                model.mesh_pos[mesh],
                model.mesh_quat[mesh],
            )
            body = model.body(f"slot {slot}").mocapid[0]
            self._data.mocap_pos[body] = placed.pose[:3, 3]
            quaternion = Rotation.from_matrix(placed.pose[:3, :3]).as_quat()
            self._data.mocap_quat[body] = quaternion[[3, 0, 1, 2]]

    def _set_backdrop(self, camera: Intrinsics) -> None:
        """Move it to where it just fills the picture."""
        width, height = self._size
        depth = BACKDROP_WIDTH * min(camera.fx / width, camera.fy / width) * 0.999
        across = (0.5 * width - 0.5 - camera.cx) / camera.fx
        down = (0.5 * height - 0.5 - camera.cy) / camera.fy
        body = self._model.body("backdrop").mocapid[0]
        self._data.mocap_pos[body] = depth * np.array([across, down, 1.0])

    def _set_lights(self, look: Look, middle: np.ndarray) -> None:
        model = self._model
        model.vis.headlight.ambient[:] = look.ambient
        for number, lamp in enumerate(look.lamps):
            ray = np.array(lamp.direction) / np.linalg.norm(lamp.direction)
            model.light_dir[number], model.light_pos[number] = ray, middle - 0.6 * ray
            model.light_diffuse[number] = lamp.colour

    def _set_look(self, look: Look) -> None:
        """Textures and materials, when they are not those of the last picture."""
        if look is self._look:
            return
        model = self._model
        self._upload("skin", skin_texture(look.skin))
        for slot, surface in enumerate(look.objects):
            self._upload(f"surface {slot}", surface.texture)
            material = model.material(f"surface {slot}").id
            model.mat_specular[material] = surface.gloss
            model.mat_shininess[material] = 0.1 + 0.8 * surface.gloss
        skin = model.material("skin").id
        model.mat_specular[skin] = 0.25 * look.skin_gloss
        if look.sleeves:
            model.mat_rgba[model.material("sleeve").id, :3] = look.sleeves
        self._look = look

    def _upload(self, name: str, picture: np.ndarray) -> None:
        texture = self._model.texture(name)
        start = int(texture.adr[0])
        self._model.tex_data[start : start + picture.size] = picture.ravel()
        self._mujoco.mjr_uploadTexture(self._model, self._drawing, texture.id)

    def _mask_number(self, geom: mujoco.MjvGeom) -> int:
        """Its number in the mask, 0 for the backdrop."""
        if geom.objtype == self._mujoco.mjtObj.mjOBJ_SKIN:
            return MASK_OF[self._model.skin(geom.objid).name]
        kind, _, slot = self._model.geom(geom.objid).name.partition(" ")
        return FIRST_OBJECT + int(slot) if kind == "slot" else 0

    def _camera_and_lights(self) -> mujoco.MjSpec:
        """The world's frame is the camera's."""
        mujoco = self._mujoco
        spec = mujoco.MjSpec()
        spec.visual.global_.offwidth, spec.visual.global_.offheight = self._size
        spec.visual.quality.offsamples = 0
        spec.visual.quality.shadowsize = 1024
        spec.visual.map.shadowclip = LIT_HALF_WIDTH
        spec.stat.extent = 1.0
        spec.visual.headlight.diffuse, spec.visual.headlight.specular = [0.0] * 3, [0.0] * 3
        for shadow in (True, False):
            spec.worldbody.add_light(
                type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, specular=[0.4] * 3, castshadow=shadow
            )
        return spec

    def _add_materials(self, spec: mujoco.MjSpec) -> None:
        """One each for skin, sleeves and backdrop, and one for each object that can be seen."""
        sizes = {"skin": (SKIN_TEXTURE_SIZE, SKIN_TEXTURE_SIZE), "backdrop": self._size}
        for slot in range(MOST_OBJECTS):
            sizes[f"surface {slot}"] = (CELLS[0] * CELL, CELLS[1] * CELL)
        for name, (width, height) in sizes.items():
            texture = spec.add_texture(
                name=name, type=self._mujoco.mjtTexture.mjTEXTURE_2D,
                width=width, height=height, nchannel=3,
            )  # fmt: skip
            texture.data = bytes(3 * width * height)
            material = spec.add_material(name=name, shininess=0.3)
            material.textures[self._mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        spec.material("backdrop").emission = 1.0
        spec.material("backdrop").specular = 0.0
        spec.add_material(name="sleeve", specular=0.0, shininess=0.0)


def _metric(buffer: np.ndarray) -> np.ndarray:
    """Depth (m) from an OpenGL depth buffer that is 1 at NEAR and 0 at FAR."""
    near, far = np.float32(NEAR), np.float32(FAR)
    return near * far / (near + buffer * (far - near))
