"""A recording studio: a ring of fixed, calibrated cameras round what happens on a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.joints import Side
from amt_training.synthetic.backdrops import random_backdrop
from amt_training.synthetic.camera_faults import Faults, photograph, random_faults
from amt_training.synthetic.geometry import hand_joints
from amt_training.synthetic.looks import Look, random_look
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.renderer import WorldRenderer
from amt_training.synthetic.scene import Moment, Picture
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.stage import draw_moments

LENSES = tuple(
    Intrinsics(612.0 + 1.5 * one, 611.5 + 1.5 * one, 316.0 + one, 244.5 - one, 640, 480)
    for one in range(8)
)
"""Eight cameras of one make: none is exactly like another."""
DISTANCE_M = 0.65
"""From the cameras to the middle of what happens (m)."""
_ELEVATIONS = (0.45, 0.9)
"""Of one camera and the next above the horizon (rad)."""
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Recording:
    """A hand and objects in motion, seen by every camera of the studio."""

    activity: str
    moments: tuple[Moment, ...]
    """In the stage's frame, z up."""
    from_stage: np.ndarray
    """[C, 4, 4] from the stage's frame to each camera's."""
    looks: tuple[Look, ...]
    """Through each camera: the same things in the same light before another wall."""
    faults: tuple[Faults, ...]
    """Of each camera."""
    seed: tuple[int, ...]


class Studio:
    """Draws recordings of one hand. Each comes from its own seed, in any order and any process.

    Raises AmtError where MuJoCo cannot draw.
    """

    def __init__(
        self, library: ObjectLibrary, settings: WorldSettings, lenses: Sequence[Intrinsics]
    ) -> None:
        self.library, self.settings, self.lenses = library, settings, tuple(lenses)
        self._renderer: WorldRenderer | None = None

    def recording(self, seed: tuple[int, ...], side: Side) -> Recording:
        """What happens, without pictures."""
        random = np.random.default_rng(seed)
        activity, moments = draw_moments(self.library, self.settings, random, (side,))
        from_stage = _ring(moments, len(self.lenses))
        look = random_look(random, self.settings)
        walls = [random_backdrop(random, lens.width, lens.height) for lens in self.lenses]
        return Recording(
            activity=activity,
            moments=tuple(moments),
            from_stage=from_stage,
            looks=tuple(
                _turned(look, transform[:3, :3] @ from_stage[0, :3, :3].T, wall)
                for transform, wall in zip(from_stage, walls, strict=True)
            ),
            faults=tuple(random_faults(random) for _ in self.lenses),
            seed=seed,
        )

    def picture(self, recording: Recording, camera: int, frame: int) -> Picture:
        """What a camera's file shows of a frame, and the true depth and mask."""
        lens = self.lenses[camera]
        if self._renderer is None:
            self._renderer = WorldRenderer(self.library, lens.width, lens.height)
        moment = recording.moments[frame].moved(recording.from_stage[camera])
        picture = self._renderer.render(moment, lens, recording.looks[camera])
        noise = np.random.default_rng((*recording.seed, camera, frame))
        return replace(picture, image=photograph(picture.image, recording.faults[camera], noise))

    def __getstate__(self) -> dict[str, Any]:
        """For another process: what draws stays behind and is made there anew."""
        return self.__dict__ | {"_renderer": None}


def _ring(moments: Sequence[Moment], count: int) -> np.ndarray:
    """[count, 4, 4] from the stage's frame to upright cameras round the hand's way, looking at it.

    One after the other they stand 3/8 of the ring apart, so that the first few see the most.
    """
    centre = np.mean([hand_joints(moment.hands[0]).mean(axis=0) for moment in moments], axis=0)
    transforms = np.tile(np.eye(4), (count, 1, 1))
    for number, transform in enumerate(transforms):
        azimuth, elevation = 0.75 * np.pi * number, _ELEVATIONS[number % 2]
        across = np.cos(elevation)
        away = np.array([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)])
        right = np.cross(-away, _UP)
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(-away, right), -away])
        transform[:3, :3], transform[:3, 3] = turn, -turn @ (centre + DISTANCE_M * away)
    return transforms


def _turned(look: Look, turn: np.ndarray, backdrop: np.ndarray) -> Look:
    """The same things in the same light, seen by a camera that is turned by [3, 3]."""
    first, second = (
        replace(lamp, direction=tuple((turn @ lamp.direction).tolist())) for lamp in look.lamps
    )
    return replace(look, lamps=(first, second), backdrop=backdrop)
