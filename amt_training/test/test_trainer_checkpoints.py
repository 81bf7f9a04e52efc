"""Checkpoints that are cut, full disks, what is kept, and what is in them."""

import json
import logging
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.weights import load_checkpoint
from amt_training.trainer.checkpoints import (
    Checkpoints,
    CheckpointSettings,
    read_checkpoint,
)
from amt_training.trainer.distributed import World
from amt_training.trainer.trainer import Trainer

from .micro_training import SETTINGS, AmtSource, AmtTask, MicroSource, MicroTask

ALONE = World(0, 1, torch.device("cpu"))
FILES = ["model.safetensors", "optimizer.safetensors"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)  # the trainer has asked for them


def make(folder: Path, steps: list[int], settings: CheckpointSettings, metrics=None) -> Checkpoints:
    """Checkpoints of small tensors."""
    checkpoints = Checkpoints(folder, settings)
    for step in steps:
        tensors = {"values": torch.full((1000,), float(step))}
        writers = {name: lambda path, tensors=tensors: save_file(tensors, path) for name in FILES}
        checkpoints.write(step, writers, {"metrics": (metrics or {}).get(step, {})})
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("name", [*FILES, "state.json"])
@pytest.mark.parametrize("damage", ["cut", "missing", "other"])
def test_a_damaged_one_is_refused_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: str
) -> None:
    checkpoints = make(tmp_path, [100, 200], CheckpointSettings())
    path = checkpoints.at(200) / name
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"[" + data[1:] if name == "state.json" else data[:-1] + b"\x01")

    with caplog.at_level(logging.WARNING):
        newest = checkpoints.newest()

    assert newest is not None and newest.step == 100
    assert "step_00000200" in caplog.text and "going back" in caplog.text
    assert name in caplog.text


def test_none_whole_is_an_error_and_none_at_all_is_not(tmp_path: Path) -> None:
    checkpoints = make(tmp_path, [100], CheckpointSettings())
    (checkpoints.at(100) / FILES[0]).unlink()

    with pytest.raises(AmtError, match="none of the 1 checkpoints"):
        checkpoints.newest()
    assert Checkpoints(tmp_path / "new", CheckpointSettings()).newest() is None


def test_the_last_three_and_the_best_are_kept(tmp_path: Path) -> None:
    metrics = {step: {"mpjpe": error} for step, error in
               [(1, 9.0), (2, 3.0), (3, float("nan")), (4, 5.0), (5, 4.0), (6, 6.0)]}  # fmt: skip
    checkpoints = make(
        tmp_path, [1, 2, 3, 4, 5, 6], CheckpointSettings(best_metric="mpjpe"), metrics
    )

    assert names(tmp_path) == [f"step_{step:08d}" for step in (2, 4, 5, 6)]
    assert checkpoints.best_score() == 3.0


def test_damaged_later_ones_make_room(tmp_path: Path) -> None:
    checkpoints = make(tmp_path, [1, 2], CheckpointSettings(keep=1))
    (checkpoints.at(2) / FILES[0]).unlink()
    make(tmp_path, [1], CheckpointSettings(keep=1))

    assert names(tmp_path) == ["step_00000001"]


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 2 kB, as if the disk were full; pytest's own output neither, which is
    why this is no fixture."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_error_and_loses_nothing(tmp_path: Path) -> None:
    checkpoints = make(tmp_path, [1, 2, 3], CheckpointSettings())

    sentence = r"step 4 cannot be written.*make room"
    with small_files(), pytest.raises(AmtError, match=sentence) as error:
        make(tmp_path, [4], CheckpointSettings())
    assert "\n" not in str(error.value)
    assert names(tmp_path) == [f"step_{step:08d}" for step in (1, 2, 3)]
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 3


def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".unfinished_abc").mkdir()
    make(tmp_path, [1], CheckpointSettings())

    assert names(tmp_path) == ["step_00000001"]


def test_a_checkpoint_of_the_model_is_one_for_everybody(tmp_path: Path) -> None:
    """model and ema.safetensors are what amt_perception loads."""
    task = AmtTask()
    settings = replace(SETTINGS, max_steps=2, checkpoints=CheckpointSettings(best_metric="error"))
    seen = {}

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        assert not model.training and not torch.is_grad_enabled()
        seen.update({name: one.clone() for name, one in model.state_dict().items()})
        return {"error": 1.0}

    configuration = {"experiment": "test"}
    source = AmtSource(task.model)
    Trainer(
        settings, task, source, tmp_path, ALONE, evaluate=evaluate, configuration=configuration
    ).run()

    checkpoint = read_checkpoint(tmp_path / "checkpoints" / "step_00000002")
    assert checkpoint.state["metrics"] == {"error": 1.0}
    assert checkpoint.state["configuration"] == configuration
    hand = generic_hand(Side.RIGHT)
    trained = load_checkpoint(checkpoint.folder / "model.safetensors", hand).state_dict()
    average = load_checkpoint(checkpoint.folder / "ema.safetensors", hand).state_dict()
    for name, value in task.model.state_dict().items():
        assert torch.equal(trained[name], value), name
        assert torch.equal(average[name], seen[name]), name
    assert any(not torch.equal(trained[name], average[name]) for name in average)
    assert load_file(checkpoint.folder / "task.safetensors").keys() >= {"loss.coarse.raw"}


def test_a_checkpoint_of_another_network_is_an_error(tmp_path: Path) -> None:
    def trainer(task: MicroTask) -> Trainer:
        return Trainer(replace(SETTINGS, max_steps=4), task, MicroSource(), tmp_path, ALONE)

    trainer(MicroTask()).run()
    other = MicroTask()
    other.model.last = torch.nn.Linear(8, 3)
    with pytest.raises(AmtError, match="not of the network"):
        trainer(other).run()


def test_without_resume_old_checkpoints_are_in_the_way(tmp_path: Path) -> None:
    settings = replace(SETTINGS, max_steps=4, resume=False)
    Trainer(settings, MicroTask(), MicroSource(), tmp_path, ALONE).run()

    with pytest.raises(AmtError, match=r"trainer\.resume=true"):
        Trainer(settings, MicroTask(), MicroSource(), tmp_path, ALONE).run()


def test_every_line_of_the_curve_is_there_when_a_checkpoint_is(tmp_path: Path) -> None:
    class Reader:
        def on_start(self, trainer: Trainer) -> None:
            assert trainer.step == 0
            self.steps: list[int] = []

        def on_step(self, report) -> None:
            self.steps.append(report.step)
            assert report.samples_per_second > 0.0 and report.terms.keys() == {"weighted", "plain"}

        def on_evaluation(self, step: int, metrics) -> None:
            lines = (tmp_path / "losses.jsonl").read_text().splitlines()
            assert [json.loads(line)["step"] for line in lines] == list(range(1, step + 1))

        def on_end(self) -> None:
            self.ended = True

    reader = Reader()
    task, source = MicroTask(), MicroSource()
    Trainer(SETTINGS, task, source, tmp_path, ALONE, [reader], lambda model: {"error": 1.0}).run()

    assert reader.steps == sorted({*range(3, 21, 3), *range(4, 21, 4), *range(5, 21, 5)})
    assert reader.ended
