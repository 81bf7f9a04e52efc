"""How a hand's fingers usually stand: a normal distribution of each anatomical angle.

It decides where the keypoints do not: twist about a bone, a hidden finger. The deviations of
flexion are wide enough to leave a seen finger alone; the hinges (PIP, DIP, thumb IP) hardly abduct
or twist. The ranges of motion are in `hand.limits`.
"""

from __future__ import annotations

import numpy as np

# Degrees: flexion, abduction, twist.
_FINGER_MEAN = ((20, 0, 0), (25, 0, 0), (15, 0, 0))
_FINGER_SIGMA = ((45, 12, 6), (50, 3, 4), (40, 3, 4))
_THUMB_MEAN = ((10, 0, 0), (10, 0, 0), (10, 0, 0))
_THUMB_SIGMA = ((30, 25, 20), (30, 10, 8), (35, 4, 5))

USUAL_ANGLES = np.radians((*_FINGER_MEAN * 4, *_THUMB_MEAN))
"""[15, 3] flexion, abduction and twist of the finger joints in MANO's order (rad)."""
USUAL_SIGMA = np.radians((*_FINGER_SIGMA * 4, *_THUMB_SIGMA))
"""[15, 3] standard deviations (rad)."""
