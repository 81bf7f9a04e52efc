"""The calibration's result: a YAML file and a summary (camera_pose.py reads the file).

format: amt_camera_pose
meaning: pose of camera_frame in parent_frame; p_parent = R p_camera + xyz
mode: eye_to_hand
parent_frame: base_link        # eye_in_hand: the flange's frame
camera_frame: camera_optical_frame
xyz: [1.2, 0.0, 0.55]          # m: where the camera is, seen from the parent frame
quaternion_xyzw: [...]         # camera axes (x right, y down, z forward) to the parent's
rpy: [...]                     # the same (rad): about the parent's fixed x, then y, then z
uncertainty: {...}             # 1 sigma: position_mm, rotation_deg, and along / about each axis
residuals: {...}               # RMS of the pairs used: rotation_deg, translation_mm,
                               # reprojection_px; per_pair the same for each
noise: {...}                   # estimated from the pairs: corner_px, robot_position_mm, ...
board: {...}                   # where the board was: on the flange, or in the base
pairs: {used: 18, left_out: [{pair: 3, why: ...}]}
date: '2026-01-31T12:00:00+00:00'
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from amt_perception.calibration.camera_pose import FORMAT, euler
from amt_perception.calibration.checks import GOOD_PAIRS, GOOD_TURN_DEG
from amt_perception.calibration.pairs import Recording, pose_document
from amt_perception.calibration.solve import Solution
from amt_perception.output.files import atomic_write

MEANING = "pose of camera_frame in parent_frame; p_parent = R p_camera + xyz"
GOOD_POSITION_MM = 3.0
GOOD_ROTATION_DEG = 0.5
MANY_LEFT_OUT = 0.2
GOOD_CORNER_PX = 1.5


def result_document(recording: Recording, solution: Solution) -> dict[str, Any]:
    """The result as it stands in the file."""
    fixed = recording.mode == "eye_to_hand"
    parent, carrier = recording.base_frame, recording.flange_frame
    if not fixed:
        parent, carrier = carrier, parent
    pose = pose_document(solution.camera)
    return {
        "format": FORMAT,
        "meaning": MEANING,
        "mode": recording.mode,
        "parent_frame": parent,
        "camera_frame": recording.camera_frame,
        **pose,
        "rpy": [round(float(v), 9) for v in euler(solution.camera)],
        "uncertainty": _uncertainty(solution),
        "residuals": _residuals(solution),
        "noise": _noise(recording, solution),
        "board": {"frame": carrier, **pose_document(solution.board)},
        "pairs": {
            "used": len(solution.kept),
            "left_out": [{"pair": i, "why": why} for i, why in solution.left_out.items()],
            "file": Path(recording.source).name,
        },
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _uncertainty(solution: Solution) -> dict[str, Any]:
    position, rotation = 1e3 * solution.sigma_position, np.degrees(solution.sigma_rotation)
    return {
        "position_mm": _rounded(np.linalg.norm(position)),
        "rotation_deg": _rounded(np.linalg.norm(rotation)),
        "position_xyz_mm": _rounded(position),
        "rotation_xyz_deg": _rounded(rotation),
    }


def _residuals(solution: Solution) -> dict[str, Any]:
    turn = np.degrees(np.linalg.norm(solution.errors[:, :3], axis=1))
    shift = 1e3 * np.linalg.norm(solution.errors[:, 3:], axis=1)
    every = {"rotation_deg": turn, "translation_mm": shift}
    if solution.reprojection_px is not None:
        every["reprojection_px"] = solution.reprojection_px
    rms = {
        name: _rounded(np.sqrt((values[solution.kept] ** 2).mean()))
        for name, values in every.items()
    }
    return {**rms, "per_pair": {name: _rounded(values) for name, values in every.items()}}


def _noise(recording: Recording, solution: Solution) -> dict[str, Any]:
    whose = "robot" if recording.has_corners else "pair"
    figures = {
        f"{whose}_position_mm": _rounded(1e3 * solution.noise.position),
        f"{whose}_rotation_deg": _rounded(np.degrees(solution.noise.rotation)),
    }
    if recording.has_corners:
        figures = {"corner_px": _rounded(solution.noise.pixels), **figures}
    return figures


def _rounded(values: Any) -> Any:
    return np.round(np.asarray(values, float), 4).tolist()


def write_result(document: dict[str, Any], path: Path) -> None:
    """Write the file in one step."""
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.safe_dump(document, sort_keys=False, default_flow_style=None))


def warnings(document: dict[str, Any], solution: Solution) -> list[str]:
    """What makes the result worth less than it could be, and what to do."""
    found = []
    used, left_out = len(solution.kept), len(solution.left_out)
    if used < GOOD_PAIRS:
        found.append(f"only {used} pairs: record {GOOD_PAIRS} or more, better 15 to 20")
    if solution.turns[1] < GOOD_TURN_DEG:
        turns = f"{solution.turns[0]:.0f} and {solution.turns[1]:.0f}"
        found.append(
            f"the robot turned by {turns} degrees about its two main axes: {GOOD_TURN_DEG:.0f} or "
            "more about both make the result better"
        )
    if left_out > MANY_LEFT_OUT * (used + left_out):
        found.append(f"{left_out} of {used + left_out} pairs do not fit: is the board loose?")
    uncertainty = document["uncertainty"]
    if (uncertainty["position_mm"] > GOOD_POSITION_MM
            or uncertainty["rotation_deg"] > GOOD_ROTATION_DEG):  # fmt: skip
        found.append(
            f"the camera's pose is known to {uncertainty['position_mm']:.1f} mm and "
            f"{uncertainty['rotation_deg']:.2f} deg only: record more pairs, nearer and further "
            "apart from each other, with the board tilted more"
        )
    if document["noise"].get("corner_px", 0.0) > GOOD_CORNER_PX:
        found.append(
            f"the corners scatter by {document['noise']['corner_px']:.1f} px within single images: "
            "check focus, the intrinsics, the board's size and that it is flat"
        )
    return found


def tf_command(document: dict[str, Any]) -> str:
    """The command that puts the pose on /tf_static, for cameras that the pipeline does not open."""
    names = ("x", "y", "z", "qx", "qy", "qz", "qw")
    values = [*document["xyz"], *document["quaternion_xyzw"]]
    pose = " ".join(f"--{name} {value:.6f}" for name, value in zip(names, values, strict=True))
    frames = f"--frame-id {document['parent_frame']} --child-frame-id {document['camera_frame']}"
    return f"ros2 run tf2_ros static_transform_publisher {pose} {frames}"


def summary(document: dict[str, Any], solution: Solution) -> list[str]:
    """The result in lines for a terminal."""
    uncertainty, residuals, noise = (document[k] for k in ("uncertainty", "residuals", "noise"))
    x, y, z = document["xyz"]
    forward = solution.camera[:3, 2]
    lines = [
        f"{document['camera_frame']} in {document['parent_frame']} (the camera's own pose, not its "
        "inverse):",
        f"  position {x:.4f} {y:.4f} {z:.4f} m; it looks along "
        f"{forward[0]:+.2f} {forward[1]:+.2f} {forward[2]:+.2f}",
        "  roll pitch yaw " + " ".join(f"{value:.5f}" for value in document["rpy"]) + " rad",
        f"  uncertainty (1 sigma): {uncertainty['position_mm']:.1f} mm, "
        f"{uncertainty['rotation_deg']:.2f} deg",
        f"  pairs used: {document['pairs']['used']} of {len(solution.errors)}",
        f"  residuals (RMS of a pair): {residuals['translation_mm']:.1f} mm, "
        f"{residuals['rotation_deg']:.2f} deg"
        + (f", {residuals['reprojection_px']:.2f} px" if "reprojection_px" in residuals else ""),
        "  noise that explains them: " + ", ".join(f"{k} {v:.3g}" for k, v in noise.items()),
    ]
    lines += [f"  left out: pair {i}, {why}" for i, why in solution.left_out.items()]
    lines.append(f"  for /tf: {tf_command(document)}")
    return lines + [f"  warning: {warning}" for warning in warnings(document, solution)]
