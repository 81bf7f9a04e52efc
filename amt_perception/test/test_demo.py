"""The demo's outputs, from a small recording that the tests invent and a video that they write."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from amt_perception.camera.sources import open_source
from amt_perception.demo.compose import HEADER_HEIGHT, PANEL_HEIGHT, write_demo_video
from amt_perception.demo.plots import write_joint_plot
from amt_perception.demo.recording import NO_TRACK, Recording, RetargetState
from amt_perception.demo.summary import format_table, summarize, write_summary
from amt_perception.drawing.overlay import draw_overlay
from amt_perception.drawing.skeleton import FINGER_COLOURS
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import TrackState
from amt_perception.hand.joints import Side
from amt_perception.output.encoder import video_writer
from amt_perception.output.files import atomic_write

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
VIDEOS = SHARED / "videos"
FRAMES, COMMANDS, STATES, JOINTS = 12, 10, 40, 22
RATE = 10.0
ARM = ["shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3"]
FINGERS = ["index", "middle", "ring", "thumb"]
JOINT_NAMES = [f"{name}_joint" for name in ARM] + [
    f"{finger}_joint_{k}" for finger in FINGERS for k in range(4)
]


def open_hand(centre=(160.0, 130.0), size=60.0):
    """[21, 2] a plain open hand: fingers straight up from the wrist."""
    points = [(0.0, size)]
    for finger in range(5):
        points += [(size * (0.5 - 0.25 * finger), -size * step / 3) for step in range(4)]
    return np.array(points) + centre


@pytest.fixture
def recording():
    """One right hand, tracked in frames 0-5, predicted in 6, gone in 7-8, back in 9-11."""
    state = np.full((FRAMES, 2), TrackState.LOST)
    state[:, 0] = TrackState.TRACKED
    state[6, 0], state[7:9, 0] = TrackState.PREDICTED, TrackState.LOST
    present = state != TrackState.LOST
    keypoints = np.where(present[..., None, None], open_hand(), np.nan)
    states = np.linspace(0.0, 1.2, STATES)
    return Recording(
        frame_times=np.arange(FRAMES) / RATE,
        dropped=np.zeros(FRAMES, bool),
        side=np.where(present, Side.RIGHT, Side.UNKNOWN),
        track_id=np.where(present, 3, NO_TRACK),
        state=state,
        confidence=np.where(present, 0.9, np.nan),
        keypoints_px=keypoints,
        joints=np.concatenate([keypoints, np.ones((FRAMES, 2, 21, 1))], axis=-1),
        wrist_rotation=np.full((FRAMES, 2, 3, 3), np.nan),
        command_times=np.arange(COMMANDS) / RATE + 0.05,
        command_positions=np.full((COMMANDS, JOINTS), 0.1),
        command_state=[RetargetState.RAMP] * 2 + [RetargetState.TRACK] * 8,
        tip_residual=np.full((COMMANDS, 4), 0.01),
        latency_s=np.full(COMMANDS, 0.02),
        joint_state_times=states,
        joint_state_positions=np.repeat(states[:, None] / 2, JOINTS, axis=1),
        joint_names=JOINT_NAMES,
        lower_limits=np.full(JOINTS, -1.0),
        upper_limits=np.full(JOINTS, 1.0),
        meta={"video": "a.mp4", "estimator": "none", "robot": "UR5e", "hand": "right"},
    )


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a.mp4"
    with video_writer(path, 320, 240, RATE) as write:
        for index in range(FRAMES):
            write(np.full((240, 320, 3), 90, np.uint8), index / RATE)
    return path


def flat_robot(positions):
    """A picture whose red channel tells the first joint's position."""
    picture = np.zeros((360, 200, 3), np.uint8)
    picture[..., 0] = np.round(200.0 * np.clip(positions[0], 0.0, 1.0))
    return picture


def read_video(path):
    return [frame.image for frame in open_source(str(path))]


def test_recording_survives_saving(recording, tmp_path):
    path = tmp_path / "new" / "trajectory.npz"
    recording.save(path)
    loaded = Recording.load(path)
    np.testing.assert_array_equal(loaded.keypoints_px, recording.keypoints_px)
    np.testing.assert_array_equal(loaded.joint_names, JOINT_NAMES)
    assert loaded.keypoints_px.dtype == np.float32 and loaded.dropped.dtype == np.bool_
    assert loaded.meta == recording.meta
    assert [file.name for file in path.parent.iterdir()] == ["trajectory.npz"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dropped", np.zeros(FRAMES + 1, bool)),
        ("keypoints_px", np.zeros((FRAMES, 2, 20, 2))),
        ("lower_limits", np.zeros(JOINTS - 1)),
        ("command_times", np.arange(COMMANDS)[::-1]),
        ("meta", {"video": "a.mp4"}),
    ],
)
def test_recording_refuses_what_does_not_fit(recording, field, value):
    with pytest.raises(ValueError, match=field):
        replace(recording, **{field: value})


def test_what_is_no_recording_says_so(tmp_path):
    with pytest.raises(AmtError, match="Cannot read the recording"):
        Recording.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(AmtError, match="is not a recording"):
        Recording.load(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(AmtError, match="is not a recording"):
        Recording.load(tmp_path / "text.npz")


def test_hands_of_a_frame(recording):
    (hand,) = recording.hands(6)
    assert (hand.side, hand.track_id, hand.state) == (Side.RIGHT, 3, TrackState.PREDICTED)
    assert recording.hands(7) == []
    assert recording.hand_tracked.tolist() == [True] * 6 + [False] * 3 + [True] * 3


def test_robot_positions_are_interpolated_and_never_invented(recording):
    positions = recording.robot_positions_at(np.array([0.017, 0.6, 1.25, 1.4, -0.2]))
    np.testing.assert_allclose(positions[:3, 0], [0.0085, 0.3, 0.6])
    assert np.isnan(positions[3:]).all()


def test_summary(recording):
    summary = summarize(recording)
    assert summary["frames"] == FRAMES
    assert summary["hand_frames"] == 9
    assert summary["dropped_frames"] == 0
    assert summary["side_flips"] == 0
    assert summary["rate_hz"] == pytest.approx(RATE)
    assert summary["command_rate_hz"] == pytest.approx(RATE)
    assert summary["latency_ms"] == pytest.approx({"p50": 20.0, "p95": 20.0, "p99": 20.0})
    assert summary["tip_error_mm"] == pytest.approx({"mean": 10.0, "p95": 10.0})
    assert summary["limit_violations"] == 0
    assert (summary["video"], summary["estimator"]) == ("a.mp4", "none")
    assert (summary["robot"], summary["hand"]) == ("UR5e", "right")


def test_summary_counts_what_is_wrong(recording):
    commands = recording.command_positions.copy()
    commands[0, 0] = 1.0 + 5e-7  # rounding
    commands[1, 0] = 1.0 + 2e-6
    commands[2, 1] = np.nan
    measured = recording.joint_state_positions.copy()
    measured[0, 0] = -1.0 - 9e-4  # a soft stop
    measured[1:3, 0] = -1.0 - 2e-3
    dropped = recording.dropped.copy()
    dropped[4] = True
    side = recording.side.copy()
    side[2, 0] = Side.LEFT
    residual = recording.tip_residual.copy()
    residual[:2] = 1.0  # still in RAMP
    residual[2] = [0.03, 0.03, np.nan, 0.03]
    summary = summarize(
        replace(
            recording,
            command_positions=commands,
            joint_state_positions=measured,
            dropped=dropped,
            side=side,
            tip_residual=residual,
        )
    )
    assert summary["limit_violations_by_kind"] == {"commands": 2, "measured": 2}
    assert summary["limit_violations"] == 4
    assert summary["dropped_frames"] == 1
    assert summary["side_flips"] == 2, "right to left and back"
    assert summary["rate_hz"] == pytest.approx(10 / 1.1)
    assert summary["tip_error_mm"]["mean"] == pytest.approx((3 * 30 + 28 * 10) / 31)


def test_two_hands_that_change_slots_are_no_side_flips(recording):
    track, side, state = recording.track_id.copy(), recording.side.copy(), recording.state.copy()
    state[:] = TrackState.TRACKED
    track[:], side[:] = (3, 4), (Side.RIGHT, Side.LEFT)
    track[5:], side[5:] = (4, 3), (Side.LEFT, Side.RIGHT)
    assert summarize(replace(recording, track_id=track, side=side, state=state))["side_flips"] == 0


def test_unknown_figures_are_null(recording, tmp_path):
    empty = replace(
        recording,
        command_times=[],
        command_positions=np.zeros((0, JOINTS)),
        command_state=[],
        tip_residual=np.zeros((0, 4)),
        latency_s=[],
    )
    summary = summarize(empty)
    write_summary(summary, tmp_path / "summary.json")
    read = json.loads((tmp_path / "summary.json").read_text())
    assert read == summary
    assert read["latency_ms"] == {"p50": None, "p95": None, "p99": None}
    assert read["tip_error_mm"] == {"mean": None, "p95": None}
    assert "latency" in format_table(summary)


def test_table(recording):
    lines = format_table(summarize(recording)).splitlines()
    assert lines[0] == "a.mp4: none to UR5e, right hand"
    assert re.search(r"frames +12 +hand in 9, dropped 0, side flips 0", lines[1])
    assert re.search(r"tip error +mean 10\.0 +p95 10\.0 +mm", lines[4])
    assert len({re.match(r"  \w+( \w+)* +", line).end() for line in lines[1:]}) == 1, "aligned"


def colour_error(image, point, colour):
    x, y = np.round(point).astype(int)
    return np.abs(image[y, x].astype(int) - colour).max()


def test_overlay_draws_each_finger_in_its_colour(recording):
    image = np.full((240, 320, 3), 90, np.uint8)
    before = image.copy()
    (hand,) = recording.hands(0)
    drawn = draw_overlay(image, [hand], 0.0)
    np.testing.assert_array_equal(image, before)
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    for finger, colour in enumerate(FINGER_COLOURS):
        middle_of_bone = hand.keypoints_px[[2 + 4 * finger, 3 + 4 * finger]].mean(axis=0)
        assert colour_error(drawn, middle_of_bone, colour) < 12


def test_overlay_dims_a_predicted_hand(recording):
    image = np.full((240, 320, 3), 90, np.uint8)
    (tracked,), (predicted,) = recording.hands(0), recording.hands(6)
    point = tracked.keypoints_px[[2, 3]].mean(axis=0)
    assert colour_error(draw_overlay(image, [predicted], 0.6), point, FINGER_COLOURS[0]) > 50


def test_overlay_says_when_there_is_no_hand():
    image = np.full((240, 320, 3), 90, np.uint8)
    without = draw_overlay(image, [], 0.0)
    assert (without != image).any(axis=2)[:200].sum() == 0, "only the bottom line is used"
    assert (without != draw_overlay(image, [], 0.0, note="other")).any()


@pytest.mark.parametrize("shift", [(-150.0, 0.0), (0.0, -140.0), (150.0, 120.0), (5000.0, 0.0)])
def test_overlay_of_a_hand_at_the_edge(recording, shift):
    (hand,) = recording.hands(0)
    moved = replace(hand, keypoints_px=hand.keypoints_px + np.array(shift))
    drawn = draw_overlay(np.zeros((240, 320, 3), np.uint8), [moved], 0.0)
    assert drawn.shape == (240, 320, 3)


def test_demo_video(recording, video, tmp_path):
    path = tmp_path / "out" / "demo.mp4"
    write_demo_video(path, recording, open_source(str(video)), flat_robot)
    source = open_source(str(path))
    frames = list(source)
    assert len(frames) == FRAMES and source.frame_rate == RATE
    np.testing.assert_allclose([f.time_s for f in frames], recording.frame_times, atol=1e-4)
    assert (source.width, source.height) == (960 + 400, HEADER_HEIGHT + PANEL_HEIGHT + 8)
    robot = np.array([f.image[HEADER_HEIGHT + 360, 1200, 0] for f in frames], float)
    np.testing.assert_allclose(robot, 200.0 * recording.frame_times / 2, atol=6)
    point = 3.0 * recording.keypoints_px[0, 0, [6, 7]].mean(axis=0) + (0, HEADER_HEIGHT)
    assert colour_error(frames[0].image, point, FINGER_COLOURS[1]) < 40
    assert colour_error(frames[7].image, point, (90, 90, 90)) < 10, "no hand in frame 7"
    assert [file.name for file in path.parent.iterdir()] == ["demo.mp4"]
    data = path.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat"), "the index comes first"
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_demo_video_matches_frames_by_time(recording, video, tmp_path):
    """Half of the frames were not recorded, and the recording ended early."""
    keep = np.array([0, 2, 4, 6])
    names = ("frame_times", "dropped", "side", "track_id", "state", "confidence")
    names += ("keypoints_px", "joints", "wrist_rotation")
    part = replace(recording, **{name: getattr(recording, name)[keep] for name in names})
    path = tmp_path / "demo.mp4"
    write_demo_video(path, part, open_source(str(video)), flat_robot)
    images = read_video(path)
    assert len(images) == 7
    point = 3.0 * recording.keypoints_px[0, 0, [6, 7]].mean(axis=0) + (0, HEADER_HEIGHT)
    assert colour_error(images[2], point, FINGER_COLOURS[1]) < 40
    assert colour_error(images[3], point, (90, 90, 90)) < 10


@pytest.mark.parametrize("robot_width", [1280, 601, 150])
def test_demo_video_of_an_upright_clip(recording, tmp_path, robot_width):
    """A phone held upright, a recording that begins late, and robot pictures of any width."""
    with video_writer(tmp_path / "a.mp4", 180, 320, RATE) as write:
        for index in range(FRAMES):
            write(np.full((320, 180, 3), 90, np.uint8), index / RATE)
    late = replace(recording, frame_times=recording.frame_times + 0.25)
    picture = np.full((720, robot_width, 3), 60, np.uint8)
    path = tmp_path / "demo.mp4"
    write_demo_video(path, late, open_source(str(tmp_path / "a.mp4")), lambda _: picture)
    images = read_video(path)
    assert len(images) == FRAMES
    width = 405 + robot_width
    assert images[0].shape == (HEADER_HEIGHT + PANEL_HEIGHT + 8, width + width % 2, 3)


def test_demo_video_darkens_the_robot_where_it_is_not_known(recording, video, tmp_path):
    early = replace(recording, joint_state_times=recording.joint_state_times / 2)
    write_demo_video(tmp_path / "demo.mp4", early, open_source(str(video)), flat_robot)
    robot = [image[HEADER_HEIGHT + 360, 1200, 0] for image in read_video(tmp_path / "demo.mp4")]
    assert robot[7] > 100 and max(robot[8:]) < 50


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, AmtError])
def test_interrupted_demo_video_leaves_nothing(recording, video, tmp_path, error):
    path = tmp_path / "out" / "demo.mp4"
    calls = []

    def stop_soon(positions):
        calls.append(0)
        if len(calls) > 4:
            raise error
        return flat_robot(positions)

    with pytest.raises(error):
        write_demo_video(path, recording, open_source(str(video)), stop_soon)
    assert list(path.parent.iterdir()) == []


def test_demo_video_of_nothing(recording, video, tmp_path):
    empty = replace(recording, joint_state_times=[], joint_state_positions=np.zeros((0, JOINTS)))
    with pytest.raises(AmtError, match="no joint states"):
        write_demo_video(tmp_path / "demo.mp4", empty, open_source(str(video)), flat_robot)


def test_full_disk(tmp_path):
    """A file size limit fails like a full disk."""
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from amt_perception.output.encoder import video_writer
from amt_perception.errors import AmtError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
noise = np.random.default_rng(0)
try:
    with video_writer(Path(sys.argv[1]), 320, 240, 30.0) as write:
        for index in range(60):
            write(noise.integers(0, 256, (240, 320, 3), np.uint8), index / 30)
except AmtError as error:
    print(error)
"""
    path = tmp_path / "out" / "demo.mp4"
    arguments = [sys.executable, "-c", program, str(path)]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=50)
    assert result.stdout.startswith(f"Cannot write {path} (File too large)"), result.stderr
    assert list(path.parent.iterdir()) == []


def test_unwritable_folder(recording, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "trajectory.npz"
    with pytest.raises(AmtError, match="Cannot write"):
        recording.save(path)
    with pytest.raises(AmtError, match="Cannot write"):
        write_joint_plot(path.with_suffix(".png"), recording)
    with pytest.raises(AmtError, match="Cannot write"):
        write_summary(summarize(recording), path.with_suffix(".json"))


def test_failed_write_keeps_the_older_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_video_keeps_saturated_colours(tmp_path):
    colours = np.array([[220, 30, 30], [30, 220, 30], [30, 30, 220], [200, 200, 40]], np.uint8)
    image = np.repeat(np.repeat(colours[None], 64, axis=0), 32, axis=1)
    with video_writer(tmp_path / "a.mp4", 128, 64, 30.0) as write:
        write(image, 0.0)
    (read,) = read_video(tmp_path / "a.mp4")
    np.testing.assert_allclose(read[32, 16::32].astype(int), colours, atol=8)


def test_joint_plot(recording, tmp_path):
    from PIL import Image

    path = tmp_path / "joints.png"
    write_joint_plot(path, recording)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (1260, 1920, 3)
    for colour in ("#f7d4cf", "#e4e7eb", "#16202c"):  # limits, hand lost, measured
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels - rgb).max(axis=2) <= 3).sum() > 5_000, colour


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the shared videos are not here")
def test_overlay_on_a_real_hand():
    data = np.load(VIDEOS / "hand_right.mediapipe-0.10.14.npz")
    frame = next(iter(open_source(str(VIDEOS / "hand_right.mp4"))))
    from amt_perception.demo.recording import RecordedHand

    hand = RecordedHand(
        Side.RIGHT,
        1,
        TrackState.TRACKED,
        float(data["score"][0, 0]),
        data["image_landmarks"][0, 0, :, :2] * (1280, 720),
        data["world_landmarks"][0, 0],
    )
    changed = (draw_overlay(frame.image, [hand], 0.0) != frame.image).any(axis=2)
    left, top = hand.keypoints_px.min(axis=0) - 40
    right, bottom = hand.keypoints_px.max(axis=0) + 40
    inside = changed[int(top) : int(bottom), int(left) : int(right)].sum()
    assert 2_000 < inside < 60_000
    assert changed.sum() < inside + 20_000, "little is drawn away from the hand"
