"""Size and proportions of a person's hand, learnt from the first frames and then left alone."""

from __future__ import annotations

import numpy as np

from amt_perception.estimators.hand_fit import HandFitter, HandSize, HandState
from amt_perception.estimators.hand_residuals import UNKNOWNS
from amt_perception.estimators.observation import HandObservation
from amt_perception.hand.kinematics import HandKinematics

SETTLED_FRAMES = 30
FRAME_WEIGHT = 0.1
"""Neighbouring frames repeat each other's errors, so each counts for a part of a measurement."""
_MIDDLE_FINGER = (0, 4, 5, 6)
_MIDDLE_TIP = 2


class HandSizeEstimator:
    """Collects what each frame says about the shape once its pose is known.

    The shape is a constant of all frames. Each frame's normal equations with the pose eliminated
    (Schur complement, as in bundle adjustment: Triggs et al., 2000) are summed on top of the shape
    model's own prior, a unit normal distribution. One camera cannot tell a large hand far away from
    a small one nearby: the hand's length is the user's, or the model's mean.
    """

    def __init__(self, fitter: HandFitter, hand_length_m: float | None) -> None:
        self._fitter = fitter
        self._length = hand_length_m or hand_length(fitter.kinematics, np.zeros(10))
        self._information = np.eye(10)
        self._weighted_shape = np.zeros(10)
        self._frames = 0
        self.size = self._size_of(np.zeros(10))

    def add(self, observation: HandObservation, state: HandState) -> None:
        """Learn from a fitted frame; does nothing once the size has settled."""
        if self._frames >= SETTLED_FRAMES:
            return
        system = self._fitter.linearise(observation, self.size, state, with_shape=True)
        hessian, gradient = system.hessian, system.gradient
        pose, shape = slice(0, UNKNOWNS), slice(UNKNOWNS, None)
        eliminated = np.linalg.solve(hessian[pose, pose], hessian[pose, shape]).T
        information = hessian[shape, shape] - eliminated @ hessian[pose, shape]
        descent = eliminated @ gradient[pose] - gradient[shape]
        self._information += FRAME_WEIGHT * information
        self._weighted_shape += FRAME_WEIGHT * (information @ self.size.shape + descent)
        self.size = self._size_of(np.linalg.solve(self._information, self._weighted_shape))
        self._frames += 1

    def _size_of(self, shape: np.ndarray) -> HandSize:
        return HandSize(shape, self._length / hand_length(self._fitter.kinematics, shape))


def hand_length(kinematics: HandKinematics, shape: np.ndarray) -> float:
    """Wrist to the tip of the straightened middle finger (m), of a model with shape [10]."""
    joints, tips = kinematics.rest(shape)
    chain = np.vstack([joints[list(_MIDDLE_FINGER)], tips[_MIDDLE_TIP]])
    return float(np.linalg.norm(np.diff(chain, axis=0), axis=-1).sum())
