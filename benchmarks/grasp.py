"""Grasp retargeting on a recorded demonstration: every frame in which the hand is at the object.

    python -m benchmarks.grasp --data FOLDER [--out out/bench]

FOLDER holds sequences/dexmv_mustard.npz and meshes/ycb_006_mustard_bottle.obj.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.grasp import GraspRetargeter, HumanGrasp, ObjectSurface, grasp_by_distance
from amt_retarget.grasp.human import fingertip_contacts
from amt_retarget.grasp.sequence import read_joints
from amt_retarget.retarget.hand_frame import Side
from amt_retarget.robot.robot import Robot

FINGERS_AT_LEAST = 3
"""A frame in which so many fingers touch, thumb or not, counts as a grasp."""


def grasps(sequence: Path, surface: ObjectSurface) -> dict[int, HumanGrasp]:
    """Every frame's grasp by its number, without those of fewer than FINGERS_AT_LEAST fingers."""
    with np.load(sequence) as arrays:
        count = len(arrays["joints"])
    found = {}
    for frame in range(count):
        try:
            grasp = grasp_by_distance(read_joints(sequence, frame), Side.RIGHT, surface)
        except RetargetError:  # nothing touches yet
            continue
        if len(fingertip_contacts(grasp)) >= FINGERS_AT_LEAST:
            found[frame] = grasp
    return found


def measure(frames: dict[int, HumanGrasp], surface: ObjectSurface) -> dict[str, Any]:
    """Retarget each and sum up."""
    robot = Robot.load("ur5e", "right")
    retargeter = GraspRetargeter(robot, surface)
    lower, upper = robot.lower[6:], robot.upper[6:]
    results, seconds, violations = [], [], 0
    for grasp in frames.values():
        start = time.process_time()
        results.append(retargeter.retarget(grasp))
        seconds.append(time.process_time() - start)
        for joints in (results[-1].joints, results[-1].pre_grasp, results[-1].squeeze):
            violations += int(np.sum((joints < lower) | (joints > upper)))
    errors = 1000 * np.concatenate([list(result.contact_errors.values()) for result in results])
    openings = [1000 * result.opening for result in results]
    return {
        "frames": len(results),
        "reached": sum(result.reached for result in results),
        "contact_error_mm": {
            "mean": float(errors.mean()),
            "median": float(np.median(errors)),
            "p95": float(np.percentile(errors, 95)),
            "max": float(errors.max()),
        },
        "deepest_penetration_mm": 1000 * max(result.penetration for result in results),
        "deepest_on_the_way_mm": 1000 * max(result.approach_penetration for result in results),
        "opening_mm": {"least": min(openings), "median": float(np.median(openings))},
        "limit_violations": violations,
        "cpu_s": {"median": float(np.median(seconds)), "max": max(seconds)},
        "frames_that_balance": [
            frame for frame, result in zip(frames, results, strict=True) if result.unbalanced < 0.2
        ],
    }


def main() -> None:
    """Measure, print, write grasp.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    surface = ObjectSurface.load(options.data / "meshes" / "ycb_006_mustard_bottle.obj")
    frames = grasps(options.data / "sequences" / "dexmv_mustard.npz", surface)
    report = measure(frames, surface)
    for name, value in report.items():
        print(f"  {name:24s} {_text(value)}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "grasp.json").write_text(json.dumps(report, indent=2) + "\n")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_text(item)}" for name, item in value.items())
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
