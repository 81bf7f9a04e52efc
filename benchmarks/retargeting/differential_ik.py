"""One step of differential inverse kinematics on arm and hand with pink and with mink.

pink: github.com/stephane-caron/pink, on Pinocchio. mink: github.com/kevinzakka/mink, on MuJoCo.
Both get the palm's pose and the four fingertips as frame tasks, position and velocity limits, and
the solver quadprog; they step once a frame, as their examples do.
"""

from __future__ import annotations

import numpy as np

from amt_retarget.robot.description import JOINT_NAMES
from amt_retarget.robot.robot import Robot
from benchmarks.retargeting.robot_points import FINGERS

SOLVER = "quadprog"
DAMPING = 1e-6
"""22 joints have 18 targets: without any damping the step is not determined."""


class PinkStep:
    """Follows targets with pink; starts at positions [22] (rad, the project's order)."""

    def __init__(self, robot: Robot, start: np.ndarray) -> None:
        import pink
        import pinocchio

        self._robot, self._pink, self._se3 = robot, pink, pinocchio.SE3
        self._configuration = pink.Configuration(
            robot.model, robot.model.createData(), robot.to_pinocchio(start)
        )
        self._palm = pink.tasks.FrameTask(robot.palm_frame, 1.0, 1.0)
        self._tips = [pink.tasks.FrameTask(robot.tip_frames[f], 1.0, 0.0) for f in FINGERS]
        self._limits = [
            pink.limits.ConfigurationLimit(robot.model, config_limit_gain=1.0),
            pink.limits.VelocityLimit(robot.model),
        ]

    def step(
        self, rotation: np.ndarray, position: np.ndarray, tips: np.ndarray, dt: float
    ) -> np.ndarray:
        """Positions [22] after dt seconds (s) towards a palm pose and tips [4, 3], base frame."""
        self._palm.set_target(self._se3(rotation, position))
        for task, tip in zip(self._tips, tips, strict=True):
            task.set_target(self._se3(np.eye(3), tip))
        velocity = self._pink.solve_ik(
            self._configuration,
            [self._palm, *self._tips],
            dt,
            solver=SOLVER,
            damping=DAMPING,
            limits=self._limits,
        )
        self._configuration.integrate_inplace(velocity, dt)
        return self._configuration.q[self._robot.q_index]


class MinkStep:
    """Follows targets with mink; starts at positions [22] (rad, the project's order)."""

    def __init__(self, robot: Robot, start: np.ndarray) -> None:
        import mink

        from amt_retarget.simulation.model import build_model

        self._mink = mink
        model = build_model(robot.arm, robot.hand)
        self._joints = np.array([model.joint(name).qposadr[0] for name in JOINT_NAMES])
        q = np.zeros(model.nq)
        q[self._joints] = start
        self._configuration = mink.Configuration(model, q=q)
        self._palm = mink.FrameTask(robot.palm_frame, "body", 1.0, 1.0)
        self._tips = [mink.FrameTask(robot.tip_frames[f], "body", 1.0, 0.0) for f in FINGERS]
        velocities = dict(zip(JOINT_NAMES, robot.velocity, strict=True))
        self._limits = [
            mink.ConfigurationLimit(model, gain=0.95),
            mink.VelocityLimit(model, velocities),
        ]

    def step(
        self, rotation: np.ndarray, position: np.ndarray, tips: np.ndarray, dt: float
    ) -> np.ndarray:
        """Positions [22] after dt seconds (s) towards a palm pose and tips [4, 3], base frame."""
        mink = self._mink
        self._palm.set_target(
            mink.SE3.from_rotation_and_translation(mink.SO3.from_matrix(rotation), position)
        )
        for task, tip in zip(self._tips, tips, strict=True):
            task.set_target(mink.SE3.from_translation(tip))
        velocity = mink.solve_ik(
            self._configuration,
            [self._palm, *self._tips],
            dt,
            SOLVER,
            damping=DAMPING,
            limits=self._limits,
        )
        self._configuration.integrate_inplace(velocity, dt)
        return self._configuration.q[self._joints]
