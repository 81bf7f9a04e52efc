"""The MediaPipe estimator on real pictures, its models, and what it refuses."""

import gc
import os
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators import mediapipe_models
from amt_perception.estimators.factory import create_estimator
from amt_perception.estimators.interface import ScaleSource, TrackState
from amt_perception.hand.joints import BONES, Side
from amt_perception.metrics.jitter import bone_length_variation

pytest.importorskip("mediapipe", reason="mediapipe is not installed")
cv2 = pytest.importorskip("cv2", reason="opencv is not installed")

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
CAMERA = Intrinsics.from_field_of_view(1280, 720)
FRAME = 1.0 / 30.0


def shared(path: str) -> Path:
    if not (SHARED / path).exists():
        pytest.skip(f"shared test data is not at {SHARED}; set AMT_SHARED_DATA")
    return SHARED / path


def frames(path: Path, count: int) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    for _ in range(count):
        there_is_one, image = capture.read()
        assert there_is_one
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def shared_estimator():
    if not (mediapipe_models.models_folder() / mediapipe_models.BUNDLE_NAME).is_file():
        pytest.skip(f"MediaPipe's models are not installed; run {mediapipe_models.COMMAND}")
    estimator = create_estimator("mediapipe")
    yield estimator
    estimator.close()


@pytest.fixture
def estimator(shared_estimator):
    shared_estimator.reset()
    return shared_estimator


def test_a_right_hand_is_there_from_the_first_frame_and_rigid(estimator):
    trajectory = []
    for index, image in enumerate(frames(shared("videos/hand_right.mp4"), 90)):
        (hand,) = estimator.estimate(image, CAMERA, index * FRAME).hands
        assert (hand.side, hand.state) == (Side.RIGHT, TrackState.TRACKED)
        assert hand.confidence > 0.5
        assert hand.scale_source == ScaleSource.NOMINAL
        errors = np.linalg.norm(CAMERA.project(hand.joints) - hand.keypoints_px, axis=-1)
        assert errors.mean() < 0.05 * np.ptp(hand.keypoints_px, axis=0).max()
        assert 0.3 < hand.joints[0, 2] < 1.5
        assert (hand.joint_sigma > 0.0).all() and (hand.joint_sigma < 0.05).all()
        trajectory.append(hand.joints)
    assert bone_length_variation(np.array(trajectory), BONES).mean() < 0.02


def test_two_hands_have_two_sides(estimator):
    for index, image in enumerate(frames(shared("videos/coffee.mp4"), 15)):
        hands = estimator.estimate(image, CAMERA, index * FRAME).hands
        across = {hand.side: hand.keypoints_px[:, 0].mean() for hand in hands}
        assert across[Side.RIGHT] < 640 < across[Side.LEFT]


def test_nothing_is_seen_where_no_hand_is(estimator):
    pictures = [
        cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        for path in sorted(shared("images_no_hand").glob("*.jpg"))
    ]
    for image in pictures:
        estimator.reset()
        camera = Intrinsics.from_field_of_view(image.shape[1], image.shape[0])
        for index in range(3):
            assert estimator.estimate(image, camera, index * FRAME).hands == []
    estimator.reset()
    for index, image in enumerate(frames(shared("videos/no_hand_dog.mp4"), 60)):
        camera = Intrinsics.from_field_of_view(image.shape[1], image.shape[0])
        assert estimator.estimate(image, camera, index * FRAME).hands == []


def test_a_hand_that_vanishes_is_predicted_and_then_gone(estimator):
    for index, image in enumerate(frames(shared("videos/hand_right.mp4"), 10)):
        estimator.estimate(image, CAMERA, index * FRAME)
    black = np.zeros((720, 1280, 3), np.uint8)
    states = []
    for index in range(10, 25):
        hands = estimator.estimate(black, CAMERA, index * FRAME).hands
        states.append([hand.state for hand in hands])
    assert states[0] == [TrackState.PREDICTED]
    assert states[-1] == []


def test_the_same_video_gives_the_same_hands(estimator):
    runs = []
    for _ in range(2):
        estimator.reset()
        images = enumerate(frames(shared("videos/hand_right.mp4"), 10))
        runs.append(
            [estimator.estimate(one, CAMERA, i * FRAME).hands[0].joints for i, one in images]
        )
    assert np.array_equal(runs[0], runs[1])


def test_an_estimator_that_is_dropped_is_closed(estimator):
    dropped = create_estimator("mediapipe")
    landmarker = dropped._detector._landmarker
    dropped.itself = dropped  # only the garbage collector can end it
    del dropped
    gc.collect()
    assert not landmarker._handle


def test_single_images_find_hands_without_a_second_look(estimator):
    (image,) = frames(shared("videos/hand_right.mp4"), 1)
    single = create_estimator("mediapipe", single_images=True)
    try:
        found = []
        for picture in (image, np.zeros_like(image), image):
            single.reset()
            found.append(single.estimate(picture, CAMERA, 0.0).hands)
        assert [len(hands) for hands in found] == [1, 0, 1]
        np.testing.assert_array_equal(found[0][0].joints, found[2][0].joints)
    finally:
        single.close()


def test_wrong_input_is_refused(estimator):
    image = np.zeros((720, 1280, 3), np.uint8)
    for wrong in (image[..., 0], image.astype(float), image[..., :2]):
        with pytest.raises(ValueError, match="image must be"):
            estimator.estimate(wrong, CAMERA, 0.0)
    with pytest.raises(ValueError, match="intrinsics are for"):
        estimator.estimate(image[:480], CAMERA, 0.0)
    estimator.estimate(image, CAMERA, 1.0)
    for time in (1.0, 0.5, float("nan")):
        with pytest.raises(ValueError, match="time must increase"):
            estimator.estimate(image, CAMERA, time)
    estimator.reset()
    assert estimator.estimate(image, CAMERA, 0.5).hands == []


def test_an_unknown_name_or_an_impossible_hand_is_refused():
    with pytest.raises(AmtError, match="choose one of: auto, amt, mediapipe"):
        create_estimator("hamer")
    with pytest.raises(AmtError, match="not a hand's"):
        create_estimator("mediapipe", hand_length_m=19.0)


def test_missing_models_name_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("AMT_MODELS", str(tmp_path))
    with pytest.raises(AmtError, match=re.escape(mediapipe_models.COMMAND)):
        create_estimator("auto")


def test_a_damaged_bundle_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("AMT_MODELS", str(tmp_path))
    (tmp_path / mediapipe_models.BUNDLE_NAME).write_bytes(b"not a bundle")
    with pytest.raises(AmtError, match="cannot open"):
        create_estimator("mediapipe")


def fake_wheel(folder: Path, content: bytes) -> Path:
    path = folder / "mediapipe.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, _, _ in mediapipe_models.MODELS:
            archive.writestr(name, content)
    return path


def test_other_models_than_the_expected_are_not_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("AMT_MODELS", str(tmp_path / "models"))
    wheel = fake_wheel(tmp_path, b"another model")
    monkeypatch.setattr(mediapipe_models, "_download_wheel", lambda folder: wheel)
    with pytest.raises(AmtError, match="not the expected model"):
        mediapipe_models.install_models()
    assert not (tmp_path / "models").exists()


def test_bundle_members_are_stored_aligned(tmp_path):
    bundle = tmp_path / "models" / "hand.task"
    members = [("a.tflite", b"x" * 1001), ("bb.tflite", b"y" * 77)]
    mediapipe_models._write_bundle(bundle, members)
    raw = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        for info, (name, content) in zip(archive.infolist(), members, strict=True):
            name_size, extra_size = struct.unpack_from("<HH", raw, info.header_offset + 26)
            start = info.header_offset + 30 + name_size + extra_size
            assert (info.filename, info.compress_type) == (name, zipfile.ZIP_STORED)
            assert start % 64 == 0
            assert raw[start : start + len(content)] == content
    assert [path.name for path in bundle.parent.iterdir()] == ["hand.task"]


def test_an_unwritable_folder_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AMT_MODELS", str(tmp_path / "file"))
    wheel = fake_wheel(tmp_path, b"")
    monkeypatch.setattr(mediapipe_models, "_download_wheel", lambda folder: wheel)
    monkeypatch.setattr(mediapipe_models, "_checked", lambda *_: b"model")
    with pytest.raises(AmtError, match="AMT_MODELS"):
        mediapipe_models.install_models()


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys; import amt_perception.estimators.mediapipe, amt_perception.estimators.factory;"
        "print([name for name in ('torch', 'mediapipe', 'cv2') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
