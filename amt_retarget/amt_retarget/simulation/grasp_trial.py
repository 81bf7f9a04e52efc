"""Does a grasp hold? The hand squeezes in MuJoCo, then the object is pushed from six sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.description import HAND_JOINT_NAMES
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.convex_pieces import convex_pieces
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.hand_and_object import (
    HAND_PREFIX,
    OBJECT,
    add_pieces,
    add_studio,
    build_hand_and_object,
    place_palm,
)

if TYPE_CHECKING:
    import mujoco

Array = NDArray[np.float64]

CLOSING_S, SETTLING_S = 0.3, 0.2
WATCH_S = 0.04
"""Between two looks at the object: what has fallen is pushed no longer. A video's frames."""
DIRECTIONS = {"+x": 0, "-x": 0, "+y": 1, "-y": 1, "+z": 2, "-z": 2}
"""Of the pushes: axes of the object's frame."""
TIMESTEP_S = 0.004
"""Results are those of 2 ms, to a fifth of a millimetre, in 60 % of the time."""
LEAST_FORCE_N = 0.01
"""A contact that presses less touches only by chance."""

Watch = Callable[["mujoco.MjData", str], None]
"""Called every WATCH_S with MuJoCo's state and what is done, such as "push +x"."""


@dataclass(frozen=True, eq=False)
class TrialObject:
    """What is to be held."""

    vertices: Array
    """[V, 3] m."""
    faces: NDArray[np.int64]
    """[F, 3] counter-clockwise from outside."""
    pieces: Sequence[Array]
    """Convex pieces that collide: corners [C, 3] of each (m)."""
    mass: float = 0.1
    """kg."""
    friction: float = 0.6
    """Sliding friction with the hand."""

    @classmethod
    def from_mesh(
        cls, vertices: Array, faces: NDArray[np.int64], cache: Path | None = None
    ) -> TrialObject:
        """With the mesh's `convex_pieces`; cache: folder for them."""
        return cls(vertices, faces, convex_pieces(vertices, faces, cache).corners)

    @cached_property
    def surface(self) -> ObjectSurface:
        """Samples of the mesh, for what is measured without physics."""
        return ObjectSurface.from_mesh(self.vertices, self.faces)


@dataclass(frozen=True)
class TrialSettings:
    """How hard the trial is."""

    push: float = 1.0
    """N, at the object's centre of mass."""
    seconds: float = 1.0
    """Of each push."""
    most_moved: float = 0.05
    """m, of the centre of mass, while the hand closes and during each push."""
    most_turned: float = np.radians(15.0)
    """rad, likewise."""
    most_penetration: float = 0.01
    """m, of the true mesh by the hand, or of two links, before anything moves."""


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What became of a grasp."""

    held: bool
    reason: str
    """Why it was not held, such as "moved by push +x"; empty where it was."""
    penetration: float
    """Before anything moved (m)."""
    closing_moved: float = np.nan
    """How far the centre of mass moved while the hand squeezed (m); NaN where the trial ended
    before, like all that follows."""
    closing_turned: float = np.nan
    """rad."""
    moved: float = np.nan
    """The farthest during a push (m); the pushes end with the first that moves it too far."""
    turned: float = np.nan
    """rad, likewise."""
    contact_links: tuple[str, ...] = ()
    """The link of each contact once the hand has closed."""
    contact_points: Array = field(default_factory=lambda: np.zeros((0, 3)))
    """[C, 3] where they are: object's frame (m)."""


class GraspTrial:
    """Tries grasps of one object by one hand.

    The palm is held where the grasp has it and there is no gravity. The hand begins at the grasp's
    joints, squeezes, and then the object is pushed along both ways of each axis of its frame; each
    push begins with the squeezed object. Raises RetargetError without MuJoCo or Pinocchio.
    """

    def __init__(
        self, robot: Robot, thing: TrialObject, settings: TrialSettings | None = None
    ) -> None:
        self._mujoco = import_mujoco()
        self._settings = settings or TrialSettings()
        self._clearance = Clearance(HandModel(robot), thing.surface)
        spec = build_hand_and_object(robot.arm, robot.hand, thing.vertices, thing.faces, thing.mass)
        add_pieces(spec, thing.pieces, thing.friction)
        add_studio(spec)
        spec.option.timestep = TIMESTEP_S
        self.model = spec.compile()
        self._actuators = actuator_ids(self.model)
        self._joints = joint_addresses(self.model)
        self._body = self.model.body(OBJECT).id

    def run(self, grasp: RobotGrasp, watch: Watch | None = None) -> TrialResult:
        """Try a grasp; about 0.15 s. The same grasp gives the same result."""
        penetration = self._clearance.penetration(
            Configuration(grasp.rotation, grasp.position, grasp.joints)
        )
        if penetration > self._settings.most_penetration:
            return TrialResult(False, "penetrates", penetration)

        place_palm(self.model, grasp.rotation, grasp.position)
        data = self._mujoco.MjData(self.model)
        data.qpos[self._joints] = grasp.joints
        data.ctrl[self._actuators] = grasp.joints
        self._mujoco.mj_forward(self.model, data)
        start = pose(data, self._body)
        self._squeeze(data, grasp, watch)
        closing = motion(start, pose(data, self._body))
        links, points = contacts(self.model, data)
        closed = (penetration, *closing)
        if not links:
            return TrialResult(False, "dropped while closing", *closed)
        if self._too_far(*closing):
            reason = "moved while closing"
            return TrialResult(False, reason, *closed, contact_links=links, contact_points=points)

        most_moved = most_turned = 0.0
        reason = ""
        for name in DIRECTIONS:
            moved, turned = self._push(data, name, watch)
            most_moved, most_turned = max(most_moved, moved), max(most_turned, turned)
            if self._too_far(moved, turned):
                reason = f"moved by push {name}"
                break
        return TrialResult(not reason, reason, *closed, most_moved, most_turned, links, points)

    def _squeeze(self, data: mujoco.MjData, grasp: RobotGrasp, watch: Watch | None) -> None:
        """From the joints that touch to those that press, and a little time to come to rest."""
        duration = CLOSING_S + SETTLING_S
        for time in np.arange(0.0, duration - 1e-9, WATCH_S):
            share = min(1.0, (time + WATCH_S) / CLOSING_S)
            data.ctrl[self._actuators] = (1.0 - share) * grasp.joints + share * grasp.squeeze
            step(self.model, data, WATCH_S)
            if watch:
                watch(data, "squeeze")

    def _push(self, squeezed: mujoco.MjData, name: str, watch: Watch | None) -> tuple[float, float]:
        """How far a push moves (m) and turns (rad) the object; it ends when that is too far."""
        data = self._mujoco.MjData(self.model)
        data.qpos[:], data.qvel[:], data.ctrl[:] = squeezed.qpos, squeezed.qvel, squeezed.ctrl
        data.qacc_warmstart[:] = squeezed.qacc_warmstart
        sign = 1.0 if name[0] == "+" else -1.0
        data.xfrc_applied[self._body, DIRECTIONS[name]] = sign * self._settings.push
        start, moved, turned = pose(squeezed, self._body), 0.0, 0.0
        for _ in np.arange(0.0, self._settings.seconds - 1e-9, WATCH_S):
            step(self.model, data, WATCH_S)
            moved, turned = motion(start, pose(data, self._body))
            if watch:
                watch(data, f"push {name}")
            if self._too_far(moved, turned):
                break
        return moved, turned

    def _too_far(self, moved: float, turned: float) -> bool:
        return moved > self._settings.most_moved or turned > self._settings.most_turned


def try_grasp(
    robot: Robot, thing: TrialObject, grasp: RobotGrasp, settings: TrialSettings | None = None
) -> TrialResult:
    """Try one grasp, as `GraspTrial` does; the model of the last object is kept for the next."""
    return _trial(robot, thing, settings).run(grasp)


@lru_cache(maxsize=1)
def _trial(robot: Robot, thing: TrialObject, settings: TrialSettings | None) -> GraspTrial:
    return GraspTrial(robot, thing, settings)


def joint_addresses(model: mujoco.MjModel) -> list[int]:
    """Where the hand's 16 joints stand in MuJoCo's qpos, in the project's order."""
    return [model.joint(HAND_PREFIX + name).qposadr[0] for name in HAND_JOINT_NAMES]


def actuator_ids(model: mujoco.MjModel) -> list[int]:
    """Of the hand's 16 joints, in the project's order."""
    return [model.actuator(HAND_PREFIX + name).id for name in HAND_JOINT_NAMES]


def step(model: mujoco.MjModel, data: mujoco.MjData, seconds: float) -> None:
    """Advance. Raises RetargetError when the physics diverged: MuJoCo itself would start anew."""
    mujoco = import_mujoco()
    mujoco.mj_step(model, data, nstep=round(seconds / model.opt.timestep))
    kinds = mujoco.mjtWarning
    if any(data.warning[kind].number for kind in (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQACC)):
        raise RetargetError("The physics of a grasp trial became unstable: check the grasp.")


def pose(data: mujoco.MjData, body: int) -> tuple[Array, Array]:
    """Centre of mass [3] (m) and rotation [3, 3] of a body, in the world."""
    return data.xipos[body].copy(), data.xmat[body].reshape(3, 3).copy()


def motion(start: tuple[Array, Array], end: tuple[Array, Array]) -> tuple[float, float]:
    """How far (m) and by what angle (rad) a body went from one `pose` to another."""
    turn = 0.5 * (np.trace(start[1].T @ end[1]) - 1.0)
    return float(np.linalg.norm(end[0] - start[0])), float(np.arccos(np.clip(turn, -1.0, 1.0)))


def contacts(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[tuple[str, ...], Array]:
    """Links that press on the object and the points [C, 3] where (object's frame, m)."""
    mujoco = import_mujoco()
    body = model.body(OBJECT).id
    links, points, force = [], [], np.zeros(6)
    for i, contact in enumerate(data.contact[: data.ncon]):
        first, second = (model.geom_bodyid[geom] for geom in (contact.geom1, contact.geom2))
        name = model.body(second if first == body else first).name
        if body not in (first, second) or not name.startswith(HAND_PREFIX):
            continue
        mujoco.mj_contactForce(model, data, i, force)
        if force[0] > LEAST_FORCE_N:
            links.append(name.removeprefix(HAND_PREFIX))
            points.append(contact.pos.copy())
    rotation = data.xmat[body].reshape(3, 3)
    return tuple(links), (np.reshape(points, (-1, 3)) - data.xpos[body]) @ rotation


if __name__ == "__main__":
    from amt_retarget.simulation.trial_command import main

    main()
