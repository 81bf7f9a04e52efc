"""Which object is which over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from amt_perception.estimators.interface import ObjectEstimate

MATCH_DISTANCE_M = 0.1
"""An object of the same class that is farther than this from where it was is another one; grows
with the time that it was not seen."""
FASTEST = 2.0
"""Of an object in a hand (m/s)."""
FORGOTTEN_S = 1.0


@dataclass
class _Seen:
    track_id: str
    class_name: str
    position: np.ndarray
    time: float


class ObjectTracker:
    """Gives objects identities that stay: the nearest known one of the same class, within reach."""

    def __init__(self) -> None:
        self._known: list[_Seen] = []
        self._next_id = 1

    def reset(self) -> None:
        """Forget all objects; identities go on counting."""
        self._known = []

    def update(self, objects: Sequence[ObjectEstimate], time: float) -> list[ObjectEstimate]:
        """The same objects with lasting track ids. time: seconds, increasing."""
        self._known = [one for one in self._known if time - one.time <= FORGOTTEN_S]
        free = list(self._known)
        named = []
        for one in objects:
            near = [known for known in free if self._may_be(known, one, time)]
            if near:
                known = min(near, key=lambda known: _distance(known, one))
                free.remove(known)
                known.position, known.time = one.position, time
            else:
                known = _Seen(str(self._next_id), one.class_name, one.position, time)
                self._next_id += 1
                self._known.append(known)
            named.append(replace(one, track_id=known.track_id))
        return named

    def _may_be(self, known: _Seen, one: ObjectEstimate, time: float) -> bool:
        reach = MATCH_DISTANCE_M + FASTEST * (time - known.time)
        return known.class_name == one.class_name and _distance(known, one) < reach


def _distance(known: _Seen, one: ObjectEstimate) -> float:
    return float(np.linalg.norm(known.position - one.position))
