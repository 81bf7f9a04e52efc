"""Where hands touch objects, from the mesh of the hand and the meshes of the objects, exactly."""

from __future__ import annotations

import numpy as np

from amt_perception.hand.generic import generic_hand
from amt_perception.model.interface import HAND_PARTS
from amt_training.data.contacts import PART_OF_JOINT
from amt_training.synthetic.geometry import hand_mesh
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import Hand, Moment, Touch


def touches_of(moment: Moment, library: ObjectLibrary) -> tuple[Touch, ...]:
    """How each hand of a moment touches its objects, in the moment's frame."""
    return tuple(_touch(hand, moment, library) for hand in moment.hands)


def _touch(hand: Hand, moment: Moment, library: ObjectLibrary) -> Touch:
    vertices = hand_mesh(hand)
    distance, nearest = np.full(len(vertices), np.inf), vertices.copy()
    for one in moment.objects:
        turn, place = one.pose[:3, :3], one.pose[:3, 3]
        here, there = library.surface(one.number).distance((vertices - place) @ turn)
        closer = here < distance
        distance[closer], nearest[closer] = here[closer], there[closer] @ turn.T + place
    part = PART_OF_JOINT[generic_hand(hand.side).weights.argmax(axis=1)]
    chosen = np.array(
        [np.where(part == number, distance, np.inf).argmin() for number in range(len(HAND_PARTS))]
    )
    # Without objects every distance is infinite, and argmin would take a vertex of another part.
    if not moment.objects:
        chosen = np.array([(part == number).argmax() for number in range(len(HAND_PARTS))])
    return Touch(distance[chosen], vertices[chosen], nearest[chosen])
