"""Fit of a MANO-format hand to one detection: pose and place of a hand of known size.

Least squares by Levenberg-Marquardt (Marquardt, 1963) with the analytic Jacobian, over the
residuals of `hand_residuals`, the pose prior and the joint limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.estimators.hand_residuals import (
    NEAREST_Z,
    UNKNOWNS,
    bone_residuals,
    keypoint_residuals,
    pinch_residuals,
    robust,
)
from amt_perception.estimators.observation import HandObservation
from amt_perception.estimators.pose_prior import USUAL_ANGLES, USUAL_SIGMA
from amt_perception.hand.joints import BASES, MANO_PARENTS, WRIST
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData

LIMIT_SIGMA = 0.05
"""How far a joint may be pushed past its limit (rad, one standard deviation)."""
COLD_ITERATIONS, WARM_ITERATIONS = 20, 5
CONVERGED = 1e-2
"""A step that lowers the cost by less than this part of it is the last."""
_TURN, _ANGLES, _PLACE = slice(0, 3), slice(3, 48), slice(48, 51)
_PALM = [WRIST, *BASES]


@dataclass(frozen=True)
class HandSize:
    """Size and proportions of one person's hand."""

    shape: np.ndarray
    """[10] MANO shape coefficients."""
    scale: float
    """Factor on the model's lengths."""


@dataclass(frozen=True)
class HandState:
    """Pose and place of a hand in the camera frame."""

    wrist_rotation: Rotation
    """From the hand model's frame to the camera's."""
    angles: np.ndarray
    """[15, 3] flexion, abduction and twist of the finger joints, as in hand.limits (rad)."""
    wrist_position: np.ndarray
    """[3] (m)."""


@dataclass(frozen=True)
class HandFit:
    """The most probable state of a hand for one observation."""

    state: HandState
    joints: np.ndarray
    """[21, 3] in the camera frame (m)."""
    joint_sigma: np.ndarray
    """[21] one standard deviation of a joint's position, mean over the axes (m). From the residuals
    and the curvature of the cost at its minimum; an error of the hand's size comes on top."""
    residual: float
    """RMS distance of the projected joints to the keypoints, in keypoint standard deviations."""
    cost: float


@dataclass(frozen=True)
class LinearSystem:
    """Residuals (in standard deviations) and their derivatives at one state."""

    residuals: np.ndarray
    """[114] 21 keypoints x 2, 20 bones x 3, 4 pinches x 3, weighted by the robust loss."""
    jacobian: np.ndarray
    """[114, 51], weighted alike; [114, 61] with the shape."""
    prior_gradient: np.ndarray
    """[51]"""
    prior_curvature: np.ndarray
    """[51] diagonal of the prior's Hessian."""
    cost: float
    joints: np.ndarray
    """[21, 3] in the camera frame (m)."""
    joint_jacobian: np.ndarray
    """[21, 3, 51] or [21, 3, 61]"""
    keypoint_errors: np.ndarray
    """[21] distances in standard deviations."""

    @property
    def gradient(self) -> np.ndarray:
        """[51] or [61] half the derivative of the cost."""
        gradient = self.jacobian.T @ self.residuals
        gradient[:UNKNOWNS] += self.prior_gradient
        return gradient

    @property
    def hessian(self) -> np.ndarray:
        """[51, 51] or [61, 61] half the Gauss-Newton approximation of the second derivative."""
        hessian = self.jacobian.T @ self.jacobian
        hessian[np.arange(UNKNOWNS), np.arange(UNKNOWNS)] += self.prior_curvature
        return hessian


class HandFitter:
    """Fits hands of one side."""

    def __init__(self, data: HandModelData) -> None:
        self.kinematics = HandKinematics(data)
        self._limits = JointLimits(data)

    def fit(self, observation: HandObservation, size: HandSize, start: HandState | None) -> HandFit:
        """The best state near `start`; None begins from an open and from a closed hand."""
        if start is not None:
            return self._descend(observation, size, start, WARM_ITERATIONS)
        starts = [self._first_guess(observation, size, closed) for closed in (0.3, 2.0)]
        fits = [self._descend(observation, size, one, COLD_ITERATIONS) for one in starts]
        return min(fits, key=lambda one: one.cost)

    def linearise(
        self,
        observation: HandObservation,
        size: HandSize,
        state: HandState,
        with_shape: bool = False,
    ) -> LinearSystem:
        """Residuals and derivatives at one state."""
        relative, jacobian = self._relative_joints(size, state, with_shape)
        joints = relative + state.wrist_position
        projection = keypoint_residuals(observation, joints, jacobian)
        direction = bone_residuals(observation, relative, jacobian)
        pinch = pinch_residuals(observation, relative, jacobian)
        parts = [robust(*one) for one in (projection, direction, pinch)]
        prior_gradient, prior_curvature, prior_cost = self._prior_terms(state.angles)
        return LinearSystem(
            residuals=np.concatenate([part[0] for part in parts]),
            jacobian=np.concatenate([part[1] for part in parts]),
            prior_gradient=prior_gradient,
            prior_curvature=prior_curvature,
            cost=prior_cost + sum(part[2] for part in parts),
            joints=joints,
            joint_jacobian=jacobian,
            keypoint_errors=np.linalg.norm(projection[0], axis=-1),
        )

    def joints(self, size: HandSize, state: HandState) -> np.ndarray:
        """[21, 3] joints in the camera frame (m)."""
        rest_wrist = self.kinematics.rest(size.shape)[0][0]
        relative = self.kinematics.joints21(self.mano_pose(state), size.shape, -rest_wrist)
        return size.scale * relative + state.wrist_position

    def mano_pose(self, state: HandState) -> np.ndarray:
        """[16, 3] axis-angle vectors in MANO's joint order, wrist first, mean pose included."""
        return self._limits.pose(state.angles, state.wrist_rotation.as_rotvec())

    def _descend(
        self, observation: HandObservation, size: HandSize, state: HandState, iterations: int
    ) -> HandFit:
        system = self.linearise(observation, size, state)
        damping = 1e-3
        for _ in range(iterations):
            hessian = system.hessian
            damped = hessian + damping * np.diag(np.diag(hessian))
            candidate = _moved(state, -np.linalg.solve(damped, system.gradient))
            there = self.linearise(observation, size, candidate)
            if there.cost >= system.cost:
                damping *= 10.0
                continue
            finished = system.cost - there.cost < CONVERGED * system.cost
            state, system, damping = candidate, there, 0.1 * damping
            if finished:
                break
        return HandFit(
            state=state,
            joints=system.joints,
            joint_sigma=_joint_sigma(system),
            residual=float(np.sqrt(np.mean(system.keypoint_errors**2))),
            cost=system.cost,
        )

    def _first_guess(
        self, observation: HandObservation, size: HandSize, closed: float
    ) -> HandState:
        """The palm turned onto the detector's palm, fingers bent `closed` times the usual angle."""
        angles = closed * USUAL_ANGLES
        unturned = HandState(Rotation.identity(), angles, np.zeros(3))
        palm = self.joints(size, unturned)[_PALM]
        seen = observation.world_joints[_PALM]
        turn, _ = Rotation.align_vectors(seen - seen.mean(axis=0), palm - palm.mean(axis=0))
        turned = HandState(turn, angles, np.zeros(3))
        return HandState(turn, angles, _placed(observation.rays, self.joints(size, turned)))

    def _relative_joints(
        self, size: HandSize, state: HandState, with_shape: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints [21, 3] relative to the wrist, and their derivatives [21, 3, 51 or 61]."""
        pose = self.mano_pose(state)
        rest_wrist = self.kinematics.rest(size.shape)[0][0]
        joints, by_turn, rotations = self.kinematics.joints21_jacobian(
            pose, size.shape, -rest_wrist
        )
        turns = np.empty((16, 3, 3))
        turns[0] = np.eye(3)
        axes = self._limits.axes @ _cardan_axes(state.angles)
        turns[1:] = rotations[list(MANO_PARENTS[1:])] @ axes
        by_pose = (by_turn.transpose(2, 0, 1, 3) @ turns[:, None]).transpose(1, 2, 0, 3)
        parts = [size.scale * by_pose.reshape(21, 3, 48), np.broadcast_to(np.eye(3), (21, 3, 3))]
        if with_shape:
            by_shape = self.kinematics.shape_jacobian(rotations)
            parts.append(size.scale * (by_shape - by_shape[WRIST]))
        return size.scale * joints, np.concatenate(parts, axis=-1)

    def _prior_terms(self, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Gradient [51], curvature [51] and cost of usual angles and joint limits."""
        unusual = (angles - USUAL_ANGLES) / USUAL_SIGMA
        inside = np.clip(angles, self._limits.lower, self._limits.upper)
        beyond = (angles - inside) / LIMIT_SIGMA
        gradient, curvature = np.zeros(UNKNOWNS), np.zeros(UNKNOWNS)
        gradient[_ANGLES] = (unusual / USUAL_SIGMA + beyond / LIMIT_SIGMA).ravel()
        curvature[_ANGLES] = (USUAL_SIGMA**-2 + (beyond != 0.0) * LIMIT_SIGMA**-2).ravel()
        return gradient, curvature, float(np.sum(unusual**2) + np.sum(beyond**2))


def _moved(state: HandState, step: np.ndarray) -> HandState:
    return HandState(
        Rotation.from_rotvec(step[_TURN]) * state.wrist_rotation,
        state.angles + step[_ANGLES].reshape(15, 3),
        state.wrist_position + step[_PLACE],
    )


def _joint_sigma(system: LinearSystem) -> np.ndarray:
    """[21] from the inverse Hessian, times the mean squared residual where that is above one."""
    excess = max(1.0, float(np.mean(system.residuals**2)))
    factor = np.linalg.cholesky(system.hessian)
    by_unit = np.linalg.solve(factor, system.joint_jacobian.reshape(63, UNKNOWNS).T)
    return np.sqrt(excess * np.sum(by_unit**2, axis=0).reshape(21, 3).mean(axis=-1))


def _placed(rays: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """[3] place that projects the relative joints [21, 3] onto the rays (linear least squares)."""
    equations = np.zeros((21, 2, 3))
    equations[:, (0, 1), (0, 1)] = 1.0
    equations[:, :, 2] = -rays
    right = rays * relative[:, 2:] - relative[:, :2]
    place = np.linalg.lstsq(equations.reshape(42, 3), right.ravel(), rcond=None)[0]
    place[2] = max(place[2], 2.0 * NEAREST_Z)
    return place


def _cardan_axes(angles: np.ndarray) -> np.ndarray:
    """[15, 3, 3] axes (columns) about which a joint turns when each of its angles [15, 3] grows.

    In the joint's anatomical frame: R = Rx(flexion) Ry(abduction) Rz(twist).
    """
    sin_x, cos_x = np.sin(angles[:, 0]), np.cos(angles[:, 0])
    sin_y, cos_y = np.sin(angles[:, 1]), np.cos(angles[:, 1])
    axes = np.zeros((len(angles), 3, 3))
    axes[:, 0, 0] = 1.0
    axes[:, 1, 1], axes[:, 2, 1] = cos_x, sin_x
    axes[:, :, 2] = np.stack([sin_y, -sin_x * cos_y, cos_x * cos_y], axis=-1)
    return axes
