"""The training task of the grasp model: learning by heart, repeatable batches, the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from amt_perception.errors import AmtError
from amt_perception.grasp.config import GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.weights import load_grasp_checkpoint, read_grasp_info
from amt_perception.metrics.grasp import grasp_errors
from amt_training.configuration import checked
from amt_training.functional.batches import GraspBatches, HeldOutGrasps, made
from amt_training.functional.dataset import FunctionalGrasps
from amt_training.functional.losses import GraspLossSettings
from amt_training.functional.task import FunctionalGraspTask, GraspTrainSettings
from amt_training.settings import TrainSettings
from amt_training.train import train
from amt_training.trainer.batches import each_tensor
from amt_training.trainer.distributed import World

from .functional_grasps import write_set

TINY = GraspConfig(
    "tiny", language_width=32, centres=(32, 8), neighbours=(8, 4), geometry_width=16,
    fusion_points=16, width=64, fusion_layers=1, heads=4, velocity_layers=2, velocity_points=8,
    instruction_dropout=0.0,
)  # fmt: skip
STEPS = 420


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    objects = [("mug", 0), ("screwdriver", 0), ("knife", 0), ("pan", 0)]
    return write_set(tmp_path_factory.mktemp("functional"), objects)


def make_task(config=TINY, settings=None):
    torch.manual_seed(0)
    return FunctionalGraspTask(GraspModel(config), settings or GraspTrainSettings())


def batches_of(folder, **options):
    grasps = FunctionalGrasps(folder, "train", "allegro")
    return GraspBatches(grasps, make_task().model.kernel, 4, **options)


def same(first, second):
    found, other = [], []
    each_tensor(first, lambda one: found.append(one) or one)
    each_tensor(second, lambda one: other.append(one) or one)
    return all(torch.equal(a, b) for a, b in zip(found, other, strict=True))


def test_grasps_that_are_alike_are_learned_together(folder):
    grasps = FunctionalGrasps(folder, "train", "allegro")
    batches = GraspBatches(grasps, make_task().model.kernel, 4, together=2)
    batch, again = batches.batch(3), batches.batch(3)
    assert same(batch, again)
    assert batch.points.shape == (4, 1024, 3) and batch.grouped.position.shape == (4, 2, 3)
    assert batch.places.shape == (4, 2, 6, 4) and batch.grasps.joints.shape == (8, 16)
    for index in range(len(grasps)):
        alike = grasps.alike(index)
        first, *others = (grasps.sample(int(one), 2, index) for one in [index, *alike])
        assert index in alike
        for other in others:
            assert other.instruction == first.instruction and other.part == first.part
            np.testing.assert_array_equal(other.object.points, first.object.points)
    assert len(grasps.alike(0)) == 2  # the first and the fourth grasp are of the body
    both = GraspBatches(grasps, make_task().model.kernel, len(grasps), together=2).batch(0)
    different = (both.grouped.joints[:, 0] != both.grouped.joints[:, 1]).any(dim=1)
    assert different.sum() == sum(len(grasps.alike(index)) > 1 for index in range(len(grasps)))


def test_learns_eight_grasps_by_heart(folder):
    """Eight grasps of two objects, each with an instruction of its own; of each cloud 64 points."""
    config = replace(TINY, language_width=16, centres=(16, 4), fusion_points=8,
                     sample_contacts=False)  # fmt: skip
    task = make_task(config, GraspTrainSettings(loss=GraspLossSettings(draws=16)))
    grasps = FunctionalGrasps(folder, "train", "allegro")
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
    batch = made(
        [[replace(grasps.sample(k, 0), instruction=word)] for k, word in enumerate(words)],
        task.model.kernel,
    )
    batch = replace(
        batch, points=batch.points[:, :64], normals=batch.normals[:, :64],
        targets=batch.targets[:, :64],
    )  # fmt: skip
    optimizer = torch.optim.AdamW(task.parameters(), 6e-3, (0.9, 0.97), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 6e-3, total_steps=STEPS, pct_start=0.1
    )
    task.train()
    task.model.language_encoder.eval()  # it leaves out parts of words, here whole instructions
    for _ in range(STEPS):
        optimizer.zero_grad()
        task(batch, 0.0).total.backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    task.eval()
    with torch.no_grad():
        drawn, _ = task.model.sample(task.context(batch), 4)
    truth = batch.grasps
    errors = grasp_errors(
        *(one.reshape(8, 4, *one.shape[1:]).numpy()
          for one in (drawn.rotation, drawn.position, drawn.joints)),
        *(one[:, None].numpy() for one in (truth.rotation, truth.position, truth.joints)),
    )  # fmt: skip
    assert np.median(errors.place) < 0.005 and errors.place.max() < 0.03
    assert errors.angle.max() < np.radians(10.0)
    figures = task.validate([batch])
    assert figures["contact_excess"] < 0.02 and figures["contact_f1"] > 0.8
    assert figures["best_mm"] < 5.0 and figures["best_degrees"] < 10.0


def test_batches_depend_on_the_step_alone(folder):
    batches = batches_of(folder)
    assert batches.steps_per_epoch == 2
    first = [batch for batch, _ in zip(batches.batches(0), range(5), strict=False)]
    resumed = next(batches_of(folder).batches(3))
    assert same(resumed, first[3])
    assert not same(first[0], first[2])  # another epoch: another pose and sentence
    by_worker = [
        batch for batch, _ in zip(batches_of(folder, workers=1).batches(3), "ab", strict=False)
    ]
    assert same(by_worker[0], first[3]) and same(by_worker[1], first[4])


def test_processes_share_a_step(folder):
    grasps, kernel = FunctionalGrasps(folder, "train", "allegro"), make_task().model.kernel
    whole = GraspBatches(grasps, kernel, 4).batch(1)
    halves = [GraspBatches(grasps, kernel, 2, rank=rank, world=2).batch(1) for rank in range(2)]
    for k, half in enumerate(halves):
        assert torch.equal(half.points, whole.points[2 * k : 2 * k + 2])


def test_validation_is_repeatable_and_leaves_training_alone(folder):
    task = make_task().eval()
    held_out = HeldOutGrasps(FunctionalGrasps(folder, "val", "allegro"), task.model.kernel, 3, 2)
    assert len(held_out.samples) == 3
    state = torch.get_rng_state()
    first, second = task.validate(held_out.batches), task.validate(held_out.batches)
    assert first == second and torch.equal(state, torch.get_rng_state())
    assert {"loss", "flow", "contact_excess", "contact_f1", "contact_ece", "best_mm"} <= set(first)
    assert "contact_f1/pinky" not in first and "contact_f1/thumb" in first


def test_a_model_that_needs_another_language_encoder_is_refused():
    with pytest.raises(AmtError, match="language encoder 'qwen'"):
        make_task(replace(TINY, language_encoder="qwen"))


def run(folder, run_folder, *words):
    with initialize_config_module("amt_training.config", version_base=None):
        config = compose("train", [
            "experiment=functional_grasp_small", f"data.root={folder}", f"run_folder={run_folder}",
            "batch_size=4", "cache.workers=0", "trainer.max_steps=2", "trainer.log_every=1",
            "grasp.validation={samples: 2, grasps: 2, steps: 2}", "watch.look.samples=1",
            "model.changes={centres: [32, 8], width: 32, geometry_width: 16, fusion_points: 16, "
            "velocity_points: 8, heads: 4}", *words,
        ])  # fmt: skip
    settings = checked(config, TrainSettings)
    train(settings, OmegaConf.to_container(config), World(0, 1, torch.device("cpu")))


def test_the_experiment_leaves_what_is_promised(folder, tmp_path):
    run(folder, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "checkpoints", "losses.jsonl", "evaluations.jsonl", "curves.png", "pages", "tensorboard",
    }  # fmt: skip
    lines = (tmp_path / "run" / "losses.jsonl").read_text().splitlines()
    assert {"contact", "contact_excess", "flow"} <= set(json.loads(lines[-1]))
    assert (tmp_path / "run" / "pages" / "00000002.html").stat().st_size > 700_000
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    path = newest / "ema.safetensors"
    assert load_grasp_checkpoint(path).config.width == 32
    assert read_grasp_info(path).training["configuration"]["trained_on"] == "functional train"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data.root=nowhere",), "python -m amt_training.functional generate"),
        (("data=shards",), "does not learn from data=shards"),
        (("model.size=tiny",), "model.size=grasp_small"),
        (("trainer.precision.compile=default",), "compile=none"),
        (("batch_size=16",), "batch_size=16"),
    ],
)
def test_mistakes_end_in_one_sentence(folder, tmp_path, words, message):
    with pytest.raises(AmtError, match=message):
        run(folder, tmp_path / "run", *words)
