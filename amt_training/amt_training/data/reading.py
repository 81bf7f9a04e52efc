"""Reading samples in worker processes, in order, a bounded number ahead."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from amt_perception.errors import AmtError

Result = TypeVar("Result")
_AHEAD = 4
"""Jobs that each worker has in hand."""


class _Jobs(Dataset[Any], Generic[Result]):
    """A function as a DataLoader wants it."""

    def __init__(self, job: Callable[[int], Result]) -> None:
        self.job = job

    def __getitem__(self, numbers: Sequence[int]) -> list[Result | AmtError]:
        return [self._result(number) for number in numbers]

    def _result(self, number: int) -> Result | AmtError:
        try:
            return self.job(number)
        except AmtError as error:  # raised by a worker, its sentence would drown in a traceback
            return error


def in_order(
    job: Callable[[int], Result],
    numbers: Iterable[int],
    workers: int,
    pin_memory: bool = False,
    together: int = 1,
) -> Generator[Result, None, None]:
    """job(number) for each number, in order; numbers may have no end.

    job: a function or an object of a module; it is sent to the workers once. workers: processes,
    or 0 to do it here. They come from a fork server, which has seen neither this process's threads
    nor its CUDA context. pin_memory: of the tensors in a result. Close the iterator, or exhaust it,
    to end the workers. together: consecutive numbers that one worker does, for jobs that are
    quicker after their neighbours. Raises the job's AmtError, and one when a worker is killed.
    """
    context = None
    if workers > 0:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
    loader: DataLoader[Any] = DataLoader(
        _Jobs(job),
        batch_size=None,
        sampler=_Endless(numbers, together if workers > 0 else 1),
        num_workers=workers,
        collate_fn=_as_it_is,
        multiprocessing_context=context,
        prefetch_factor=_AHEAD if workers > 0 else None,
        worker_init_fn=_begin_worker,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # without, it would draw from the training's random numbers
    )
    try:
        for results in loader:
            for result in results:
                if isinstance(result, AmtError):
                    raise result
                yield result
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise AmtError(
            f"a worker that reads data was ended from outside ({error}); with too little memory, "
            "choose fewer workers"
        ) from error


class _Endless:
    """Numbers as a sampler, some at a time; it may have no length."""

    def __init__(self, numbers: Iterable[int], together: int) -> None:
        self.numbers = numbers
        self.together = together

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.numbers)
        while some := list(itertools.islice(numbers, self.together)):
            yield some


def _as_it_is(result: Any) -> Any:
    return result


def _begin_worker(_: int) -> None:
    """One thread each, and none without the process that asked for it.

    torch sees to its own threads. Its workers end with the process that forked them, which is the
    fork server: that in turn lives as long as they do, so after a kill -9 all would stay for ever.
    """
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # in a worker there is one
    parent.join()
    os._exit(1)
