"""The tiny model learns 64 rendered scenes by heart, on the CPU, and knows what it cannot see."""

import time

import pytest
import torch

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_training.losses.targets import AmtTarget
from amt_training.toy.scenes import make_scenes
from amt_training.toy.training import (
    Schedule,
    build,
    crops,
    errors,
    predict,
    shifted,
    shuffled,
    train,
)

SEED = 0
REACH = 1.0
"""Crops of the second part miss the hand by up to so many sides of its box."""


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
    return make_scenes(64, SEED)


@pytest.fixture(scope="module")
def trained(scenes):
    model, loss = build(SEED)
    inputs, target = crops(scenes, model)
    start = time.perf_counter()
    train(model, loss, shuffled(inputs, target, SEED), Schedule(), nothing)
    print(f"\ntrained in {time.perf_counter() - start:.0f} s")
    return model, loss, inputs, target


def test_learns_hands_to_millimetres_and_objects_to_a_degree(trained):
    model, _, inputs, target = trained
    found = errors(predict(model, inputs), target)
    print(f"\n{found}")
    assert found.joints_mm < 3.0
    assert found.object_degrees < 1.0
    assert found.relative_joints_mm < 3.0
    assert found.object_mm < 3.0


def test_joints_outside_the_picture_have_low_confidence(trained, scenes):
    model, loss, *_ = trained
    train(model, loss, shifted(scenes, model, REACH, SEED), Schedule(150, 5e-4), nothing)
    fresh = shifted(scenes, model, REACH, SEED + 1)  # other shifts of the same scenes
    inside, outside = [], []
    for _ in range(8):
        inputs, target = next(fresh)
        output = predict(model, inputs)
        seen = in_picture(target, inputs.image.shape[-1])
        inside.append(output.joint_confidence[seen])
        outside.append(output.joint_confidence[~seen])
    sure, unsure = torch.cat(inside), torch.cat(outside)
    print(f"\nconfidence {sure.mean():.2f} inside, {unsure.mean():.2f} outside the picture")
    assert len(unsure) > 200
    assert unsure.mean() < 0.5 * sure.mean()


def in_picture(target: AmtTarget, size: int) -> torch.Tensor:
    """[B, 21] whether the picture shows the place of a joint."""
    return ((target.keypoints > -0.5) & (target.keypoints < size - 0.5)).all(-1)
