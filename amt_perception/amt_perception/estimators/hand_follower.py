"""One hand over time: fit each detection, learn the hand's size, smooth, and bridge short gaps."""

from __future__ import annotations

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.hand_fit import HandFit, HandFitter, HandState
from amt_perception.estimators.hand_size import HandSizeEstimator
from amt_perception.estimators.interface import HandEstimate, ScaleSource, TrackState
from amt_perception.estimators.observation import observe
from amt_perception.estimators.smoothing import StateSmoother
from amt_perception.estimators.tracking import PREDICTED_S, HandTrack
from amt_perception.hand.joints import Side

POOR_RESIDUAL = 3.0
"""A fit whose keypoints miss by more standard deviations than this is tried again from scratch, and
is half as credible."""
NO_HAND_RESIDUAL = 6.0
"""Keypoints that no hand explains better than this are not believed (real clips stay below 3)."""
NEAREST_M, FARTHEST_M = 0.08, 20.0
"""Nor is a hand outside this range of depths."""
UNSEEN_SPEED = 0.3
"""A hand that is not seen may be moving this fast (m/s): its joints' sigma grows with time."""


class HandFollower:
    """Follows the hand of one track, on one side."""

    def __init__(self, side: Side, fitter: HandFitter, hand_length_m: float | None) -> None:
        self.side = side
        self._fitter = fitter
        self._hand_size = HandSizeEstimator(fitter, hand_length_m)
        self._scale_source = ScaleSource.NOMINAL if hand_length_m is None else ScaleSource.USER
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forget the pose of a hand that was not seen for long, but not its size."""
        self._smoother = StateSmoother()
        self._fit: HandFit | None = None
        self._state: HandState | None = None
        self._fitted_at = -np.inf

    def estimate(
        self, track: HandTrack, intrinsics: Intrinsics, time: float
    ) -> HandEstimate | None:
        """The hand at this time: fitted to the track's detection if it has one, else held still.

        A detection that no hand can explain counts as none. None before the first good one.
        """
        if time - self._fitted_at > PREDICTED_S:
            self._begin_anew()
        fit = self._fitted(track, intrinsics) if track.state == TrackState.TRACKED else None
        if fit is not None:
            self._fit = fit
            self._state = self._smoother.smooth(fit.state, time)
            self._fitted_at = time
        if self._fit is None or self._state is None:
            return None
        size = self._hand_size.size
        joints = self._fitter.joints(size, self._state)
        unseen = time - self._fitted_at
        return HandEstimate(
            side=track.side,
            track_id=track.track_id,
            state=TrackState.PREDICTED if fit is None else TrackState.TRACKED,
            confidence=self._confidence(track, self._fit, unseen),
            wrist_rotation=self._state.wrist_rotation.as_matrix(),
            joints=joints,
            joint_sigma=self._fit.joint_sigma + UNSEEN_SPEED * unseen,
            keypoints_px=(
                intrinsics.project(joints) if fit is None else track.detection.keypoints_px
            ),
            mano_pose=self._fitter.mano_pose(self._state),
            mano_shape=size.shape,
            metric_scale=size.scale,
            scale_source=self._scale_source,
        )

    def _fitted(self, track: HandTrack, intrinsics: Intrinsics) -> HandFit | None:
        """The fit to the track's detection, which also teaches its size; None for no hand."""
        observation = observe(track.detection, intrinsics)
        size = self._hand_size.size
        fit = self._fitter.fit(observation, size, self._fit.state if self._fit else None)
        if fit.residual > POOR_RESIDUAL and self._fit is not None:
            fit = min(fit, self._fitter.fit(observation, size, None), key=lambda one: one.cost)
        if fit.residual < POOR_RESIDUAL:
            self._hand_size.add(observation, fit.state)
        in_range = NEAREST_M < fit.state.wrist_position[2] < FARTHEST_M
        return fit if in_range and fit.residual < NO_HAND_RESIDUAL else None

    def _confidence(self, track: HandTrack, fit: HandFit, unseen: float) -> float:
        """0..1: sureness of the side, times how well the hand model fits, times how fresh it is."""
        plausible = 1.0 / (1.0 + (fit.residual / POOR_RESIDUAL) ** 4)
        return float(track.side_confidence * plausible * np.exp(-unseen / PREDICTED_S))
