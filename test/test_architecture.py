"""The arrows between packages point one way, and only nodes and their helpers know ROS."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("amt_perception", "amt_retarget", "amt_training")
KNOWS_ROS = {
    "amt_perception": {"nodes", "ros", "demo"},
    "amt_retarget": {"nodes", "ros"},
    "amt_training": set(),
}
MAY_IMPORT = {
    "amt_perception": {"amt_perception"},
    "amt_retarget": {"amt_retarget"},
    "amt_training": {"amt_training", "amt_perception"},
}
TRIES_GRASPS = ("amt_perception/grasp/sample", "amt_training/functional")
"""Their commands bring model and robot together: a grasp is worth what the robot holds."""
FILES = [file for package in PACKAGES for file in sorted((ROOT / package / package).rglob("*.py"))]


def imported_modules(file: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports(file: Path) -> None:
    package, room = file.relative_to(ROOT).parts[1], file.relative_to(ROOT).parts[2]
    modules = imported_modules(file)
    tries_grasps = file.relative_to(ROOT / package).as_posix().startswith(TRIES_GRASPS)
    knows_ros = room in KNOWS_ROS[package]
    for module in modules:
        top = module.partition(".")[0]
        if not knows_ros:
            assert top != "rclpy" and not top.endswith("_msgs"), f"{module} is ROS"
            allowed = MAY_IMPORT[package] | ({"amt_retarget"} if tries_grasps else set())
            if top in PACKAGES:
                assert top in allowed, f"{package} must not import {module}"
        if package == "amt_retarget":
            assert top not in ("amt_perception", "amt_training"), module
        if package == "amt_perception":
            assert top != "amt_training", module
        if room != "nodes":
            assert ".nodes" not in module, f"nothing imports nodes, but {file.name} does"
