"""Many trials over processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.grasp_trial import TrialObject, TrialResult, TrialSettings, try_grasp

if TYPE_CHECKING:
    from tqdm import tqdm

Job: TypeAlias = tuple[int, RobotGrasp]
"""Number of the object, and a grasp of it."""
Common: TypeAlias = "tuple[str, str, Sequence[TrialObject], TrialSettings | None]"
"""What every process is given once."""

UNDER_WAY = 2
"""Jobs for each process at a time, so that none waits for its next one."""


def try_grasps(
    arm: str,
    hand: str,
    objects: Sequence[TrialObject],
    jobs: Sequence[Job],
    processes: int,
    settings: TrialSettings | None = None,
) -> list[TrialResult]:
    """Try every job's grasp on its object; results in the order of the jobs.

    arm, hand: as in `Robot.load`. Jobs of the same object should follow each other: a process keeps
    the model of its last one. A trial that fails, or ends its process, is a grasp that was not
    held, with what happened as its reason. Shows a progress bar. As with every spawned process, a
    script calls this under `if __name__ == "__main__"`.
    Raises RetargetError for jobs of objects that there are not, and without tqdm.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise RetargetError("Batches of trials need tqdm: pip install tqdm") from error
    if processes < 1:
        raise RetargetError(f"Trials need at least one process, not {processes}.")
    unknown = [number for number, _ in jobs if not 0 <= number < len(objects)]
    if unknown:
        raise RetargetError(f"There is no object {unknown[0]}: give 0 to {len(objects) - 1}.")
    # What no process could do is said at once, not once for every grasp.
    import_mujoco()
    Robot.load(arm, hand)

    results: dict[int, TrialResult] = {}
    common = (arm, hand, objects, settings)
    waiting = deque(range(len(jobs)))
    with tqdm(total=len(jobs), desc="trials", unit="trial") as bar:
        while waiting:
            for number in _work(common, jobs, waiting, results, processes, bar):
                # One of them ended its process: alone, each shows whether it is the one.
                if _work(common, jobs, deque([number]), results, 1, bar):
                    results[number] = _failed("the trial's process ended")
                    bar.update()
    return [results[number] for number in range(len(jobs))]


def _work(
    common: Common,
    jobs: Sequence[Job],
    waiting: deque[int],
    results: dict[int, TrialResult],
    processes: int,
    bar: tqdm,
) -> list[int]:
    """Do the waiting jobs, until a process ends by itself; then those that were under way."""
    running: dict[Future[TrialResult], int] = {}
    spawn = get_context("spawn")  # a fork would copy locks that other threads hold
    with ProcessPoolExecutor(processes, spawn, _start, common) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < UNDER_WAY * processes:
                    running[pool.submit(_run, *jobs[waiting[0]])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    results[running[future]] = future.result()
                    del running[future]
                    bar.update()
        except BrokenProcessPool:
            return list(running.values())
    return []


_common: tuple[Robot, Sequence[TrialObject], TrialSettings | None]
"""Of this process, once `_start` has run in it."""


def _start(
    arm: str, hand: str, objects: Sequence[TrialObject], settings: TrialSettings | None
) -> None:
    global _common
    _common = Robot.load(arm, hand), objects, settings


def _run(number: int, grasp: RobotGrasp) -> TrialResult:
    robot, objects, settings = _common
    try:
        return try_grasp(robot, objects[number], grasp, settings)
    except Exception as error:  # one bad grasp or object must not cost the others their trials
        return _failed(f"{type(error).__name__}: {error}")


def _failed(reason: str) -> TrialResult:
    return TrialResult(False, reason, np.nan)
