"""How deep the robot runs into itself or the table, on the true shapes of its description.

The URDF's boxes, cylinders and spheres in coal (github.com/coal-library/coal), through Pinocchio.
It knows nothing of the shapes or pairs that any retargeting method uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.robot.description import FINGERS, urdf_path
from amt_retarget.robot.robot import Robot

SAME_SPACE = {frozenset(("palm_link", "thumb_link_1"))}
"""Links whose boxes share the space about the joints between them in every posture."""
TABLE = "table"


@dataclass(frozen=True)
class Penetration:
    """Deepest penetration of each of T configurations, metres; 0 where nothing touches."""

    depth: np.ndarray
    """[T] of any pair but fingertip on fingertip."""
    fingertips: np.ndarray
    """[T] of one finger's last link into another's: a pinch may press, but not run through."""


class CollisionCheck:
    """Every pair of links that are not neighbours, and every moving link with the table.

    Two links are neighbours when one joint connects them. The table is the half-space below the
    base frame's origin; the links that stand on it do not count.
    """

    def __init__(self, robot: Robot) -> None:
        import coal
        import pinocchio

        self._robot = robot
        model = robot.model
        path = str(urdf_path(robot.arm, robot.hand))
        geometry = pinocchio.buildGeomFromUrdf(model, path, pinocchio.GeometryType.COLLISION)
        names = [model.frames[one.parentFrame].name for one in geometry.geometryObjects]
        joints = [one.parentJoint for one in geometry.geometryObjects]
        table = pinocchio.GeometryObject(
            TABLE, 0, 0, pinocchio.SE3.Identity(), coal.Halfspace(np.array([0.0, 0.0, 1.0]), 0.0)
        )
        table_id = geometry.addGeometryObject(table)
        is_tip = [name in {f"{finger}_link_3" for finger in FINGERS} for name in names]
        self._between_tips = []
        for first, second in np.argwhere(np.triu(np.ones((len(names),) * 2), 1)):
            a, b = joints[first], joints[second]
            if a in (b, model.parents[b]) or b == model.parents[a]:
                continue
            if frozenset((names[first], names[second])) in SAME_SPACE:
                continue
            geometry.addCollisionPair(pinocchio.CollisionPair(int(first), int(second)))
            self._between_tips.append(is_tip[first] and is_tip[second])
        for one, joint in enumerate(joints):
            if joint > 0:
                geometry.addCollisionPair(pinocchio.CollisionPair(one, table_id))
                self._between_tips.append(False)
        self._names = [*names, TABLE]
        self._geometry = geometry
        self._data = pinocchio.GeometryData(geometry)

    def measure(self, positions: np.ndarray) -> Penetration:
        """Penetration at joint positions [T, 22] (rad, the project's order)."""
        distances = np.array([self._distances(q) for q in positions])
        between_tips = np.array(self._between_tips)
        depths = np.maximum(-distances, 0.0)
        return Penetration(
            depth=depths[:, ~between_tips].max(axis=1),
            fingertips=depths[:, between_tips].max(axis=1),
        )

    def pairs_deeper_than(self, depth: float, positions: np.ndarray) -> dict[tuple[str, str], int]:
        """In how many configurations [T, 22] each pair of links penetrates by more than depth (m),
        for the reader of a report; fingertips on fingertips are included.
        """
        deep = np.array([self._distances(q) < -depth for q in positions]).sum(axis=0)
        counts: dict[tuple[str, str], int] = {}
        for pair, count in zip(self._geometry.collisionPairs, deep, strict=True):
            if count:
                names = self._names[pair.first], self._names[pair.second]
                counts[names] = max(int(count), counts.get(names, 0))
        return counts

    def _distances(self, positions: np.ndarray) -> np.ndarray:
        """[pairs] signed distance of each pair (m)."""
        import pinocchio

        robot = self._robot
        pinocchio.computeDistances(
            robot.model,
            robot.data,
            self._geometry,
            self._data,
            robot.to_pinocchio(positions),
        )
        return np.array([result.min_distance for result in self._data.distanceResults])
