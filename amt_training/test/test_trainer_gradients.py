"""A batch in parts, over processes or one after another, has the gradients of the whole batch."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from amt_training.losses.diversity import diversity_losses
from amt_training.trainer.batches import cut
from amt_training.trainer.gradients import compute_gradients, seed_generators
from amt_training.trainer.layers import recompute_layers

from .micro_training import AmtTask, amt_batch, finish, start

PROGRESS = 0.3


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def task() -> AmtTask:
    return AmtTask()


@pytest.fixture(scope="module")
def batch(task: AmtTask):
    return amt_batch(task.model)


def gradients(task: AmtTask, parts: list) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss, gradients and later buffers of one step, from the same state each time."""
    before = {name: one.clone() for name, one in task.named_buffers()}
    task.zero_grad()
    loss = compute_gradients(task, task, parts, PROGRESS, nullcontext, seed_generators)
    found = {name: one.grad.clone() for name, one in task.named_parameters() if one.requires_grad}
    found |= {name: one.clone() for name, one in task.named_buffers() if one.is_floating_point()}
    for name, one in task.named_buffers():
        one.copy_(before[name])
    return float(loss.total), found


@pytest.fixture(scope="module")
def reference(task: AmtTask, batch):
    """Of the batch in one piece."""
    return gradients(task, [batch])


def gradient_norm(found: dict[str, torch.Tensor], task: AmtTask) -> float:
    names = [name for name, one in task.named_parameters() if one.requires_grad]
    return float(torch.cat([found[name].flatten().double() for name in names]).norm())


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], task) -> None:
    """Gradients up to 1e-5 of their norm, buffers up to 1e-6, and nothing missing."""
    norm = gradient_norm(expected, task)
    buffers = dict(task.named_buffers())
    for name, one in expected.items():
        limit = 1e-6 if name in buffers else 1e-5 * norm
        assert float((found[name] - one).norm()) < limit, name


@pytest.mark.parametrize("count", [2, 4])
def test_micro_batches_are_one_batch(task: AmtTask, batch, reference, count: int) -> None:
    loss, expected = reference
    total, found = gradients(task, cut(batch, count))

    assert total == pytest.approx(loss, rel=1e-5)
    assert_same(found, expected, task)


@pytest.mark.parametrize("mode", ["full", "selective"])
def test_recomputed_layers_have_the_same_gradients(
    batch, reference, mode: str, task: AmtTask
) -> None:
    loss, expected = reference
    forwards = {name: one.__dict__.get("forward") for name, one in task.named_modules()}
    recompute_layers(task.model, mode)
    try:
        total, found = gradients(task, [batch])
    finally:
        for name, one in task.named_modules():
            if forwards[name] is None:
                one.__dict__.pop("forward", None)

    assert total == pytest.approx(loss, rel=1e-6)
    assert_same(found, expected, task)


def test_two_processes_are_one_batch_with_ddp_and_fsdp2(
    tmp_path: Path, task: AmtTask, batch, reference
) -> None:
    codes = finish(start(2, "gradients", folder=tmp_path, batch=batch))
    assert codes == [0, 0], (tmp_path / "stderr_0").read_text()
    _, expected = reference
    norm = gradient_norm(expected, task)

    for strategy in ("ddp", "fsdp2"):
        found = load_file(tmp_path / f"{strategy}.safetensors")
        assert_same(found, expected, task)
        assert float(found["norm"]) == pytest.approx(norm, rel=1e-5)
        assert torch.equal(found["buffers of 0"], found["buffers of 1"])


def test_the_parts_matter(task: AmtTask, batch, reference) -> None:
    """The batch is one whose parts alone would give other gradients."""
    _, expected = reference
    halves = [gradients(task, [half])[1] for half in cut(batch, 2)]
    mean = {name: (halves[0][name] + halves[1][name]) / 2 for name in expected}

    with pytest.raises(AssertionError):
        assert_same(mean, expected, task)


def test_diversity_outside_a_step_is_that_of_its_own_batch() -> None:
    truth = torch.randn(4, 21, 3)
    terms = diversity_losses(truth, truth, torch.ones(4, 21, dtype=torch.bool))

    assert all(float(term) == pytest.approx(0.0, abs=1e-6) for term in terms.values())
