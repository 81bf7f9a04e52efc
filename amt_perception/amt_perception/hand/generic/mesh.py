"""The triangle mesh of the generic hand: 778 vertices and 1538 faces, open at the wrist.

Laid out as a modeller would: rings of 22 vertices along the palm, from which rings of 10 run
along each finger to a pole at its tip; the thumb grows from a hole in the palm's side. The wrist
is an open loop of 16 edges, as in MANO.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from amt_perception.hand.generic.flesh import PALM
from amt_perception.hand.generic.skeleton import Skeleton
from amt_perception.hand.generic.surface import Surface
from amt_perception.hand.joints import MANO_TIP_VERTICES
from amt_perception.hand.limits import THUMB_NAIL

# A finger's ring by angle, from its thumb's side over the back of the hand. Neighbouring fingers
# share four vertices of the rings where they start.
_RING_ANGLES = np.radians(np.array([54, 90, 126, 162, 198, 234, 270, 306, 342, 378]))
_RING = len(_RING_ANGLES)
_THUMB_SIDE = (0, 9, 8, 7)
_LITTLE_SIDE = (2, 3, 4, 5)

# Rings of a finger as (bone, fraction of the bone), with one at each bending joint.
_FINGER_RINGS = (
    (0, 0.59), (0, 0.83), (1, 0.0), (1, 0.3), (1, 0.74),
    (2, 0.0), (2, 0.28), (2, 0.55), (2, 0.8), (2, 0.95),
)  # fmt: skip
_THUMB_RINGS = (
    (0, 0.46), (0, 0.64), (0, 0.83), (1, 0.0), (1, 0.2), (1, 0.5), (1, 0.8),
    (2, 0.02), (2, 0.35), (2, 0.65), (2, 0.9),
)  # fmt: skip
_ROOT_RINGS = (2, 1, 1, 1, 1)
_WEB = 0.34
"""Where the fingers part: fraction of the first phalanx."""

_PALM_ROWS = 11
_PALM_RING = 22
_WRIST_LOOP = 16
_HOLE_ROW, _HOLE_SLOT = 5, 19
"""Palm vertex that is left out so that the thumb can grow from the hole."""

# Cross-sections that the palm's rows start from and bow towards: x, y, z of the centre, half the
# depth and half the breadth (m).
_WRIST_SECTION = (0.016, 0.0, 0.0, 0.018, 0.026)
_THENAR_SECTION = (-0.045, -0.006, 0.006, 0.030, 0.048)
_FIRST_SLOT_ANGLE = np.radians(35.0)


@dataclass(frozen=True)
class RoughHand:
    """The hand's mesh with vertices near where the skin will be."""

    vertices: np.ndarray
    """[778, 3] in the wrist's frame (m)."""
    faces: np.ndarray
    """[1538, 3] counter-clockwise seen from outside."""
    groups: np.ndarray
    """[778] the finger of each vertex, thumb 0 to pinky 4, or PALM."""
    on_wrist_loop: np.ndarray
    """[778] true on the open edge."""
    on_roots: np.ndarray
    """[778] true on the fingers' first rings, which join them to the palm."""
    on_webs: np.ndarray
    """[778] true where two neighbouring fingers part."""


def rough_hand(skeleton: Skeleton) -> RoughHand:
    """Lay the mesh around a skeleton; fingertips get MANO's vertex numbers."""
    surface = Surface()
    bases = _finger_bases(surface, skeleton)
    rows = _palm(surface, _outline(bases))
    tips, roots = [], []
    for finger, base in enumerate([_hole_edge(rows), *bases]):
        roots.append(len(surface.points) + np.arange(_ROOT_RINGS[finger] * _RING))
        rings = _FINGER_RINGS if finger else _THUMB_RINGS
        tips.append(_finger(surface, skeleton, finger, base, rings))

    order = np.zeros(len(surface.points), dtype=int)  # order[new number] = old number
    order[list(MANO_TIP_VERTICES)] = tips
    free = np.setdiff1d(np.arange(len(order)), MANO_TIP_VERTICES)
    order[free] = np.setdiff1d(np.arange(len(order)), tips)
    return RoughHand(
        vertices=np.array(surface.points)[order],
        faces=np.argsort(order)[np.array(surface.triangles)],
        groups=np.array(surface.groups)[order],
        on_wrist_loop=np.isin(order, rows[0]),
        on_roots=np.isin(order, np.concatenate(roots)),
        on_webs=np.isin(order, [v for one, other in pairwise(bases) for v in {*one} & {*other}]),
    )


def _finger_bases(surface: Surface, skeleton: Skeleton) -> list[list[int]]:
    """The rings where index to pinky start; neighbours share the vertices of the web."""
    rings = [_ring(skeleton, finger, 0, _WEB) for finger in range(1, 5)]
    fresh = [slot for slot in range(_RING) if slot not in _THUMB_SIDE]
    bases: list[list[int]] = []
    for ring, neighbour in zip(rings, [*rings[1:], None], strict=True):
        points = ring.copy()
        if neighbour is not None:
            shared = ring[list(_LITTLE_SIDE)] + neighbour[list(_THUMB_SIDE)]
            points[list(_LITTLE_SIDE)] = shared / 2
        if not bases:
            bases.append(surface.add(points, PALM))
            continue
        base = dict(zip(fresh, surface.add(points[fresh], PALM), strict=True))
        base |= {
            mine: bases[-1][other] for mine, other in zip(_THUMB_SIDE, _LITTLE_SIDE, strict=True)
        }
        bases.append([base[slot] for slot in range(_RING)])
    return bases


def _outline(bases: list[list[int]]) -> list[int]:
    """The 22 outer vertices around the four finger bases, from the thumb's side over the back."""
    index, pinky = bases[0], bases[-1]
    back = [index[0], *(base[slot] for base in bases for slot in (1, 2))]
    front = [base[slot] for base in reversed(bases) for slot in (5, 6)]
    return [*back, pinky[3], pinky[4], *front, index[7], index[8], index[9]]


def _palm(surface: Surface, outline: list[int]) -> list[list[int]]:
    """The wrist loop, the palm's rings and the fingers' outline, with the faces between them."""
    end = np.array([surface.points[vertex] for vertex in outline])
    share = _share_of_way_round(end)
    start, middle = _ellipse(share, _WRIST_SECTION), _ellipse(share, _THENAR_SECTION)
    even = np.arange(_WRIST_LOOP) / _WRIST_LOOP
    rows = [surface.add(_ellipse(even, _WRIST_SECTION), PALM)]
    for row in range(1, _PALM_ROWS):
        t = row / _PALM_ROWS
        ring = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
        if row == _HOLE_ROW:
            vertices = surface.add(np.delete(ring, _HOLE_SLOT, axis=0), PALM)
            vertices.insert(_HOLE_SLOT, -1)
        else:
            vertices = surface.add(ring, PALM)
        rows.append(vertices)
    rows.append(outline)

    surface.zip(rows[0], rows[1])
    for lower, upper in pairwise(rows[1:]):
        for slot in range(_PALM_RING):
            after = (slot + 1) % _PALM_RING
            corners = (lower[slot], lower[after], upper[after], upper[slot])
            if -1 not in corners:
                surface.quad(*corners)
    return rows


def _hole_edge(rows: list[list[int]]) -> list[int]:
    """The eight vertices around the one that is left out."""
    way = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    return [rows[_HOLE_ROW + row][_HOLE_SLOT + slot] for row, slot in way]


def _finger(
    surface: Surface,
    skeleton: Skeleton,
    finger: int,
    base: list[int],
    rings: tuple[tuple[int, float], ...],
) -> int:
    """Rings from the base to the tip; returns the tip's vertex."""
    previous = base
    for bone, fraction in rings:
        ring = surface.add(_ring(skeleton, finger, bone, fraction), finger)
        surface.zip(previous, ring)
        previous = ring
    (tip,) = surface.add(skeleton.tips[finger][None], finger)
    surface.close(previous, tip)
    return tip


def _ring(skeleton: Skeleton, finger: int, bone: int, fraction: float) -> np.ndarray:
    """[10, 3] a circle around a bone, halfway between both bones' directions at a joint."""
    chain, girth = skeleton.chain(finger), skeleton.girth[finger]
    bones = np.diff(chain, axis=0)
    lengths = np.linalg.norm(bones, axis=1)
    directions = bones / lengths[:, None]
    along = directions[bone]
    if fraction == 0.0:
        along = directions[bone - 1] + directions[bone]
        along = along / np.linalg.norm(along)
    back = np.array(THUMB_NAIL) if finger == 0 else np.array([0.0, 1.0, 0.0])
    side = np.cross(along, back)  # towards the little finger
    side /= np.linalg.norm(side)
    back = np.cross(side, along)
    radius = np.interp(fraction, [0, 1], girth[bone : bone + 2])
    if bone == 2:  # the fingertip is round
        beyond = max(0.0, fraction * lengths[bone] - (lengths[bone] - girth[3]))
        radius = min(radius, np.sqrt(girth[3] ** 2 - beyond**2))
    circle = np.outer(np.sin(_RING_ANGLES), back) - np.outer(np.cos(_RING_ANGLES), side)
    return chain[bone] + fraction * bones[bone] + radius * circle


def _share_of_way_round(loop: np.ndarray) -> np.ndarray:
    """[N] arc length up to each point of a closed loop [N, 3], as a share of the whole."""
    lengths = np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1)
    return np.concatenate([[0.0], np.cumsum(lengths)[:-1]]) / lengths.sum()


def _ellipse(share: np.ndarray, section: tuple[float, float, float, float, float]) -> np.ndarray:
    """[N, 3] points at these shares of the way round a section, from the thumb's side up."""
    x, y, z, half_depth, half_breadth = section
    angle = _FIRST_SLOT_ANGLE + 2 * np.pi * share
    return np.column_stack([
        np.full(len(share), x),
        y + half_depth * np.sin(angle),
        z + half_breadth * np.cos(angle),
    ])  # fmt: skip
