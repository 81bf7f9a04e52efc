"""How far the calibrated camera is from the true one, and whether the calibration knows it.

    python -m benchmarks.calibration [--seeds 60] [--out out/bench]

Virtual recordings with the truth (amt_perception/calibration/synthetic.py): random board poses,
Gaussian noise of 1 px on each corner coordinate and of 2 mm on each axis of the robot's position.
Prints a table and writes calibration.json. "known" is the uncertainty that the calibration reports
(RMS of 1 sigma over the seeds) divided by the RMS of the true error: 1 is right, 0.7 to 1.4 the
bar. "closed form" is Shah's solution alone, which is what OpenCV's calibrateRobotWorldHandEye does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.calibration.observations import Observations, read_corners
from amt_perception.calibration.pairs import MODES, Pair, Recording
from amt_perception.calibration.solve import solve
from amt_perception.calibration.start import closed_form
from amt_perception.calibration.synthetic import (
    CAMERA,
    MadeRecording,
    made_recording,
    result_error,
)
from amt_perception.output.files import atomic_write

NARROW = replace(CAMERA, fx=910.0, fy=910.0)
WRONG_PAIRS = 3
WRONG_M = 0.03
SETTINGS: dict[str, dict[str, Any]] = {
    "40 pairs": {"count": 40},
    "20 pairs": {},
    "15 pairs": {"count": 15},
    "20 pairs, far and narrow": {"intrinsics": NARROW, "distance": (0.6, 1.1)},
    "20 pairs, 3 wrong by 30 mm": {},
    "20 pairs, poses only": {},
    "20 pairs, 0.2 px, 0.5 mm": {"pixel_sigma": 0.2, "position_sigma": 5e-4},
}
BAR_MM, BAR_DEG = 3.0, 0.5


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    rows = [
        measure(name, mode, options.seeds, settings)
        for name, settings in SETTINGS.items()
        for mode in MODES
    ]
    print_table(rows)
    command = f"python -m benchmarks.calibration --seeds {options.seeds}"
    path = options.out / "calibration.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps({"command": command, "rows": rows}, indent=2) + "\n")
    print(f"written: {path}")


def measure(name: str, mode: str, seeds: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Errors (mm, deg) and reported uncertainties over the seeds."""
    errors, start_errors, sigmas, left_out, missed = [], [], [], 0, 0
    for seed in range(seeds):
        made = made_recording(seed, mode=mode, **settings)
        recording, wrong = made.recording, set[int]()
        if "wrong" in name:
            recording, wrong = with_wrong_pairs(made, seed)
        elif "poses only" in name:
            recording = poses_only(recording)
        solution = solve(recording)
        left_out += len(solution.left_out.keys() - wrong)
        missed += len(wrong - solution.left_out.keys())
        errors.append(result_error(solution.camera, made.camera))
        observations = Observations(recording)
        first, _ = closed_form(observations.a, observations.b)
        start_errors.append(result_error(first, made.camera))
        sigmas.append(
            (
                np.degrees(np.linalg.norm(solution.sigma_rotation)),
                1e3 * np.linalg.norm(solution.sigma_position),
            )
        )
    (turn, shift), (turn_sigma, shift_sigma) = np.array(errors).T, np.array(sigmas).T
    start_turn, start_shift = np.array(start_errors).T
    return {
        "setting": name,
        "mode": mode,
        "seeds": seeds,
        "position_mm": spread(shift),
        "rotation_deg": spread(turn),
        "position_within_bar": float((shift <= BAR_MM).mean()),
        "rotation_within_bar": float((turn <= BAR_DEG).mean()),
        "position_sigma_over_error": rms(shift_sigma) / rms(shift),
        "rotation_sigma_over_error": rms(turn_sigma) / rms(turn),
        "closed_form_position_mm": spread(start_shift),
        "closed_form_rotation_deg": spread(start_turn),
        "good_pairs_left_out": left_out,
        "wrong_pairs_kept": missed,
    }


def with_wrong_pairs(made: MadeRecording, seed: int) -> tuple[Recording, set[int]]:
    """Some flange poses shifted, as when the board slipped or a pose was read too early."""
    rng = np.random.default_rng(1000 + seed)
    pairs = list(made.recording.pairs)
    wrong = rng.permutation(len(pairs))[:WRONG_PAIRS].tolist()
    for i in wrong:
        flange = pairs[i].flange.copy()
        direction = rng.normal(size=3)
        flange[:3, 3] += WRONG_M * direction / np.linalg.norm(direction)
        pairs[i] = replace(pairs[i], flange=flange)
    return replace(made.recording, pairs=pairs), set(wrong)


def poses_only(recording: Recording) -> Recording:
    """The same as another program would give it: the board's poses without corners."""
    corners = read_corners(recording) or []
    pairs = [
        Pair(pair.flange, one.poses[0][0])
        for pair, one in zip(recording.pairs, corners, strict=True)
    ]
    return Recording(recording.mode, pairs)


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt((values**2).mean()))


def spread(values: np.ndarray) -> dict[str, float]:
    """Median, 95th percentile and maximum."""
    return {
        "p50": float(np.median(values)),
        "p95": float(np.percentile(values, 95)),
        "max": float(values.max()),
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Median / 95 % / maximum of the errors, and the other figures."""

    def three(values: dict[str, float], digits: int) -> str:
        return " / ".join(f"{value:.{digits}f}" for value in values.values())

    heading = (
        f"{'p50 / p95 / max':42}{'position mm':20}{'rotation deg':22}{'known':13}"
        f"{'<= 3 mm':9}{'closed form mm':20}{'left out / missed'}"
    )
    print(heading)
    for row in rows:
        ratios = f"{row['position_sigma_over_error']:.2f} {row['rotation_sigma_over_error']:.2f}"
        print(
            f"{row['setting'] + ', ' + row['mode']:42}{three(row['position_mm'], 1):20}"
            f"{three(row['rotation_deg'], 2):22}{ratios:13}{row['position_within_bar']:<9.0%}"
            f"{three(row['closed_form_position_mm'], 1):20}"
            f"{row['good_pairs_left_out']} / {row['wrong_pairs_kept']}"
        )


if __name__ == "__main__":
    main()
