"""The peers: fetched once into a folder of their own, so that no environment is changed by them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from amt_retarget.errors import RetargetError

PACKAGES = (
    "dex-retargeting==0.5.0",
    "pin-pink==4.4.0",
    "mink==1.3.0",
    "qpsolvers==4.13.0",
    "quadprog==0.1.14",
    # What dex-retargeting imports; its wheel does not declare six.
    "nlopt==2.11.0",
    "anytree==2.13.0",
    "pytransform3d==3.17.0",
    "trimesh==5.2.0",
    "lxml==6.1.3",
    "six==1.17.0",
    # What mink and pink's examples import.
    "loop-rate-limiters==1.2.0",
)
"""Installed without their dependencies: the rest (torch, Pinocchio, MuJoCo, numpy, scipy, PyYAML)
is the project's own environment, so that peers and project run on the same libraries."""


def add_peers(folder: Path) -> None:
    """Make the peers importable from `folder`, and install them there first where they are missing.

    Raises RetargetError when pip cannot install them.
    """
    missing = sorted(set(PACKAGES) - _installed(folder))
    if missing:
        print(f"Installing the peers into {folder} (once): {', '.join(missing)}", flush=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--upgrade", "--target", str(folder), *missing]
        if subprocess.run(command, check=False).returncode:
            raise RetargetError(
                f"The peers could not be installed into {folder}: see pip's message above and "
                "run the benchmark with a connection to PyPI once."
            )
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: the environment's own packages come first


def _installed(folder: Path) -> set[str]:
    """name==version of every distribution in the folder."""
    found = distributions(path=[str(folder)])
    return {f"{one.metadata['Name'].replace('_', '-')}=={one.version}" for one in found}
