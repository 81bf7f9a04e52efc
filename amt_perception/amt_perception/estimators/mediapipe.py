"""Hand poses from MediaPipe's keypoints: detect, track, fit a MANO-format hand, smooth.

MediaPipe gives keypoints and rough 3D joints of changing size, no place in space, no joint angles
and no identity; the rest is here. Everything runs on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators.detection import HandDetection
from amt_perception.estimators.hand_fit import HandFitter
from amt_perception.estimators.hand_follower import HandFollower
from amt_perception.estimators.interface import FrameEstimate, check_call
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_perception.estimators.tracking import HandTrack, HandTracker
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model

MAX_HANDS = 2
SHORTEST_HAND_M, LONGEST_HAND_M = 0.08, 0.30


class MediaPipeEstimator:
    """The estimator of this module; see `estimators.interface.Estimator`."""

    name = "mediapipe"

    def __init__(
        self,
        mano_folder: Path | None = None,
        hand_length_m: float | None = None,
        single_images: bool = False,
    ) -> None:
        """Load models; takes about a second.

        mano_folder: the user's MANO files, None for the project's generic hand. hand_length_m: from
        the crease of the wrist to the tip of the straight middle finger; None assumes an average
        adult, which makes all distances wrong by the same factor as the hand's length (about 5 %).
        single_images: each image is searched anew, and a hand needs no second image to be believed;
        call `reset` between images that have nothing to do with each other. Raises AmtError when
        MediaPipe, its models or the MANO files are missing or the length is not a hand's.
        """
        if hand_length_m is not None and not SHORTEST_HAND_M <= hand_length_m <= LONGEST_HAND_M:
            raise AmtError(
                f"a hand length of {hand_length_m} m is not a hand's; measure from the crease of "
                "the wrist to the tip of the middle finger, in metres (an average adult has 0.19)"
            )
        self._hand_length_m = hand_length_m
        self._fitters = {
            side: HandFitter(load_hand_model(side, mano_folder)) for side in (Side.LEFT, Side.RIGHT)
        }
        self._detector = MediaPipeDetector(MAX_HANDS, single_images)
        self._tracker = HandTracker(MAX_HANDS, frames_to_confirm=1 if single_images else 2)
        self._followers: dict[int, HandFollower] = {}
        self._time = -np.inf

    def estimate(self, image: np.ndarray, intrinsics: Intrinsics, time: float) -> FrameEstimate:
        """Hands in one image. See `estimators.interface.Estimator.estimate`."""
        check_call(image, intrinsics, time, self._time)
        self._time = time
        return self.estimate_from(self._detector.detect(image, time), intrinsics, time)

    def estimate_from(
        self, detections: Sequence[HandDetection], intrinsics: Intrinsics, time: float
    ) -> FrameEstimate:
        """Everything after detection: identity, pose and smoothing of given detections."""
        tracks = self._tracker.update(detections, time)
        self._followers = {track.track_id: self._follower(track) for track in tracks}
        estimates = [
            self._followers[track.track_id].estimate(track, intrinsics, time)
            for track in tracks
            if track.reported
        ]
        return FrameEstimate([hand for hand in estimates if hand is not None])

    def reset(self) -> None:
        """Forget all hands; time may start again."""
        self._detector.reset()
        self._tracker.reset()
        self._followers = {}
        self._time = -np.inf

    def close(self) -> None:
        """Stop MediaPipe."""
        self._detector.close()

    def _follower(self, track: HandTrack) -> HandFollower:
        """The track's follower; a new one for a new track or when its side was wrong so far."""
        follower = self._followers.get(track.track_id)
        if follower is None or follower.side != track.side:
            follower = HandFollower(track.side, self._fitters[track.side], self._hand_length_m)
        return follower
