"""Pictures of a trial: frames for a video, and a sheet that shows it at one look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.simulation.engine import OPENGL_HINT, import_mujoco
from amt_retarget.simulation.grasp_trial import WATCH_S, GraspTrial, TrialObject
from amt_retarget.simulation.hand_and_object import OBJECT, OBJECT_GROUP
from amt_retarget.simulation.lift_trial import LIFT, LiftTrial
from amt_retarget.simulation.model import VISUAL_GROUP

if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]
"""[HEIGHT, WIDTH, 3] RGB."""

FRAME_S = 2 * WATCH_S
"""Between two frames: a video of one over this many a second runs in real time."""
VERDICT_FRAMES = 12
"""The last frame stays so long, with what became of the grasp."""

VIEW_WIDTH, HEIGHT = 480, 480
WIDTH = 2 * VIEW_WIDTH
FIELD_OF_VIEW = 30.0
"""Of the camera, degrees (MuJoCo's fovy)."""
SIDES = (70.0, -110.0)
"""Directions of sight: degrees about z from where the palm looks. One is from behind its one side,
the other from before its other side."""
LEVEL = 0.4
"""Length of a direction's horizontal part from which on it tells a side."""
ELEVATION = -18.0
MARGIN = 1.15
PALM_CORNERS = np.array([[0.0, y, z] for y in (-0.06, 0.06) for z in (-0.095, 0.10)])
"""[4, 3] of the palm and half of its fingers in palm_link (m): a picture holds them."""

ARROW_M, ARROW_RADIUS_M = 0.05, 0.005
ARROW_COLOUR = (0.86, 0.10, 0.18, 1.0)
TEXT_COLOUR, TEXT_SIZE = (40, 44, 52), 24
HELD_COLOUR, LOST_COLOUR = (24, 128, 56), (190, 24, 36)


class TrialFilm:
    """Draws a trial while it runs: give it to `run` as `watch`, then call `finish`.

    Two views from both sides of the palm. Use it as a context manager, or call `close`. Raises
    RetargetError without OpenGL or Pillow.

    Attributes:
        frames: pictures [HEIGHT, WIDTH, 3] (RGB), FRAME_S apart.
    """

    def __init__(
        self, trial: GraspTrial | LiftTrial, thing: TrialObject, grasp: RobotGrasp
    ) -> None:
        self._mujoco = import_mujoco()
        self._model = trial.model
        self._model.vis.global_.offwidth, self._model.vis.global_.offheight = VIEW_WIDTH, HEIGHT
        self._model.vis.global_.fovy = FIELD_OF_VIEW
        self._thing = thing
        self._lifts = isinstance(trial, LiftTrial)
        self._cameras = [self._camera(side, thing, grasp) for side in SIDES]
        self._calls = 0
        self.frames: list[Picture] = []
        self._last: dict[str, Picture] = {}
        try:
            self._renderer = self._mujoco.Renderer(self._model, HEIGHT, VIEW_WIDTH)
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise RetargetError(f"{OPENGL_HINT} ({error})") from error

    def __enter__(self) -> TrialFilm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def __call__(self, data: mujoco.MjData, phase: str) -> None:
        """Draw every second time; the physics stays as it is."""
        self._calls += 1
        if self._calls % round(FRAME_S / WATCH_S):
            return
        picture = captioned(np.hstack([self._render(data, each) for each in self._cameras]), phase)
        self.frames.append(picture)
        self._last[phase] = picture

    def finish(self, held: bool, verdict: str) -> None:
        """End the film with what became of the grasp; its last picture stays for a second.

        A film of a trial that ended before anything moved has no frames.
        """
        if not self.frames:
            return
        text = f"held: {verdict}" if held else verdict
        colour = HELD_COLOUR if held else LOST_COLOUR
        last = captioned(self.frames[-1], text, colour, line=1)
        self.frames += [last] * VERDICT_FRAMES

    def sheet(self) -> Picture:
        """The end of every phase, two in a row: [rows * HEIGHT, 2 * WIDTH, 3].

        Raises RetargetError for a film without frames.
        """
        if not self.frames:
            raise RetargetError("There is nothing to draw: the trial ended before it began.")
        pictures = [*self._last.values(), self.frames[-1]]
        if len(pictures) % 2:
            pictures.insert(0, self.frames[0])
        rows = [np.hstack(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
        return np.vstack(rows)

    def _camera(self, side: float, thing: TrialObject, grasp: RobotGrasp) -> mujoco.MjvCamera:
        """A camera that sees object and hand from one side of the palm."""
        palm = PALM_CORNERS @ grasp.rotation.T + grasp.position
        seen = np.concatenate([thing.vertices, palm])
        if self._lifts:
            seen = np.concatenate([seen, seen + LIFT])
        level = grasp.rotation[:, 0]
        if np.hypot(*level[:2]) < LEVEL:  # it looks up or down: go by where its fingers point
            level = grasp.rotation[:, 2]
        camera = self._mujoco.MjvCamera()
        camera.azimuth = np.degrees(np.arctan2(level[1], level[0])) + side
        camera.elevation = ELEVATION
        camera.lookat = (seen.min(axis=0) + seen.max(axis=0)) / 2.0
        radius = np.linalg.norm(seen - camera.lookat, axis=1).max()
        camera.distance = MARGIN * radius / np.sin(np.radians(FIELD_OF_VIEW / 2.0))
        return camera

    def _render(self, data: mujoco.MjData, camera: mujoco.MjvCamera) -> Picture:
        option = self._mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[[OBJECT_GROUP, VISUAL_GROUP]] = 1
        self._renderer.update_scene(data, camera, option)
        self._draw_push(data)
        return self._renderer.render()

    def _draw_push(self, data: mujoco.MjData) -> None:
        """An arrow at the side of the object that a force pushes on, towards its centre of mass."""
        body = self._model.body(OBJECT).id
        force = data.xfrc_applied[body, :3]
        size = float(np.linalg.norm(force))
        if size == 0.0:
            return
        direction = force / size
        vertices = self._thing.vertices @ data.xmat[body].reshape(3, 3).T + data.xpos[body]
        depth = np.max((data.xipos[body] - vertices) @ direction)
        end = data.xipos[body] - depth * direction
        scene, arrow = self._renderer.scene, self._mujoco.mjtGeom.mjGEOM_ARROW
        geom = scene.geoms[scene.ngeom]
        colour = np.array(ARROW_COLOUR, np.float32)
        self._mujoco.mjv_initGeom(geom, arrow, np.zeros(3), np.zeros(3), np.eye(3).ravel(), colour)
        start = end - ARROW_M * direction
        self._mujoco.mjv_connector(geom, arrow, ARROW_RADIUS_M, start, end)
        scene.ngeom += 1


def captioned(
    picture: Picture, text: str, colour: tuple[int, int, int] = TEXT_COLOUR, line: int = 0
) -> Picture:
    """A picture with a line of text at its upper left. Raises RetargetError without Pillow."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise RetargetError("Pictures of trials need Pillow: pip install Pillow") from error
    image = Image.fromarray(picture)
    font = ImageFont.load_default(size=TEXT_SIZE)
    ImageDraw.Draw(image).text((16, 12 + line * 1.4 * TEXT_SIZE), text, fill=colour, font=font)
    return np.asarray(image)
