"""Which samples a training step sees: a pure function of the step, so resuming needs no state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amt_perception.errors import AmtError
from amt_training.data.sample import Entry


def windows(entries: Sequence[Entry], length: int) -> np.ndarray:
    """[W, length] indices of every run of `length` consecutive frames of one sequence and hand.

    Only whole windows: none reaches over a missing frame or the start of its sequence. With a
    length of 1 every entry is a window. Raises AmtError when there is none.
    """
    if length < 1:
        raise AmtError(f"a window has {length} frames; it needs at least 1")
    count = len(entries)
    follows = np.zeros(count, dtype=bool)
    for index in range(1, count):
        last, now = entries[index - 1], entries[index]
        follows[index] = now == last._replace(frame=last.frame + 1)
    breaks = np.cumsum(~follows)
    starts = np.arange(max(count - length + 1, 0))
    whole = breaks[starts] == breaks[starts + length - 1]
    if not whole.any():
        raise AmtError(
            f"none of the {count} samples ends {length} consecutive frames; choose fewer frames"
        )
    return starts[whole, None] + np.arange(length)


class PermutationSampler:
    """Every item once in an epoch, in an order by chance, in batches of the same size.

    The items that do not fill a last batch wait for another epoch. Processes share each step's
    batch: `world` processes with `batch_size` see what one with `world` times that would.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        """batch_size: of this process. Raises AmtError when the items fill no batch."""
        if batch_size < 1:
            raise AmtError(f"batch_size is {batch_size}; it must be at least 1")
        if not 0 <= rank < world:
            raise AmtError(f"rank {rank} is not one of {world} processes")
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world = rank, world
        self.steps_per_epoch = count // (batch_size * world)
        if self.steps_per_epoch == 0:
            raise AmtError(
                f"batch_size {batch_size} in {world} process(es) is more than the {count} samples; "
                "choose a smaller one"
            )
        self._epoch, self._order = -1, np.empty(0, dtype=int)

    def indices(self, step: int) -> np.ndarray:
        """[batch_size] items of this process in a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(self.count)
            self._epoch = epoch
        start = (place * self.world + self.rank) * self.batch_size
        return self._order[start : start + self.batch_size]
