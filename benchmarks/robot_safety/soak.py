"""The whole pipeline on a looping clip for an hour: memory, limits, watchdogs, latency, jitter."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import SetBool
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from benchmarks.pipeline import children, cpu_seconds
from benchmarks.robot_safety.processes import resident_bytes
from benchmarks.robot_safety.rows import write_report
from benchmarks.robot_safety.setups import COMMAND_RATE_HZ
from benchmarks.robot_safety.soak_listener import SoakListener
from benchmarks.robot_safety.soak_report import Sample, plot, report

START_S = 60.0
SAMPLE_PERIOD_S = 10.0
DIGEST_PERIOD_S = 1.0
NODES = ("mujoco_node", "robot_state_node", "retarget_node", "composed_node")


def main(video: str, minutes: float, out: Path, results: Path, command: str) -> int:
    """Run, write soak.json and soak.png; exit code 1 where something must not have been."""
    words = [f"video:={video}", "loop:=true", "use_composition:=true"]
    log = out / "soak.log"
    out.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        pipeline = subprocess.Popen(
            [sys.executable, "-m", "amt_perception.pipeline", *words], stdout=stream, stderr=stream
        )
        try:
            listener, samples = _listen(pipeline, minutes, log)
        finally:
            pipeline.terminate()
            code = pipeline.wait(timeout=30.0)
    figures = report(listener.figures, samples, 1.0 / COMMAND_RATE_HZ)
    figures["exit_code_after_sigterm"] = code
    write_report(results / "soak.json", command, figures | {"video": Path(video).name})
    plot(samples, results / "soak.png")
    for name, value in figures.items():
        print(f"{name}: {value}")
    return int(bool(figures["limit_violations"] or figures["missed_watchdogs"]))


def _listen(
    pipeline: subprocess.Popen[bytes], minutes: float, log: Path
) -> tuple[SoakListener, list[Sample]]:
    context = Context()
    rclpy.init(context=context)
    node = Node("soak", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    limits = RetargetSettings().joint_limits(Robot.load("ur5e", "right"))
    silent = Node("soak_listener", context=context)
    listener = SoakListener(node, silent, limits, 1.0 / COMMAND_RATE_HZ)
    try:
        _wait_for_commands(node, executor, listener, pipeline, log)
        return listener, _sample(executor, listener, pipeline, minutes, log)
    finally:
        executor.shutdown()
        silent.destroy_node()
        node.destroy_node()
        rclpy.shutdown(context=context)


def _wait_for_commands(
    node: Node,
    executor: SingleThreadedExecutor,
    listener: SoakListener,
    pipeline: subprocess.Popen[bytes],
    log: Path,
) -> None:
    """Until the pipeline commands the robot; it is armed where it wants to be."""
    arming = node.create_client(SetBool, topics.SET_ENABLED)
    deadline = time.monotonic() + START_S
    asked = 0.0
    while not listener.figures.commands:
        if time.monotonic() > deadline or pipeline.poll() is not None:
            raise AmtError(f"The pipeline sent no commands; see its messages in {log}.")
        if arming.service_is_ready() and time.monotonic() - asked > 2.0:
            asked = time.monotonic()
            arming.call_async(SetBool.Request(data=True))
        executor.spin_once(timeout_sec=0.1)
        listener.digest()


def _sample(
    executor: SingleThreadedExecutor,
    listener: SoakListener,
    pipeline: subprocess.Popen[bytes],
    minutes: float,
    log: Path,
) -> list[Sample]:
    """Memory, CPU, latency and jitter every SAMPLE_PERIOD_S."""
    samples: list[Sample] = []
    start = time.monotonic()
    next_digest = start + DIGEST_PERIOD_S
    next_sample = start + SAMPLE_PERIOD_S
    marks = _marks(listener)
    busy = _cpu(pipeline.pid)
    with tqdm(total=round(60.0 * minutes), unit="s") as bar:
        while (now := time.monotonic()) - start < 60.0 * minutes:
            if pipeline.poll() is not None:
                raise AmtError(f"The pipeline ended by itself; see its messages in {log}.")
            if now >= next_digest:
                listener.digest()
                next_digest += DIGEST_PERIOD_S
                bar.update(round(now - start) - bar.n)
            if now >= next_sample:
                before, busy = busy, _cpu(pipeline.pid)
                samples.append(_take(listener, marks, now - start, pipeline.pid, before, busy))
                marks = _marks(listener)
                next_sample += SAMPLE_PERIOD_S
                bar.set_postfix_str(samples[-1].text)
            executor.spin_once(timeout_sec=max(0.0, min(next_digest, next_sample) - now))
    listener.digest()
    return samples


def _marks(listener: SoakListener) -> tuple[int, int]:
    return len(listener.figures.latency_s), len(listener.figures.interval_s)


def _cpu(runner: int) -> dict[str, float]:
    pids = children(runner) | {"listener": os.getpid()}
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _take(
    listener: SoakListener,
    marks: tuple[int, int],
    time_s: float,
    runner: int,
    before: dict[str, float],
    busy: dict[str, float],
) -> Sample:
    figures = listener.figures
    latency = np.array(figures.latency_s[marks[0] :])
    jitter = np.abs(np.array(figures.interval_s[marks[1] :]) - 1.0 / COMMAND_RATE_HZ)
    memory: dict[str, Any] = {name: resident_bytes(pid) for name, pid in children(runner).items()}
    return Sample(
        time_s,
        memory,
        {n: 100 * (busy[n] - before[n]) / SAMPLE_PERIOD_S for n in busy if n in before},
        float(np.percentile(latency, 99)) if len(latency) else None,
        float(np.percentile(jitter, 99)) if len(jitter) else None,
        len(figures.violations),
        len(figures.missed_watchdogs),
    )
