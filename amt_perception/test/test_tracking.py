"""Identity and side over time, on made detections and on MediaPipe's output for a real clip."""

import os
from pathlib import Path

import numpy as np
import pytest

from amt_perception.estimators.detection import HandDetection, remove_duplicates
from amt_perception.estimators.interface import TrackState
from amt_perception.estimators.tracking import FORGOTTEN_S, PREDICTED_S, HandTracker
from amt_perception.hand.joints import Side

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
FRAME = 1.0 / 30.0
HAND_PX = np.random.default_rng(1).uniform(0.0, 100.0, (21, 2))


def hand(x: float, side: Side = Side.RIGHT, score: float = 0.97, y: float = 300.0) -> HandDetection:
    """A detection 100 px large at (x, y)."""
    return HandDetection(HAND_PX + np.array([x, y]), np.zeros((21, 3)), side, score)


def test_one_hand_is_there_from_the_first_frame_and_keeps_its_identity():
    tracker = HandTracker()
    for frame in range(30):
        (track,) = tracker.update([hand(100.0 + 40.0 * frame)], frame * FRAME)
        assert track.reported
        assert (track.track_id, track.side, track.state) == (1, Side.RIGHT, TrackState.TRACKED)


def test_wrong_labels_do_not_flip_the_side_but_lasting_ones_do():
    tracker = HandTracker()
    for frame in range(40):
        label = Side.LEFT if 10 <= frame < 16 or frame % 3 == 2 else Side.RIGHT
        (track,) = tracker.update([hand(100.0, label)], frame * FRAME)
        assert track.side == Side.RIGHT
    for frame in range(40, 70):
        (track,) = tracker.update([hand(100.0, Side.LEFT)], frame * FRAME)
    assert track.side == Side.LEFT


def test_two_hands_with_the_same_label_become_a_pair():
    tracker = HandTracker()
    for frame in range(20):
        detections = [hand(100.0)]
        if frame >= 5:
            detections.append(hand(500.0, Side.RIGHT, 0.6))
        tracks = tracker.update(detections, frame * FRAME)
    assert [track.side for track in tracks] == [Side.RIGHT, Side.LEFT]


def test_two_sure_right_hands_of_two_people_stay_right():
    tracker = HandTracker()
    for frame in range(30):
        tracks = tracker.update([hand(100.0), hand(500.0)], frame * FRAME)
    assert [track.side for track in tracks] == [Side.RIGHT, Side.RIGHT]


def test_hands_that_cross_keep_their_tracks():
    tracker = HandTracker()
    identities = set()
    for frame in range(41):
        x = 15.0 * frame
        right, left = hand(100.0 + x), hand(700.0 - x, Side.LEFT, y=330.0)
        detections = [right, left] if frame % 2 else [left, right]
        tracks = {track.side: track for track in tracker.update(detections, frame * FRAME)}
        assert tracks[Side.RIGHT].detection is right
        assert tracks[Side.LEFT].detection is left
        identities.add((tracks[Side.RIGHT].track_id, tracks[Side.LEFT].track_id))
    assert len(identities) == 1


def test_a_hand_out_of_sight_is_predicted_then_lost_then_known_again():
    tracker = HandTracker()
    for frame in range(10):
        tracker.update([hand(100.0)], frame * FRAME)
    seen = 9 * FRAME
    (track,) = tracker.update([], seen + FRAME)
    assert track.state == TrackState.PREDICTED and track.reported
    (track,) = tracker.update([], seen + PREDICTED_S + 0.01)
    assert track.state == TrackState.LOST and not track.reported
    (track,) = tracker.update([hand(160.0)], seen + 0.5)
    assert (track.track_id, track.state, track.reported) == (1, TrackState.TRACKED, True)
    assert tracker.update([], seen + 0.5 + FORGOTTEN_S + 0.01) == []
    assert tracker.update([hand(160.0)], seen + 2.0)[0].track_id == 2


def test_an_unsure_newcomer_is_reported_from_its_second_frame_on():
    tracker = HandTracker()
    assert not tracker.update([hand(100.0, score=0.6)], 0.0)[0].reported
    assert tracker.update([hand(100.0, score=0.6)], FRAME)[0].reported


def test_a_hand_of_one_frame_is_not_predicted():
    tracker = HandTracker()
    tracker.update([hand(100.0)], 0.0)
    assert not any(track.reported for track in tracker.update([], FRAME))


def test_no_more_hands_than_allowed():
    tracker = HandTracker(max_hands=2)
    hands = [hand(100.0), hand(500.0, Side.LEFT), hand(900.0)]
    assert len(tracker.update(hands, 0.0)) == 2


def test_a_hand_found_twice_counts_once():
    kept = remove_duplicates([hand(100.0, score=0.7), hand(105.0, score=0.9), hand(500.0)])
    assert sorted(one.side_score for one in kept) == [0.9, 0.97]


def test_reset_forgets():
    tracker = HandTracker()
    tracker.update([hand(100.0)], 5.0)
    tracker.reset()
    assert tracker.update([], 0.0) == []


def test_real_clip_both_hands_apart_and_no_side_flip():
    path = SHARED / "videos" / "coffee.mediapipe-0.10.14.npz"
    if not path.is_file():
        pytest.skip(f"shared test data is not at {SHARED}; set AMT_SHARED_DATA")
    recorded = np.load(path)
    # The recording is of the older API, whose labels are for a mirrored image.
    side_of = {0: Side.RIGHT, 1: Side.LEFT}
    tracker = HandTracker()
    sides: dict[int, set[Side]] = {}
    places: dict[int, list[float]] = {}
    for frame in range(len(recorded["handedness"])):
        detections = [
            HandDetection(landmarks[:, :2] * (1280, 720), world, side_of[int(label)], float(score))
            for landmarks, world, label, score in zip(
                recorded["image_landmarks"][frame],
                recorded["world_landmarks"][frame],
                recorded["handedness"][frame],
                recorded["score"][frame],
                strict=True,
            )
            if label >= 0
        ]
        for track in tracker.update(remove_duplicates(detections), frame / 29.97):
            if track.reported:
                sides.setdefault(track.track_id, set()).add(track.side)
                places.setdefault(track.track_id, []).append(track.detection.keypoints_px[0, 0])
    assert sorted(map(sorted, sides.values())) == [[Side.LEFT], [Side.RIGHT]]
    left = next(one for one, side in sides.items() if side == {Side.LEFT})
    assert len(places[left]) == 287
    for track_id, xs in places.items():
        assert all((x > 640) == (track_id == left) for x in xs)
