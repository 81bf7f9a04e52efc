"""A sheet of grasps of the functional set: the hand, the object and the part to be touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.drawing.text import GREY, WHITE, draw_chip
from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write
from amt_retarget.errors import RetargetError
from amt_retarget.simulation.engine import OPENGL_HINT, import_mujoco
from amt_retarget.simulation.grasp_trial import joint_addresses
from amt_retarget.simulation.hand_and_object import (
    OBJECT_GROUP,
    add_studio,
    build_hand_and_object,
    place_palm,
)
from amt_retarget.simulation.model import VISUAL_GROUP
from amt_training.functional.catalogue import SPLITS
from amt_training.functional.storage import StoredGrasps, read_grasps

if TYPE_CHECKING:
    import mujoco

SIZE, COLUMNS, MOST_TILES = 300, 8, 48
"""Of a tile (pixels); of the sheet (tiles)."""
FIELD_OF_VIEW, ELEVATION, SIDE = 30.0, -22.0, 70.0
"""Degrees; SIDE is from the direction in which the palm looks."""
MARGIN = 1.2
"""Room about the object and the middles of the hand's shapes."""
PART_COLOUR, PART_RADIUS_M = (0.86, 0.10, 0.18, 1.0), 0.0018
_ANY_MASS_KG = 1.0


def draw_sheet(path: Path, folder: Path) -> None:
    """Write a PNG with a grasp of every family and part of a set, up to MOST_TILES.

    Dots mark the part. Raises AmtError when there is no grasp, or without MuJoCo or OpenGL.
    """
    import cv2

    try:
        tiles = [draw_grasp(stored, grasp) for stored, grasp in _chosen(folder)]
    except RetargetError as error:
        raise AmtError(str(error)) from error
    if not tiles:
        raise AmtError(f"{folder} has no grasps to draw")
    columns = min(COLUMNS, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    _, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())


def draw_grasp(stored: StoredGrasps, grasp: int) -> np.ndarray:
    """[SIZE, SIZE, 3] uint8 RGB of one grasp. Raises RetargetError without MuJoCo or OpenGL."""
    mujoco = import_mujoco()
    one = stored.object
    spec = build_hand_and_object("ur5e", "right", one.vertices, one.faces, _ANY_MASS_KG)
    add_studio(spec)
    spec.visual.global_.offwidth = spec.visual.global_.offheight = SIZE
    spec.visual.global_.fovy = FIELD_OF_VIEW
    model = spec.compile()
    place_palm(model, stored.rotation[grasp], stored.position[grasp])
    data = mujoco.MjData(model)
    data.qpos[joint_addresses(model)] = stored.joints[grasp]
    mujoco.mj_forward(model, data)
    seen = np.concatenate([one.vertices, data.geom_xpos])
    option = mujoco.MjvOption()
    option.geomgroup[:] = 0
    option.geomgroup[[OBJECT_GROUP, VISUAL_GROUP]] = 1
    try:
        with mujoco.Renderer(model, SIZE, SIZE) as renderer:
            renderer.update_scene(data, _camera(stored.rotation[grasp], seen), option)
            for point in one.points[one.point_part == stored.part[grasp]]:
                _add_dot(renderer.scene, point)
            picture: np.ndarray = renderer.render().copy()
    except mujoco.FatalError as error:
        raise RetargetError(f"{OPENGL_HINT} ({error})") from error
    part = one.part_names[stored.part[grasp]]
    draw_chip(picture, [(one.name, WHITE, True), (part, GREY, False)], 6, 6, 11)
    return picture


def _chosen(folder: Path) -> Iterator[tuple[StoredGrasps, int]]:
    """The first grasp of every part of the first object of every family that has one."""
    seen: set[tuple[str, int]] = set()
    for split in SPLITS:
        for path in sorted((folder / split).glob("*.safetensors")):
            stored = read_grasps(path)
            for part in np.unique(stored.part):
                key = (stored.object.family, int(part))
                if key not in seen and len(seen) < MOST_TILES:
                    seen.add(key)
                    yield stored, int(np.argmax(stored.part == part))


def _camera(rotation: np.ndarray, seen: np.ndarray) -> mujoco.MjvCamera:
    """A camera that sees points [n, 3] from one side of a palm with a rotation [3, 3]."""
    # Of a palm that looks up or down the fingers tell where they point.
    level = max(rotation[:, 0], rotation[:, 2], key=lambda axis: float(np.hypot(*axis[:2])))
    camera = import_mujoco().MjvCamera()
    camera.azimuth = np.degrees(np.arctan2(level[1], level[0])) + SIDE
    camera.elevation = ELEVATION
    camera.lookat = 0.5 * (seen.min(axis=0) + seen.max(axis=0))
    radius = np.linalg.norm(seen - camera.lookat, axis=1).max()
    camera.distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW / 2.0))
    return camera


def _add_dot(scene: mujoco.MjvScene, point: np.ndarray) -> None:
    """One more ball in the picture, while there is room."""
    if scene.ngeom >= scene.maxgeom:
        return
    mujoco = import_mujoco()
    mujoco.mjv_initGeom(
        scene.geoms[scene.ngeom],
        mujoco.mjtGeom.mjGEOM_SPHERE,
        np.full(3, PART_RADIUS_M),
        point.astype(float),
        np.eye(3).ravel(),
        np.array(PART_COLOUR, np.float32),
    )
    scene.ngeom += 1
