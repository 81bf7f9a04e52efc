"""Joints and meshes of the world's hands."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.skinning import hand_vertices
from amt_training.synthetic.scene import Hand


@lru_cache(maxsize=2)
def kinematics(side: Side) -> HandKinematics:
    """Of the generic hand."""
    return HandKinematics(generic_hand(side))


def hand_joints(hand: Hand) -> np.ndarray:
    """[21, 3] in the project's order, in the frame of the hand's moment (m)."""
    return kinematics(hand.side).joints21(hand.pose, hand.shape, hand_translation(hand))


def hand_mesh(hand: Hand) -> np.ndarray:
    """[778, 3] vertices in the frame of the hand's moment (m)."""
    data = kinematics(hand.side).data
    return hand_vertices(data, hand.pose, hand.shape, hand_translation(hand))


def hand_translation(hand: Hand) -> np.ndarray:
    """[3] MANO's translation (m): the wrist without the rest wrist of its shape."""
    translation: np.ndarray = hand.wrist - kinematics(hand.side).rest(hand.shape)[0][0]
    return translation
