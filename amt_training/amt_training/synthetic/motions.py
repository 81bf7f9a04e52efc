"""Hands and objects that move: smoothly, and no faster than people do.

Everything goes from one rest to the next along minimum-jerk curves (Flash and Hogan, Journal of
Neuroscience 5, 1985). An object that is held moves rigidly with the hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.transform import Rotation, Slerp

from amt_training.synthetic.clearance import Body, Surroundings, hand_body
from amt_training.synthetic.flesh import Flesh
from amt_training.synthetic.geometry import hand_mesh
from amt_training.synthetic.gestures import gesture
from amt_training.synthetic.grasps import elbow_of
from amt_training.synthetic.grips import WRAP_OPEN
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.objects.surface import Surface
from amt_training.synthetic.placing import (
    above_ground,
    carried_pose,
    draw_grasp,
    free_hand,
    moved_back,
    standing_pose,
    with_second_hand,
)
from amt_training.synthetic.scene import Hand, Moment, PlacedObject

_SPEED = (0.25, 0.9)
"""Fastest of a move (m/s): people handle things at up to about 1 m/s."""
_TURN_SPEED = 3.0
"""Fastest of a turn (rad/s)."""
_PEAK = 1.875
"""How much faster than its mean a minimum-jerk move is at its middle."""
_DEEPEST_M, _APART_M = 0.003, 0.001
"""Moving flesh is at most so deep in an object; hands are at least so far apart."""
_TRIES = 8


class Path(NamedTuple):
    """Where something rests, and when."""

    times: np.ndarray
    """[K] rising (s); before the first and after the last one it stands still."""
    places: np.ndarray
    """[K, 3] (m)."""
    turns: Rotation
    """K of them."""

    def poses(self, times: np.ndarray) -> np.ndarray:
        """[T, 4, 4] at times [T] (s)."""
        at = eased(self.times, times)
        poses = np.tile(np.eye(4), (len(times), 1, 1))
        poses[:, :3, :3] = Slerp(self.times, self.turns)(at).as_matrix()
        poses[:, :3, 3] = make_interp_spline(self.times, self.places, k=1)(at)
        return poses


def eased(rests: np.ndarray, times: np.ndarray) -> np.ndarray:
    """[T] times between rests [K], moved so that what is linear in them has minimum jerk."""
    times = np.clip(times, rests[0], rests[-1])
    leg = np.clip(np.searchsorted(rests, times, side="right") - 1, 0, len(rests) - 2)
    length = rests[leg + 1] - rests[leg]
    t = (times - rests[leg]) / length
    moved: np.ndarray = rests[leg] + length * t**3 * (10.0 - 15.0 * t + 6.0 * t**2)
    return moved


def gestures_in_turn(
    hands: Sequence[Flesh], times: np.ndarray, library: ObjectLibrary, random: np.random.Generator
) -> list[Moment]:
    """Moments at times [T] (s): a hand goes from gesture to gesture.

    A second hand goes along with the first and changes its own gestures.
    """
    moment = Moment((free_hand(hands[0], random),), ())
    if len(hands) > 1:
        moment = with_second_hand(moment, hands[1], library, random)
    return _carried_about(moment, hands, range(len(hands)), times, library, random)


def object_handled(
    hands: Sequence[Flesh], times: np.ndarray, library: ObjectLibrary, random: np.random.Generator
) -> list[Moment]:
    """Moments at times [T] (s): a hand takes an object, moves it about and puts it down again.

    A clip that is shorter than this begins anywhere. With two hands the object is in the first
    one, or in both, all the time.
    """
    if len(hands) == 1:
        while True:
            moments = _taken(hands[0], times, library, random)
            if moments is not None:
                return moments
    number, hand = draw_grasp(hands[0], library, random)
    moment = Moment((hand,), (PlacedObject(number, np.eye(4)),)).moved(carried_pose(hand, random))
    moment = with_second_hand(moment, hands[1], library, random)
    holds = Surroundings((), moment.objects, library).gap(hand_body(moment.hands[1])) < 0.001
    return _carried_about(moment, hands, [] if holds else [1], times, library, random)


def _taken(
    flesh: Flesh, times: np.ndarray, library: ObjectLibrary, random: np.random.Generator
) -> list[Moment] | None:
    """An object that stands is taken, moved and put down; None where something is in the way."""
    number, grasp = draw_grasp(flesh, library, random)
    start = standing_pose(library, number, random)
    if not above_ground(grasp.moved(start)):
        return None
    opened = _opened(flesh, grasp, library.surface(number), random)
    before, after = (
        moved_back(flesh, grasp, library, number, random, (0.08, 0.2)) for _ in range(2)
    )
    if opened is None or before is None or after is None:
        return None

    reach, close, release, leave = random.uniform((0.5, 0.2, 0.15, 0.4), (1.0, 0.45, 0.3, 0.8))
    object_path = _moved_and_put_down(start, reach + close, times[-1], random)
    put = object_path.times[-1]
    rests = np.array([0.0, reach, reach + close, put, put + release, put + release + leave])
    # In the object's frame, in which a hand that holds it stands still.
    hands = [before, grasp, grasp, grasp, grasp, after]
    turns = Rotation.from_rotvec([hand.pose[0] for hand in hands])
    hand_path = Path(rests, np.array([hand.wrist for hand in hands]), turns)
    ends = [flesh.limits.angles(hand.pose) for hand in (before, grasp, after)]
    fingers = np.array([ends[0], opened, ends[1], ends[1], opened, ends[2]])

    times = times + random.uniform(0.0, max(rests[-1] - times[-1], 0.0))
    angles = make_interp_spline(rests, fingers, k=1)(eased(rests, times))
    arm = turns[1].inv().apply(grasp.elbow - grasp.wrist)
    moments = []
    poses = zip(object_path.poses(times), hand_path.poses(times), angles, strict=True)
    for of_object, of_hand, bend in poses:
        rotation, wrist = of_hand[:3, :3], of_hand[:3, 3]
        hand = flesh.hand(bend, rotation, wrist, wrist + rotation @ arm)
        moments.append(Moment((hand,), (PlacedObject(number, np.eye(4)),)).moved(of_object))
    fine = all(_clear(moment, library) and above_ground(moment.hands[0]) for moment in moments)
    return moments if fine else None


def _moved_and_put_down(
    start: np.ndarray, begin: float, end: float, random: np.random.Generator
) -> Path:
    """An object's way from start [4, 4] on: lifted at a time, carried until another (s) at least,
    and put down elsewhere."""
    turn = Rotation.from_matrix(start[:3, :3])
    places, turns = [start[:3, 3]], [turn]
    times = [begin]
    while len(places) < 3 or (times[-1] < end and len(places) < 40):
        offset = random.normal(0.0, 0.09, 3)
        offset[2] = random.uniform(0.06, 0.28)
        places.append(start[:3, 3] + offset)
        turns.append(Rotation.from_rotvec(random.normal(0.0, (0.4, 0.4, 0.7))) * turn)
        times.append(times[-1] + _duration(places, turns, random))
    offset = np.append(random.normal(0.0, 0.09, 2), 0.0)
    places.append(start[:3, 3] + offset)
    turns.append(Rotation.from_euler("z", random.normal(0.0, 0.6)) * turn)
    times.append(times[-1] + _duration(places, turns, random))
    return Path(np.array(times), np.array(places), Rotation.concatenate(turns))


def _carried_about(
    moment: Moment,
    hands: Sequence[Flesh],
    free: Sequence[int],
    times: np.ndarray,
    library: ObjectLibrary,
    random: np.random.Generator,
) -> list[Moment]:
    """Everything in a moment moves as one body, and free hands change their gestures."""
    moments = [moment] * len(times)
    for _ in range(_TRIES):
        tracks = [
            _gestures(flesh, hand, times, random) if number in free else [hand] * len(times)
            for number, (flesh, hand) in enumerate(zip(hands, moment.hands, strict=True))
        ]
        tried = [Moment(now, moment.objects) for now in zip(*tracks, strict=True)]
        if all(_clear(one, library) for one in tried):
            moments = tried
            break
    poses = _wander(moment.hands[0].wrist, times[-1], random).poses(times)
    return [one.moved(pose) for one, pose in zip(moments, poses, strict=True)]


def _gestures(
    flesh: Flesh, hand: Hand, times: np.ndarray, random: np.random.Generator
) -> list[Hand]:
    """A hand at times [T] that goes from gesture to gesture, and bends its wrist."""
    turn = Rotation.from_rotvec(hand.pose[0])
    angles, arms = [flesh.limits.angles(hand.pose)], [turn.inv().apply(hand.elbow - hand.wrist)]
    rests = [0.0]
    while rests[-1] < times[-1] or len(rests) < 2:
        rests.append(rests[-1] + random.uniform(0.3, 0.9))
        angles.append(gesture(flesh, random))
        arms.append(0.6 * arms[-1] + 0.4 * elbow_of(hand.side, np.eye(3), np.zeros(3), random))
    at = eased(np.array(rests), times)
    bends = make_interp_spline(rests, angles, k=1)(at)
    elbows = hand.wrist + turn.apply(make_interp_spline(rests, arms, k=1)(at))
    rotation = turn.as_matrix()
    return [
        flesh.hand(bend, rotation, hand.wrist, elbow)
        for bend, elbow in zip(bends, elbows, strict=True)
    ]


def _wander(centre: np.ndarray, end: float, random: np.random.Generator) -> Path:
    """From rest to rest until a time (s), turning about a point [3] of what moves."""
    places, turns, times = [np.zeros(3)], [Rotation.identity()], [0.0]
    while times[-1] < end or len(times) < 2:
        places.append(random.normal(0.0, 0.07, 3))
        turns.append(Rotation.from_rotvec(random.normal(0.0, 0.4, 3)))
        times.append(times[-1] + _duration(places, turns, random))
    turned = Rotation.concatenate(turns)
    return Path(np.array(times), centre + np.array(places) - turned.apply(centre), turned)


def _duration(
    places: Sequence[np.ndarray], turns: Sequence[Rotation], random: np.random.Generator
) -> float:
    """Of the last of the moves between places [3] and turns (s)."""
    distance = np.linalg.norm(places[-1] - places[-2])
    angle = (turns[-1] * turns[-2].inv()).magnitude()
    slowest = max(distance / random.uniform(*_SPEED), angle / _TURN_SPEED)
    return float(max(_PEAK * slowest, 0.3))


def _opened(
    flesh: Flesh, grasp: Hand, surface: Surface, random: np.random.Generator
) -> np.ndarray | None:
    """[15, 3] angles of a hand that has just come, or lets go; None where there is no room."""
    closed = flesh.limits.angles(grasp.pose)
    rotation = Rotation.from_rotvec(grasp.pose[0]).as_matrix()
    for opening in random.permutation([0.25, 0.4, 0.55, 0.7, 0.85, 1.0]):
        angles = closed + opening * (WRAP_OPEN.angles() - closed)
        angles = np.clip(angles, flesh.limits.lower, flesh.limits.upper)
        points = flesh.vertices(angles[None], rotation, grasp.wrist)[0]
        if surface.distance(points)[0].min() > -0.001:
            return angles
    return None


def _clear(moment: Moment, library: ObjectLibrary) -> bool:
    """No hand is in an object or in the other hand."""
    for hand in moment.hands:
        skin = Body(hand_mesh(hand), np.zeros(778))
        if Surroundings((), moment.objects, library).gap(skin) < -_DEEPEST_M:
            return False
    if len(moment.hands) == 1:
        return True
    first, second = moment.hands
    return Surroundings([first], (), library).gap(hand_body(second)) > _APART_M
