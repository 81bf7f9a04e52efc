"""The AMT model on a video: it finds the hands, follows them, and says which is which.

A hand's box in one image comes from its own result in the image before, moved on; MediaPipe's
detector is asked only for hands that are not followed yet or whose result is doubtful.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.amt import AmtEstimator, check_finite
from amt_perception.estimators.amt_results import frame_estimate
from amt_perception.estimators.detection import (
    DUPLICATE_DISTANCE,
    HandDetection,
    keypoint_distance,
)
from amt_perception.estimators.hand_box import HandBox
from amt_perception.estimators.hand_follower import UNSEEN_SPEED
from amt_perception.estimators.interface import (
    FrameEstimate,
    HandEstimate,
    TrackState,
    check_call,
)
from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
from amt_perception.estimators.object_tracks import ObjectTracker
from amt_perception.estimators.tracking import PREDICTED_S, HandTrack, HandTracker
from amt_perception.hand.joints import Side
from amt_perception.model.engine import Encoded
from amt_perception.model.packed import joined, sample

MAX_HANDS = 2
SEARCH_EVERY = 10
"""Images between two searches for hands while at least one is followed."""
DOUBTFUL_CONFIDENCE = 0.6
"""A followed hand below this is searched for, too, and takes the detector's box if it is found."""
NO_HAND_CONFIDENCE = 0.5
"""A result below this is not believed to be a hand."""
SMALLEST_BOX_PX = 4.0
SAME_HAND_OVERLAP = 0.2
"""A detected box that overlaps a followed one by this share of both is of the same hand."""
NO_EVIDENCE = 0.5
"""Side score of a hand whose side was not looked at anew."""


@dataclass
class _Question:
    """A box to look into, and what is known about the hand in it."""

    box: HandBox
    seen_side: Side
    """The side that the detector saw, which may not be the track's, and how sure it was."""
    side_score: float
    history: list[Encoded]
    """The hand's last frames, without a gap."""


_Believed = tuple[HandEstimate, _Question, Encoded]
"""What the network says of a question."""


class AmtTracker:
    """The estimator of this module; see `estimators.interface.Estimator`."""

    name = "amt"

    def __init__(self, estimator: AmtEstimator, detector: MediaPipeDetector) -> None:
        """detector: for single images, since it does not see every one."""
        self._estimator = estimator
        self._detector = detector
        self._hands = HandTracker(MAX_HANDS)
        self._objects = ObjectTracker()
        self.reset()

    @classmethod
    def load(
        cls,
        checkpoint: Path,
        mano_folder: Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> AmtTracker:
        """See `AmtEstimator.load`. Raises AmtError also when MediaPipe is missing."""
        estimator = AmtEstimator.load(checkpoint, mano_folder, device, precision)
        return cls(estimator, MediaPipeDetector(MAX_HANDS, single_images=True))

    def reset(self) -> None:
        """Forget all hands and objects; time may start again."""
        self._hands.reset()
        self._objects.reset()
        self._tracks: list[HandTrack] = []
        self._latest: dict[int, HandEstimate] = {}
        self._histories: dict[int, list[Encoded]] = {}
        self._since_search = SEARCH_EVERY
        self._time = -np.inf

    def close(self) -> None:
        """Stop MediaPipe."""
        self._detector.close()

    def estimate(self, image: np.ndarray, intrinsics: Intrinsics, time: float) -> FrameEstimate:
        """Everything in one image. See `estimators.interface.Estimator.estimate`."""
        check_call(image, intrinsics, time, self._time)
        self._time = time
        questions = self._followed(intrinsics, time)
        if self._should_search(questions):
            questions = self._searched(questions, image, intrinsics, time)
            self._since_search = 0
        self._since_search += 1
        frame, answers = self._ask(questions, image, intrinsics)
        believed = _without_duplicates(answers)
        detections = [_detection(hand, question) for hand, question, _ in believed]
        self._tracks = self._hands.update(detections, time)
        self._histories = {}
        latest: dict[int, HandEstimate] = {}
        for track in self._tracks:
            seen = [k for k, one in enumerate(detections) if one is track.detection]
            if seen:
                hand, question, tokens = believed[seen[0]]
                latest[track.track_id] = hand
                if hand.side == track.side:
                    self._histories[track.track_id] = [*question.history, tokens]
            elif track.track_id in self._latest:
                latest[track.track_id] = self._latest[track.track_id]
        self._latest = latest
        return self._report(frame, time)

    def _followed(self, intrinsics: Intrinsics, time: float) -> list[_Question]:
        """Where the tracked hands should be in this image."""
        questions = []
        for track in self._tracks:
            if track.state == TrackState.LOST:
                continue
            keypoints = track.detection.keypoints_px + track.predicted_shift(time)
            box = HandBox.around(keypoints, track.side)
            if _usable(box, intrinsics):
                history = self._histories.get(track.track_id, [])
                questions.append(_Question(box, track.side, NO_EVIDENCE, history))
        return questions

    def _should_search(self, questions: list[_Question]) -> bool:
        if not questions:
            return True
        doubtful = any(hand.confidence < DOUBTFUL_CONFIDENCE for hand in self._latest.values())
        wanted = doubtful or len(questions) < MAX_HANDS
        return wanted and self._since_search >= SEARCH_EVERY

    def _searched(
        self, questions: list[_Question], image: np.ndarray, intrinsics: Intrinsics, time: float
    ) -> list[_Question]:
        """The questions with what the detector sees: sides, fresh boxes and new hands."""
        new = []
        for detection in self._detector.detect(image, time):
            box = HandBox.around(detection.keypoints_px, detection.side)
            if not _usable(box, intrinsics):
                continue
            overlaps = [_overlap(one.box, box) for one in questions]
            if max(overlaps, default=0.0) < SAME_HAND_OVERLAP:
                new.append(_Question(box, detection.side, detection.side_score, []))
                continue
            best = int(np.argmax(overlaps))
            side, history = questions[best].box.side, questions[best].history
            box = replace(box, side=side)
            questions[best] = _Question(box, detection.side, detection.side_score, history)
        return (questions + new)[:MAX_HANDS]

    def _ask(
        self, questions: list[_Question], image: np.ndarray, intrinsics: Intrinsics
    ) -> tuple[FrameEstimate, list[_Believed]]:
        """The network's view of the questions, without those in which it sees no hand: what it
        says of objects there means nothing."""
        engine = self._estimator.engine
        classes = engine.config.object_classes
        boxes = [question.box for question in questions]
        affines = self._estimator.crop_affines(boxes)
        if not boxes:
            return frame_estimate(None, affines, [], classes), []
        picture = self._estimator.upload(image)
        together = self._estimator.encode([picture], [intrinsics], [boxes])
        encoded: list[Encoded] = [sample(together, k) for k in range(len(boxes))]
        output = joined(
            [
                engine.decode([*question.history, tokens])
                for question, tokens in zip(questions, encoded, strict=True)
            ]
        )
        check_finite(output)
        sure = output.hand_confidence >= NO_HAND_CONFIDENCE
        kept: list[int] = sure.nonzero()[:, 0].tolist()
        frame = frame_estimate(
            output[sure], affines[kept], [boxes[number].side for number in kept], classes
        )
        found = zip(frame.hands, kept, strict=True)
        return frame, [(hand, questions[number], encoded[number]) for hand, number in found]

    def _report(self, frame: FrameEstimate, time: float) -> FrameEstimate:
        """The frame with lasting identities, and with the hands that are not seen just now."""
        hands = []
        for track in self._tracks:
            hand = self._latest.get(track.track_id)
            if hand is None or not track.reported:
                continue
            unseen = time - track.seen_at
            hands.append(
                replace(
                    hand,
                    track_id=track.track_id,
                    state=track.state,
                    confidence=hand.confidence
                    * track.side_confidence
                    * float(np.exp(-unseen / PREDICTED_S)),
                    joint_sigma=hand.joint_sigma + UNSEEN_SPEED * unseen,
                )
            )
        objects = self._objects.update(frame.objects or [], time)
        names = {
            before.track_id: after.track_id
            for before, after in zip(frame.objects or [], objects, strict=True)
        }
        contacts = [
            replace(one, object_track_id=names.get(one.object_track_id, ""))
            for one in frame.contacts or []
        ]
        return replace(frame, hands=hands, objects=objects, contacts=contacts)


def _without_duplicates(found: list[_Believed]) -> list[_Believed]:
    """Of results that show the same hand, the surest."""
    kept: list[_Believed] = []
    for one in sorted(found, key=lambda one: -one[0].confidence):
        detection = _detection(one[0], one[1])
        others = [_detection(hand, question) for hand, question, _ in kept]
        if all(keypoint_distance(detection, other) >= DUPLICATE_DISTANCE for other in others):
            kept.append(one)
    return kept


def _detection(hand: HandEstimate, question: _Question) -> HandDetection:
    """The result as the tracker wants it."""
    joints = hand.joints - hand.joints.mean(axis=0)
    return HandDetection(hand.keypoints_px, joints, question.seen_side, question.side_score)


def _usable(box: HandBox, intrinsics: Intrinsics) -> bool:
    return min(box.width, box.height) >= SMALLEST_BOX_PX and box.touches(intrinsics)


def _overlap(first: HandBox, second: HandBox) -> float:
    """Intersection over union."""
    across = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    down = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    common = max(across, 0.0) * max(down, 0.0)
    whole = first.width * first.height + second.width * second.height - common
    return common / whole
