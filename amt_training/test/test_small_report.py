"""The report on the small checkpoint, from predictions whose errors are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("mujoco", reason="mujoco is not installed")

from benchmarks.small import provenance
from benchmarks.small.figures import (
    CLEAR,
    contact_figures,
    depth_figures,
    detection_figures,
    hand_figures,
    object_figures,
)
from benchmarks.small.mediapipe_scenes import MediaPipeHands
from benchmarks.small.report import as_markdown, first_figures
from benchmarks.small.scenes import NOISE, noisy_box, seen_share
from benchmarks.small.synthetic import mediapipe_figures, run_figures
from benchmarks.small.video_figures import clip_figures, same_hands
from benchmarks.small.videos import Watched, clip_path

from amt_perception.errors import AmtError
from amt_perception.estimators.interface import HandEstimate, ScaleSource, TrackState
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.model.interface import LEFT, RIGHT
from amt_training.data.sample import ObjectModel
from amt_training.evaluation.inference import Run
from amt_training.evaluation.predictions import Predictions, Truth
from amt_training.losses.targets import UNKNOWN

COUNT, CLASSES, CLASS = 8, 4, 2
NUMBER = 7
"""Of the only object, which is of the class CLASS."""
CUBE = np.array(np.meshgrid(*[[-0.03, 0.03]] * 3)).reshape(3, 8).T
MODELS = {
    NUMBER: ObjectModel(CUBE, CUBE, symmetry_axis=np.array([0.0, 0.0, 1.0]), object_class=CLASS)
}


@pytest.fixture(scope="module")
def truth() -> Truth:
    random = np.random.default_rng(0)
    hand = HandKinematics(generic_hand(Side.RIGHT))
    depth = np.linspace(0.3, 1.4, COUNT)
    joints = np.array([
        hand.joints21(random.normal(0.0, 0.2, (16, 3)), np.zeros(10), np.array([0.0, 0.0, z]))
        for z in depth
    ])  # fmt: skip
    camera = np.array([[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]])
    cameras = np.tile(camera, (COUNT, 1, 1))
    cameras[::2, [0, 1], [0, 1]] = 1200.0
    pose = np.tile(np.eye(4), (COUNT, 2, 1, 1))
    pose[:, 0, :3, 3] = joints[:, 9]
    return Truth(
        key=np.array([str(n) for n in range(COUNT)]),
        index=np.arange(COUNT),
        sequence=np.array([str(n) for n in range(COUNT)]),
        frame=np.zeros(COUNT, int),
        picture_size=np.tile([640, 480], (COUNT, 1)),
        intrinsics=cameras,
        hand_box=np.tile([100.0, 100.0, 150.0, 100.0], (COUNT, 1)),
        side=np.array([RIGHT] * COUNT),
        joints=joints,
        joints_valid=np.ones((COUNT, 21), bool),
        mano_pose=np.zeros((COUNT, 16, 3)),
        mano_shape=np.zeros((COUNT, 10)),
        mano_valid=np.ones(COUNT, bool),
        objects_annotated=np.ones(COUNT, bool),
        object_class=np.tile([NUMBER, 0], (COUNT, 1)),
        object_pose=pose,
        contact_part=np.tile([1, 1, 1, 0, 0, 0], (COUNT, 1)),
        contact_annotated=np.zeros(COUNT, bool),
        contact_points=np.zeros((COUNT, 6, 3)),
        contact_valid=np.zeros((COUNT, 6), bool),
        interaction=np.full(COUNT, UNKNOWN),
    )


@pytest.fixture
def perfect(truth: Truth) -> Predictions:
    chance = np.zeros((COUNT, 3, CLASSES))
    chance[:, 1, CLASS] = 0.9
    return Predictions(
        joints=truth.joints.copy(),
        joint_confidence=np.ones((COUNT, 21)),
        keypoints=np.zeros((COUNT, 21, 2)),
        object_pose=np.repeat(truth.object_pose[:, :1], 3, axis=1),
        object_chance=chance,
        contact_probability=(truth.contact_part == 1).astype(float),
        contact_points=np.zeros((COUNT, 2, 3)),
        contact_confidence=np.zeros((COUNT, 2)),
        interaction_probability=np.zeros((COUNT, 3)),
    )


def test_a_hand_at_the_wrong_distance_is_wrong_in_depth_and_nowhere_else(truth, perfect):
    joints = perfect.joints.copy()
    joints[..., 2] += 0.05 * truth.joints[:, :1, 2]  # 5 % too far
    moved = replace(perfect, joints=joints)
    hands, depth = hand_figures(moved, truth), depth_figures(moved, truth)
    assert hands["procrustes"]["mean_mm"] == pytest.approx(0.0, abs=1e-6)
    assert hands["relative"]["mean_mm"] == pytest.approx(0.0, abs=1e-6)
    wrist = truth.joints[:, 0, 2]
    assert hands["absolute"]["mean_mm"] == pytest.approx(50.0 * wrist.mean())
    assert hands["relative"]["pck"] == {"10 mm": 1.0, "20 mm": 1.0, "30 mm": 1.0}
    for key in ("median_pct", "p90_pct", "bias_pct"):
        assert depth[key] == pytest.approx(5.0)
    assert sum(one["samples"] for one in depth["by_depth_m"]) == COUNT
    focal = {one["from"]: one["samples"] for one in depth["by_focal_px"]}
    assert focal == {400.0: 0, 560.0: COUNT // 2, 640.0: 0, 900.0: 0, 1020.0: COUNT // 2}
    assert depth["held_out_focal"]["samples"] == COUNT // 2
    nearer = depth_figures(replace(perfect, joints=2.0 * truth.joints - joints), truth)
    assert nearer["bias_pct"] == pytest.approx(-5.0)
    assert nearer["median_pct"] == pytest.approx(5.0)


def test_objects_are_judged_by_the_query_of_their_learned_class(truth, perfect):
    pose = perfect.object_pose.copy()
    pose[:, 1, :3, 3] += (0.01, 0.0, 0.0)
    pose[:, 1, :3, :3] = Rotation.from_rotvec([0.0, 0.0, 1.0]).as_matrix()  # about its symmetry
    pose[:, [0, 2]] = np.eye(4)  # of other queries, which nobody asks about
    figures = object_figures(replace(perfect, object_pose=pose), truth, MODELS)
    assert figures["objects"] == figures["nearest"]["objects"] == COUNT
    assert figures["position_mm"] == pytest.approx(10.0)
    assert figures["rotation_deg"] == pytest.approx(0.0, abs=1e-4)
    assert figures["class_accuracy"] == 1.0
    pose[:, 1, :3, :3] = Rotation.from_euler("x", 30.0, degrees=True).as_matrix()
    chance = perfect.object_chance.copy()
    chance[: COUNT // 4, 0, 3] = 1.0
    turned = replace(perfect, object_pose=pose, object_chance=chance)
    figures = object_figures(turned, truth, MODELS)
    assert figures["rotation_deg"] == pytest.approx(30.0)
    assert figures["class_accuracy"] == 0.75


def test_contacts_over_all_decisions_and_by_part(truth, perfect):
    probability = perfect.contact_probability.copy()
    probability[:, 2] = 0.0  # one of three parts that touch is missed
    figures = contact_figures(replace(perfect, contact_probability=probability), truth, MODELS)
    assert figures["f1_micro"] == pytest.approx(0.8)
    assert figures["f1_by_part"] == {"palm": 1.0, "thumb": 1.0, "index": 0.0, "middle": None,
                                     "ring": None, "pinky": None}  # fmt: skip
    assert figures["f1_mean"] == pytest.approx(2.0 / 3.0)
    unknown = replace(truth, contact_part=np.full((COUNT, 6), UNKNOWN))
    assert contact_figures(perfect, unknown, MODELS) is None


def test_only_hands_in_plain_sight_count_for_the_detection_rate(truth):
    found = np.array([True, True, True, False, False, False, False, False])
    in_sight = np.array([1.0, 0.9, 0.8, 0.8, 0.7, 0.2, 0.0, 0.5])
    figures = detection_figures(found, in_sight, truth)
    assert figures[CLEAR] == {"hands": 4, "rate": 0.75}
    assert figures["all hands"] == {"hands": COUNT, "rate": 0.375}
    assert figures["of these, touching nothing"] == {"hands": 0, "rate": None}


def test_joints_on_the_hands_mask_or_just_beside_it_are_in_sight():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:40] = 2
    mask[10:30, 30:40] = 11  # an object in front
    keypoints = np.array([[25.0, 20.0], [17.4, 20.0], [14.0, 20.0], [38.0, 20.0], [-3.0, 20.0]])
    assert seen_share(mask, keypoints, 2) == pytest.approx(2.0 / 5.0)


def test_boxes_are_as_far_off_as_they_say():
    random = np.random.default_rng(0)
    box = np.array([100.0, 50.0, 80.0, 40.0])
    boxes = np.array([noisy_box(box, random) for _ in range(4000)])
    centre = boxes[:, :2] + 0.5 * boxes[:, 2:] - (140.0, 70.0)
    np.testing.assert_allclose(centre.std(axis=0), NOISE * 80.0, rtol=0.05)
    np.testing.assert_allclose(np.log(boxes[:, 2] / 80.0).std(), NOISE, rtol=0.05)
    np.testing.assert_allclose(boxes[:, 2] / boxes[:, 3], 2.0)


def report_of(truth: Truth, predictions: Predictions, found: np.ndarray) -> dict:
    """As `benchmarks.small` writes it, without a baseline."""
    seen = MediaPipeHands(
        found=found,
        side=np.where(np.arange(COUNT) % 2, LEFT, RIGHT),
        joints=truth.joints + 0.01,
        world_joints=truth.joints - truth.joints.mean(axis=1, keepdims=True),
        keypoints=np.zeros((COUNT, 21, 2)),
    )
    run = run_figures(Run(predictions, truth, "truth", COUNT), MODELS)
    synthetic = {
        "data": "drawn by nobody",
        "hands": COUNT,
        "small": {"truth": run, "detector_like": run,
                  "where_mediapipe_finds_the_hand": {"truth": run, "detector_like": run}},
        "baseline": None,
        "mediapipe": mediapipe_figures(seen, np.ones(COUNT), truth),
    }  # fmt: skip
    return {
        **first_figures(synthetic, None), "checkpoint": "x.safetensors",
        "checkpoint_sha256": "0" * 64, "trained_on": "nothing", "command": "python", "commit": None,
        "machine": "one", "scenes": COUNT, "seed": 0, "seconds": {"all": 1.0},
        "synthetic": synthetic, "videos": None,
    }  # fmt: skip


def test_the_page_says_which_bars_are_met(truth, perfect):
    found = np.arange(COUNT) < 3
    report = report_of(truth, perfect, found)
    assert report["pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)
    assert report["contact_f1"] == 1.0
    assert report["mediapipe_detection_rate"] == 0.375
    assert report["false_finds"] is None
    page = as_markdown(json.loads(json.dumps(report, allow_nan=False)))
    lines = {line.split(" | ")[0].strip("| "): line for line in page.splitlines()}
    assert lines["PA-MPJPE (mm)"].endswith("| met |")
    assert lines["contact F1"].endswith("| met |")
    assert lines["MediaPipe finds a hand in plain sight"].endswith("| 0.375 | **not met** |")
    assert lines["hands found where there are none"].endswith("| not run |")
    assert "| baseline | not run |" in page
    assert "Not run: give the folder" in page
    worse = report_of(truth, replace(perfect, contact_probability=np.zeros((COUNT, 6))), found)
    assert "| contact F1 | >= 0.7 | 0 | **not met** |" in as_markdown(worse)


def test_a_detector_that_finds_nothing_leaves_figures_open(truth, perfect):
    report = report_of(truth, perfect, np.zeros(COUNT, bool))
    mediapipe = report["synthetic"]["mediapipe"]
    assert mediapipe["side_right"] is None
    assert mediapipe["hands"]["procrustes"]["mean_mm"] is None
    json.dumps(report, allow_nan=False)
    assert "MediaPipe, fitted hand | 0 | - |" in as_markdown(report)


def hand(joints: np.ndarray, left: float, side: Side = Side.RIGHT, track: int = 1) -> HandEstimate:
    """Seen at `left` pixels."""
    return HandEstimate(
        side=side,
        track_id=track,
        state=TrackState.TRACKED,
        confidence=0.9,
        wrist_rotation=np.eye(3),
        joints=joints,
        joint_sigma=np.zeros(21),
        keypoints_px=1000.0 * joints[:, :2] + (left, 100.0),
        mano_pose=np.zeros((16, 3)),
        mano_shape=np.zeros(10),
        metric_scale=1.0,
        scale_source=ScaleSource.MODEL,
    )


def test_clips_are_compared_hand_by_hand(truth):
    joints = truth.joints[0]
    ours, theirs = Watched(seconds=[0.02] * 20), Watched(seconds=[0.04] * 20)
    for frame in range(20):
        side = Side.LEFT if frame == 10 else Side.RIGHT
        ours.hands.append([hand(joints, 400.0, track=2), hand(1.1 * joints, 0.0, side)])
        theirs.hands.append([hand(joints, 5.0)] if frame < 15 else [])
    figures = clip_figures(ours, theirs)
    assert figures["small"]["side_flips"] == 2
    assert figures["mediapipe"]["side_flips"] == 0
    assert figures["mediapipe"]["frames_with_a_hand"] == 15
    assert figures["small"]["ms_p50"] == pytest.approx(20.0)
    assert figures["mediapipe"]["sides"]["right"]["jitter_mm"] == pytest.approx(0.0, abs=1e-9)
    assert figures["mediapipe"]["sides"]["left"] == {
        "frames": 0, "jitter_mm": None, "bone_variation": None,
    }  # fmt: skip
    difference = figures["difference"]
    assert difference["hands"] == 15
    assert difference["pa_mm"] == pytest.approx(0.0, abs=1e-6)  # a larger hand is no difference
    assert difference["same_side"] == pytest.approx(14.0 / 15.0)
    assert same_hands([], theirs.hands[0]) == [] == same_hands(ours.hands[0], [])
    assert clip_figures(ours, Watched([[]] * 20, [0.04] * 20))["difference"]["pa_mm"] is None


def test_a_command_names_no_folder_of_this_machine(tmp_path):
    weights = provenance.ROOT / "out" / "some.safetensors"
    text = provenance.command({"checkpoint": weights, "data": tmp_path, "baseline": None,
                               "scenes": 5})  # fmt: skip
    assert text == "python -m benchmarks.small --checkpoint out/some.safetensors " \
        "--data FOLDER --scenes 5"  # fmt: skip
    assert provenance.shown_path(tmp_path / "x.safetensors") == "x.safetensors"


def test_a_missing_clip_is_one_sentence(tmp_path: Path):
    with pytest.raises(AmtError, match=r"coffee\.mp4 does not exist; give the folder"):
        clip_path(tmp_path, "coffee")
