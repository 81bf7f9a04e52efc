"""Trainings that are killed, interrupted or go wrong, and go on as if nothing had been."""

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from amt_training.trainer.checkpoints import CheckpointSettings, read_checkpoint
from amt_training.trainer.distributed import DistributedSettings, World
from amt_training.trainer.trainer import Trainer

from .micro_training import SETTINGS, AmtSource, AmtTask, finish, start, train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)  # the trainer has asked for them


def said(folder: Path, rank: int = 0) -> list[str]:
    """What a process has written to stderr, without the log."""
    lines = (folder / f"stderr_{rank}").read_text().splitlines()
    return [line for line in lines if not line.startswith(("INFO", "WARNING", "[rank"))]


def curve(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def run(folder: Path, processes: int, settings=SETTINGS, accidents=None) -> list:
    """Exit codes of a training."""
    folder.mkdir(exist_ok=True)
    arguments = {"folder": folder, "settings": settings, "accidents": accidents}
    return finish(start(processes, "train", **arguments))


@pytest.mark.parametrize(
    ("processes", "strategy", "accumulation"),
    [(1, "ddp", 1), (1, "ddp", 2), (2, "ddp", 1), (2, "fsdp2", 2)],
)
def test_a_killed_run_goes_on_bit_by_bit(
    tmp_path: Path, processes: int, strategy: str, accumulation: int
) -> None:
    settings = replace(
        SETTINGS, accumulation=accumulation, distributed=DistributedSettings(strategy)
    )
    step = random.randint(5, 18)
    assert run(tmp_path / "whole", processes, settings) == [0] * processes
    codes = run(tmp_path / "killed", processes, settings, accidents={step: "kill"})
    assert codes[-1] == -9
    assert len(curve(tmp_path / "killed")) < 20
    assert run(tmp_path / "killed", processes, settings) == [0] * processes

    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    assert [line["step"] for line in curve(tmp_path / "whole")] == list(range(1, 21))
    newest = "checkpoints/step_00000020"
    for name in ("model", "ema", "optimizer", "task"):
        path = f"{newest}/{name}.safetensors"
        assert (tmp_path / "killed" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def test_ddp_and_fsdp2_have_one_curve_evaluations_or_not(tmp_path: Path) -> None:
    curves = []
    for strategy, every in (("ddp", 0), ("fsdp2", 3)):
        settings = replace(
            SETTINGS, evaluate_every=every, distributed=DistributedSettings(strategy), max_steps=8
        )
        assert run(tmp_path / strategy, 2, settings) == [0, 0]
        curves.append([line["loss"] for line in curve(tmp_path / strategy)])

    assert curves[0] == pytest.approx(curves[1], rel=1e-6)


def test_the_same_for_the_tiny_model(tmp_path: Path) -> None:
    settings = replace(
        SETTINGS, max_steps=4, log_every=1, checkpoints=CheckpointSettings(every_steps=2)
    )
    alone = World(0, 1, torch.device("cpu"))

    def train_amt() -> list[dict]:
        task = AmtTask()
        Trainer(settings, task, AmtSource(task.model), tmp_path, alone).run()
        return curve(tmp_path)

    whole = train_amt()
    shutil.rmtree(tmp_path / "checkpoints" / "step_00000004")
    (tmp_path / "losses.jsonl").open("a").write('{"step": 5, "lo')  # it was killed here
    again = train_amt()

    assert again == whole
    assert len(whole) == 4 and len({line["loss"] for line in whole}) == 4


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path: Path) -> None:
    assert train(tmp_path, SETTINGS) == 0
    whole = curve(tmp_path)
    newest = tmp_path / "checkpoints" / "step_00000020"
    path = newest / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    shutil.rmtree(tmp_path / "checkpoints" / "step_00000012")
    assert train(tmp_path, SETTINGS) == 0

    assert curve(tmp_path) == whole
    assert read_checkpoint(newest).step == 20


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_saves_and_says_how_to_go_on(tmp_path: Path, processes: int) -> None:
    codes = run(tmp_path, processes, accidents={9: "terminate"})

    assert codes == [130] * processes
    (sentence,) = [line for rank in range(processes) for line in said(tmp_path, rank)]
    assert "stopped by" in sentence and "after step 10" in sentence
    assert (tmp_path / "checkpoints" / "step_00000010").is_dir()
    assert [line["step"] for line in curve(tmp_path)] == list(range(1, 11))


@pytest.mark.parametrize("processes", [1, 2])
def test_nan_stops_with_one_sentence_and_keeps_what_is_good(tmp_path: Path, processes: int) -> None:
    codes = run(tmp_path, processes, accidents={9: "nan"})

    assert codes == [1] * processes
    (sentence,) = [line for rank in range(processes) for line in said(tmp_path, rank)]
    assert "weighted, plain are not finite at step 10" in sentence
    if processes == 1:
        assert "(the model's input values is not finite in sample 0 of the batch)" in sentence
    assert "step_00000008" in sentence
    assert [line["step"] for line in curve(tmp_path)] == list(range(1, 10))
    assert sorted(one.name for one in (tmp_path / "checkpoints").iterdir()) == [
        "step_00000004",
        "step_00000008",
    ]


def test_one_process_fails_and_all_end_with_its_sentence(tmp_path: Path) -> None:
    assert run(tmp_path, 2, accidents={6: "fail"}) == [1, 1]

    assert said(tmp_path, 1) == ["the data of process 1 are gone"]
    assert said(tmp_path, 0) == []


def test_a_process_that_vanishes_is_said_to_have_vanished(tmp_path: Path) -> None:
    assert run(tmp_path, 2, accidents={6: "kill"}) == [1, -9]

    (sentence,) = said(tmp_path, 0)
    assert "another process of this training has ended without a word" in sentence
