"""What a person may tune about the retargeting, with defaults that protect a real arm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.inverse_kinematics import Weights
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

POSITION_MODES = ("relative", "absolute")


@dataclass(frozen=True)
class RetargetSettings:
    """Settings of a Retargeter. Raises RetargetError for a value out of its range.

    The arm and the hand have speeds of their own: a slow arm is safe, but fingers at a quarter of
    their speed cannot follow a gesture, and they carry little energy.
    """

    arm_velocity_scale: float = 0.25
    """Share of the arm's velocity limits that may be used, above 0 to 1."""
    hand_velocity_scale: float = 1.0
    """Share of the hand's velocity limits that may be used, above 0 to 1."""
    arm_max_accel: float = 5.0
    """Acceleration limit of every arm joint, rad/s^2 (UR publishes none)."""
    hand_max_accel: float = 100.0
    """Acceleration limit of every hand joint, rad/s^2."""
    ramp_time_s: float = 1.0
    """Time after engaging in which the speed limits grow from zero to full; 0 for no ramp."""
    position_mode: str = "relative"
    """"relative": the robot's wrist moves from where it stood as the person's wrist moves from
    where it was when following began. "absolute": it goes where the person's wrist is."""
    position_scale: float = 1.0
    """Way of the robot's wrist over that of the person's, with "relative"."""
    workspace_min: tuple[float, float, float] = (-1.0, -1.0, 0.05)
    """Lower corner of the box that the wrist's target is kept in, robot base frame, m."""
    workspace_max: tuple[float, float, float] = (1.0, 1.0, 1.2)
    """Upper corner of that box."""
    hand_smoothing_hz: float = 3.8
    """Cutoff of the fingers' smoothing: lower is smoother, higher follows faster."""
    arm_smoothing_hz: float = 3.2
    """Cutoff of the arm's smoothing."""
    table_height: float = 0.0
    """Height of a horizontal surface that nothing may touch, robot base frame, m; -inf for none."""
    avoid_collisions: bool = True
    """Whether links keep their minimum distances; without it, only limits hold."""
    scale: float | None = None
    """Robot size over human size of the fingers; None estimates it from the first frames."""
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        for name in ("arm_velocity_scale", "hand_velocity_scale"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise RetargetError(
                    f"{name} must be above 0 and at most 1, not {getattr(self, name)}."
                )
        for name in ("arm_max_accel", "hand_max_accel"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise RetargetError(f"{name} must be above 0 rad/s^2, not {getattr(self, name)}.")
        if not 0.0 <= self.ramp_time_s < np.inf:
            raise RetargetError(f"ramp_time_s must be 0 s or more, not {self.ramp_time_s}.")
        if self.position_mode not in POSITION_MODES:
            raise RetargetError(
                f"position_mode must be one of {', '.join(POSITION_MODES)}, "
                f"not {self.position_mode!r}."
            )
        low, high = self.workspace_min, self.workspace_max
        if not len(low) == len(high) == 3 or not np.all(np.array(low) < np.array(high)):
            raise RetargetError(
                "workspace_min must be below workspace_max in each of x, y and z, "
                f"not {self.workspace_min} and {self.workspace_max}."
            )
        for name in ("position_scale", "hand_smoothing_hz", "arm_smoothing_hz"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise RetargetError(f"{name} must be above 0, not {getattr(self, name)}.")
        if not self.table_height < np.inf:  # also refuses NaN
            raise RetargetError(f"table_height must be a height in m, not {self.table_height}.")
        if self.scale is not None and not 0.5 <= self.scale <= 3.0:
            raise RetargetError(f"scale must be between 0.5 and 3, not {self.scale}.")

    def joint_limits(self, robot: Robot) -> JointLimits:
        """The robot's limits with these speeds and accelerations, for solver and guard alike."""
        arm = len(robot.arm_joint_names)
        hand = len(robot.hand_joint_names)
        return JointLimits(
            names=tuple(robot.joint_names),
            lower=robot.lower,
            upper=robot.upper,
            velocity=robot.velocity
            * np.repeat([self.arm_velocity_scale, self.hand_velocity_scale], [arm, hand]),
            acceleration=np.repeat([self.arm_max_accel, self.hand_max_accel], [arm, hand]),
        )
