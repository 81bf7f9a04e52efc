"""Runs every method on one sequence and computes its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_retarget.retarget.hand_only import HandRetargeter
from amt_retarget.robot.robot import Robot
from benchmarks.retargeting import metrics, ours
from benchmarks.retargeting.collisions import CollisionCheck
from benchmarks.retargeting.dex_peer import (
    HUMAN_TIPS,
    KINDS,
    SCALING,
    DexRetargeting,
    operator_joints,
    vector_objective,
)
from benchmarks.retargeting.differential_ik import MinkStep, PinkStep
from benchmarks.retargeting.floor import reachable_floor
from benchmarks.retargeting.robot_points import (
    WRIST_IN_PALM_M,
    RobotPoints,
    robot_points,
    with_arm,
)
from benchmarks.retargeting.sequences import Sequence
from benchmarks.retargeting.timing import Timed, alternate, percentiles_ms

PENETRATION_M = 0.001
"""Deeper than this counts: the shapes are boxes around links with round edges."""


@dataclass(frozen=True)
class Run:
    """What one method made of one sequence."""

    positions: np.ndarray
    """[T, 22] its output (rad); methods for hands alone stand on an arm at rest."""
    raw: np.ndarray
    """[T, 22] what it would do without filter and limits of speed."""
    targets: np.ndarray
    """[T, 4, 3] where it wants thumb, index, middle and ring tip, in the palm frame (m)."""
    scale: float
    """Robot size over the person's, as the method assumes it."""
    points: RobotPoints
    """Of the output."""
    raw_points: RobotPoints
    """Of `raw`."""
    timed: Timed | None
    """None where no time is measured."""


@dataclass(frozen=True)
class Result:
    """One sequence with all runs, by name, and all figures."""

    sequence: Sequence
    runs: dict[str, Run]
    figures: dict[str, Any]


def measure(robot: Robot, check: CollisionCheck, sequence: Sequence, out: Path) -> Result:
    """Run peers and ours on the sequence, taking turns; the floors are kept under `out`."""
    joints = operator_joints(sequence.joints, sequence.side)
    peers = {kind: DexRetargeting(kind, robot.arm, robot.hand) for kind in KINDS}
    hand_only, live = ours.hand_only_vector(robot), ours.FullLive(robot, sequence)
    hands: dict[str, DexRetargeting | HandRetargeter] = {**peers, "hand_only": hand_only}
    steps: dict[str, Callable[[int], np.ndarray]] = {
        name: partial(_step_with, method, joints) for name, method in hands.items()
    }
    steps["live"] = live.step
    timed = alternate(steps, len(joints))

    runs = {kind: _peer_run(robot, peers[kind], timed[kind], joints) for kind in KINDS}
    targets = live.targets()
    raw, positions = np.moveaxis(timed["live"].outputs, 1, 0)
    runs["live"] = _run(robot, positions, raw, targets.tips, targets.scale, timed["live"])
    careless = robot_points(robot, ours.careless(robot, sequence))
    whole = ours.offline(robot, sequence)
    offline_tips = np.array([one.tips for one in whole.targets if one is not None])
    runs["offline"] = _run(
        robot, whole.positions, whole.goals, offline_tips, whole.scale, timed=None
    )

    figures: dict[str, Any] = {"frames": len(joints), "rate_hz": sequence.rate_hz}
    figures["methods"] = {
        name: run_figures(robot, check, sequence, run) for name, run in runs.items()
    }
    for name in ("vector", "live", "offline"):
        figures["methods"][name] |= _floor_figures(robot, runs[name], out / "floor")
    for name in ("live", "offline"):
        figures["methods"][name] |= _palm_figures(runs[name], targets)
    live_errors = metrics.tip_errors(runs["live"].points.tips, targets.tips)
    careless_errors = metrics.tip_errors(careless.tips, targets.tips)
    figures["collision_cost"] = float((live_errors - careless_errors).mean())
    figures["hand_only"] = _hand_only_figures(robot, peers["vector"], timed, joints)
    figures["step22"] = step22_figures(robot, positions, 1.0 / sequence.rate_hz)
    return Result(sequence, runs, figures)


def _step_with(
    method: DexRetargeting | HandRetargeter, joints: np.ndarray, index: int
) -> np.ndarray:
    return method.step(joints[index])


def _peer_run(robot: Robot, peer: DexRetargeting, timed: Timed, joints: np.ndarray) -> Run:
    raw, filtered = np.moveaxis(timed.outputs, 1, 0)
    positions = with_arm(robot, peer.hand_joints(filtered))
    tips = joints[:, HUMAN_TIPS]
    if peer.kind == "position":
        poses = peer.palm_poses(filtered)
        scale = 1.0
        targets = np.einsum("tji,tfj->tfi", poses[:, :3, :3], tips - poses[:, None, :3, 3])
    else:
        scale = SCALING
        targets = scale * tips + WRIST_IN_PALM_M
    return _run(robot, positions, with_arm(robot, peer.hand_joints(raw)), targets, scale, timed)


def _run(
    robot: Robot,
    positions: np.ndarray,
    raw: np.ndarray,
    targets: np.ndarray,
    scale: float,
    timed: Timed | None,
) -> Run:
    points, raw_points = robot_points(robot, positions), robot_points(robot, raw)
    return Run(positions, raw, targets, scale, points, raw_points, timed)


def run_figures(
    robot: Robot, check: CollisionCheck, sequence: Sequence, run: Run
) -> dict[str, Any]:
    """Figures of one run, SI units. Joint figures are of the hand; those of the arm say so.

    Keys that begin with raw_ are of the trajectory before filter and limits of speed.
    """
    arm = slice(0, len(robot.arm_joint_names))
    hand = slice(arm.stop, None)
    rate = sequence.rate_hz
    limits = ours.joint_limits(robot)
    pinches = metrics.human_pinches(sequence.joints)
    stretch = metrics.stretch(sequence.joints[:, metrics.HUMAN_FINGERS])
    errors = metrics.tip_errors(run.points.tips, run.targets)
    raw_errors = metrics.tip_errors(run.raw_points.tips, run.targets)
    penetration, raw_penetration = check.measure(run.positions), check.measure(run.raw)

    def flat(tips: np.ndarray) -> np.ndarray:
        return tips.reshape(len(tips), -1)

    def violations(positions: np.ndarray) -> dict[str, int]:
        bounds = (limits.lower, limits.upper, limits.velocity, limits.acceleration)
        return asdict(metrics.limit_violations(positions, rate, *bounds))

    figures: dict[str, Any] = {
        "scale": run.scale,
        "tip_error": float(errors.mean()),
        "raw_tip_error": float(raw_errors.mean()),
        "tip_error_p95": float(np.percentile(errors, 95)),
        "tip_error_person": float(errors.mean() / run.scale),
        "raw_tip_error_person": float(raw_errors.mean() / run.scale),
        "stretch_error": float(np.abs(metrics.stretch(run.points.fingers) - stretch).mean()),
        "lag": metrics.lag_seconds(run.positions[:, hand], run.raw[:, hand], rate),
        "target_lag": metrics.lag_seconds(flat(run.points.tips), flat(run.targets), rate),
        "jerk": metrics.jerk_rms(run.positions[:, hand], rate),
        "raw_jerk": metrics.jerk_rms(run.raw[:, hand], rate),
        "arm_jerk": metrics.jerk_rms(run.positions[:, arm], rate),
        "max_velocity": metrics.largest_rate(run.positions[:, hand], rate, 1),
        "raw_max_velocity": metrics.largest_rate(run.raw[:, hand], rate, 1),
        "max_acceleration": metrics.largest_rate(run.positions[:, hand], rate, 2),
        "limit_violations": violations(run.positions),
        "raw_limit_violations": violations(run.raw),
        "penetrating_frames": int((penetration.depth > PENETRATION_M).sum()),
        "raw_penetrating_frames": int((raw_penetration.depth > PENETRATION_M).sum()),
        "deepest_penetration": float(penetration.depth.max()),
        "fingertip_penetrating_frames": int((penetration.fingertips > PENETRATION_M).sum()),
        "raw_fingertip_penetrating_frames": int((raw_penetration.fingertips > PENETRATION_M).sum()),
        "deepest_fingertip_penetration": float(penetration.fingertips.max()),
        "pinches": int(pinches.sum()),
        "pinch_closed": metrics.closed_share(pinches, run.points.centres),
        "raw_pinch_closed": metrics.closed_share(pinches, run.raw_points.centres),
        "pinch_closed_tips": metrics.closed_share(pinches, run.points.tips),
        "raw_pinch_closed_tips": metrics.closed_share(pinches, run.raw_points.tips),
    }
    if run.timed is not None:
        figures["cpu_ms"] = percentiles_ms(run.timed.cpu_s)
        figures["wall_ms"] = percentiles_ms(run.timed.wall_s)
    return figures


def _floor_figures(robot: Robot, run: Run, cache: Path) -> dict[str, float]:
    """How much of the tip error of a run no method could avoid."""
    hand = slice(len(robot.arm_joint_names), None)
    found = np.stack([run.raw[:, hand], run.positions[:, hand]])
    floor = reachable_floor(robot, run.targets, found, cache)
    errors = metrics.tip_errors(run.points.tips, run.targets)
    raw_errors = metrics.tip_errors(run.raw_points.tips, run.targets)
    return {
        "floor": float(np.nanmean(floor)),
        "above_floor": float(np.nanmean(errors - floor)),
        "raw_above_floor": float(np.nanmean(raw_errors - floor)),
    }


def _palm_figures(run: Run, targets: ours.Targets) -> dict[str, float]:
    """How well the arm puts the palm where the person's is."""
    rotation = run.points.palm_rotation
    wrist = run.points.palm_position + rotation @ WRIST_IN_PALM_M
    turn = Rotation.from_matrix(rotation @ np.swapaxes(targets.rotation, 1, 2)).magnitude()
    return {
        "wrist_error": float(np.linalg.norm(wrist - targets.wrist, axis=-1).mean()),
        "palm_rotation_error": float(turn.mean()),
    }


def _hand_only_figures(
    robot: Robot, vector: DexRetargeting, timed: dict[str, Timed], joints: np.ndarray
) -> dict[str, Any]:
    """Ours against the vector peer on the peer's own objective."""
    peer, own = timed["vector"], timed["hand_only"]
    theirs, mine = (
        float(vector_objective(_wrist_to_tips(robot, hand), joints).mean())
        for hand in (vector.hand_joints(peer.outputs[:, 0]), own.outputs)
    )
    return {
        "objective": mine,
        "peer_objective": theirs,
        "objective_ratio": mine / theirs,
        **_times(own),
        **{f"peer_{key}": value for key, value in _times(peer).items()},
    }


def _wrist_to_tips(robot: Robot, hand: np.ndarray) -> np.ndarray:
    """[T, 4, 3] vectors from the palm's wrist end to the tips, palm axes, of joints [T, 16]."""
    return robot_points(robot, with_arm(robot, hand)).tips - WRIST_IN_PALM_M


def step22_figures(robot: Robot, trajectory: np.ndarray, dt: float) -> dict[str, Any]:
    """Differential inverse kinematics along a trajectory [T, 22]: ours, pink and mink in turns."""
    points = robot_points(robot, trajectory)
    tips = points.tips_in_base
    followers: dict[str, ours.Step22 | PinkStep | MinkStep] = {
        "ours": ours.Step22(robot, trajectory[0]),
        "pink": PinkStep(robot, trajectory[0]),
        "mink": MinkStep(robot, trajectory[0]),
    }

    def step(follower: ours.Step22 | PinkStep | MinkStep, i: int) -> np.ndarray:
        return follower.step(points.palm_rotation[i], points.palm_position[i], tips[i], dt)

    timed = alternate({name: partial(step, one) for name, one in followers.items()}, len(tips))
    figures = {}
    for name, one in timed.items():
        reached = robot_points(robot, one.outputs).tips_in_base
        figures[name] = {
            "tip_error": float(metrics.tip_errors(reached, tips).mean()),
            **_times(one),
        }
    return figures


def _times(timed: Timed) -> dict[str, dict[str, float]]:
    return {"cpu_ms": percentiles_ms(timed.cpu_s), "wall_ms": percentiles_ms(timed.wall_s)}
