"""The largest batch that fits a GPU, found by trying."""

from __future__ import annotations

from collections.abc import Callable

import torch

from amt_perception.errors import AmtError


def largest_batch(fits: Callable[[int], bool], limit: int, multiple: int = 1) -> int:
    """The largest size up to `limit` that fits, a multiple of `multiple`; 0 where none does.

    Doubles from one multiple on until something does not fit, then halves the gap.
    """
    units = limit // multiple
    good, bad = 0, units + 1
    attempt = 1
    while good + 1 < bad:
        attempt = min(attempt, bad - 1)
        if fits(attempt * multiple):
            good = attempt
        else:
            bad = attempt
        attempt = 2 * good if bad > units and good else (good + bad) // 2
    return good * multiple


def probe_batch_size(
    train_step: Callable[[int], None], device: torch.device, limit: int, multiple: int = 8
) -> int:
    """The largest batch size whose training step does not run out of GPU memory; prints it.

    train_step: makes a batch of that size and does a whole step with it, optimiser included, whose
    states take memory, too. It is for a run of its own: the network is trained a little. limit: the
    largest size that makes sense. Raises AmtError on a CPU, or where not even one multiple fits.
    """
    if device.type != "cuda":
        raise AmtError(
            "the batch size can be probed on a CUDA GPU only, by running out of its memory; give "
            "the batch size"
        )

    def fits(size: int) -> bool:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        try:
            for _ in range(2):  # the optimiser's states are there from the first step on
                train_step(size)
            torch.cuda.synchronize(device)
        except torch.OutOfMemoryError:
            print(f"batch size {size}: does not fit")
            return False
        peak = torch.cuda.max_memory_allocated(device) / 2**30
        print(f"batch size {size}: {peak:.1f} GiB")
        return True

    size = largest_batch(fits, limit, multiple)
    torch.cuda.empty_cache()
    if not size:
        raise AmtError(
            f"not even a batch of {multiple} fits this GPU: take a smaller model, or set "
            "trainer.precision.recompute=full"
        )
    print(f"chosen batch size: {size}")
    return size
