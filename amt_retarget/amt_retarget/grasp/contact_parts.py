"""Which part of the hand touches what of an object: what a model of contacts learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import PALM_LINKS, HandModel
from amt_retarget.grasp.human import PARTS

Array = NDArray[np.float64]

NO_SUCH_PART_M = 1.0
"""Distance to a part that the hand does not have, the Allegro's little finger."""


def part_of_link(link: str) -> str:
    """The part of the hand (see PARTS) that a link such as `thumb_link_2` belongs to."""
    return "palm" if link in PALM_LINKS else link.split("_")[0]


def part_distances(hand: HandModel, configuration: Configuration, points: Array) -> Array:
    """Distances [N, 6] (m) of points [N, 3] (object's frame, m) to each part of the hand, as PARTS.

    To the surface of the URDF's collision shapes; 0 for a point inside one of them, and
    NO_SUCH_PART_M for a part that the hand does not have.
    """
    in_palm = (points - configuration.position) @ configuration.rotation
    distances = np.full((len(points), len(PARTS)), np.inf)
    poses = hand(configuration.joints).shape_poses
    for shape, link, (rotation, position) in zip(hand.shapes, hand.shape_links, poses, strict=True):
        column = distances[:, PARTS.index(part_of_link(link))]
        distance, _ = shape.signed_distance((in_palm - position) @ rotation)
        np.minimum(column, distance, out=column)
    distances[:, np.isinf(distances).all(axis=0)] = NO_SUCH_PART_M
    return np.maximum(distances, 0.0)
