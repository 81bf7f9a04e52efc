"""The synthetic world: scene by scene, each from its own seed, in any order and any process."""

from __future__ import annotations

from collections.abc import Iterator

from amt_training.synthetic.scene import Shot
from amt_training.synthetic.settings import WorldSettings


class World:
    """The train, val or test part of the world.

    Raises AmtError for a mesh that cannot be read, and when MuJoCo cannot draw.
    """

    def __init__(self, settings: WorldSettings, part: str) -> None:
        self.settings = settings
        self.part = part

    def __len__(self) -> int:
        """Scenes."""
        return int(getattr(self.settings, self.part))

    def shots(self, scene: int) -> Iterator[Shot]:
        """The frames of a scene."""
        raise NotImplementedError
