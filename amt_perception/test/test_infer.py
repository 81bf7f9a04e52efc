"""`python -m amt_perception.infer` on real pictures and videos: what it writes."""

import itertools
import json
import os
import shutil
import signal
import time
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import amt_perception
from amt_perception.camera.sources import Frame, ImageSource, open_source
from amt_perception.estimators import mediapipe_models
from amt_perception.infer.__main__ import main
from amt_perception.infer.results import Results

pytest.importorskip("mediapipe", reason="mediapipe is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)


def shared(path):
    if not (SHARED / path).exists():
        pytest.skip(f"shared test data is not at {SHARED}; set AMT_SHARED_DATA")
    if not (mediapipe_models.models_folder() / mediapipe_models.BUNDLE_NAME).is_file():
        pytest.skip(f"MediaPipe's models are not installed; run {mediapipe_models.COMMAND}")
    return SHARED / path


def report(out):
    return json.loads((out / "results.json").read_text(), parse_constant=pytest.fail)


def names(out):
    return sorted(file.name for file in out.iterdir())


@pytest.fixture
def photo(tmp_path):
    """One frame of a real video as a picture: a right hand."""
    frame = next(iter(open_source(str(shared("videos/hand_right.mp4")))))
    Image.fromarray(frame.image).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_one_image(photo, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert main([str(photo), "--output", str(out)]) == 0
    assert names(out) == ["photo.npz", "photo.overlay.jpg", "results.json", "run.json"]
    drawn = np.array(Image.open(out / "photo.overlay.jpg")).astype(int)
    before = np.array(Image.open(photo)).astype(int)
    assert drawn.shape == before.shape
    found = report(out)
    (frame,) = found["frames"]
    (hand,) = frame["hands"]
    assert (frame["image"], hand["side"], hand["track_id"]) == ("photo.png", "right", 1)
    assert frame["objects"] is None and frame["interaction_score"] is None
    u, v = np.round(hand["keypoints_px"][0]).astype(int)
    assert np.abs(drawn - before)[v - 2 : v + 3, u - 2 : u + 3].max() > 40
    assert found["complete"] and found["request"]["estimator"] == "mediapipe"
    assert found["request"]["versions"]["mediapipe"] == metadata.version("mediapipe")
    assert frame["camera"]["assumed"] and frame["camera"]["width"] == before.shape[1]
    assert set(found["timing"]["stages_ms"]) == {"decode", "estimate", "draw", "write"}
    printed = capsys.readouterr().out
    assert "Estimator: mediapipe" in printed and "images/s" in printed and "p99" in printed


def test_a_field_of_view_changes_the_depth(photo, tmp_path):
    depths = []
    for degrees in (40, 80):
        out = tmp_path / f"{degrees}"
        assert main([str(photo), "--output", str(out), "--field-of-view", str(degrees)]) == 0
        results = Results.load(out / "photo.npz")
        assert results.intrinsics.fx == pytest.approx(640.0 / np.tan(np.radians(degrees / 2)))
        depths.append(results.estimates[0].hands[0].joints[0, 2])
    assert depths[0] / depths[1] == pytest.approx(np.tan(0.698) / np.tan(0.349), rel=0.05)


def test_where_no_hand_is_nothing_is_found(tmp_path):
    out = tmp_path / "out"
    assert main([str(shared("images_no_hand")), "--output", str(out)]) == 0
    frames = report(out)["frames"]
    assert len(frames) == 2 and all(frame["hands"] == [] for frame in frames)
    for file in out.glob("*.npz"):
        with np.load(file) as arrays:
            assert arrays["hand_joints"].shape == (0, 21, 3)
            assert arrays["frame_time"].shape == (1,)


def test_a_video_gives_a_video_and_one_file_of_arrays(tmp_path):
    video, out = shared("videos/hand_right.mp4"), tmp_path / "out"
    arguments = [str(video), "--output", str(out), "--duration", "0.5"]
    assert main(arguments) == 0
    expected = ["hand_right.npz", "hand_right.overlay.mp4", "results.json", "run.json"]
    assert names(out) == expected
    shown = list(open_source(str(out / "hand_right.overlay.mp4")))
    results, found = Results.load(out / "hand_right.npz"), report(out)
    source = list(zip(open_source(str(video)), range(15), strict=False))
    times = [frame.time_s for frame, _ in source]
    np.testing.assert_allclose([frame.time_s for frame in shown], times, atol=1e-3)
    np.testing.assert_allclose(results.times, times)
    assert len(found["frames"]) == len(times) == 15
    for frame, estimate in zip(found["frames"], results.estimates, strict=True):
        (in_json,), (in_arrays,) = frame["hands"], estimate.hands
        np.testing.assert_allclose(in_json["joints"], in_arrays.joints, atol=1e-6)
        assert in_json["track_id"] == in_arrays.track_id == 1  # one hand is followed


def test_a_folder_with_a_frame_rate_is_a_sequence(tmp_path):
    folder, out = tmp_path / "frames", tmp_path / "out"
    folder.mkdir()
    frames = zip(open_source(str(shared("videos/hand_right.mp4"))), range(5), strict=False)
    for frame, _ in frames:
        Image.fromarray(frame.image[:719, :1279]).save(folder / f"{frame.index}.png")
    assert main([str(folder), "--output", str(out), "--frame-rate", "30"]) == 0
    assert "frames.overlay.mp4" in names(out)
    found = report(out)
    times = [frame["time_s"] for frame in found["frames"]]
    np.testing.assert_allclose(times, np.arange(5) / 30, atol=1e-6)
    (shown, *_) = open_source(str(out / "frames.overlay.mp4"))
    assert shown.image.shape == (720, 1280, 3)  # H.264 wants even sizes


def test_a_video_that_breaks_keeps_what_was_done(tmp_path, capsys):
    data = bytearray(shared("videos/hand_right.mp4").read_bytes())
    data[20_000:24_000] = bytes(4_000)
    video, out = tmp_path / "broken.mp4", tmp_path / "out"
    video.write_bytes(data)
    assert main([str(video), "--output", str(out)]) == 1
    found = report(out)
    count = len(found["frames"])
    assert 0 < count < 100 and not found["complete"]
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"breaks after {count} frames" in said and f"The {count} frames before that are" in said
    assert len(list(open_source(str(out / "broken.overlay.mp4")))) == count
    assert len(Results.load(out / "broken.npz").times) == count


class EndlessCamera(ImageSource):
    """A live source; its owner presses Ctrl-C after some images."""

    name, frame_rate, width, height = "camera 0", 30.0, 640, 480
    live, frame_count = True, None

    def __iter__(self):
        for index in itertools.count():
            if index == 5:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            yield Frame(np.full((480, 640, 3), 90, np.uint8), index / 30.0, index)


def test_a_camera_ends_with_ctrl_c_or_with_its_duration(fake_amt, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("amt_perception.infer.run.open_source", lambda *_: EndlessCamera())
    (tmp_path / "weights").write_bytes(b"")
    for name, more, counts in (("a", [], (3, 30)), ("b", ["--duration", "0.1"], (3, 4))):
        options = ["--checkpoint", str(tmp_path / "weights"), "--output", str(tmp_path / name)]
        assert main(["0", *options, *more]) == 0
        found = report(tmp_path / name)
        assert found["complete"] and counts[0] <= len(found["frames"]) < counts[1]
        assert "camera0.overlay.mp4" in names(tmp_path / name)
    assert main(["0", *options, *more]) == 1  # a recording is never lost to a second one
    assert "holds an earlier recording" in capsys.readouterr().err


def test_everything_that_amt_says_is_kept(fake_amt, scene, tmp_path):
    weights, out = tmp_path / "weights", tmp_path / "out"
    weights.write_bytes(b"weights")
    folder = tmp_path / "images"
    folder.mkdir()
    for name, value in (("black.png", 0), ("grey.png", 90)):
        Image.fromarray(np.full((480, 640, 3), value, np.uint8)).save(folder / name)
    options = ["--checkpoint", str(weights), "--device", "cpu", "--output", str(out)]
    assert main([str(folder), *options]) == 0
    assert fake_amt.calls == [(weights, None, "cpu", "auto")]
    nothing = Results.load(out / "black.npz").estimates[0]
    assert (nothing.hands, nothing.objects, nothing.contacts) == ([], [], [])
    found = Results.load(out / "grey.npz").estimates[0]
    (hand,), (expected,) = found.hands, scene.hands
    assert hand.track_id == 1  # across independent images a track means nothing
    for name in ("vertices", "joints", "keypoints_px", "mano_pose", "wrist_rotation"):
        np.testing.assert_allclose(getattr(hand, name), getattr(expected, name), rtol=1e-5)
    (bottle,) = found.objects
    assert (bottle.class_name, bottle.track_id) == ("006_mustard_bottle", "bottle-1")
    assert np.isnan(bottle.rotation_sigma)
    np.testing.assert_allclose(bottle.rotation, scene.objects[0].rotation, rtol=1e-6)
    assert [one.part for one in found.contacts] == [one.part for one in scene.contacts]
    assert found.contacts[0].force == 2.5 and np.isnan(found.contacts[1].force)
    assert (found.interaction, found.interaction_score) == (scene.interaction, 0.75)
    in_json = report(out)["frames"][1]
    assert in_json["contacts"][0]["part"] == "thumb" and in_json["interaction"] == "grasp"
    assert in_json["contacts"][1]["force"] is None and "vertices" not in in_json["hands"][0]
    assert report(out)["request"]["checkpoint"]["bytes"] == len(b"weights")


def test_every_hand_of_a_folder_is_found_as_in_one_image(photo, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(photo, folder / f"{name}.png")
    assert main([str(folder), "--output", str(tmp_path / "out")]) == 0
    frames = report(tmp_path / "out")["frames"]
    assert [frame["image"] for frame in frames] == ["a.png", "b.png", "c.png"]
    assert frames[0]["hands"] == frames[1]["hands"] == frames[2]["hands"] != []


def test_the_version_is_that_of_the_package():
    file = Path(__file__).resolve().parents[1] / "package.xml"
    assert ElementTree.parse(file).findtext("version") == amt_perception.__version__
