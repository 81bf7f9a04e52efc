"""A picture of a grasp: the person's hand and the robot's, before and at the grasp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.human import HumanGrasp, fingertip_contacts
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

Array = NDArray[np.float64]

BASES = (1, 5, 9, 13, 17)
BONES = [*((0, base) for base in BASES), (5, 9), (9, 13), (13, 17)]
BONES += [(base + i, base + i + 1) for base in BASES for i in range(3)]
"""Of the skeleton, in OpenPose's order; the palm is drawn with its edges."""

SKIN = (0.88, 0.66, 0.53, 1.0)
CONTACT = (0.86, 0.10, 0.18, 1.0)
TOUCHED = (0.86, 0.10, 0.18, 0.25)
BONE_RADIUS_M, CONTACT_RADIUS_M, TOUCHED_RADIUS_M = 0.007, 0.004, 0.0016
PALM_END = np.array([[0.0, -0.06, -0.095], [0.0, 0.06, -0.095]])
"""[2, 3] the palm's corners at the wrist in palm_link (m): a picture holds them."""

OBJECT_MASS_KG = 1.0
"""Any: a picture knows no forces."""

WIDTH, HEIGHT = 560, 620
FIELD_OF_VIEW = 30.0
"""Of the camera, degrees (MuJoCo's fovy)."""
MARGIN = 1.25
"""Room about what is to be seen."""
VIEWS = (60.0, -60.0, 180.0)
"""Directions of sight: degrees about the object's z, from behind the person's palm."""
ELEVATION = -14.0


class GraspRenderer:
    """Draws a hand and an object. Use it as a context manager, or call `close`.

    vertices [V, 3] (m) and faces [F, 3] are the object's mesh.
    Raises RetargetError without MuJoCo or OpenGL.
    """

    def __init__(self, robot: Robot, vertices: Array, faces: NDArray[np.int64]) -> None:
        self._mujoco = import_mujoco()
        self._model = self._build(robot, vertices, faces)
        self._data = self._mujoco.MjData(self._model)
        self._joints = [
            self._model.joint(HAND_PREFIX + name).qposadr[0] for name in HAND_JOINT_NAMES
        ]
        try:
            self._renderer = self._mujoco.Renderer(self._model, HEIGHT, WIDTH)
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise RetargetError(f"{OPENGL_HINT} ({error})") from error

    def __enter__(self) -> GraspRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def person(self, grasp: HumanGrasp, camera: mujoco.MjvCamera) -> NDArray[np.uint8]:
        """Picture [HEIGHT, WIDTH, 3] of the person's skeleton, with all that it touches."""
        self._update(camera, show_robot=False)
        sphere, capsule = self._mujoco.mjtGeom.mjGEOM_SPHERE, self._mujoco.mjtGeom.mjGEOM_CAPSULE
        for start, end in BONES:
            geom = self._add(capsule, np.zeros(3), BONE_RADIUS_M, SKIN)
            self._mujoco.mjv_connector(
                geom, capsule, BONE_RADIUS_M, grasp.joints[start], grasp.joints[end]
            )
        for points in grasp.contacts.values():
            for point in points:
                self._add(sphere, point, TOUCHED_RADIUS_M, TOUCHED)
        self._mark(grasp)
        return self._renderer.render()

    def robot(
        self,
        rotation: Array,
        position: Array,
        joints: Array,
        grasp: HumanGrasp,
        camera: mujoco.MjvCamera,
    ) -> NDArray[np.uint8]:
        """Picture [HEIGHT, WIDTH, 3] of the robot's hand, palm pose and joints as in RobotGrasp."""
        place_palm(self._model, rotation, position)
        self._data.qpos[self._joints] = joints
        self._update(camera, show_robot=True)
        self._mark(grasp)
        return self._renderer.render()

    def camera(self, view: float, forward: Array, seen: Array) -> mujoco.MjvCamera:
        """A camera that sees points [n, 3], `view` degrees from the direction forward [3]."""
        camera = self._mujoco.MjvCamera()
        camera.azimuth = np.degrees(np.arctan2(forward[1], forward[0])) + view
        camera.elevation = ELEVATION
        camera.lookat = (seen.min(axis=0) + seen.max(axis=0)) / 2.0
        radius = np.linalg.norm(seen - camera.lookat, axis=1).max()
        camera.distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW / 2.0))
        return camera

    def _build(self, robot: Robot, vertices: Array, faces: NDArray[np.int64]) -> mujoco.MjModel:
        """Hand and object before a light sky."""
        spec = build_hand_and_object(robot.arm, robot.hand, vertices, faces, OBJECT_MASS_KG)
        add_studio(spec)
        spec.visual.global_.offwidth, spec.visual.global_.offheight = WIDTH, HEIGHT
        spec.visual.global_.fovy = FIELD_OF_VIEW
        return spec.compile()

    def _update(self, camera: mujoco.MjvCamera, show_robot: bool) -> None:
        self._mujoco.mj_forward(self._model, self._data)
        option = self._mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[OBJECT_GROUP] = 1
        option.geomgroup[VISUAL_GROUP] = show_robot
        self._renderer.update_scene(self._data, camera, option)

    def _mark(self, grasp: HumanGrasp) -> None:
        """A ball at every contact that the robot is to keep."""
        for contact in fingertip_contacts(grasp).values():
            sphere = self._mujoco.mjtGeom.mjGEOM_SPHERE
            self._add(sphere, contact.point, CONTACT_RADIUS_M, CONTACT)

    def _add(
        self, kind: Any, position: Array, radius: float, colour: tuple[float, ...]
    ) -> mujoco.MjvGeom:
        """One more shape in the picture, which no physics knows."""
        scene = self._renderer.scene
        if scene.ngeom >= scene.maxgeom:
            raise RetargetError("The grasp has too many contact points to draw: give fewer.")
        geom = scene.geoms[scene.ngeom]
        self._mujoco.mjv_initGeom(
            geom,
            kind,
            np.full(3, radius),
            position,
            np.eye(3).ravel(),
            np.array(colour, np.float32),
        )
        scene.ngeom += 1
        return geom


def draw_grasp(
    path: Path,
    robot: Robot,
    mesh: tuple[Array, NDArray[np.int64]],
    grasp: HumanGrasp,
    result: RobotGrasp,
    title: str,
) -> None:
    """Write a PNG: columns for the person, the pre-grasp and the grasp; a row for every view.

    mesh: vertices [V, 3] (m) and faces [F, 3] of the object. Raises RetargetError without MuJoCo,
    OpenGL or matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RetargetError("Drawing a grasp needs matplotlib: pip install matplotlib") from error

    open_hand = (result.pre_grasp_rotation, result.pre_grasp_position, result.pre_grasp)
    closed_hand = (result.rotation, result.position, result.joints)
    palms = [PALM_END @ turn.T + position for turn, position, _ in (open_hand, closed_hand)]
    seen = np.concatenate([mesh[0], grasp.joints, *palms])
    rows = []
    with GraspRenderer(robot, *mesh) as renderer:
        for view in VIEWS:
            camera = renderer.camera(view, grasp.frame.rotation[:, 0], seen)
            rows.append(
                [
                    renderer.person(grasp, camera),
                    renderer.robot(*open_hand, grasp, camera),
                    renderer.robot(*closed_hand, grasp, camera),
                ]
            )

    errors = [1000.0 * error for error in result.contact_errors.values()]
    captions = (
        "the person",
        f"before: {1000 * result.opening:.0f} mm open",
        f"the robot: contacts within {max(errors):.1f} mm",
    )
    inches = 3.0
    figure = Figure(figsize=(3 * inches, len(VIEWS) * inches * HEIGHT / WIDTH + 0.8), dpi=150)
    axes = figure.subplots(len(VIEWS), 3)
    for row, pictures in zip(axes, rows, strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture)
            axis.axis("off")
    for axis, caption in zip(axes[0], captions, strict=True):
        axis.set_title(caption, fontsize=11)
    figure.suptitle(title, fontsize=12, x=0.01, ha="left", parse_math=False)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.93, 0.01, 0.01)
    figure.savefig(path)
