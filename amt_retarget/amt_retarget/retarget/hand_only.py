"""Fingers alone, by the objectives of published methods: to compare with, or to use without an arm.

The objectives are those of AnyTeleop (Qin et al., RSS 2023, arXiv:2307.04577) as its package
dex-retargeting has them: `vector` (wrist to fingertips), `dexpilot` (also between fingertips, with
those that touch drawn together; Handa et al., ICRA 2020, arXiv:1910.03135) and `position`
(fingertips and middle joints, with a free wrist). They are minimised by Newton's method with the
exact Hessian, damped where it must be (Levenberg-Marquardt), within the joint limits.
"""

from __future__ import annotations

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.kinematics import MIDDLES, TIPS, WRIST, make_kernel
from amt_retarget.robot.robot import Robot

OBJECTIVES = ("vector", "dexpilot", "position")
HUMAN_WRIST, HUMAN_TIPS, HUMAN_MIDDLES = 0, [4, 8, 12, 16], [2, 6, 10, 14]
"""Of the 21 joints, in the order of the robot's points."""

MAX_STEPS = 60
TRUST_RAD = 0.4
LEAST_DECREASE = 1e-7
"""Of the cost in a step that is the last (m; costs are mean distances)."""

VECTOR_BETA_M, DEXPILOT_BETA_M, POSITION_BETA_M = 0.02, 0.03, 0.02
TOUCH_M, PART_M = 0.03, 0.05
"""DexPilot: thumb and finger closer than this are drawn together, until they are this far apart."""
THUMB_GAP_M, FINGER_GAP_M = 1e-4, 3e-2
"""DexPilot: how far apart those are to be: from the thumb, and from each other."""
THUMB_WEIGHT, FINGER_WEIGHT = 200.0, 400.0
WRIST_WEIGHT = 10.0
ALIGNMENTS = 5
"""Of the free wrist, each followed by the fingers."""

FINGER_PAIRS = [(a, b) for a in range(4) for b in range(a + 1, 4)]
"""Thumb to index, middle and ring first, then the fingers among each other."""


class HandRetargeter:
    """Follows a hand with the 16 joints of the robot's, frame by frame, within the joint limits."""

    def __init__(self, robot: Robot, objective: str, scale: float = 1.6) -> None:
        """objective: one of OBJECTIVES; scale: robot over human size (1.6 is the packages'; the
        objective `position` has none). Raises RetargetError for another one.
        """
        if objective not in OBJECTIVES:
            raise RetargetError(
                f"unknown objective {objective!r}: choose one of {', '.join(OBJECTIVES)}"
            )
        self.objective = objective
        self._scale = 1.0 if objective == "position" else scale
        vectors = [(WRIST, tip) for tip in TIPS]
        beta = VECTOR_BETA_M
        if objective == "dexpilot":
            vectors = [(TIPS[b], TIPS[a]) for a, b in FINGER_PAIRS] + vectors
            beta = DEXPILOT_BETA_M
        elif objective == "position":
            vectors += [(WRIST, middle) for middle in MIDDLES]
            beta = POSITION_BETA_M
        self._kernel = make_kernel(robot, vectors, with_arm=False)
        self._betas = np.full(len(vectors), beta)
        hand = slice(len(robot.arm_joint_names), None)
        self._lower, self._upper = robot.lower[hand], robot.upper[hand]
        self.reset()

    def reset(self) -> None:
        """Begin anew from the middle of the joints' ranges."""
        self.positions: np.ndarray = 0.5 * (self._lower + self._upper)
        self._touching = np.zeros(len(FINGER_PAIRS), dtype=bool)

    def step(self, joints: np.ndarray) -> np.ndarray:
        """Joint positions [16] (rad) for the next frame.

        joints: [21, 3] (m) with the wrist at the origin and the palm's axes (see hand_frame): z to
        the middle knuckle, x out of the palm. Raises ValueError for another shape or numbers that
        are not finite.
        """
        joints = np.asarray(joints, dtype=float)
        if joints.shape != (21, 3) or not np.all(np.isfinite(joints)):
            raise ValueError("A hand has 21 finite joints of shape (21, 3).")
        if self.objective == "position":
            self._align_and_solve(joints)
        else:
            targets, weights = self._targets(joints)
            self._solve(targets, weights)
        return self.positions.copy()

    def _targets(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tips = joints[HUMAN_TIPS] - joints[HUMAN_WRIST]
        if self.objective == "vector":
            return self._scale * tips, np.full(4, 1.0 / 4.0)
        between = np.array([tips[a] - tips[b] for a, b in FINGER_PAIRS])
        distances = np.linalg.norm(between, axis=1)
        thumb = slice(0, 3)
        self._touching[thumb] |= distances[thumb] < TOUCH_M
        self._touching[thumb] &= distances[thumb] <= PART_M
        for i, (a, b) in enumerate(FINGER_PAIRS[3:], start=3):
            both = self._touching[a - 1] and self._touching[b - 1]
            self._touching[i] = both and distances[i] <= TOUCH_M
        gaps = np.repeat([THUMB_GAP_M, FINGER_GAP_M], 3)[:, None]
        drawn = gaps * between / (distances[:, None] + 1e-6)
        between = np.where(self._touching[:, None], drawn, self._scale * between)
        heavy = np.repeat([THUMB_WEIGHT, FINGER_WEIGHT], 3)
        weights = np.concatenate([np.where(self._touching, heavy, 1.0), np.full(4, WRIST_WEIGHT)])
        return np.concatenate([between, self._scale * tips]), weights / 10.0

    def _align_and_solve(self, joints: np.ndarray) -> None:
        """Turn by turn the wrist (the best rigid fit, Kabsch 1976) and the fingers."""
        human = joints[HUMAN_TIPS + HUMAN_MIDDLES]
        weights = np.full(len(human), 1.0 / (3.0 * len(human)))
        for _ in range(ALIGNMENTS):
            robot = self._kernel.vectors(self.positions)
            left, _, right = np.linalg.svd((human - human.mean(0)).T @ (robot - robot.mean(0)))
            proper = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
            rotation = left @ proper @ right
            self._solve((human - human.mean(0)) @ rotation + robot.mean(0), weights)

    def _solve(self, targets: np.ndarray, weights: np.ndarray) -> None:
        self.positions, _ = self._kernel.minimise(
            self.positions,
            targets,
            weights,
            self._betas,
            NOWHERE,
            NO_TURN,
            0.0,
            0.0,
            self._lower,
            self._upper,
            TRUST_RAD,
            LEAST_DECREASE,
            MAX_STEPS,
            True,
        )


NOWHERE, NO_TURN = np.zeros(3), np.eye(3)
"""The palm's target of a hand whose palm is its base: it has no weight."""
