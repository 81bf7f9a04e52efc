"""Sheets of predictions and curves of runs show what they should."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from amt_perception.errors import AmtError
from amt_perception.model.interface import AmtOutput, ContactOutput, ObjectOutput
from amt_training.watch.curves import draw_curves, read_run, to_curves
from amt_training.watch.pictures import (
    PREDICTION_COLOUR,
    SIDE_COLUMNS,
    TILE_ROWS,
    TRUTH_COLOUR,
    draw_sheet,
    write_picture,
)

from .watch_batch import SIZE, make_batch

torch.set_num_threads(1)


@pytest.fixture
def batch():
    inputs, target = make_batch(2)
    grey = torch.full_like(inputs.image, 128)
    return replace(inputs, image=grey), target


def predicted(target, joints, confidence: float) -> AmtOutput:
    """The joints, and the true objects."""
    count, classes = len(joints), 22
    objects = target.objects
    return AmtOutput(
        joint_steps=joints[:, None],
        joint_log_sigma=torch.zeros(count, 21),
        keypoints=target.keypoints,
        objects=ObjectOutput(
            objects.position,
            objects.rotation,
            torch.full((count, 1), confidence).logit(),
            torch.nn.functional.one_hot(objects.class_index, classes).float(),
        ),
        contact=ContactOutput(*[torch.zeros(count, 1)] * 6),
    )


def tiles(sheet: np.ndarray, count: int) -> list[np.ndarray]:
    """Picture and side view of each sample in the only row."""
    bottom = sheet[-TILE_ROWS - 8 : -8]
    width = TILE_ROWS + SIDE_COLUMNS + 8
    return [bottom[:, 8 + width * n : width * (n + 1)] for n in range(count)]


def where(picture: np.ndarray, colour) -> np.ndarray:
    """Pixels [N, 2] (x, y) of about a colour."""
    return np.argwhere((np.abs(picture.astype(int) - colour) < 40).all(-1))[:, ::-1]


def test_joints_are_drawn_where_they_are_seen(batch):
    inputs, target = batch
    sheet = draw_sheet(inputs, predicted(target, target.joints, 0.1), target, "here")
    for tile, keypoints in zip(tiles(sheet, 2), target.keypoints, strict=True):
        picture = tile[:, :TILE_ROWS]
        places = TILE_ROWS / SIZE * (keypoints.numpy() + 0.5) - 0.5
        drawn = where(picture, PREDICTION_COLOUR)
        apart = np.linalg.norm(drawn[:, None] - places[None], axis=-1)
        assert (apart.min(axis=0) < 5.0).all()  # something at each joint


def test_wrong_depth_is_seen_from_the_side_alone(batch):
    inputs, target = batch
    near, far = (
        tiles(draw_sheet(inputs, predicted(target, factor * target.joints, 0.1), target, ""), 2)
        for factor in (0.97, 1.0)
    )
    for one, other, joints in zip(near, far, target.joints, strict=True):
        label = 30  # rows; it says how far off the joints are
        assert (one[label:, :TILE_ROWS] == other[label:, :TILE_ROWS]).all()
        depth = [
            where(tile[:, TILE_ROWS:], PREDICTION_COLOUR)[:, 0].mean() for tile in (one, other)
        ]
        moved = 0.03 * joints[:, 2].mean() * TILE_ROWS / 0.30
        assert depth[1] - depth[0] == pytest.approx(float(moved), rel=0.15)


def test_objects_are_drawn_when_likely_and_unknown_truth_is_not(batch):
    inputs, target = batch
    joints = target.joints
    faint = draw_sheet(inputs, predicted(target, joints, 0.4), target, "")
    sure = draw_sheet(inputs, predicted(target, joints, 0.9), target, "")
    count = [len(where(one[60:], PREDICTION_COLOUR)) for one in (faint, sure)]
    assert count[1] > 1.1 * count[0]
    nothing = replace(
        target,
        joints=torch.full_like(joints, torch.nan),
        joints_valid=torch.zeros_like(target.joints_valid),
        objects=replace(target.objects, valid=torch.zeros_like(target.objects.valid)),
    )
    sheet = draw_sheet(inputs, predicted(target, joints, 0.4), nothing, "")
    assert len(where(sheet[60:], TRUTH_COLOUR)) == 0
    assert len(where(sheet[60:], PREDICTION_COLOUR)) > 100


def test_a_lost_prediction_does_not_stop_the_training(batch, tmp_path):
    inputs, target = batch
    output = predicted(target, torch.full_like(target.joints, torch.nan), 0.9)
    behind = replace(output.objects, position=-output.objects.position)
    sheet = draw_sheet(inputs, replace(output, objects=behind), target, "lost")
    write_picture(tmp_path / "new" / "sheet.png", sheet)
    assert (cv2.imread(str(tmp_path / "new" / "sheet.png"))[..., ::-1] == sheet).all()


def write_lines(folder, name, lines, end="\n"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(json.dumps(line) for line in lines) + end)


def test_runs_are_read_as_far_as_they_were_written(tmp_path):
    folder = tmp_path / "first"
    lines = [{"step": n, "loss": 1.0 / n, "coarse": float(n)} for n in (1, 2, 3, 2, 3)]
    lines[-1]["loss"] = 5.0  # done anew after a resume
    write_lines(folder, "losses.jsonl", lines, end='\n{"step": 4, "lo')
    run = read_run(folder)
    assert run.name == "first"
    assert run.losses["loss"].steps.tolist() == [1, 2, 3]
    assert run.losses["loss"].values.tolist() == [1.0, 0.5, 5.0]
    assert run.evaluations == {}
    write_lines(folder, "evaluations.jsonl", [{"step": 3, "joints_mm": 12.0}])
    assert read_run(folder).evaluations["joints_mm"].values.tolist() == [12.0]
    with pytest.raises(AmtError, match=r"second.*does not exist: give the folder"):
        read_run(tmp_path / "second")
    (folder / "losses.jsonl").write_text("nonsense\n")
    with pytest.raises(AmtError, match="is damaged"):
        read_run(folder)


def test_curves_of_several_runs(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(folders):
        steps = range(1, 200)
        write_lines(
            folder,
            "losses.jsonl",
            [{"step": n, "loss": (1 + number) / n, "bad": float("nan"), "none": 0} for n in steps],
        )
        write_lines(folder, "evaluations.jsonl", [{"step": 100, "joints_mm": 9.0}])
    draw_curves(tmp_path / "one.png", [read_run(folders[0])], "one")
    draw_curves(tmp_path / "both.png", [read_run(folder) for folder in folders], "both")
    one, both = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("one", "both"))
    orange = (np.abs(both.astype(int) - (0, 94, 213)).max(-1) < 10).sum()  # the second run's, BGR
    assert orange > 200
    assert (np.abs(one.astype(int) - (0, 94, 213)).max(-1) < 10).sum() == 0
    with pytest.raises(AmtError, match="nothing to draw"):
        draw_curves(tmp_path / "none.png", [], "none")
    assert to_curves([]) == {}
