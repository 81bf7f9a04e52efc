"""Recordings one after the other or side by side, each from file to files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.retarget.offline.figures import Figures, figures
from amt_retarget.retarget.offline.plot import write_plot
from amt_retarget.retarget.offline.recordings import (
    Options,
    fingerprint,
    is_done,
    read_figures,
    read_joints,
    write_trajectory,
)
from amt_retarget.retarget.offline.sequence import retarget_sequence
from amt_retarget.robot.robot import Robot


@dataclass(frozen=True)
class Outcome:
    """What became of one recording."""

    figures: Figures | None
    """None where it failed."""
    seconds: float
    """0 where it was done already."""
    problem: str = ""
    """One sentence where it failed."""


def process_all(
    paths: list[Path], out: Path, options: Options, jobs: int
) -> Iterator[tuple[Path, Outcome]]:
    """Each recording with its outcome as soon as it is there, with `jobs` processes."""
    if jobs == 1:
        for path in paths:
            yield path, process(path, out, options)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited: one thread a process is fastest
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(process, path, out, options): path for path in paths}
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except BrokenProcessPool:
                outcome = Outcome(None, 0.0, "a process died, likely for memory: use fewer --jobs.")
            yield futures[future], outcome


def process(path: Path, out: Path, options: Options) -> Outcome:
    """One recording from file to files; a mistake in it becomes the outcome's problem."""
    start = time.perf_counter()
    result = out / f"{path.stem}.npz"
    try:
        if result.resolve() == path.resolve():
            raise RetargetError("its result would replace it: choose another --out.")
        joints = read_joints(path, options)
        mark = fingerprint(path, options)
        if is_done(result, mark):
            return Outcome(read_figures(result), 0.0)
        robot = Robot.load(options.robot, options.hand)
        side = Side[options.person.upper()]
        trajectory = retarget_sequence(
            robot, joints, side, options.rate_hz, cutoff_hz=options.cutoff_hz
        )
        numbers = figures(robot, trajectory, joints)
        write_plot(result.with_suffix(".png"), path.stem, trajectory, numbers)
        write_trajectory(result, trajectory, numbers, mark)  # last: its fingerprint says "done"
    except RetargetError as error:
        return Outcome(None, 0.0, str(error))
    return Outcome(numbers, time.perf_counter() - start)
