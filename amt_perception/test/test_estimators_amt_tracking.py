"""AmtTracker: who is who, where the next box comes from, and when the detector is asked.

The network is stood in for by one that sees the true hands of a made-up scene: what it would take
to train one is not the tracker's business.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from amt_perception.camera.intrinsics import Intrinsics  # noqa: E402
from amt_perception.estimators.amt import AmtEstimator  # noqa: E402
from amt_perception.estimators.amt_tracking import SEARCH_EVERY, AmtTracker  # noqa: E402
from amt_perception.estimators.detection import HandDetection  # noqa: E402
from amt_perception.estimators.hand_box import HandBox  # noqa: E402
from amt_perception.estimators.interface import (  # noqa: E402
    FrameEstimate,
    ObjectEstimate,
    TrackState,
)
from amt_perception.estimators.object_tracks import ObjectTracker  # noqa: E402
from amt_perception.hand.joints import Side  # noqa: E402
from amt_perception.model.amt import with_temporal  # noqa: E402
from amt_perception.model.config import model_config  # noqa: E402
from amt_perception.model.engine import Engine  # noqa: E402
from amt_perception.model.interface import AmtOutput, ContactOutput, ObjectOutput  # noqa: E402

from .model_inputs import make_model  # noqa: E402

torch.set_num_threads(1)

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
CAMERA = Intrinsics(600.0, 600.0, 320.0, 240.0, 640, 480)
IMAGE = np.zeros((480, 640, 3), np.uint8)
FRAME = 1.0 / 30.0
DEPTH = 0.5
SHAPE = np.random.default_rng(0).uniform(-40.0, 40.0, (21, 2))


@dataclass
class TrueHand:
    centre: np.ndarray
    side: Side
    velocity: np.ndarray
    """Pixels a frame."""
    visible: bool = True
    seen_as: Side | None = None
    """What the detector says, where it is wrong."""

    @property
    def keypoints(self) -> np.ndarray:
        return SHAPE + self.centre


class Scene:
    """Hands that move, a detector that finds them, and a network that sees what its boxes show."""

    def __init__(self, *hands: TrueHand) -> None:
        self.hands = list(hands)
        self.searches = 0
        self.things = -9.0  # logit of an object, and of contact with it, in every box
        self.tracker = AmtTracker(SeeingNetwork(self), self)
        self.time = 0.0

    def detect(self, image: np.ndarray, time: float) -> list[HandDetection]:
        self.searches += 1
        return [
            HandDetection(one.keypoints, np.zeros((21, 3)), one.seen_as or one.side, 0.95)
            for one in self.hands
            if one.visible
        ]

    def run(self, frames: int) -> list[FrameEstimate]:
        results = []
        for _ in range(frames):
            results.append(self.tracker.estimate(IMAGE, CAMERA, self.time))
            self.time += FRAME
            for hand in self.hands:
                hand.centre = hand.centre + hand.velocity
        return results


class SeeingNetwork(AmtEstimator):
    """Each box shows the visible hand whose centre it holds, if there is one."""

    def __init__(self, scene: Scene) -> None:
        config = model_config("tiny")
        self.scene = scene
        self.engine = SimpleNamespace(
            config=config, device=torch.device("cpu"), decode=lambda frames: frames[-1]
        )

    def encode(self, pictures, cameras, boxes) -> AmtOutput:
        rows = [self.look(box, affine) for box, affine in
                zip(boxes[0], self.crop_affines(boxes[0]), strict=True)]  # fmt: skip
        joints, keypoints, sigma = (
            torch.tensor(np.array(one)).float() for one in zip(*rows, strict=True)
        )
        count = len(rows)
        return AmtOutput(
            joint_steps=joints[:, None],
            joint_log_sigma=sigma,
            keypoints=keypoints,
            objects=ObjectOutput(
                torch.zeros(count, 1, 3), torch.eye(3).repeat(count, 1, 1, 1),
                torch.full((count, 1), self.scene.things),
                9.0 * torch.eye(22)[None, None, 14].repeat(count, 1, 1),
            ),
            contact=ContactOutput(
                torch.full((count, 6), self.scene.things), torch.zeros(count, 1, 3),
                torch.full((count, 1), -9.0), torch.zeros(count, 1), torch.zeros(count, 1, 4),
                torch.zeros(count, 3),
            ),
            mano_rotation=torch.eye(3).repeat(count, 16, 1, 1),
            mano_shape=torch.zeros(count, 10),
            translation=torch.zeros(count, 3),
            vertices=torch.zeros(count, 778, 3),
        )  # fmt: skip

    def look(self, box: HandBox, affine: np.ndarray):
        for hand in self.scene.hands:
            inside = (hand.centre > (box.x, box.y)).all() and (
                hand.centre < (box.x + box.width, box.y + box.height)
            ).all()
            if hand.visible and inside:
                pixels, sigma = hand.keypoints, 0.004
                break
        else:
            pixels, sigma = SHAPE + box.array[:2] + 0.5 * box.array[2:], 0.5
        rays = (pixels - (CAMERA.cx, CAMERA.cy)) / CAMERA.fx
        joints = np.column_stack([rays, np.ones(21)]) * DEPTH
        return joints, pixels @ affine[:, :2].T + affine[:, 2], np.full(21, np.log(sigma))


def right(x: float, y: float = 240.0, speed: float = 0.0) -> TrueHand:
    return TrueHand(np.array([x, y]), Side.RIGHT, np.array([speed, 0.0]))


def left(x: float, y: float = 240.0, speed: float = 0.0) -> TrueHand:
    return replace(right(x, y, speed), side=Side.LEFT)


def test_a_hand_is_followed_by_its_own_results() -> None:
    scene = Scene(right(120.0, speed=12.0))
    results = scene.run(30)
    for frame, result in enumerate(results):
        (hand,) = result.hands
        assert (hand.track_id, hand.side, hand.state) == (1, Side.RIGHT, TrackState.TRACKED)
        expected = SHAPE + np.array([120.0 + 12.0 * frame, 240.0])
        assert hand.keypoints_px == pytest.approx(expected, abs=0.01)
        assert hand.confidence > 0.9
    assert scene.searches == 1 + 29 // SEARCH_EVERY  # at the start, then for a second hand


def test_two_followed_hands_are_not_searched_for() -> None:
    scene = Scene(left(150.0), right(450.0))
    for result in scene.run(40):
        assert {(hand.side, hand.track_id) for hand in result.hands} == {
            (Side.LEFT, 1), (Side.RIGHT, 2)
        }  # fmt: skip
    assert scene.searches == 1


def test_a_second_hand_is_found_when_it_comes() -> None:
    scene = Scene(right(150.0), replace(left(450.0), visible=False))
    assert all(len(result.hands) == 1 for result in scene.run(5))
    scene.hands[1].visible = True
    later = scene.run(SEARCH_EVERY + 1)
    assert len(later[-1].hands) == 2 and later[-1].hands[0].track_id == 1


def test_a_hand_that_vanishes_is_predicted_then_gone_and_keeps_its_name() -> None:
    scene = Scene(right(200.0))
    scene.run(10)
    scene.hands[0].visible = False
    states = [[hand.state for hand in result.hands] for result in scene.run(12)]
    assert states[0] == [TrackState.PREDICTED] and states[-1] == []
    scene.hands[0].visible = True
    (hand,) = scene.run(2)[-1].hands
    assert (hand.track_id, hand.state) == (1, TrackState.TRACKED)


def test_without_a_hand_there_is_nothing_that_it_holds() -> None:
    scene = Scene(right(200.0))
    scene.things = 9.0
    before = scene.run(5)[-1]
    assert len(before.objects) == 1 and len(before.contacts) == 6
    scene.hands[0].visible = False
    for result in scene.run(12):
        assert result.objects == [] and result.contacts == []


def test_the_side_stays_when_a_look_disagrees() -> None:
    scene = Scene(right(200.0), replace(left(450.0), visible=False))
    scene.run(3)
    scene.hands[0].seen_as = Side.LEFT
    for result in scene.run(25):
        assert [hand.side for hand in result.hands] == [Side.RIGHT]


def test_a_wrong_first_look_is_outvoted() -> None:
    scene = Scene(replace(right(200.0), seen_as=Side.LEFT))
    assert scene.run(1)[0].hands[0].side == Side.LEFT
    scene.hands[0].seen_as = None
    results = scene.run(10 * SEARCH_EVERY)
    assert {hand.track_id for result in results for hand in result.hands} == {1}
    assert results[-1].hands[0].side == Side.RIGHT


def test_a_fast_hand_is_where_it_is_expected() -> None:
    """It moves most of its own width from image to image, which only prediction can bridge."""
    scene = Scene(right(60.0), replace(left(0.0), visible=False))
    for _ in range(10):
        (result,) = scene.run(1)
        assert [hand.state for hand in result.hands] == [TrackState.TRACKED]
        speed = min(scene.hands[0].velocity[0] + 12.0, 60.0)
        scene.hands[0].velocity = np.array([speed, 0.0])


def test_one_hand_in_two_boxes_is_reported_once() -> None:
    scene = Scene(left(280.0), right(340.0))
    assert len(scene.run(2)[-1].hands) == 2
    scene.hands[1].visible = False  # covered by the other, which both boxes show now
    scene.hands[0].centre = np.array([310.0, 240.0])
    for result in scene.run(5):
        tracked = [hand for hand in result.hands if hand.state == TrackState.TRACKED]
        assert len(tracked) == 1


def test_images_come_in_order_until_reset() -> None:
    scene = Scene(right(200.0))
    scene.run(3)
    with pytest.raises(ValueError, match="time must increase"):
        scene.tracker.estimate(IMAGE, CAMERA, 0.01)
    with pytest.raises(ValueError, match="uint8"):
        scene.tracker.estimate(IMAGE.astype(float), CAMERA, 10.0)
    scene.tracker.reset()
    (hand,) = scene.tracker.estimate(IMAGE, CAMERA, 0.01).hands
    assert hand.track_id == 2


def test_objects_keep_their_names() -> None:
    tracker = ObjectTracker()

    def mug(x: float, name: str = "mug") -> ObjectEstimate:
        return ObjectEstimate(name, 0.9, "0", np.array([x, 0.0, 0.5]), np.eye(3))

    assert [one.track_id for one in tracker.update([mug(0.0), mug(0.3)], 0.0)] == ["1", "2"]
    assert [one.track_id for one in tracker.update([mug(0.32), mug(0.02)], 0.03)] == ["2", "1"]
    assert [one.track_id for one in tracker.update([mug(0.32, "cup")], 0.06)] == ["3"]
    assert [one.track_id for one in tracker.update([mug(0.32)], 5.0)] == ["4"]


@pytest.mark.parametrize("temporal", [False, True])
def test_a_real_network_on_a_real_clip(temporal: bool) -> None:
    """With random weights: it runs, histories fill up and nothing is unnamed."""
    av = pytest.importorskip("av")
    pytest.importorskip("mediapipe")
    from amt_perception.estimators.mediapipe_detector import MediaPipeDetector
    from amt_perception.estimators.mediapipe_models import BUNDLE_NAME, models_folder

    clip = SHARED / "videos" / "hand_right.mp4"
    if not clip.exists() or not (models_folder() / BUNDLE_NAME).is_file():
        pytest.skip("the shared clip or MediaPipe's models are missing")
    config = model_config("tiny")
    model = make_model(with_temporal(config) if temporal else config)
    estimator = AmtEstimator(Engine(model, "cpu", "fp32", "eager"))
    tracker = AmtTracker(estimator, MediaPipeDetector(2, single_images=True))
    camera = Intrinsics.from_field_of_view(1280, 720)
    seen = 0
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == 12:
                break
            image = frame.to_ndarray(format="rgb24")
            result = tracker.estimate(image, camera, index * FRAME)
            seen += len(result.hands)
            for hand in result.hands:
                assert np.isfinite(hand.joints).all() and hand.track_id >= 1
    tracker.close()
    assert seen >= 6
