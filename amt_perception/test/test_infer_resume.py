"""A folder of images that is stopped, killed or changed, and every mistake one can make."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from amt_perception.camera.sources import open_source
from amt_perception.estimators import mediapipe_models
from amt_perception.infer.__main__ import main

pytest.importorskip("mediapipe", reason="mediapipe is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
COUNT = 30
WAIT_S = 60.0


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """30 pictures with one hand and with two."""
    if not (SHARED / "videos").is_dir():
        pytest.skip(f"shared test data is not at {SHARED}; set AMT_SHARED_DATA")
    if not (mediapipe_models.models_folder() / mediapipe_models.BUNDLE_NAME).is_file():
        pytest.skip(f"MediaPipe's models are not installed; run {mediapipe_models.COMMAND}")
    folder = tmp_path_factory.mktemp("images")
    for frame in open_source(str(SHARED / "videos" / "coffee.mp4")):
        if frame.index % 8 == 0 and frame.index < 8 * COUNT:
            Image.fromarray(frame.image[::2, ::2]).save(folder / f"image{frame.index}.jpg")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "whole"
    assert main([str(images), "--output", str(out)]) == 0
    return out


@pytest.fixture
def small(images, tmp_path):
    """Three of the pictures."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name in ("image0.jpg", "image8.jpg", "image16.jpg"):
        shutil.copy(images / name, folder)
    return folder


def interrupt(images, out, number):
    """Start in a process and send it a signal when some images are done; gives its stderr."""
    command = [sys.executable, "-m", "amt_perception.infer", str(images), "--output", str(out)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    deadline = time.monotonic() + WAIT_S
    while len(list(out.glob("[!.]*.npz"))) < 4:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(number)
    said = process.communicate()[1]
    assert 4 <= len(list(out.glob("[!.]*.npz"))) < COUNT
    assert not (out / "results.json").exists()
    return process.returncode, said


def assert_same(out, expected):
    """Equal results, picture for picture and number for number."""
    assert sorted(file.name for file in out.iterdir()) == sorted(
        file.name for file in expected.iterdir()
    )
    for file in expected.glob("*.jpg"):
        assert (out / file.name).read_bytes() == file.read_bytes()
    for file in expected.glob("*.npz"):
        with np.load(out / file.name) as found, np.load(file) as wanted:
            assert set(found) == set(wanted)
            for name in wanted:
                np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    found, wanted = (json.loads((one / "results.json").read_text()) for one in (out, expected))
    assert found["frames"] == wanted["frames"] and len(found["frames"]) == COUNT
    assert found["complete"] and found["request"] == wanted["request"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_was_stopped_goes_on(images, uninterrupted, tmp_path, number):
    out = tmp_path / "out"
    code, said = interrupt(images, out, number)
    done = {file: file.stat().st_mtime_ns for file in out.glob("[!.]*.npz")}
    if number != signal.SIGKILL:
        assert code == 130 and "Traceback" not in said
        assert f"Stopped with {len(done)} of 30 images done; the same command goes on." in said
        assert not list(out.glob(".*")), "nothing half-written stays"
    (out / f".half.{2**22 + 1}.npz").write_bytes(b"half a file of a process that is gone")
    assert main([str(images), "--output", str(out)]) == 0
    assert_same(out, uninterrupted)
    assert all(file.stat().st_mtime_ns == before for file, before in done.items())
    left = COUNT - len(done)
    assert json.loads((out / "results.json").read_text())["timing"]["images"] == left


def refused(capsys, *arguments):
    """The sentence after `error: ` of a command that must fail."""
    assert main([str(argument) for argument in arguments]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in last
    return last.removeprefix("error: ")


def test_a_run_that_is_done_is_left_alone(uninterrupted, images, capsys):
    before = {file: file.stat().st_mtime_ns for file in uninterrupted.iterdir()}
    assert main([str(images), "--output", str(uninterrupted)]) == 0
    assert "All 30 images are done already" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in uninterrupted.iterdir()} == before


def test_other_arguments_are_refused_and_named(uninterrupted, images, capsys):
    said = refused(capsys, images, "--output", uninterrupted, "--hand-length", "0.17")
    assert "(hand length was not given, now 0.17)" in said and "--overwrite" in said
    said = refused(capsys, images, "--output", uninterrupted, "--field-of-view", "70")
    assert "(field of view was not given, now 70.0)" in said


def test_images_that_changed_or_are_gone_are_named(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(small), "--output", str(out)]) == 0
    shutil.copy(small / "image0.jpg", small / "new.jpg")
    assert main([str(small), "--output", str(out)]) == 0  # a new one is added to the others
    assert len(json.loads((out / "results.json").read_text())["frames"]) == 4
    shutil.copy(small / "image0.jpg", small / "image8.jpg")
    said = refused(capsys, small, "--output", out)
    assert "images that have changed since (image8.jpg)" in said
    (small / "image16.jpg").unlink()
    assert "images that are gone (image16)" in refused(capsys, small, "--output", out)
    assert main([str(small), "--output", str(out), "--overwrite"]) == 0
    names = sorted(file.name for file in out.glob("*.npz"))
    assert names == ["image0.npz", "image8.npz", "new.npz"]


def test_a_damaged_image_is_left_out_and_named(small, tmp_path, capsys):
    out, damaged = tmp_path / "out", small / "image8.jpg"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    said = refused(capsys, small, "--output", out)
    assert "1 of 3 images could not be read (image8.jpg)" in said
    found = json.loads((out / "results.json").read_text())
    assert list(found["failures"]) == ["image8.jpg"] and not found["complete"]
    assert len(found["frames"]) == 2
    damaged.write_bytes(whole)
    assert main([str(small), "--output", str(out)]) == 0
    assert json.loads((out / "results.json").read_text())["complete"]


def test_a_full_disk_is_said_and_the_done_images_stay(small, tmp_path):
    out = tmp_path / "out"
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000));"
        "from amt_perception.infer.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, str(small), "--output", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1 and last.startswith("error: Cannot write")
    assert "File too large" in last and "Traceback" not in result.stderr
    assert not [file for file in out.iterdir() if file.suffix == ".jpg"]
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.mp4"], "'nowhere.mp4' does not exist"),
        ([], "the following arguments are required: input"),
        (["SMALL", "--estimator", "hamer"], "invalid choice: 'hamer'"),
        (["SMALL", "--estimator", "amt", "--hand-length", "0.2"], "give no hand length"),
        (["SMALL", "--checkpoint", "nowhere"], "Cannot read nowhere"),
        (["SMALL", "--device", "cuda"], "MediaPipe computes on the CPU"),
        (["SMALL", "--precision", "bf16"], "MediaPipe has one precision"),
        (["SMALL", "--field-of-view", "180"], "not a pinhole's"),
        (["SMALL", "--field-of-view", "wide"], "'wide' is not a positive number"),
        (["SMALL", "--intrinsics", "nowhere.yaml"], "Cannot read the calibration nowhere.yaml"),
        (["SMALL", "--duration", "2"], "Images have no duration"),
        (["SMALL", "--output", "SMALL"], "does not come from this command"),
        (["SMALL", "--output", "/proc/nowhere"], "Cannot write /proc/nowhere"),
        (["SMALL", "--hand-length", "19"], "a hand length of 19.0 m is not a hand's"),
        (["97"], "There is no camera /dev/video97"),
    ],
)
def test_a_mistake_ends_in_one_sentence(small, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    arguments = [str(small) if word == "SMALL" else word for word in arguments]
    assert sentence in refused(capsys, *arguments)
    assert not list(tmp_path.glob("out/infer/*/*.npz"))


def test_what_is_no_image_or_fits_no_calibration(small, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("not a picture")
    said = refused(capsys, tmp_path / "text.jpg", "--output", tmp_path / "a")
    assert "text.jpg is damaged or not an image" in said
    calibration = SHARED / "calibration" / "ros_camera_info.yaml"
    said = refused(capsys, small, "--output", tmp_path / "b", "--intrinsics", calibration)
    assert "is for 640x480 images, but there is one of 640x360" in said
    assert main([str(small), "--output", str(tmp_path / "b")]) == 0  # nothing was done there yet
    shutil.copy(small / "image0.jpg", small / "image0.jpeg")
    assert "rename one of them" in refused(capsys, small, "--output", tmp_path / "c")
