"""Hands and objects put together at one moment, in a frame whose z axis points up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_training.synthetic.clearance import Surroundings, hand_body, object_body, pierced
from amt_training.synthetic.flesh import Flesh, palm_directions
from amt_training.synthetic.geometry import hand_mesh
from amt_training.synthetic.gestures import gesture
from amt_training.synthetic.grasps import elbow_of, grasp
from amt_training.synthetic.grips import WRAP_OPEN
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import Hand, Moment, PlacedObject

_STANDING = 0.6
"""Share of the objects that stand on the ground z = 0; hands hold the others in the air."""
_TOGETHER = 0.4
"""Share of the second hands that hold the first one's object, where they can."""
_TRIES = 6
_MOST_OBJECTS_TRIED = 200


def draw_grasp(
    flesh: Flesh, library: ObjectLibrary, random: np.random.Generator
) -> tuple[int, Hand]:
    """A number of an object, and a hand that holds it, in the object's frame.

    Raises AmtError when hands can hold none of the objects.
    """
    numbers = list(library.objects)
    for _ in range(_MOST_OBJECTS_TRIED):
        number = int(random.choice(numbers))
        for _ in range(_TRIES):
            surface = library.surface(number)
            hand = grasp(flesh.data, library.objects[number], surface, flesh.shape, random)
            if hand is not None:
                return number, hand
    raise AmtError(
        "no hand can hold the objects of this world: give some that are smaller, or a larger "
        "data.objects"
    )


def moved_back(
    flesh: Flesh,
    hand: Hand,
    library: ObjectLibrary,
    number: int,
    random: np.random.Generator,
    distance: tuple[float, float] = (0.02, 0.12),
) -> Hand | None:
    """A hand that is about to grasp as `hand` does, in the object's frame, from a distance (m).

    None where something is in the way.
    """
    angles = flesh.limits.angles(hand.pose)
    opening = random.uniform(0.3, 1.0)
    angles = angles + opening * (WRAP_OPEN.angles() - angles)
    angles = np.clip(angles, flesh.limits.lower, flesh.limits.upper)
    orientation = Rotation.from_rotvec(hand.pose[0])
    back = -orientation.apply(palm_directions(hand.side)[:, 1]) + random.normal(0.0, 0.35, 3)
    back /= np.linalg.norm(back)
    turn = Rotation.from_rotvec(random.normal(0.0, 0.12, 3))
    offset = random.uniform(*distance) * back
    pose = flesh.limits.pose(angles, (turn * orientation).as_rotvec())
    away = replace(
        hand,
        pose=pose,
        wrist=hand.wrist + offset,
        elbow=hand.wrist + offset + turn.apply(hand.elbow - hand.wrist),
    )
    skin, faces = hand_mesh(away), flesh.data.faces
    gaps, _ = library.surface(number).distance(skin)
    if gaps.min() < 0.001 or pierced(skin, faces, library.objects[number], random):
        return None
    return away


def free_hand(flesh: Flesh, random: np.random.Generator, arm: np.ndarray | None = None) -> Hand:
    """A hand in some gesture, its wrist at the origin.

    arm: [3] unit vector that the forearm points along, nearly; None for any that is natural.
    """
    if arm is None:
        arm = random.normal(size=3)
        arm[2] = abs(arm[2]) if random.random() < 0.75 else arm[2]  # the elbow is mostly below
    else:
        arm = arm + random.normal(0.0, 0.35, 3)
    arm = arm / np.linalg.norm(arm)
    orientation = Rotation.random(rng=random)
    elbow = elbow_of(flesh.data.side, orientation.as_matrix(), np.zeros(3), random)
    # The shortest turn that points the forearm along `arm`; the roll about it stays by chance.
    turn, _ = Rotation.align_vectors([arm], [-elbow])
    rotation = (turn * orientation).as_matrix()
    return flesh.hand(gesture(flesh, random), rotation, np.zeros(3), turn.apply(elbow))


def with_object(
    flesh: Flesh, library: ObjectLibrary, random: np.random.Generator, away: bool
) -> Moment:
    """A hand that holds an object, or is about to."""
    while True:
        number, hand = draw_grasp(flesh, library, random)
        if away:
            back = (moved_back(flesh, hand, library, number, random) for _ in range(_TRIES))
            found = next((one for one in back if one is not None), None)
            if found is None:
                continue
            hand = found
        break
    placed = PlacedObject(number, np.eye(4))
    moment = Moment((hand,), (placed,))
    standing = moment.moved(standing_pose(library, number, random))
    if random.random() < _STANDING and above_ground(standing.hands[0]):
        return standing
    return moment.moved(carried_pose(hand, random))


def standing_pose(library: ObjectLibrary, number: int, random: np.random.Generator) -> np.ndarray:
    """[4, 4] pose of an object that stands at the origin."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("z", random.uniform(0.0, 2.0 * np.pi)).as_matrix()
    pose[2, 3] = -library.objects[number].vertices[:, 2].min()
    return pose


def carried_pose(hand: Hand, random: np.random.Generator) -> np.ndarray:
    """[4, 4] pose of an object that a hand holds: upright more or less, or any."""
    if random.random() < 0.35:
        turns = Rotation.random(3, rng=random)
    else:
        tilts = Rotation.from_rotvec(random.normal(0.0, 0.4, (3, 3)))
        turns = tilts * Rotation.from_euler("z", random.uniform(0.0, 2.0 * np.pi))
    rising = turns.apply(hand.wrist - hand.elbow)[:, 2]
    # Elbows are mostly lower than hands.
    turn = turns[int(rising.argmax())] if random.random() < 0.6 else turns[0]
    pose = np.eye(4)
    pose[:3, :3] = turn.as_matrix()
    pose[:3, 3] = 0.0, 0.0, 0.4
    return pose


def above_ground(hand: Hand) -> bool:
    return bool(hand.elbow[2] > 0.0 and hand_mesh(hand)[:, 2].min() > 0.0)


def with_second_hand(
    moment: Moment, flesh: Flesh, library: ObjectLibrary, random: np.random.Generator
) -> Moment:
    """The other hand of the same person: on the same object, or in a gesture near the first."""
    first = moment.hands[0]
    around = Surroundings(moment.hands, (), library)
    arm = (first.wrist - first.elbow) / np.linalg.norm(first.wrist - first.elbow)
    if moment.objects and random.random() < _TOGETHER:
        held = moment.objects[0]
        for _ in range(_TRIES):
            target, surface = library.objects[held.number], library.surface(held.number)
            hand = grasp(flesh.data, target, surface, flesh.shape, random)
            if hand is None:
                continue
            hand = hand.moved(held.pose)
            same_way = (hand.wrist - hand.elbow) @ arm > -0.1
            if same_way and around.gap(hand_body(hand)) > 0.002:
                return replace(moment, hands=(first, hand))

    around = Surroundings(moment.hands, moment.objects, library)
    while True:
        hand = free_hand(flesh, random, arm)
        direction = random.normal(size=3)
        direction -= 0.7 * (direction @ arm) * arm
        direction /= np.linalg.norm(direction)
        aim = hand_mesh(first).mean(axis=0) - hand_mesh(hand).mean(axis=0)
        start = np.eye(4)
        start[:3, 3] = aim + random.normal(0.0, 0.03, 3) - 0.5 * direction
        hand = hand.moved(start)
        way = around.way_in(hand_body(hand), direction, random.uniform(0.003, 0.12), 0.5)
        if way is not None:
            moved = np.eye(4)
            moved[:3, 3] = way * direction
            return replace(moment, hands=(first, hand.moved(moved)))


def with_another_object(
    moment: Moment, library: ObjectLibrary, random: np.random.Generator
) -> Moment:
    """Something else lies about, beside the hands and what they hold."""
    others = set(library.objects) - {one.number for one in moment.objects}
    if not others:
        return moment
    number = int(random.choice(sorted(others)))
    around = Surroundings(moment.hands, moment.objects, library)
    pose = standing_pose(library, number, random)
    middle = hand_mesh(moment.hands[0]).mean(axis=0)
    if not moment.objects or moment.objects[0].pose[2, 2] < 0.999:
        pose[:3, :3] = Rotation.random(rng=random).as_matrix()
        pose[2, 3] = middle[2] + random.normal(0.0, 0.05)
    heading = random.uniform(0.0, 2.0 * np.pi)
    direction = np.array([np.cos(heading), np.sin(heading), 0.0])
    pose[:2, 3] = middle[:2] - 0.6 * direction[:2]
    body = object_body(library.objects[number], pose, random)
    way = around.way_in(body, direction, random.uniform(0.004, 0.15), 0.6)
    if way is None:
        return moment
    pose[:3, 3] += way * direction
    return replace(moment, objects=(*moment.objects, PlacedObject(number, pose)))
