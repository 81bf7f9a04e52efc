"""`python -m benchmarks [--data FOLDER]`: all benchmarks, one after the other.

FOLDER holds videos/{hand_right,coffee,no_hand_dog}.mp4, images_no_hand/, and for grasps
sequences/dexmv_mustard.npz and meshes/ycb_006_mustard_bottle.obj; without it the pipeline runs on
the built-in sample, and hand tracking and grasps, which need real hands, are left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run each benchmark as its own process, and fail if one fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with videos/")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    out = ["--out", str(options.out)]
    commands = [
        [f"benchmarks.{name}", *out]
        for name in ("image_transport", "generic_hand", "model", "calibration")
    ]
    if options.data is None:
        commands.append(["benchmarks.pipeline", *out])
        print("Hand tracking and grasps are left out: give real data (make bench DATA=folder).")
    else:
        video = str(options.data / "videos" / "hand_right.mp4")
        commands.append(["benchmarks.pipeline", "--video", video, *out])
        commands.append(["benchmarks.hand_tracking", "--data", str(options.data), *out])
        commands.append(["benchmarks.grasp", "--data", str(options.data), *out])
    failed = []
    for command in commands:
        print(f"\n{command[0]}", flush=True)
        if subprocess.run([sys.executable, "-m", *command], check=False).returncode:
            failed.append(command[0])
    if failed:
        sys.exit(f"error: {', '.join(failed)} failed")


if __name__ == "__main__":
    main()
