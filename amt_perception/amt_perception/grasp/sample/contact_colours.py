"""One colour for each part of a hand, in every picture of contacts."""

from __future__ import annotations

import numpy as np

PART_COLOURS = np.array(
    [
        (0.55, 0.55, 0.60),
        (0.86, 0.15, 0.20),
        (0.96, 0.58, 0.12),
        (0.22, 0.64, 0.30),
        (0.15, 0.42, 0.80),
        (0.55, 0.27, 0.68),
    ]
)
"""[6, 3] RGB in 0..1 in the order of HAND_PARTS."""
UNTOUCHED = np.array([0.93, 0.93, 0.91])


def coloured_points(contact: np.ndarray) -> np.ndarray:
    """[N, 3] RGB of points with probabilities [N, 6]: the likeliest part's, paler where unlikely.

    The map's own maximum has the full colour: what is seen is where, not how sure.
    """
    strength = contact.max(axis=1, keepdims=True)
    strength = strength / max(float(strength.max()), 1e-9)
    colours: np.ndarray = UNTOUCHED + strength * (PART_COLOURS[contact.argmax(axis=1)] - UNTOUCHED)
    return colours
