"""The model in the box: it is the one that was measured, and it knows what it cannot see."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.amt import AmtEstimator
from amt_perception.estimators.amt_tracking import NO_HAND_CONFIDENCE
from amt_perception.estimators.factory import SHIPPED_CHECKPOINT, create_estimator
from amt_perception.estimators.hand_box import HandBox
from amt_perception.metrics.pose import mpjpe, procrustes_mpjpe
from amt_perception.model.interface import CONFIDENT_SHARE
from amt_training.synthetic.dataset import SyntheticDataset
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.world import World

SCENES = 32
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "small.json"
LARGEST_BOX_PX = 180.0
"""What is larger leaves the picture when its box is shifted."""
WORSE_AT_MOST = 1.5
"""Few scenes may be so much harder than all of them."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def estimator():
    return AmtEstimator.load(SHIPPED_CHECKPOINT, device="cpu", backend="eager")


@pytest.fixture(scope="module")
def samples():
    dataset = SyntheticDataset(World(WorldSettings(test=SCENES), "test"))
    firsts = [n for n in range(len(dataset.entries)) if dataset.scene_of(n) % 2 == 0]
    found = [dataset.sample(number) for number in firsts[:SCENES]]
    return [one for one in found if max(one.hand_box[2:]) < LARGEST_BOX_PX]


def camera_of(sample):
    height, width = sample.image.shape[:2]
    matrix = sample.camera
    return Intrinsics(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], width, height)


def estimates(estimator, samples, shift=(0.0, 0.0)):
    """Boxes shifted by so many of their sides, towards the picture's middle."""
    boxes = []
    for sample in samples:
        x, y, width, height = sample.hand_box
        side = max(width, height)
        rows, columns = sample.image.shape[:2]
        across = np.copysign(shift[0] * side, 0.5 * (columns - width) - x)
        down = np.copysign(shift[1] * side, 0.5 * (rows - height) - y)
        box = HandBox(x + across, y + down, width, height, sample.side)
        boxes.append([box])
    images, cameras = [one.image for one in samples], [camera_of(one) for one in samples]
    return [result.hands[0] for result in estimator(images, cameras, boxes)]


def test_the_file_is_the_one_that_was_measured():
    data = SHIPPED_CHECKPOINT.read_bytes()
    figures = json.loads(RESULTS.read_text())
    assert hashlib.sha256(data).hexdigest() == figures["checkpoint_sha256"]
    assert len(data) <= 30e6


def test_its_errors_are_about_those_that_were_measured(estimator, samples):
    figures = json.loads(RESULTS.read_text())
    found = np.stack([hand.joints for hand in estimates(estimator, samples)])
    truth = np.stack([sample.joints for sample in samples])
    relative = 1e3 * np.median(mpjpe(found, truth, root=0))
    procrustes = 1e3 * np.median(procrustes_mpjpe(found, truth))
    assert relative < WORSE_AT_MOST * figures["mpjpe_mm"]
    assert procrustes < WORSE_AT_MOST * figures["pa_mpjpe_mm"]


def test_it_is_sure_of_hands_and_not_of_what_is_beside_them(estimator, samples):
    """Its confidence is about the share of joints that are close: a little higher, it was seen to
    be."""
    truth = np.stack([sample.joints for sample in samples])
    away = truth[:, :1, 2]
    believed = {}
    for shift in ((0.0, 0.0), (0.4, 0.2), (1.6, 0.0), (0.0, 1.6)):
        hands = estimates(estimator, samples, shift)
        error = np.linalg.norm(np.stack([hand.joints for hand in hands]) - truth, axis=-1)
        close = (error < CONFIDENT_SHARE * away).mean()
        confidence = np.array([hand.confidence for hand in hands])
        believed[shift] = (confidence >= NO_HAND_CONFIDENCE).mean()
        print(f"shifted by {shift}: confidence {confidence.mean():.3f}, close {close:.3f}")
        assert confidence.mean() == pytest.approx(close, abs=0.3)
    assert believed[0.0, 0.0] > 0.75
    assert believed[1.6, 0.0] < 0.3
    assert believed[0.0, 1.6] < 0.3


def test_amt_needs_no_checkpoint():
    estimator = create_estimator("amt", single_images=True)
    try:
        assert estimator.name == "amt"
        camera = Intrinsics.from_field_of_view(640, 480)
        frame = estimator.estimate(np.full((480, 640, 3), 90, np.uint8), camera, 0.0)
        assert frame.hands == [] and frame.objects == [] and frame.contacts == []
    finally:
        estimator.close()
