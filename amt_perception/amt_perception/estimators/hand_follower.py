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
UNSEEN_SPEED = 0.3
"""A hand that is not seen may be moving this fast (m/s): its joints' sigma grows with time."""


class HandFollower:
    """Follows the hand of one track, on one side."""

    def __init__(self, side: Side, fitter: HandFitter, hand_length_m: float | None) -> None:
        self.side = side
        self._fitter = fitter
        self._hand_size = HandSizeEstimator(fitter, hand_length_m)
        self._scale_source = ScaleSource.NOMINAL if hand_length_m is None else ScaleSource.USER
        self._smoother = StateSmoother()
        self._fit: HandFit | None = None
        self._state: HandState | None = None

    def lose(self) -> None:
        """The hand was not seen for long: keep its size, begin its pose anew when it returns."""
        self._smoother = StateSmoother()
        self._fit = None

    def estimate(self, track: HandTrack, intrinsics: Intrinsics, time: float) -> HandEstimate:
        """The hand at this time: fitted to the track's detection if it has one, else held still."""
        if track.state == TrackState.TRACKED:
            self._state = self._smoother.smooth(self._fitted(track, intrinsics).state, time)
        assert self._fit is not None and self._state is not None, "a track starts with a detection"
        unseen = time - track.seen_at
        size = self._hand_size.size
        joints = self._fitter.joints(size, self._state)
        keypoints = track.detection.keypoints_px if unseen == 0.0 else intrinsics.project(joints)
        return HandEstimate(
            side=track.side,
            track_id=track.track_id,
            state=track.state,
            confidence=self._confidence(track, unseen),
            wrist_rotation=self._state.wrist_rotation.as_matrix(),
            joints=joints,
            joint_sigma=self._fit.joint_sigma + UNSEEN_SPEED * unseen,
            keypoints_px=keypoints,
            mano_pose=self._fitter.mano_pose(self._state),
            mano_shape=size.shape,
            metric_scale=size.scale,
            scale_source=self._scale_source,
        )

    def _fitted(self, track: HandTrack, intrinsics: Intrinsics) -> HandFit:
        observation = observe(track.detection, intrinsics)
        size = self._hand_size.size
        fit = self._fitter.fit(observation, size, self._fit.state if self._fit else None)
        if fit.residual > POOR_RESIDUAL and self._fit is not None:
            fit = min(fit, self._fitter.fit(observation, size, None), key=lambda one: one.cost)
        if fit.residual < POOR_RESIDUAL:
            self._hand_size.add(observation, fit.state)
        self._fit = fit
        return fit

    def _confidence(self, track: HandTrack, unseen: float) -> float:
        """0..1: sureness of the side, times how well the hand model fits, times how fresh it is."""
        assert self._fit is not None
        plausible = 1.0 / (1.0 + (self._fit.residual / POOR_RESIDUAL) ** 4)
        return float(track.side_confidence * plausible * np.exp(-unseen / PREDICTED_S))
