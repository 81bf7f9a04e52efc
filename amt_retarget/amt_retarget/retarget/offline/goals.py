"""What every frame of a sequence asks for by itself: hands, scale, targets, goals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.hand_frame import HandFrame, Side, hand_frame
from amt_retarget.retarget.inverse_kinematics import InverseKinematics
from amt_retarget.retarget.kinematics import FINGERTIP_RADIUS_M
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.retarget.targets import (
    PINCH_CLOSED_M,
    STRETCH,
    Targets,
    WristMapper,
    finger_targets,
)
from amt_retarget.safety.limits import JointLimits
from amt_retarget.safety.plausibility import JumpDetector

Array = NDArray[np.float64]

MAX_FRAMES = 36_000
"""20 minutes at 30 Hz; the optimisation needs about 50 kB a frame."""
MAX_GAP_S = 0.2
"""Samples that are farther apart say nothing about the time between them."""
TOUCH_M = 0.030
"""Human fingertips (landmarks inside the tips) that are closer than this touch each other."""
TOUCH_CLOSENESS = 25.0
"""What a touch counts more than a pinch that is only close: smoothing must not open it."""
SETTLING_ROUNDS = 50
SETTLED_RAD = 1e-3


def at_even_times(joints: Array, times: Array, rate_hz: float) -> Array:
    """Joints [T, 21, 3] of increasing times [T] (s) at an even rate, [U, 21, 3] from times[0] on.

    Linear between two samples; NaN between samples more than MAX_GAP_S apart. Raises RetargetError
    unless the times are T > 1 finite, increasing numbers of a span that makes MAX_FRAMES at most.
    """
    count = len(joints)
    if times.shape != (count,) or count < 2 or not np.all(np.isfinite(times)):
        raise RetargetError(f"times must be one finite number for each of the {count} frames.")
    if np.any(np.diff(times) <= 0):
        raise RetargetError("times must increase from frame to frame.")
    span = times[-1] - times[0]
    if span * rate_hz > MAX_FRAMES - 1:
        raise RetargetError(
            f"times span {span:g} s, more than {MAX_FRAMES} frames: give seconds, or cut it."
        )
    even = times[0] + np.arange(int(span * rate_hz + 1e-6) + 1) / rate_hz
    after = np.clip(np.searchsorted(times, even), 1, len(times) - 1)
    before = after - 1
    share = np.clip((even - times[before]) / (times[after] - times[before]), 0.0, 1.0)
    share = share[:, None, None]
    between = np.where(share < 1.0, (1.0 - share) * joints[before], 0.0)  # a NaN not used is none
    between += np.where(share > 0.0, share * joints[after], 0.0)
    in_pause = (times[after] - times[before] > MAX_GAP_S)[:, None, None]
    between[np.broadcast_to(in_pause & (share > 0.0) & (share < 1.0), between.shape)] = np.nan
    return between


def hand_frames(joints: Array, side: Side, dt: float) -> list[HandFrame | None]:
    """The hand in each frame of joints [T, 21, 3] (m); None where there is none, or where its wrist
    has jumped and is not to be believed (JumpDetector)."""
    jumps = JumpDetector()
    frames: list[HandFrame | None] = []
    unseen = dt
    for one in joints:
        frame = hand_frame(one, side)
        if frame is None or jumps.jumped(frame.wrist, unseen):
            frame, unseen = None, unseen + dt
        else:
            unseen = dt
        frames.append(frame)
    return frames


def sequence_scale(kinematics: InverseKinematics, frames: list[HandFrame | None]) -> float:
    """Robot size over human size, from the median length of the middle finger (ScaleEstimator)."""
    straight = kinematics.kernel.vectors(np.zeros_like(kinematics.home))
    lengths = [frame.finger_length for frame in frames if frame is not None]
    return STRETCH * float(np.linalg.norm(straight[2])) / float(np.median(lengths))


def sequence_targets(
    kinematics: InverseKinematics,
    frames: list[HandFrame | None],
    scale: float,
    mirror: bool,
    settings: RetargetSettings,
) -> list[Targets | None]:
    """What the robot is to reach in each frame.

    With relative positions the person's first wrist is tied to the robot's in its ready pose.
    """
    wrist = WristMapper(
        settings.position_mode,
        settings.position_scale,
        np.array(settings.workspace_min),
        np.array(settings.workspace_max),
    )
    targets: list[Targets | None] = []
    for frame in frames:
        if frame is None:
            targets.append(None)
            continue
        if not wrist.anchored:
            wrist.anchor(frame.wrist, kinematics.kernel.palm(kinematics.home)[1])
        tips, gaps, closeness = finger_targets(frame, scale, mirror, FINGERTIP_RADIUS_M)
        one = Targets(wrist.target(frame.wrist), frame.rotation, tips, gaps, closeness)
        targets.append(_with_firm_touches(one, frame))
    return targets


def _with_firm_touches(targets: Targets, frame: HandFrame) -> Targets:
    """The targets with fingers that touch the thumb held at the touch, TOUCH_CLOSENESS firmly.

    A live run gives a pinch a moderate weight, because it cannot know whether a close finger will
    touch. The weight sets in smoothly, from PINCH_CLOSED_M down to TOUCH_M.
    """
    distances = np.linalg.norm(frame.tips[1:] - frame.tips[0], axis=1)
    near = np.clip((PINCH_CLOSED_M - distances) / (PINCH_CLOSED_M - TOUCH_M), 0.0, 1.0)
    touch = TOUCH_CLOSENESS * near * near * (3.0 - 2.0 * near)
    # Two springs on one gap are one: the stiffnesses add up, the lengths are averaged.
    firmness = targets.pinch_closeness + touch
    gaps = targets.pinch_closeness * targets.pinch_gaps + touch * 2.0 * FINGERTIP_RADIUS_M
    gaps = np.where(firmness > 0.0, gaps / np.maximum(firmness, 1e-12), targets.pinch_gaps)
    return replace(targets, pinch_gaps=gaps, pinch_closeness=firmness)


def sequence_goals(
    kinematics: InverseKinematics,
    targets: list[Targets | None],
    limits: JointLimits,
    hand: slice,
    dt: float,
) -> Array:
    """[T, 22] the configuration (rad) that meets each frame's targets, without smoothness.

    Of the configurations that are equally good a frame takes the nearest to the frame before, so
    a pass through the sequence lags a little. The hand's goals are the mean of a pass forward and
    one backward, which favour neither past nor future. (The arm, six joints for six coordinates,
    has nothing to choose.) Frames without targets are bridged on a straight line, in joint space;
    before the first and after the last goal the robot stays there.

    Raises RetargetError when a frame has no solution.
    """
    seen = [i for i, target in enumerate(targets) if target is not None]
    known = [target for target in targets if target is not None]
    start = _settled(kinematics, kinematics.home, known[0], limits, dt)
    forward = _follow(kinematics, start, known, limits, dt)
    backward = _follow(kinematics, forward[-1], known[::-1], limits, dt)[::-1]
    goals = forward.copy()
    goals[:, hand] = 0.5 * (forward[:, hand] + backward[:, hand])
    frames = np.arange(len(targets))
    return np.column_stack([np.interp(frames, seen, joint) for joint in goals.T])


def _settled(
    kinematics: InverseKinematics, start: Array, targets: Targets, limits: JointLimits, dt: float
) -> Array:
    """The configuration for one frame, however far away it is."""
    q = start
    for _ in range(SETTLING_ROUNDS):
        (moved,) = _follow(kinematics, q, [targets], limits, dt)
        q, way = moved, np.max(np.abs(moved - q))
        if way < SETTLED_RAD:
            break
    return q


def _follow(
    kinematics: InverseKinematics,
    start: Array,
    targets: list[Targets],
    limits: JointLimits,
    dt: float,
) -> Array:
    """[T, 22] the configurations for targets in the order of the list, each from the one before."""
    q, goals = start, []
    for one in targets:
        solution = kinematics.solve(q, one, limits, dt)
        if solution is None:
            raise RetargetError("The inverse kinematics has no solution for one of the frames.")
        q = solution
        goals.append(q)
    return np.array(goals)
