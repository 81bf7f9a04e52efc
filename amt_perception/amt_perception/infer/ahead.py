"""Stages of work that overlap: files are read and written while the estimator computes."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 1
) -> Generator[Result, None, None]:
    """The function of every item, in order, computed in threads ahead of who asks for it.

    At most `workers` + 1 results wait, so memory stays bounded. With one worker the calls follow
    each other in the items' order. An error of the function or of the items comes where its result
    would have; calls that were begun before end first, as they do when the generator is closed.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def ahead_of(items: Iterable[Item]) -> Generator[Item, None, None]:
    """The items, each fetched in a thread while the one before is in use."""
    iterator = iter(items)
    end = object()
    with closing(ahead(lambda _: next(iterator, end), itertools.count())) as fetched:
        for item in fetched:
            if item is end:
                return
            yield item  # type: ignore[misc]
