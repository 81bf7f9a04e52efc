"""The triangle mesh of the generic hand: 778 vertices and 1538 faces, open at the wrist.

Laid out as a modeller would: rings of 22 vertices along the palm, from which rings of 10 run
along each finger to a pole at its tip; the thumb leaves the palm through a hole in its radial
side. The wrist is an open loop of 16 edges, as in MANO.
"""

from __future__ import annotations

import numpy as np

from amt_perception.hand.generic.flesh import PALM
from amt_perception.hand.generic.skeleton import Skeleton
from amt_perception.hand.joints import MANO_TIP_VERTICES

N_VERTICES = 778

# Slots of a finger's ring, by angle from the thumb's side over the back of the hand.
_RING = 10
_RING_ANGLES = np.radians(np.array([54, 90, 126, 162, 198, 234, 270, 306, 342, 378]))
_THUMB_SIDE = (0, 9, 8, 7)  # slots shared with the neighbour on the thumb's side, back to palm
_LITTLE_SIDE = (2, 3, 4, 5)  # the same places on the other side of the finger

_PALM_ROWS = 11
_PALM_RING = 22
_WRIST_LOOP = 16
_HOLE_ROW, _HOLE_SLOT = 5, 19  # centre of the hole that the thumb grows from

# Rings as (bone, fraction of the bone); three around each bending joint.
_FINGER_RINGS = (
    (0, 0.66), (0, 0.86), (1, 0.0), (1, 0.3), (1, 0.74),
    (2, 0.0), (2, 0.28), (2, 0.55), (2, 0.8), (2, 0.95),
)  # fmt: skip
_THUMB_RINGS = (
    (0, 0.55), (0, 0.7), (0, 0.86), (1, 0.0), (1, 0.2), (1, 0.5), (1, 0.8),
    (2, 0.02), (2, 0.35), (2, 0.65), (2, 0.9),
)  # fmt: skip

# Cross-sections that the palm's rows start from and bow towards: x, y, z of the centre, half the
# depth and half the breadth (m).
_WRIST_SECTION = (0.016, 0.0, 0.0, 0.018, 0.026)
_THENAR_SECTION = (-0.045, -0.006, 0.006, 0.030, 0.048)
_FIRST_SLOT_ANGLE = np.radians(35.0)

_WEB = 0.45
"""Where the fingers part: fraction of the first phalanx."""


class MeshLayout:
    """Rough vertex positions, faces and what each vertex belongs to; the flesh does the rest."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.points: list[np.ndarray] = []
        self.group: list[int] = []
        self.triangles: list[tuple[int, int, int]] = []
        bases = self._finger_bases(skeleton)
        outline = _palm_outline(bases)
        rows = self._palm_rows(outline)
        rows.append(outline)
        self._palm_faces(rows)
        tips = [self._thumb(skeleton, rows)]
        tips += [self._finger(skeleton, f, bases[f - 1], _FINGER_RINGS) for f in range(1, 5)]
        self._order_tips(tips)

    def _add(self, points: np.ndarray, group: int) -> list[int]:
        first = len(self.points)
        self.points.extend(points)
        self.group.extend([group] * len(points))
        return list(range(first, first + len(points)))

    def _finger_bases(self, skeleton: Skeleton) -> list[list[int]]:
        """Vertex indices of the ring where each finger starts; neighbours share four of them."""
        rings = [_ring(skeleton, f, 0, _WEB) for f in range(1, 5)]
        bases: list[list[int]] = []
        for i, ring in enumerate(rings):
            points = ring.copy()
            if i < 3:
                points[list(_LITTLE_SIDE)] += rings[i + 1][list(_THUMB_SIDE)]
                points[list(_LITTLE_SIDE)] /= 2
            if i == 0:
                bases.append(self._add(points, PALM))
                continue
            fresh = [s for s in range(_RING) if s not in _THUMB_SIDE]
            base = [0] * _RING
            for slot, vertex in zip(fresh, self._add(points[fresh], PALM), strict=True):
                base[slot] = vertex
            for mine, other in zip(_THUMB_SIDE, _LITTLE_SIDE, strict=True):
                base[mine] = bases[-1][other]
            bases.append(base)
        return bases

    def _palm_rows(self, outline: list[int]) -> list[list[int]]:
        """The wrist loop and the palm's rings up to the fingers' bases."""
        end = np.array([self.points[v] for v in outline])
        share = _share_of_way_round(end)
        start = _ellipse(share, _WRIST_SECTION)
        middle = _ellipse(share, _THENAR_SECTION)
        even = np.arange(_WRIST_LOOP) / _WRIST_LOOP
        self._loop = self._add(_ellipse(even, _WRIST_SECTION), PALM)
        rows = [self._loop]
        for row in range(1, _PALM_ROWS):
            t = row / _PALM_ROWS
            bow = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
            rows.append(self._add(bow, PALM))
        return rows

    def _palm_faces(self, rows: list[list[int]]) -> None:
        self._zip(rows[0], rows[1])
        for row in range(1, _PALM_ROWS):
            for slot in range(_PALM_RING):
                in_hole = _HOLE_ROW - 1 <= row <= _HOLE_ROW and slot in (_HOLE_SLOT - 1, _HOLE_SLOT)
                if not in_hole:
                    following = (slot + 1) % _PALM_RING
                    self._quad(
                        rows[row][slot],
                        rows[row][following],
                        rows[row + 1][following],
                        rows[row + 1][slot],
                    )

    def _thumb(self, skeleton: Skeleton, rows: list[list[int]]) -> int:
        """Cut the hole's centre out of the palm and run the thumb from the hole's edge."""
        r, s = _HOLE_ROW, _HOLE_SLOT
        edge = [
            rows[r - 1][s - 1], rows[r][s - 1], rows[r + 1][s - 1], rows[r + 1][s],
            rows[r + 1][s + 1], rows[r][s + 1], rows[r - 1][s + 1], rows[r - 1][s],
        ]  # fmt: skip
        self._remove(rows[r][s])
        edge = [v - (v > rows[r][s]) for v in edge]
        return self._finger(skeleton, 0, edge[::-1], _THUMB_RINGS)

    def _remove(self, vertex: int) -> None:
        del self.points[vertex], self.group[vertex]
        self.triangles = [
            tuple(v - (v > vertex) for v in t)
            for t in self.triangles  # type: ignore[misc]
        ]

    def _finger(
        self,
        skeleton: Skeleton,
        finger: int,
        base: list[int],
        rings: tuple[tuple[int, float], ...],
    ) -> int:
        """Rings from the base to the tip; returns the tip's vertex."""
        previous = base
        for bone, fraction in rings:
            ring = self._add(_ring(skeleton, finger, bone, fraction), finger)
            self._zip(previous, ring)
            previous = ring
        tip = self._add(skeleton.tips[finger][None], finger)[0]
        for i in range(_RING):
            self.triangles.append((previous[i], previous[(i + 1) % _RING], tip))
        return tip

    def _quad(self, a: int, b: int, c: int, d: int) -> None:
        """Two triangles over the shorter diagonal."""
        p = self.points
        if np.linalg.norm(p[a] - p[c]) <= np.linalg.norm(p[b] - p[d]):
            self.triangles += [(a, b, c), (a, c, d)]
        else:
            self.triangles += [(a, b, d), (b, c, d)]

    def _zip(self, lower: list[int], upper: list[int]) -> None:
        """Triangles between two rings of any sizes that run the same way round."""
        low = np.array([self.points[v] for v in lower])
        high = np.array([self.points[v] for v in upper])
        n, m = len(lower), len(upper)
        partner = np.arange(n) * m // n
        twist = [np.linalg.norm(low - high[(partner + k) % m], axis=1).sum() for k in range(m)]
        shift = int(np.argmin(twist))
        upper = upper[shift:] + upper[:shift]
        high = np.roll(high, -shift, axis=0)
        i = j = 0
        while i < n or j < m:
            step_low = np.linalg.norm(low[(i + 1) % n] - high[j % m])
            step_high = np.linalg.norm(low[i % n] - high[(j + 1) % m])
            if j == m or (i < n and step_low <= step_high):
                self.triangles.append((lower[i % n], lower[(i + 1) % n], upper[j % m]))
                i += 1
            else:
                self.triangles.append((lower[i % n], upper[(j + 1) % m], upper[j % m]))
                j += 1

    def _order_tips(self, tips: list[int]) -> None:
        """Renumber so that the fingertips have MANO's vertex indices."""
        others = [v for v in range(len(self.points)) if v not in tips]
        order = np.zeros(len(self.points), dtype=int)  # order[new] = old
        order[list(MANO_TIP_VERTICES)] = tips
        free = np.setdiff1d(np.arange(len(order)), MANO_TIP_VERTICES)
        order[free] = others
        new_of_old = np.argsort(order)
        self.vertices = np.array(self.points)[order]
        self.groups = np.array(self.group)[order]
        self.faces = new_of_old[np.array(self.triangles)]
        root = np.flatnonzero(np.array(self.group) == 0)[: 2 * _RING]
        self.on_thumb_root = np.isin(order, root)
        self.on_wrist_loop = np.isin(order, np.arange(self._loop[0], self._loop[0] + _WRIST_LOOP))


def _ring(skeleton: Skeleton, finger: int, bone: int, fraction: float) -> np.ndarray:
    """[10, 3] a circle around a bone; the mean of both bones' directions at a joint."""
    chain = skeleton.chain(finger)
    directions = np.diff(chain, axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = directions[bone]
    if fraction == 0.0:
        along = directions[bone - 1] + directions[bone]
        along = along / np.linalg.norm(along)
    up = np.array([0.35, 0.85, 0.38]) if finger == 0 else np.array([0.0, 1.0, 0.0])
    up = up - (up @ along) * along
    up /= np.linalg.norm(up)
    side = np.cross(along, up)  # towards the little finger
    radius = np.interp(fraction, [0, 1], skeleton.girth[finger][bone : bone + 2])
    length = np.linalg.norm(chain[bone + 1] - chain[bone])
    centre = chain[bone] + fraction * length * directions[bone]
    if bone == 2:  # the fingertip is round
        end = skeleton.girth[finger][3]
        beyond = max(0.0, fraction * length - (length - end))
        radius = min(radius, np.sqrt(max(end**2 - beyond**2, 0.0)))
    return centre + radius * (
        np.outer(np.sin(_RING_ANGLES), up) - np.outer(np.cos(_RING_ANGLES), side)
    )


def _palm_outline(bases: list[list[int]]) -> list[int]:
    """The 22 outer vertices around the four finger bases, from the thumb's side over the back."""
    back = [bases[0][0]]
    front = []
    for base in bases:
        back += [base[1], base[2]]
    for base in bases[::-1]:
        front += [base[5], base[6]]
    return [*back, bases[3][3], bases[3][4], *front, bases[0][7], bases[0][8], bases[0][9]]


def _share_of_way_round(loop: np.ndarray) -> np.ndarray:
    """[N] arc length up to each point of a closed loop [N, 3], as a share of the whole."""
    lengths = np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1)
    return np.concatenate([[0.0], np.cumsum(lengths)[:-1]]) / lengths.sum()


def _ellipse(share: np.ndarray, section: tuple[float, float, float, float, float]) -> np.ndarray:
    """[N, 3] points at these shares of the way round a cross-section, from the thumb's side up."""
    x, y, z, half_depth, half_breadth = section
    angle = _FIRST_SLOT_ANGLE + 2 * np.pi * share
    return np.column_stack([
        np.full(len(share), x),
        y + half_depth * np.sin(angle),
        z + half_breadth * np.cos(angle),
    ])  # fmt: skip
