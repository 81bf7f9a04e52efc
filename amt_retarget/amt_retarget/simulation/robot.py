"""The robot in MuJoCo, commanded by joint positions like the real controllers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import JOINT_NAMES
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.hand_and_object import OBJECT
from amt_retarget.simulation.model import TIMESTEP, build_spec
from amt_retarget.simulation.table_object import TableObject, add_object

Array = NDArray[np.float64]


class SimulatedRobot:
    """A UR arm with an Allegro hand under position control, and an object on its table, if any.

    The robot starts at rest in its home pose.

    Arrays have 22 entries in the order of `joint_names` (that of `Robot`); rad, rad/s, s.

    Attributes:
        model, data: MuJoCo's model and state, for contacts, forces and pictures.
    """

    joint_names = JOINT_NAMES

    def __init__(self, arm: str, hand: str, thing: TableObject | None = None) -> None:
        """arm, hand: as in `Robot.load`."""
        self._mujoco = import_mujoco()
        spec = build_spec(arm, hand)
        if thing is not None:
            add_object(spec, thing)
        self.model = spec.compile()
        self.data = self._mujoco.MjData(self.model)
        self._qpos = np.array([self.model.joint(name).qposadr[0] for name in JOINT_NAMES])
        self._dof = np.array([self.model.joint(name).dofadr[0] for name in JOINT_NAMES])
        self._actuator = {name: self.model.actuator(name).id for name in JOINT_NAMES}
        self._end_time = 0.0
        home = Robot.load(arm, hand).home
        self.data.qpos[self._qpos] = home
        self.set_command(JOINT_NAMES, home)
        self._mujoco.mj_forward(self.model, self.data)

    def set_command(self, names: Sequence[str], positions: ArrayLike) -> None:
        """Command positions (rad) for these joints; the others keep their command.

        A position beyond a joint's limit drives the joint to that limit.

        Raises:
            RetargetError: unknown or repeated names, another number of positions than names, or a
                position that is not finite. The command is then as it was.
        """
        positions = np.asarray(positions, dtype=float)
        unknown = [name for name in names if name not in self._actuator]
        if unknown:
            raise RetargetError(
                f"unknown joints {', '.join(unknown)}: known are {', '.join(JOINT_NAMES)}"
            )
        if len(set(names)) != len(names):
            raise RetargetError("a joint is named more than once: name each joint once")
        if positions.shape != (len(names),):
            raise RetargetError(
                f"{len(names)} joints need {len(names)} positions, got shape {positions.shape}"
            )
        if not np.all(np.isfinite(positions)):
            raise RetargetError("a commanded position is not finite: command numbers in rad")
        self.data.ctrl[[self._actuator[name] for name in names]] = positions

    def step(self, duration: float) -> None:
        """Advance by duration (s) in steps of 2 ms; what is left over counts towards the next call.

        Raises:
            RetargetError: duration is negative or not finite, or the physics diverged.
        """
        if not (np.isfinite(duration) and duration >= 0):
            raise RetargetError(f"step needs a duration in seconds >= 0, got {duration}")
        self._end_time += duration
        count = int((self._end_time - self.data.time) / TIMESTEP + 1e-6)
        if count > 0:
            self._mujoco.mj_step(self.model, self.data, nstep=count)
        if any(self.data.warning[kind].number for kind in self._fatal()):
            raise RetargetError("the simulation became unstable: start it again")

    def _fatal(self) -> tuple[int, ...]:
        warning = self._mujoco.mjtWarning
        return (warning.mjWARN_BADQPOS, warning.mjWARN_BADQVEL, warning.mjWARN_BADQACC)

    @property
    def positions(self) -> Array:
        """Measured positions [22], rad."""
        return self.data.qpos[self._qpos].copy()

    @property
    def velocities(self) -> Array:
        """Measured velocities [22], rad/s."""
        return self.data.qvel[self._dof].copy()

    @property
    def object_pose(self) -> Array:
        """[4, 4] object's frame to base_link (m), where there is an object."""
        body = self.data.body(OBJECT)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = body.xmat.reshape(3, 3), body.xpos
        return pose

    @property
    def time(self) -> float:
        """Simulated time since the start, s."""
        return float(self.data.time)
