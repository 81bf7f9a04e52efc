"""Which hand is which over time: identity, side, and what to say while a hand is not seen.

Detections are matched to the tracks' predicted places by the assignment of least total distance
(Hungarian method, scipy.optimize.linear_sum_assignment). The side is decided from evidence summed
over frames, never from one frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from amt_perception.estimators.detection import HandDetection
from amt_perception.estimators.interface import TrackState
from amt_perception.hand.joints import Side

MATCH_DISTANCE = 1.5
"""Farthest match, in hand sizes; grows with the time that the hand was not seen."""
MATCH_GROWTH = 6.0
"""Hand sizes per second."""
WRONG_SIDE_DISTANCE = 0.3
"""Hand sizes that a contradicting side counts for: hands that cross keep their tracks."""
VELOCITY_DECAY_S = 0.1
"""A predicted hand comes to rest with this time constant: an old velocity says little."""
PREDICTED_S = 0.2
"""A hand that is not seen is predicted for this long, then it is lost."""
FORGOTTEN_S = 1.0
"""A lost hand that comes back within this time keeps its identity, side and shape."""
SURE_SIDE_SCORE = 0.8
"""A new hand whose side is less sure than this is reported from its second frame on."""
MAX_VOTE = 3.0
"""Bound of one frame's side evidence (log odds): detectors are sure when wrong, too."""
MAX_EVIDENCE = 30.0
"""Bound of the sum, so that old evidence can be outvoted."""
KEEP_SIDE = 18.0
"""Evidence that the present side is worth: a change needs steady contradiction."""
DIFFERENT_SIDES = 12.0
"""Evidence that two hands in one image are a left and a right one."""


@dataclass
class HandTrack:
    """One hand over time."""

    track_id: int
    detection: HandDetection
    """The latest."""
    seen_at: float
    """Time of the latest detection (s)."""
    state: TrackState = TrackState.TRACKED
    side: Side = Side.UNKNOWN
    side_evidence: float = 0.0
    """Log odds, positive for right, negative for left."""
    frames_seen: int = 1
    frames_to_confirm: int = 2
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    """Of the hand's centre (px/s)."""

    @property
    def reported(self) -> bool:
        """False while a new hand waits for confirmation and once a hand is lost."""
        seen_enough = self.frames_seen >= self.frames_to_confirm
        confirmed = seen_enough or self.detection.side_score >= SURE_SIDE_SCORE
        return confirmed and self.state != TrackState.LOST

    @property
    def side_confidence(self) -> float:
        """0..1: probability of `side`, the logistic function of its evidence."""
        signed = self.side_evidence if self.side == Side.RIGHT else -self.side_evidence
        return float(1.0 / (1.0 + np.exp(-signed)))

    def predicted_shift(self, time: float) -> np.ndarray:
        """[2] pixels that the hand is expected to have moved since it was last seen."""
        decayed = 1.0 - np.exp((self.seen_at - time) / VELOCITY_DECAY_S)
        return self.velocity * VELOCITY_DECAY_S * decayed


class HandTracker:
    """Keeps the tracks of up to `max_hands` hands."""

    def __init__(self, max_hands: int = 2, frames_to_confirm: int = 2) -> None:
        """frames_to_confirm: sightings that a new hand of an unsure side needs to be reported."""
        self._max_hands = max_hands
        self._frames_to_confirm = frames_to_confirm
        self._tracks: list[HandTrack] = []
        self._next_id = 1

    def reset(self) -> None:
        """Forget all tracks; identities go on counting."""
        self._tracks = []

    def update(self, detections: Sequence[HandDetection], time: float) -> list[HandTrack]:
        """Take one image's detections (no duplicates); gives the tracks that are not forgotten.

        A track with state TRACKED has its `detection` from this image. time: seconds, increasing.
        """
        matched, new = self._match(detections, time)
        for track in self._tracks:
            detection = matched.get(track.track_id)
            if detection is not None:
                _follow(track, detection, time)
            elif time - track.seen_at > PREDICTED_S or track.frames_seen == 1:
                track.state = TrackState.LOST
            else:
                track.state = TrackState.PREDICTED
        self._tracks = [one for one in self._tracks if time - one.seen_at <= FORGOTTEN_S]
        for detection in new:
            self._start(detection, time)
        self._decide_sides()
        return list(self._tracks)

    def _match(
        self, detections: Sequence[HandDetection], time: float
    ) -> tuple[dict[int, HandDetection], list[HandDetection]]:
        """Detections of known tracks by track id, and detections of new hands."""
        cost = np.array(
            [[_match_cost(track, one, time) for one in detections] for track in self._tracks]
        ).reshape(len(self._tracks), len(detections))
        matched: dict[int, HandDetection] = {}
        taken = set()
        for row, column in zip(*linear_sum_assignment(np.minimum(cost, 1e3)), strict=True):
            if np.isfinite(cost[row, column]):
                matched[self._tracks[row].track_id] = detections[column]
                taken.add(column)
        return matched, [one for i, one in enumerate(detections) if i not in taken]

    def _start(self, detection: HandDetection, time: float) -> None:
        """Begin a track; when all places are taken, a lost hand gives up its own."""
        if len(self._tracks) >= self._max_hands:
            lost = [one for one in self._tracks if one.state == TrackState.LOST]
            if not lost:
                return
            self._tracks.remove(min(lost, key=lambda one: one.seen_at))
        track = HandTrack(
            self._next_id,
            detection,
            time,
            side_evidence=_evidence(detection),
            frames_to_confirm=self._frames_to_confirm,
        )
        self._next_id += 1
        self._tracks.append(track)

    def _decide_sides(self) -> None:
        """Give all tracks the sides that the evidence of all of them together supports best."""
        sides = (Side.RIGHT, Side.LEFT)
        best = max(
            itertools.product(sides, repeat=len(self._tracks)),
            key=lambda chosen: _sides_score(self._tracks, chosen),
        )
        for track, side in zip(self._tracks, best, strict=True):
            track.side = side


def _follow(track: HandTrack, detection: HandDetection, time: float) -> None:
    moved = detection.keypoints_px.mean(axis=0) - track.detection.keypoints_px.mean(axis=0)
    track.velocity = moved / (time - track.seen_at)
    track.detection = detection
    track.seen_at = time
    track.state = TrackState.TRACKED
    track.frames_seen += 1
    evidence = track.side_evidence + _evidence(detection)
    track.side_evidence = float(np.clip(evidence, -MAX_EVIDENCE, MAX_EVIDENCE))


def _match_cost(track: HandTrack, detection: HandDetection, time: float) -> float:
    """Mean keypoint distance to the predicted place in hand sizes, plus a charge for the wrong
    side; infinite beyond the gate."""
    predicted = track.detection.keypoints_px + track.predicted_shift(time)
    distance = np.linalg.norm(detection.keypoints_px - predicted, axis=-1).mean()
    distance /= max(track.detection.size_px, detection.size_px, 1.0)
    if distance > MATCH_DISTANCE + MATCH_GROWTH * (time - track.seen_at):
        return float("inf")
    wrong_side = detection.side_score if detection.side != track.side else 0.0
    return float(distance + WRONG_SIDE_DISTANCE * wrong_side)


def _evidence(detection: HandDetection) -> float:
    """Bounded log odds for the right side."""
    score = min(detection.side_score, 0.999)
    vote = min(float(np.log(score / (1.0 - score))), MAX_VOTE)
    return vote if detection.side == Side.RIGHT else -vote


def _sides_score(tracks: Sequence[HandTrack], sides: Sequence[Side]) -> float:
    score = 0.0
    for track, side in zip(tracks, sides, strict=True):
        score += track.side_evidence if side == Side.RIGHT else -track.side_evidence
        score += KEEP_SIDE if side == track.side else 0.0
    return score + DIFFERENT_SIDES * sum(a != b for a, b in itertools.combinations(sides, 2))
