"""Grasps of a hand around any object, by chance: palm against a part of it, or by the fingertips.

The hand comes to a place from which its fingers can reach around; then every finger closes by
itself until its flesh touches (`closing`). What does not hold, or goes in too deep, is no grasp.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_training.synthetic.clearance import pierced, surface_points
from amt_training.synthetic.closing import Closing
from amt_training.synthetic.flesh import (
    INDEX,
    PINKY,
    THUMB,
    Flesh,
    fingertips,
    hand_rotation,
    palm_directions,
)
from amt_training.synthetic.grips import (
    PINCH_CLOSED,
    PINCH_OPEN,
    WRAP_CLOSED,
    WRAP_OPEN,
    other_thumb,
    varied,
)
from amt_training.synthetic.objects.shapes import SyntheticObject
from amt_training.synthetic.objects.surface import Surface
from amt_training.synthetic.scene import Hand

DEEPEST_M = 0.002
"""No vertex of a grasp is deeper in the object."""
TOUCHES_M = 0.003
"""The thumb and at least one finger are this close."""
WIDEST_M = 0.085
"""What is wider does not fit into a hand."""
_POWER = 0.6
"""Share of the grasps with the palm against the object."""
_HANDLE = 0.8
"""Share of the grasps by the handle, where there is one."""
_THUMB_TRIES = 3
"""Ways to close that a thumb tries which does not reach."""
_THUMB_M = 0.011
"""Half as thick as a thumb, with some air."""


class Place(NamedTuple):
    """Where a hand is, in the object's frame."""

    rotation: np.ndarray
    """[3, 3] of the hand."""
    wrist: np.ndarray
    """[3] (m)."""


def grasp(
    data: HandModelData,
    target: SyntheticObject,
    surface: Surface,
    shape: np.ndarray,
    random: np.random.Generator,
) -> Hand | None:
    """A hand that holds an object, in the object's frame; None when this try came to nothing.

    shape: [10] of the hand. No vertex is deeper in the object than DEEPEST_M; the thumb and a
    finger touch it.
    """
    flesh = Flesh(data, shape)
    points, normals = _part_samples(target, surface, random)
    if random.random() < _POWER:
        start, end = varied(flesh, WRAP_OPEN, WRAP_CLOSED, random)
        place = _palm_place(flesh, start, points, surface, random)
        idle = np.full(5, random.uniform(0.25, 0.8))
    else:
        start, end = varied(flesh, PINCH_OPEN, PINCH_CLOSED, random)
        last = random.choice([INDEX, INDEX + 1, INDEX + 2, PINKY])
        start, place = _fingertip_place(flesh, start, end, last, points, normals, surface, random)
        idle = np.full(5, random.uniform(0.0, 0.8))
    if place is None:
        return None
    idle = np.clip(idle + random.normal(0.0, 0.06, 5), 0.0, 1.0)
    closing = Closing(flesh, surface, *place)
    closed = closing.close(start, end, range(INDEX, PINKY + 1), idle)
    for _ in range(_THUMB_TRIES):
        angles = closing.close(closed, end, [THUMB], idle)
        skin = flesh.vertices(angles[None], *place)[0]
        if _holds(flesh, surface, skin) and not pierced(skin, data.faces, target, random):
            return flesh.hand(angles, *place, elbow=elbow_of(data.side, *place, random))
        end = other_thumb(end, flesh, random)
    return None


def elbow_of(
    side: Side, rotation: np.ndarray, wrist: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """[3] where the forearm comes from: the wrist bends and deviates, as it does at ease.

    rotation: [3, 3] of the hand; wrist: [3] (m).
    """
    flexion = np.clip(random.normal(-0.2, 0.35), -0.87, 0.87)
    deviation = np.clip(random.normal(0.0, 0.17), -0.35, 0.35)
    back = np.array([
        -np.cos(flexion) * np.cos(deviation),
        np.sin(flexion),
        np.cos(flexion) * np.sin(deviation),
    ])  # fmt: skip
    length = random.uniform(0.25, 0.3)
    return wrist + length * rotation @ palm_directions(side) @ back


def _part_samples(
    target: SyntheticObject, surface: Surface, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points [P, 3] all over one part of an object, and the outward normals there."""
    names = target.part_names
    part = int(random.integers(len(names)))
    if "handle" in names and random.random() < _HANDLE:
        part = names.index("handle")
    elif random.random() < 0.7:
        part = 0
    corners = target.vertices[target.faces[target.part_of_face == part]]
    points, normals = surface_points(corners, 160, random)
    outer = ~surface.inside(points + 1e-4 * normals)
    return points[outer], normals[outer]


def _palm_place(
    flesh: Flesh,
    start: np.ndarray,
    points: np.ndarray,
    surface: Surface,
    random: np.random.Generator,
) -> Place | None:
    """Where the palm nearly touches a part that lies across it, open fingers around."""
    centre = points.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov((points - centre).T))
    long = axes[:, 2] if spread[2] > 2.0 * spread[1] else _direction(random)
    if long[2] < 0.0 and random.random() < 0.8:
        long = -long  # mostly the thumb is on top
    turns = Rotation.from_rotvec(random.uniform(0, 2 * np.pi, (8, 1)) * long)
    across = np.cross(long, axes[:, 0] if abs(long @ axes[:, 0]) < 0.9 else axes[:, 1])
    palms = turns.apply(across / np.linalg.norm(across))
    # A hand comes from the side or from above, and around what it can span.
    fingers = np.cross(palms, long)
    widths = np.ptp(points @ fingers.T, axis=0)
    fits = (widths < WIDEST_M) & (palms[:, 2] < 0.5)
    if not fits.any():
        return None
    one = random.choice(np.flatnonzero(fits))
    palm, width = palms[one], widths[one]

    # The long axis goes from the root of the index finger to the heel of the hand, more or less.
    tilt = random.uniform(-0.1, 0.5)
    along = points @ long
    room = max(0.5 * np.ptp(along) - 0.04, 0.0)
    place = 0.5 * (along.min() + along.max()) + random.uniform(-room, room)
    aim = centre + (place - centre @ long) * long

    side = flesh.data.side
    straight = np.cross(palm, long) * (1.0 if side == Side.RIGHT else -1.0)
    rotation = hand_rotation(side, np.cos(tilt) * straight + np.sin(tilt) * long, palm)
    # In palm coordinates: near the knuckles, and past the open thumb.
    own = flesh.fingers(start[None], np.eye(3), np.zeros(3))[0] @ palm_directions(side)
    knuckles = own[INDEX:, 0].mean(axis=0)
    past_thumb = own[THUMB, 2:, 0].max() + _THUMB_M + 0.5 * width
    reach = max(knuckles[0] - random.uniform(0.002, 0.025), past_thumb)
    held = rotation @ palm_directions(side) @ [reach, 0.0, knuckles[2]]
    far = aim - held - 0.16 * palm
    return _moved_in(flesh, start, Place(rotation, far), palm, surface, random)


def _moved_in(
    flesh: Flesh,
    angles: np.ndarray,
    place: Place,
    direction: np.ndarray,
    surface: Surface,
    random: np.random.Generator,
) -> Place | None:
    """A hand moved along a direction [3] until it nearly touches; None when it meets nothing."""
    skin = flesh.only(np.arange(len(flesh.bone)) % 2 == 0)
    points = skin.vertices(angles[None], *place)[0]
    left = random.uniform(0.0, 0.004)
    way = 0.0
    # No point can reach the surface in less than its distance.
    for _ in range(14):
        gap = surface.distance(points + way * direction)[0].min()
        if gap < left + 0.0005:
            return None if gap < -0.001 else Place(place.rotation, place.wrist + way * direction)
        way += gap - left
        if way > 0.2:
            return None
    return Place(place.rotation, place.wrist + way * direction)


def _fingertip_place(
    flesh: Flesh,
    start: np.ndarray,
    end: np.ndarray,
    last: int,
    points: np.ndarray,
    normals: np.ndarray,
    surface: Surface,
    random: np.random.Generator,
) -> tuple[np.ndarray, Place | None]:
    """Where the tips of the thumb and of the fingers up to `last` are on both sides of something.

    Returns the angles [15, 3] to close from, and the place or None.
    """
    number = random.integers(len(points))
    one, other = _opposite(points[number], normals[number], surface)
    width = float(np.linalg.norm(other - one))
    if not 0.0 < width < WIDEST_M - 0.015:
        return start, None

    # So far open that there is air on both sides.
    ways = np.linspace(0.0, 1.0, 9)[:, None, None]
    opening = start + ways * (end - start)
    tips = fingertips(flesh.fingers(opening, np.eye(3), np.zeros(3)))
    thumb, fingers = tips[:, THUMB], tips[:, INDEX : last + 1].mean(axis=1)
    gaps = np.linalg.norm(fingers - thumb, axis=1)
    wide = np.flatnonzero(gaps > width + random.uniform(0.028, 0.045))
    if not len(wide):
        return start, None
    at = wide[-1]
    opened = opening[at]

    across, _ = Rotation.align_vectors([other - one], [fingers[at] - thumb[at]])
    turns = Rotation.from_rotvec(random.uniform(0.0, 2.0 * np.pi, (6, 1)) * (other - one) / width)
    rotations = (turns * across).as_matrix()
    middle = 0.5 * (one + other)
    held = 0.5 * (thumb[at] + fingers[at])
    wrists = middle - rotations @ held
    skin = flesh.only(np.arange(len(flesh.bone)) % 4 == 0)
    candidates = [
        skin.vertices(opened[None], r, w)[0] for r, w in zip(rotations, wrists, strict=True)
    ]
    gaps = surface.distance(np.vstack(candidates))[0].reshape(6, -1).min(axis=1)
    clear = np.flatnonzero(gaps > 0.001)
    if not len(clear):
        return opened, None
    # Of two, the one from higher up: people reach down.
    chosen = max(random.choice(clear, 2), key=lambda turn: wrists[turn, 2])
    return opened, Place(rotations[chosen], wrists[chosen])


def _opposite(
    point: np.ndarray, normal: np.ndarray, surface: Surface
) -> tuple[np.ndarray, np.ndarray]:
    """Where a line from a point [3] of the surface goes in, and where it comes out again."""
    depths = np.linspace(0.0015, WIDEST_M, 48)
    inside = surface.inside(point - depths[:, None] * normal)
    out = depths[np.argmin(inside)] if inside[0] and not inside.all() else 0.0
    return point, point - out * normal


def _holds(flesh: Flesh, surface: Surface, skin: np.ndarray) -> bool:
    """Thumb and a finger touch, and nothing is too deep. skin: [778, 3] in the object's frame."""
    distance, _ = surface.distance(skin)
    if distance.min() < -DEEPEST_M:
        return False
    nearest = np.array([distance[flesh.finger == finger].min() for finger in range(5)])
    return bool(nearest[THUMB] < TOUCHES_M and (nearest[INDEX:] < TOUCHES_M).any())


def _direction(random: np.random.Generator) -> np.ndarray:
    """[3] any direction."""
    direction = random.normal(size=3)
    return direction / np.linalg.norm(direction)
