"""Hand boxes of a detector, on pictures of a real hand and of none."""

import os
from pathlib import Path

import numpy as np
import pytest

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.hand_box import HandBox
from amt_perception.estimators.mediapipe_models import BUNDLE_NAME, COMMAND, models_folder
from amt_perception.hand.joints import Side
from amt_training.data.sample import HandSample
from amt_training.evaluation.boxes import BoxSource, box_source

cv2 = pytest.importorskip("cv2", reason="opencv is not installed")
pytest.importorskip("mediapipe", reason="mediapipe is not installed")

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)


@pytest.fixture(scope="module")
def source() -> BoxSource:
    if not SHARED.exists():
        pytest.skip(f"shared test data is not at {SHARED}; set AMT_SHARED_DATA")
    if not (models_folder() / BUNDLE_NAME).is_file():
        pytest.skip(f"MediaPipe's models are not installed; run {COMMAND}")
    return box_source("mediapipe")


def picture(name: str) -> np.ndarray:
    read, image = cv2.VideoCapture(str(SHARED / "videos" / f"{name}.mp4")).read()
    assert read
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def sample(image: np.ndarray, box: np.ndarray) -> HandSample:
    height, width = image.shape[:2]
    camera = Intrinsics.from_field_of_view(width, height).matrix
    return HandSample("one", image, camera, Side.RIGHT, box, np.full((21, 3), np.nan))


def test_the_hand_that_is_meant_is_found_and_no_other(source):
    assert source.name == "MediaPipe"
    image = picture("hand_right")
    with np.load(SHARED / "videos" / "hand_right.mediapipe-0.10.14.npz") as known:
        points = known["image_landmarks"][0]
    hand = points[np.isfinite(points).all(axis=(1, 2))][0, :, :2] * image.shape[1::-1]
    truth = HandBox.around(hand, Side.RIGHT).array
    found = source(sample(image, truth))
    assert found is not None
    np.testing.assert_allclose(found, truth, atol=0.1 * truth[2:].max())
    elsewhere = np.array([0.0, 0.0, 60.0, 60.0])
    assert source(sample(image, elsewhere)) is None
    assert source(sample(picture("no_hand_dog"), truth)) is None


def test_true_boxes_are_the_samples_own():
    source = box_source("truth")
    box = np.array([1.0, 2.0, 3.0, 4.0])
    assert source(sample(np.zeros((8, 8, 3), np.uint8), box)) is box
