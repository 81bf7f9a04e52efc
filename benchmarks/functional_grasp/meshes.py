"""Real objects' meshes: of eight ranked grasps, how many hold? With a picture of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.grasp.object_input import ObjectCloud, load_object
from amt_perception.grasp.predictor import GraspPredictor
from amt_perception.grasp.sample.robot_grasps import refined
from amt_perception.output.files import atomic_write
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import GraspTrial, TrialObject
from amt_retarget.simulation.trial_film import TrialFilm

if TYPE_CHECKING:
    import mujoco

MESHES = {
    "mug": "pick the mug up by its body",
    "cup_vhacd": "hold the cup",
    "banana": "hold the banana",
    "ycb_006_mustard_bottle": "hold the bottle",
    "ycb_003_cracker_box": "hold the box",
}
"""Files of DATA/meshes, without .obj, and what is asked for."""
GRASPS = 8
COLUMNS = 2


@dataclass(frozen=True)
class MeshResult:
    """Of one mesh."""

    held: int
    """Of GRASPS."""
    reasons: tuple[str, ...]
    """Why each was not held, the best ranked first; empty for one that was."""


def try_mesh(
    predictor: GraspPredictor, robot: Robot, path: Path, instruction: str, picture: Path
) -> MeshResult:
    """Draw, rank and refine grasps as the command does, and try GRASPS of them.

    Writes a picture of the closed hands.

    Raises AmtError for a mesh that cannot be used, RetargetError without MuJoCo or OpenGL.
    """
    cloud = load_object(path)
    thing = _trial_object(cloud)
    trial = GraspTrial(robot, thing)
    reasons, pictures = [], []
    proposals = predictor.sample(cloud, instruction, predictor.drawn(GRASPS))
    for _, grasp in refined(robot, cloud, proposals, GRASPS):
        with TrialFilm(trial, thing, grasp) as film:
            result = trial.run(grasp, partial(_squeeze_alone, film))
            film.finish(result.held, result.reason or "all pushes")
            if film.frames:
                pictures.append(film.frames[-1])
        reasons.append(result.reason)
    if pictures:
        _write_sheet(picture, pictures)
    return MeshResult(reasons.count(""), tuple(reasons))


def _squeeze_alone(film: TrialFilm, data: mujoco.MjData, phase: str) -> None:
    """Draws the hand while it closes, not the pushes."""
    if phase == "squeeze":
        film(data, phase)


def _trial_object(cloud: ObjectCloud) -> TrialObject:
    assert cloud.vertices is not None and cloud.faces is not None  # it was a mesh
    return TrialObject.from_mesh(cloud.vertices, cloud.faces)


def _write_sheet(path: Path, pictures: list[np.ndarray]) -> None:
    """All pictures [H, W, 3], half as large, COLUMNS in a row."""
    from PIL import Image

    small = [picture[::2, ::2] for picture in pictures]
    small += [np.full_like(small[0], 255)] * (-len(small) % COLUMNS)
    rows = [np.hstack(small[i : i + COLUMNS]) for i in range(0, len(small), COLUMNS)]
    with atomic_write(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, quality=85)
