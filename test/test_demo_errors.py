"""Every mistake ends in one clear sentence, and nothing is written. Real processes, real DDS."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from amt_perception.demo.run import use_private_domain

Start = Callable[..., subprocess.Popen[str]]

DEMO = "amt_perception.demo"
PERCEPTION = "amt_perception.nodes.perception_node"
VIDEO = "amt_perception.nodes.video_node"
WIDTH, HEIGHT, RATE, FRAMES = 160, 120, 30, 75
TIMEOUT_S = 60.0


def picture(index: int) -> np.ndarray:
    """Noise, which makes packets long enough to be cut."""
    return np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good video and everything that can be wrong with one, or beside it."""
    folder = tmp_path_factory.mktemp("inputs")
    with av.open(str(folder / "good.mp4"), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = (folder / "good.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(data[: round(0.6 * len(data))])
    (folder / "head.mp4").write_bytes(data[:200])
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video\n" * 50)
    (folder / "noise.mp4").write_bytes(picture(0).tobytes())
    with av.open(str(folder / "sound.mp4"), "w") as container:
        audio = container.add_stream("aac", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 8000
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
    with av.open(str(folder / "no_frames.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()
    for name in ("no_images", "images", "sizes", "no_mano", "wrong_mano", "evil_mano"):
        (folder / name).mkdir()
    for name, second_width in (("images", WIDTH), ("sizes", WIDTH // 2)):
        for index, width in enumerate((WIDTH, second_width)):
            Image.fromarray(picture(index)[:, :width]).save(folder / name / f"{index}.png")
    for side in ("RIGHT", "LEFT"):
        (folder / "wrong_mano" / f"MANO_{side}.pkl").write_bytes(b"not a pickle")
        evil = pickle.dumps(Evil(folder / "executed"))
        (folder / "evil_mano" / f"MANO_{side}.pkl").write_bytes(evil)
    (folder / "calibration.yaml").write_text(
        "image_width: 640\nimage_height: 480\ncamera_name: other\ndistortion_model: plumb_bob\n"
        "camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 500, 240, 0, 0, 1]}\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n"
    )
    (folder / "broken.yaml").write_text("a: [1, 2\n b: }")
    (folder / "other.yaml").write_text("robot: ur5e\n")
    (folder / "type.yaml").write_text("/**:\n  ros__parameters:\n    robot: 5\n")
    return folder


class Evil:
    """Unpickled in the usual way, it makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.proof}'",)


def error_of(process: subprocess.Popen[str]) -> str:
    """The one sentence in which a process that fails must end."""
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    sentences = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, errors
    assert errors.splitlines()[-1] == sentences[0]
    return sentences[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--video /nowhere/film.mp4", "'/nowhere/film.mp4' does not exist"),
        ("--video=", "No video was named"),
        ("--video empty.mp4", "empty.mp4 is empty"),
        ("--video text.mp4", "text.mp4 is not a video"),
        ("--video noise.mp4", "noise.mp4 is not a video"),
        ("--video sound.mp4", "sound.mp4 only has sound"),
        ("--video no_frames.avi", "no_frames.avi contains no video frames"),
        ("--video head.mp4", "head.mp4 is cut off"),
        ("--video images", "images have no times: give their frame rate"),
        ("--video no_images --frame-rate 30", "no_images has no images"),
        ("--video /dev/video99", "There is no camera /dev/video99"),
        ("--video good.mp4 --frame-rate fast", "frame_rate is 'fast'; it must be a number from 0"),
        ("--video good.mp4 --frame-rate nan", "frame_rate is 'nan'; it must be a number from 0"),
        ("--video good.mp4 --frame-rate -5", "frame_rate is '-5'; it must be a number from 0"),
        ("--seconds 0", "'0' is not a positive number"),
        ("--seconds nan", "'nan' is not a positive number"),
        ("--seconds=-1", "'-1' is not a positive number"),
        ("--robot panda", "robot is 'panda'; choose one of ur5e, ur10e"),
        ("--hand both", "hand is 'both'; the demo shows one robot: choose right or left"),
        ("--estimator magic", "estimator is 'magic'; choose one of"),
        ("--speed 3", "unrecognized arguments: --speed 3"),
        ("--video good.mp4 --out good.mp4", "Cannot write good.mp4"),
        ("--video good.mp4 --out good.mp4/x", "Cannot write good.mp4/x"),
        ("--video good.mp4 --out /proc/x", "Cannot write /proc/x"),
    ],
)
def test_before_anything_starts(
    start: Start, inputs: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, sentence: str
) -> None:
    monkeypatch.chdir(inputs)
    words = arguments.split()
    if "--out" not in words:
        words += ["--out", "new"]
    process = start(DEMO, *words)
    assert sentence in error_of(process)
    assert not (inputs / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("params_file:=/nowhere.yaml", "Cannot read the params_file /nowhere.yaml"),
        ("params_file:=broken.yaml", "broken.yaml is not YAML (line 2)"),
        ("params_file:=other.yaml", "other.yaml is not of the form"),
        ("namespace:=1st", "namespace is '1st'"),
        ("hand_length_m:=", "hand_length_m is ''; it must be a number from 0"),
        ("params_file:=type.yaml", "parameter 'robot' to '5' of type 'INTEGER'"),
        ("velocity_scale:=7", "velocity_scale is '7'; it must be a number from 0.01 to 1"),
    ],
)
def test_arguments_of_the_pipeline(
    start: Start, inputs: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, sentence: str
) -> None:
    monkeypatch.chdir(inputs)
    process = start("amt_perception.pipeline", "video:=none", "log_level:=fatal", arguments)
    assert sentence in error_of(process)


@pytest.mark.parametrize(
    ("module", "parameter", "sentence"),
    [
        (PERCEPTION, "mano:=/nowhere", "does not exist: register at mano.is.tue.mpg.de"),
        (PERCEPTION, "mano:=no_mano", "does not exist: register at mano.is.tue.mpg.de"),
        (PERCEPTION, "mano:=wrong_mano", "is damaged or not a MANO file"),
        (PERCEPTION, "mano:=evil_mano", "nothing was run"),
        (VIDEO, "camera_info_file:=/nowhere.yaml", "Cannot read the calibration /nowhere.yaml"),
        (VIDEO, "camera_info_file:=text.mp4", "text.mp4 is not a camera calibration"),
        (VIDEO, "camera_info_file:=calibration.yaml", "is for 640x480 images, the video has 160x"),
    ],
)
def test_files_that_a_node_needs(
    start: Start, inputs: Path, monkeypatch: pytest.MonkeyPatch,
    module: str, parameter: str, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(inputs)
    words = ["--ros-args", "-p", parameter, "--log-level", "fatal"]
    if module == VIDEO:
        words += ["-p", "video:=good.mp4"]
    assert sentence in error_of(start(module, *words))
    assert not (inputs / "executed").exists()


def test_missing_models(
    start: Start, environment: dict[str, str], inputs: Path, tmp_path: Path
) -> None:
    environment["AMT_MODELS"] = "/nowhere"
    process = start(DEMO, "--video", str(inputs / "good.mp4"), "--out", str(tmp_path / "new"))
    assert "hand models are not at /nowhere" in error_of(process)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("video", "sentence"),
    [("cut.mp4", "bytes are missing) and breaks after"), ("sizes", "must have one size")],
)
def test_a_source_that_breaks_in_the_middle(
    start: Start, inputs: Path, tmp_path: Path, video: str, sentence: str
) -> None:
    (tmp_path / "demo.mp4").write_text("of an earlier run")
    words = ["--video", str(inputs / video), "--frame-rate", "30", "--out", str(tmp_path)]
    assert sentence in error_of(start(DEMO, *words))
    assert [file.name for file in tmp_path.iterdir()] == ["demo.mp4"]
    assert (tmp_path / "demo.mp4").read_text() == "of an earlier run"


def wait_for(process: subprocess.Popen[str], pattern: str) -> None:
    """Read the demo's stderr, progress bars included, up to the pattern."""
    assert process.stderr is not None
    for line in process.stderr:  # a carriage return ends a line, too
        if re.search(pattern, line):
            return
    pytest.fail(f"the demo ended without {pattern!r}")


def children(pid: int) -> list[int]:
    """The demo's node processes."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def all_ended(pids: list[int], seconds: float) -> bool:
    """Whether all processes are gone within this time."""
    deadline = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


RUNNING, COMPOSING = r"running: +[1-9]\d?%", r"demo\.mp4: +\d+%"


@pytest.mark.parametrize(
    ("phase", "number"),
    [(None, signal.SIGINT), (RUNNING, signal.SIGTERM), (COMPOSING, signal.SIGINT)],
)
def test_stopped(
    start: Start, inputs: Path, tmp_path: Path, phase: str | None, number: signal.Signals
) -> None:
    (tmp_path / "demo.mp4").write_text("of an earlier run")
    process = start(DEMO, "--video", str(inputs / "good.mp4"), "--out", str(tmp_path))
    if phase:
        wait_for(process, phase)
    else:
        assert process.stdout is not None
        process.stdout.readline()  # "Running the pipeline on ...": the nodes are being started
        time.sleep(1.0)
    nodes = children(process.pid)
    process.send_signal(number)
    assert all_ended(nodes, 3.0)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "Stopped; nothing was written."
    assert "Traceback" not in errors
    assert [file.name for file in tmp_path.iterdir()] == ["demo.mp4"]
    assert (tmp_path / "demo.mp4").read_text() == "of an earlier run"


def test_a_killed_node(start: Start, inputs: Path, tmp_path: Path) -> None:
    process = start(DEMO, "--video", str(inputs / "good.mp4"), "--out", str(tmp_path / "new"))
    wait_for(process, RUNNING)
    nodes = children(process.pid)
    os.kill(nodes[0], signal.SIGKILL)  # the robot: the pipeline's first node
    assert all_ended(nodes, 2.0)
    assert "mujoco_node was killed by SIGKILL" in error_of(process)
    assert not (tmp_path / "new").exists()


def test_demos_at_once_do_not_hear_each_other(
    start: Start, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)  # so that the end of the test undoes the changes

    def chosen_domain() -> int:
        monkeypatch.delenv("ROS_DOMAIN_ID")
        return use_private_domain()

    domain = chosen_domain()
    environment["ROS_DOMAIN_ID"] = str(domain)
    node = start("amt_retarget.nodes.robot_state_node")
    deadline = time.monotonic() + 20.0
    while chosen_domain() == domain:  # until the node is there
        assert node.poll() is None
        assert time.monotonic() < deadline, f"domain {domain} is chosen though it is in use"
        time.sleep(0.1)
