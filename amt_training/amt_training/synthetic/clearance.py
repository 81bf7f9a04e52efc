"""How far things are apart: hands with their forearms, and objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from amt_training.synthetic.geometry import hand_mesh
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.objects.shapes import SyntheticObject
from amt_training.synthetic.objects.surface import Surface
from amt_training.synthetic.scene import Hand, PlacedObject

_FOREARM_M = 0.038
"""Half as thick as a forearm in a sleeve."""
_STEPS = 16
_PIERCING_POINTS, _PIERCING_M = 1000, 0.003


class Body:
    """Balls that fill a thing: points [P, 3] with radii [P] (m)."""

    def __init__(self, points: np.ndarray, radii: np.ndarray) -> None:
        self.points = points
        self.radii = radii


def hand_body(hand: Hand) -> Body:
    """The skin of a hand and balls along its forearm."""
    skin = hand_mesh(hand)[::2]
    along = hand.elbow - hand.wrist
    length = np.linalg.norm(along)
    places = np.arange(0.06, length, 0.03)[:, None] / length
    arm = hand.wrist + places * along
    radii = np.concatenate([np.zeros(len(skin)), np.full(len(arm), _FOREARM_M)])
    return Body(np.vstack([skin, arm]), radii)


def object_body(one: SyntheticObject, pose: np.ndarray, random: np.random.Generator) -> Body:
    """Points all over an object at a pose [4, 4]."""
    points, _ = surface_points(one.vertices[one.faces], 300, random)
    return Body(points @ pose[:3, :3].T + pose[:3, 3], np.zeros(len(points)))


def surface_points(
    triangles: np.ndarray, count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points [count, 3] all over triangles [F, 3, 3], and the unit normals there."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    chosen = random.choice(len(areas), count, p=areas / areas.sum())
    shares = random.dirichlet((1.0, 1.0, 1.0), count)
    points = np.einsum("pc,pcd->pd", shares, triangles[chosen])
    return points, normals[chosen] / areas[chosen, None]


def pierced(
    skin: np.ndarray, faces: np.ndarray, one: SyntheticObject, random: np.random.Generator
) -> bool:
    """Does an object go through a hand? Where its walls are thin, no vertex of the hand need be in
    it.

    skin: [778, 3] vertices in the object's frame; faces: [1538, 3] of the hand.
    """
    points, _ = surface_points(one.vertices[one.faces], _PIERCING_POINTS, random)
    points = points[((points > skin.min(axis=0)) & (points < skin.max(axis=0))).all(axis=1)]
    if not len(points):
        return False
    distance, _ = Surface(skin, faces).distance(points)
    return bool(distance.min() < -_PIERCING_M)


class Surroundings:
    """What is already there."""

    def __init__(
        self, hands: Sequence[Hand], objects: Sequence[PlacedObject], library: ObjectLibrary
    ) -> None:
        self._objects = objects
        self._library = library
        self._bodies = [hand_body(hand) for hand in hands]
        self._trees = [KDTree(body.points) for body in self._bodies]

    def gap(self, body: Body) -> float:
        """Smallest distance (m) of a body to anything; negative where it is in something."""
        gaps = [np.inf]
        for there, tree in zip(self._bodies, self._trees, strict=True):
            distance, nearest = tree.query(body.points)
            gaps.append((distance - body.radii - there.radii[nearest]).min())
        for one in self._objects:
            seen = (body.points - one.pose[:3, 3]) @ one.pose[:3, :3]
            distance, _ = self._library.surface(one.number).distance(seen)
            gaps.append((distance - body.radii).min())
        return float(min(gaps))

    def way_in(self, body: Body, direction: np.ndarray, left: float, most: float) -> float | None:
        """How far (m) a body can go along a unit direction [3] until the gap is as small as `left`.

        At most `most`. None when it begins inside something.
        """
        way = 0.0
        # No point can reach anything in less than the gap.
        for _ in range(_STEPS):
            gap = self.gap(Body(body.points + way * direction, body.radii))
            if gap < 0.0:
                return None
            if gap < left + 0.001 or way >= most:
                break
            way = min(way + gap - left, most)
        return way
