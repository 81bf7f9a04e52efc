"""Does a grasp lift its object? The hand comes from the pre-grasp, closes, lifts and waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.description import PALM_FRAME
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.grasp_trial import (
    WATCH_S,
    TrialObject,
    Watch,
    actuator_ids,
    contacts,
    joint_addresses,
    motion,
    pose,
)
from amt_retarget.simulation.hand_and_object import (
    HAND_PREFIX,
    OBJECT,
    add_pieces,
    add_studio,
    build_hand_and_object,
)

if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]

GRAVITY = 9.81
PHASES_S = {"stand": 0.3, "approach": 1.0, "squeeze": 0.5, "lift": 1.0, "hold": 1.0}
LIFT = np.array([0.0, 0.0, 0.10])
"""m."""
LEAST_RISEN = 0.8
"""Of the lift: what slipped farther through the fingers is not held."""
STOOD_M, STOOD_RAD = 0.01, np.radians(15.0)
"""An object that moves more before the hand comes does not stand by itself."""
TABLE = "table"
TABLE_HALF_M = 0.3
TABLE_COLOUR = (0.80, 0.78, 0.75, 1.0)
TABLE_DEPTH_M = 0.002
"""A hand that is deeper in the table at the grasp or before cannot go there."""
WAY_SAMPLES = 6
TARGET = "palm_target"
WELD_TIME_S = 0.004
"""How fast the palm follows its target: twice the physics' step, the least that is stable."""


@dataclass(frozen=True)
class LiftResult:
    """What became of the object."""

    held: bool
    reason: str
    """Why it was not held, such as "dropped while lifting"; empty where it was."""
    risen: float = np.nan
    """How far its centre of mass is above where it stood, at the end (m); NaN where the trial ended
    before the lift."""
    slipped: float = np.nan
    """How far it moved in the hand between closing and the end (m)."""


class LiftTrial:
    """Lifts one object with one hand. z of the object's frame is up; it stands on a table.

    The palm is a body that is welded to a target in MuJoCo's world: so it has the velocity that
    friction needs to take the object along. Raises RetargetError without MuJoCo.
    """

    def __init__(self, robot: Robot, thing: TrialObject) -> None:
        self._mujoco = import_mujoco()
        self.model = self._build(robot, thing)
        self._joints = joint_addresses(self.model)
        self._actuators = actuator_ids(self.model)
        self._object = self.model.body(OBJECT).id
        self._palm = self.model.body(HAND_PREFIX + PALM_FRAME).id

    def run(self, grasp: RobotGrasp, watch: Watch | None = None) -> LiftResult:
        """Lift with a grasp. Raises RetargetError when the physics diverges."""
        before = Configuration(grasp.pre_grasp_rotation, grasp.pre_grasp_position, grasp.pre_grasp)
        at = Configuration(grasp.rotation, grasp.position, grasp.joints)
        pressing = Configuration(grasp.rotation, grasp.position, grasp.squeeze)
        above = Configuration(grasp.rotation, grasp.position + LIFT, grasp.squeeze)
        if self._table_in_the_way(before, at):
            return LiftResult(False, "the table is in the way")

        data = self._mujoco.MjData(self.model)
        self._place(data, before)
        start = pose(data, self._object)
        self._go(data, before, before, "stand", watch)
        moved, turned = motion(start, pose(data, self._object))
        if moved > STOOD_M or turned > STOOD_RAD:
            return LiftResult(False, "does not stand by itself")
        start = pose(data, self._object)
        self._go(data, before, at, "approach", watch)
        self._go(data, at, pressing, "squeeze", watch)
        in_hand = self._in_hand(data)
        self._go(data, pressing, above, "lift", watch)
        dropped = not contacts(self.model, data)[0]
        self._go(data, above, above, "hold", watch)

        risen = float(pose(data, self._object)[0][2] - start[0][2])
        slipped = float(np.linalg.norm(self._in_hand(data) - in_hand))
        if risen >= LEAST_RISEN * LIFT[2]:
            return LiftResult(True, "", risen, slipped)
        reason = "dropped while lifting" if dropped else "slipped out of the hand"
        return LiftResult(False, reason, risen, slipped)

    def _build(self, robot: Robot, thing: TrialObject) -> mujoco.MjModel:
        mujoco = self._mujoco
        spec = build_hand_and_object(robot.arm, robot.hand, thing.vertices, thing.faces, thing.mass)
        add_pieces(spec, thing.pieces, thing.friction)
        add_studio(spec)
        spec.option.gravity = [0.0, 0.0, -GRAVITY]
        spec.worldbody.add_geom(
            name=TABLE,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[0.0, 0.0, float(np.min(thing.vertices[:, 2])) - TABLE_HALF_M / 10.0],
            size=[TABLE_HALF_M, TABLE_HALF_M, TABLE_HALF_M / 10.0],
            rgba=TABLE_COLOUR,
        )
        palm = HAND_PREFIX + PALM_FRAME
        spec.body(palm).add_freejoint()
        spec.worldbody.add_body(name=TARGET, mocap=True)
        weld = spec.add_equality(
            type=mujoco.mjtEq.mjEQ_WELD,
            objtype=mujoco.mjtObj.mjOBJ_BODY,
            name1=palm,
            name2=TARGET,
            solref=[WELD_TIME_S, 1.0],
        )
        # Anchor, position and quaternion of one body in the other, and how stiff turns are.
        weld.data[:11] = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]
        return spec.compile()

    def _place(self, data: mujoco.MjData, at: Configuration) -> None:
        """Hand and target there, at rest, and the object where it stands."""
        self._set_target(data, at)
        first = self.model.jnt_qposadr[self.model.body_jntadr[self._palm]]
        data.qpos[first : first + 3] = data.mocap_pos[0]
        data.qpos[first + 3 : first + 7] = data.mocap_quat[0]
        data.qpos[self._joints] = at.joints
        self._mujoco.mj_forward(self.model, data)

    def _set_target(self, data: mujoco.MjData, at: Configuration) -> None:
        data.mocap_pos[0] = at.position
        self._mujoco.mju_mat2Quat(data.mocap_quat[0], np.ascontiguousarray(at.rotation).ravel())
        data.ctrl[self._actuators] = at.joints

    def _go(
        self,
        data: mujoco.MjData,
        start: Configuration,
        end: Configuration,
        phase: str,
        watch: Watch | None,
    ) -> None:
        """From one configuration to another, in as long as the phase takes."""
        count = round(PHASES_S[phase] / self.model.opt.timestep)
        every = round(WATCH_S / self.model.opt.timestep)
        for i in range(1, count + 1):
            self._set_target(data, start.towards(end, i / count))
            self._mujoco.mj_step(self.model, data)
            if watch and i % every == 0:
                watch(data, phase)
        if data.warning[self._mujoco.mjtWarning.mjWARN_BADQACC].number:
            raise RetargetError("The physics of a lift became unstable: check the grasp.")

    def _table_in_the_way(self, before: Configuration, at: Configuration) -> bool:
        """Does the hand enter the table on its way to the object?"""
        data = self._mujoco.MjData(self.model)
        table = self.model.geom(TABLE).id
        for share in np.linspace(0.0, 1.0, WAY_SAMPLES):
            self._place(data, before.towards(at, share))
            for contact in data.contact[: data.ncon]:
                bodies = self.model.geom_bodyid[[contact.geom1, contact.geom2]]
                deep = contact.dist < -TABLE_DEPTH_M
                if deep and table in (contact.geom1, contact.geom2) and self._object not in bodies:
                    return True
        return False

    def _in_hand(self, data: mujoco.MjData) -> Array:
        """Centre of mass [3] of the object in the palm's frame (m)."""
        offset = data.xipos[self._object] - data.xpos[self._palm]
        return np.asarray(offset @ data.xmat[self._palm].reshape(3, 3))


def lift_grasp(
    robot: Robot, thing: TrialObject, grasp: RobotGrasp, watch: Watch | None = None
) -> LiftResult:
    """Lift an object once, as `LiftTrial` does."""
    return LiftTrial(robot, thing).run(grasp, watch)
