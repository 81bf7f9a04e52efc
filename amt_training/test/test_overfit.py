"""The tiny model learns 8 rendered scenes by heart, on the CPU.

The whole task, 64 scenes, takes five minutes: `python -m amt_training.toy`.
"""

import time

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.estimators.amt import AmtEstimator
from amt_perception.estimators.hand_box import HandBox
from amt_perception.hand.joints import Side
from amt_perception.model.interface import LEFT
from amt_perception.model.weights import save_checkpoint
from amt_training.toy.scenes import CAMERA, make_scenes
from amt_training.toy.training import (
    Schedule,
    build,
    crops,
    errors,
    predict,
    shuffled,
    train,
)

SEED = 0
SCENES, STEPS = 8, 140


def nothing(step: int, terms: dict[str, float]) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module", autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(SCENES, SEED)


@pytest.fixture(scope="module")
def learned(scenes):
    """Model, loss and how the training went."""
    model, loss = build(SEED)
    inputs, target = crops(scenes, model)
    start, processor = time.perf_counter(), time.process_time()
    train(model, loss, shuffled(inputs, target, SEED), Schedule(steps=STEPS), nothing)
    wall, processor = time.perf_counter() - start, time.process_time() - processor
    found = errors(predict(model, inputs), target)
    print(f"\n{found} after {wall:.0f} s ({processor:.0f} s of CPU time)")
    return model, loss, found


def test_learns_hands_to_millimetres_and_objects_to_a_degree(learned):
    _, _, found = learned
    assert found.joints_mm < 3.0
    assert found.relative_joints_mm < 3.0
    assert found.object_mm < 3.0
    assert found.object_degrees < 1.0


@pytest.mark.parametrize(("storage", "shift_mm"), [("float32", 0.05), ("int8", 0.5)])
def test_estimator_finds_what_the_model_has_learned(learned, scenes, tmp_path, storage, shift_mm):
    """From the whole picture and a box through checkpoint, crop, engine and results."""
    model, _, found = learned
    save_checkpoint(tmp_path / "toy.safetensors", model, {}, storage)
    estimator = AmtEstimator.load(tmp_path / "toy.safetensors", device="cpu", backend="eager")
    images = list(scenes.images.permute(0, 2, 3, 1).numpy())
    sides = [Side.LEFT if side == LEFT else Side.RIGHT for side in scenes.side]
    boxes = [[HandBox(*box, side)] for box, side in zip(scenes.boxes, sides, strict=True)]
    results = estimator(images, [CAMERA] * len(images), boxes)
    joints = np.stack([result.hands[0].joints for result in results])
    error = 1e3 * np.linalg.norm(joints - scenes.truth.joints.numpy(), axis=-1).mean()
    assert error == pytest.approx(found.joints_mm, abs=shift_mm)
    assert [result.hands[0].side for result in results] == sides
    for result, position in zip(results, scenes.truth.objects.position[:, 0], strict=True):
        assert result.objects
        assert np.linalg.norm(result.objects[0].position - position.numpy()) < 0.01
