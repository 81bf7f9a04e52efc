"""The commands, from words to files: every experiment at a tiny size, and users' mistakes."""

import json
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

pytest.importorskip("mujoco", reason="mujoco is not installed")

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.weights import load_checkpoint, read_info
from amt_training.configuration import checked
from amt_training.evaluate import evaluate_model
from amt_training.settings import EvaluateSettings, TrainSettings
from amt_training.synthetic.objects.library import OBJECT_CLASSES
from amt_training.train import train
from amt_training.trainer.distributed import World

ALONE = World(0, 1, torch.device("cpu"))
QUICK = (
    "data.train=6", "data.val=2", "data.test=4", "data.frames=3", "batch_size=4", "device=cpu",
    "cache.workers=0", "trainer.max_steps=2", "trainer.schedule.warm_up_steps=1",
    "trainer.log_every=1", "stored_crop.size=140", "watch.look.samples=2",
)  # fmt: skip
TINY = ("model.size=tiny", "model.backbone_weights=random", "trainer.precision.compile=none")


def settings_of(kind, name, *words):
    with initialize_config_module("amt_training.config", version_base=None):
        config = compose(name, list(words))
    return checked(config, kind), OmegaConf.to_container(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder):
    """Trains an experiment; gives the run's folder."""

    def run(experiment, *words):
        here = folder / experiment
        settings, configuration = settings_of(
            TrainSettings, "train", f"experiment={experiment}", *QUICK, f"run_folder={here}",
            f"cache.folder={folder / 'cache'}", *words,
        )  # fmt: skip
        train(settings, configuration, ALONE)
        return here

    return run


@pytest.fixture(scope="module")
def stage_one(run):
    return run("amt_stage1", *TINY)


def newest(run_folder):
    return sorted((run_folder / "checkpoints").iterdir())[-1]


def right_hand():
    return generic_hand(Side.RIGHT)


def test_stage_one_leaves_everything_that_is_promised(stage_one):
    assert {path.name for path in stage_one.iterdir()} == {
        "checkpoints", "losses.jsonl", "evaluations.jsonl", "curves.png", "pictures", "tensorboard",
    }  # fmt: skip
    losses = [json.loads(line) for line in (stage_one / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in losses] == [1, 2]
    evaluation = json.loads((stage_one / "evaluations.jsonl").read_text().splitlines()[-1])
    assert evaluation["step"] == 2 and evaluation["absolute_mm"] > evaluation["procrustes_mm"] > 0
    info = read_info(newest(stage_one) / "ema.safetensors")
    assert info.training["step"] == 2
    assert info.training["configuration"]["trained_on"] == "toy scenes, train"


def test_stage_one_goes_on_from_weights(run, stage_one, folder):
    start = newest(stage_one) / "ema.safetensors"
    slow = ("trainer.max_steps=1", "trainer.optimizer.learning_rate=1e-9")
    run("amt_stage1", *TINY, *slow, f"run_folder={folder / 'on'}", f"start_from={start}")
    before = load_checkpoint(start, right_hand()).state_dict()
    after = load_checkpoint(newest(folder / "on") / "model.safetensors", right_hand()).state_dict()
    for name, value in before.items():
        if "parametrizations" not in name:  # spectral norms are found anew
            torch.testing.assert_close(after[name], value, rtol=0.0, atol=1e-6, msg=name)
    with pytest.raises(AmtError, match=r"holds another network \(tiny\).*\(compact\)"):
        run(
            "amt_stage1", *TINY, "model.size=compact", f"run_folder={folder / 'other'}",
            f"start_from={start}",
        )  # fmt: skip


def test_the_synthetic_experiment_learns_the_worlds_objects(run):
    here = run("synthetic", "model.size=tiny", "data.frames=1", "data.objects=[13,13,13]")
    info = read_info(newest(here) / "ema.safetensors")
    assert info.config.object_classes == OBJECT_CLASSES
    assert info.training["configuration"]["trained_on"] == "Synthetic, train"


def test_stage_two_trains_the_temporal_encoder_alone(run, stage_one):
    before = load_checkpoint(newest(stage_one) / "model.safetensors", right_hand())
    here = run(
        "amt_stage2", f"stage1_checkpoint={newest(stage_one) / 'model.safetensors'}",
        "temporal_layers=1", "batch_size=2", "trainer.precision.compile=none", "model.size=tiny",
        "data.frames=8",
    )  # fmt: skip
    after = load_checkpoint(newest(here) / "model.safetensors", right_hand())
    assert isinstance(after, Amt) and after.temporal is not None
    state = before.state_dict()
    changed = [k for k, v in after.state_dict().items() if k in state and not v.equal(state[k])]
    assert not changed, "the spatial parts stay as they are, spectral norms included"
    losses = (here / "losses.jsonl").read_text()
    assert "velocity" in losses and "attention_entropy" in losses


@pytest.mark.parametrize("what", ["nothing", "the baseline", "stage 2"])
def test_stage_two_needs_stage_one(run, stage_one, what, folder):
    words = ["data.frames=8"]
    if what == "the baseline":
        baseline = run("baseline_vmt", "model.size=tiny_baseline", "trainer.precision.compile=none")
        model = load_checkpoint(newest(baseline) / "model.safetensors", right_hand())
        assert isinstance(model, BaselineModel)
        words.append(f"stage1_checkpoint={newest(baseline) / 'model.safetensors'}")
    if what == "stage 2":
        words.append(f"stage1_checkpoint={newest(folder / 'amt_stage2') / 'model.safetensors'}")
    sentence = {
        "nothing": "stage1_checkpoint=FILE",
        "the baseline": "is of the baseline; stage 2 needs",
        "stage 2": "is of stage 2 already",
    }[what]
    with pytest.raises(AmtError, match=sentence):
        run("amt_stage2", "run_folder=unused", *words)


def test_the_batch_size_is_probed_on_a_gpu_only(run):
    with pytest.raises(AmtError, match="CUDA GPU only"):
        run("smoke", *TINY, "probe_batch_size=true")


def test_the_transition_refiner(run):
    here = run(
        "transition", "data.frames=20", "transition.frames=8", "data.train=2",
        "+model.changes={width: 32, heads: 2, layers: 1}",
    )  # fmt: skip
    evaluation = json.loads((here / "evaluations.jsonl").read_text().splitlines()[-1])
    assert evaluation["estimates_mm"] > 5.0, "the estimates are wrong on purpose"
    assert {"refined_mm", "refined_degrees", "estimates_degrees"} <= evaluation.keys()
    assert (newest(here) / "model.safetensors").stat().st_size > 10_000


def test_evaluation_of_a_checkpoint(stage_one, folder):
    settings, _ = settings_of(
        EvaluateSettings, "evaluate", f"checkpoint={newest(stage_one) / 'ema.safetensors'}",
        "data=toy", "data.test=4", f"out={folder / 'report'}", "device=cpu", "run.worst=2",
    )  # fmt: skip
    results = evaluate_model(settings)
    page = (folder / "report" / "README.md").read_text()
    assert "4 of 4 samples" in page and "boxes: truth" in page
    assert "trained on: toy scenes, train" in page
    assert results.origin.evaluation_split == "toy scenes, test"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("trainer.max_step=3",), "max_step"),
        (("batch_size=0",), "batch_size"),
        (("batch_size=64", "data.train=32", "experiment=smoke"), "batch_size"),
        (("batch_size=6", "trainer.accumulation=4"), "trainer.accumulation"),
        (("batch_size=many",), "batch_size"),
        (("data=shards", "data.root=/nowhere"), "data.root"),
        (("data=dexycb", "data.root=/tmp"), "mano_folder"),
        (("data=dexycb", "mano_folder=/nowhere"), "root"),
        (("model.size=huge",), "model.size"),
        (("+model.changes.witdh=3",), "witdh"),
        (("trainer.optimizer.learning_rate=-1",), "trainer.optimizer.learning_rate"),
        (("trainer.schedule.kind=linear",), "trainer.schedule.kind"),
        (("augmentation.colour=2",), "augmentation.colour"),
        (("task=stage3",), "task"),
        (
            ("task=stage2", "stage1_checkpoint=x", "trainer.distributed.strategy=fsdp2"),
            "trainer.distributed.strategy",
        ),
        (("loss.coarse=much",), "loss.coarse"),
        (("experiment=amt_stage3",), "experiment"),
    ],
)
def test_a_mistake_is_named_before_data_is_read(words, key, monkeypatch, tmp_path):
    monkeypatch.setattr("amt_training.toy.dataset.ToyDataset.sample", None)
    experiment = () if any("experiment=" in word for word in words) else ("experiment=smoke",)
    with pytest.raises(Exception, match=key):
        settings, configuration = settings_of(
            TrainSettings, "train", *experiment, f"run_folder={tmp_path / 'run'}",
            f"cache.folder={tmp_path / 'cache'}", *words,
        )  # fmt: skip
        train(settings, configuration, ALONE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "words", "sentence"),
    [
        ("train", ("experiment=smoke", "batch_size=0"), "batch_size is 0"),
        ("evaluate", ("checkpoint=/nowhere/model.safetensors",), "there is no checkpoint"),
        ("convert", ("data=shards", "data.root=/nowhere", "out=shards"), "data.root=/nowhere"),
    ],
)
def test_a_mistake_ends_in_one_sentence(module, words, sentence, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", f"amt_training.{module}", *words],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "nothing is left behind"
