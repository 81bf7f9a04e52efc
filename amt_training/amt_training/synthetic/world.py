"""The synthetic world: scene by scene, each from its own seed, in any order and any process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_training.synthetic.camera_faults import photograph, random_faults
from amt_training.synthetic.cameras import draw_camera
from amt_training.synthetic.looks import random_look
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.renderer import WorldRenderer
from amt_training.synthetic.scene import Moment, Shot
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.stage import draw_moments
from amt_training.synthetic.touches import touches_of

_PARTS = ("train", "val", "test")
_SIDES, _STAGE, _VIEW = 0, 1, 2
"""What a generator of random numbers is for."""
_STAGES = 50
"""Stages that are drawn until one can be seen as the settings ask; mostly it is the first."""


Stage = tuple[str, list[Moment]]
"""An activity and its moments, in a frame whose z axis points up."""


class _Drawn(NamedTuple):
    """The stages of a scene and of its other views that were drawn already."""

    stage: int
    random: np.random.Generator
    stages: list[Stage]


class World:
    """The train, val or test part of the world.

    The parts have nothing in common: neither objects nor hands nor cameras; val and test see focal
    lengths that training never does. Raises AmtError for a mesh that cannot be read, and when
    MuJoCo cannot draw.
    """

    def __init__(self, settings: WorldSettings, part: str) -> None:
        self.settings = settings
        self.part = part
        self.library = ObjectLibrary(part, settings)
        self._renderer: WorldRenderer | None = None
        self._drawn: _Drawn | None = None

    def __len__(self) -> int:
        """Scenes."""
        return int(getattr(self.settings, self.part))

    def sides(self, scene: int) -> tuple[Side, ...]:
        """The hands of a scene, without drawing it."""
        random = self._random(self._stage(scene), _SIDES)
        first, second = random.permutation([Side.LEFT, Side.RIGHT])
        both = random.random() < self.settings.two_hands
        return (Side(first), Side(second)) if both else (Side(first),)

    def shots(self, scene: int) -> Iterator[Shot]:
        """The frames of a scene."""
        settings, random = self.settings, self._random(scene, _VIEW)
        for stage in itertools.islice(self._stages(scene), _STAGES):
            activity, moments = stage
            middle = moments[len(moments) // 2]
            seen = draw_camera(middle, settings, random, all_lenses=self.part != "train")
            if seen is not None:
                break
        else:
            raise AmtError(
                "no camera sees a hand as large as data.hand_pixels asks: widen it, data.focal or "
                "data.distance"
            )
        camera, transform = seen
        look, faults = random_look(random, settings), random_faults(random)
        if self._renderer is None:
            self._renderer = WorldRenderer(self.library, settings.width, settings.height)
        for moment in moments:
            moment = moment.moved(transform)
            picture = self._renderer.render(moment, camera, look)
            image = photograph(picture.image, faults, random)
            yield Shot(
                camera=camera,
                moment=moment,
                picture=replace(picture, image=image),
                touches=touches_of(moment, self.library),
                activity=activity,
            )

    def _stages(self, scene: int) -> Iterator[Stage]:
        """What could be seen in a scene, without end. The last scene's are kept for other views."""
        stage = self._stage(scene)
        if self._drawn is None or self._drawn.stage != stage:
            self._drawn = _Drawn(stage, self._random(stage, _STAGE), [])
        for number in itertools.count():
            if number == len(self._drawn.stages):
                self._drawn.stages.append(
                    draw_moments(self.library, self.settings, self._drawn.random, self.sides(scene))
                )
            yield self._drawn.stages[number]

    def _stage(self, scene: int) -> int:
        """The first of the scenes with the same hands and objects."""
        views = self.settings.views if self.part == "train" else 1
        return scene - scene % views

    def _random(self, scene: int, purpose: int) -> np.random.Generator:
        if not 0 <= scene < len(self):
            raise AmtError(f"there is no scene {scene} among {len(self)}")
        return np.random.default_rng((self.settings.seed, _PARTS.index(self.part), scene, purpose))

    def __getstate__(self) -> dict[str, Any]:
        """For another process: what draws stays behind and is made there anew."""
        return self.__dict__ | {"_renderer": None, "_drawn": None}
