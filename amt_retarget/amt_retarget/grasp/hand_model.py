"""The Allegro hand without its arm: kinematics and collision shapes in the palm's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import cross_matrix
from amt_retarget.grasp.shapes import Shape, read_shape
from amt_retarget.robot.description import FINGERS, urdf_path
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

PALM_LINKS = ("hand_adapter", "palm_link")
HAND_LINKS = PALM_LINKS + tuple(f"{finger}_link_{i}" for finger in FINGERS for i in range(4))
JOINED_TO_PALM = {"thumb_link_1", *(f"{finger}_link_0" for finger in FINGERS)}
"""Links whose boxes share the space about the joints that join them to the palm."""
KNUCKLE_LINKS = {finger: f"{finger}_link_1" for finger in FINGERS} | {"thumb": "thumb_link_2"}
"""Links at whose origin a finger becomes free of the palm: what a knuckle is on a human hand."""


@dataclass(frozen=True, eq=False)
class Dome:
    """The rubber dome at a finger's end, in the frame of the finger's last joint."""

    centre: Array
    """[3] m."""
    radius: float
    """m."""


@dataclass(frozen=True, eq=False)
class LinkPair:
    """Two links that are near each other. Palm frame."""

    distance: float
    """m, negative where they penetrate."""
    joints: tuple[int, int]
    """Pinocchio's joints that move them."""
    points: tuple[Array, Array]
    """The point [3] of each that is nearest to the other (m)."""
    normal: Array
    """[3] unit vector from the first link to the second."""


@dataclass(frozen=True, eq=False)
class HandState:
    """Where every joint and shape of the hand is at one configuration. Palm frame, metres."""

    joints: Array
    """[16] the configuration, rad."""
    rotations: Array
    """[J, 3, 3] of Pinocchio's joints; joint 0 is the palm."""
    positions: Array
    """[J, 3]."""
    jacobians: Array
    """[J, 6, 16] of the joints' origins: linear, then angular; project's joint order."""
    shape_poses: list[tuple[Array, Array]]
    """Rotation [3, 3] and position [3] of each of the hand's shapes."""

    def point_jacobian(self, joint: int, point: Array) -> Array:
        """Jacobian [3, 16] of a point [3] (palm frame) that moves with a joint's link."""
        linear, angular = self.jacobians[joint, :3], self.jacobians[joint, 3:]
        return linear - cross_matrix(point - self.positions[joint]) @ angular


class HandModel:
    """The hand of a Robot. Joints are [16] in the project's order, rad.

    Attributes:
        lower, upper: position limits [16], rad.
        effort: largest torques [16], Nm.
        shapes: the URDF's collision shapes; `shape_joints` says which joint moves each, and
            `shape_links` of which link it is.
        domes: by finger; `dome_joints` says which joint moves each.
        knuckle_joints: by finger, the joint at its knuckle.
    """

    def __init__(self, robot: Robot) -> None:
        try:
            import pinocchio
        except ImportError as error:
            raise RetargetError("The hand model needs Pinocchio: pip install pin") from error
        self._pinocchio = pinocchio
        geometry = pinocchio.buildGeomFromUrdf(
            robot.model, str(urdf_path(robot.arm, robot.hand)), pinocchio.GeometryType.COLLISION
        )
        links = {item.name: item.parentFrame for item in geometry.geometryObjects}
        for name, frame in links.items():
            if robot.model.frames[frame].name not in HAND_LINKS:
                geometry.removeGeometryObject(name)
        arm = [robot.model.getJointId(name) for name in robot.arm_joint_names]
        model, geometry = pinocchio.buildReducedModel(
            robot.model, geometry, arm, robot.to_pinocchio(robot.home)
        )
        self._model, self._data = model, model.createData()
        joints = [model.joints[model.getJointId(name)] for name in robot.hand_joint_names]
        self._q_index = np.array([joint.idx_q for joint in joints])
        self._v_index = np.array([joint.idx_v for joint in joints])
        self.lower: Array = model.lowerPositionLimit[self._q_index]
        self.upper: Array = model.upperPositionLimit[self._q_index]
        self.effort: Array = model.effortLimit[self._v_index]
        palm = model.frames[model.getFrameId(robot.palm_frame)]
        self._to_palm = palm.placement.inverse()

        self.shape_links = [
            model.frames[item.parentFrame].name for item in geometry.geometryObjects
        ]
        self._placements = [item.placement for item in geometry.geometryObjects]
        self.shapes: list[Shape] = [read_shape(item) for item in geometry.geometryObjects]
        self.shape_joints = [int(item.parentJoint) for item in geometry.geometryObjects]
        self.knuckle_joints = {f: self._link_joint(link) for f, link in KNUCKLE_LINKS.items()}
        self.dome_joints = {f: self._link_joint(f"{f}_link_3") for f in FINGERS}
        self.domes = {finger: self._find_dome(finger) for finger in FINGERS}
        for first, second in self._self_collision_pairs():
            geometry.addCollisionPair(pinocchio.CollisionPair(first, second))
        self._geometry, self._geometry_data = geometry, geometry.createData()

    def __call__(self, joints: Array) -> HandState:
        """The hand at joints [16]."""
        pin, model, data = self._pinocchio, self._model, self._data
        pin.computeJointJacobians(model, data, self._to_pinocchio(joints))
        poses = [pin.SE3.Identity()]  # the palm; its parent in the model is the arm's base
        jacobians = np.zeros((model.njoints, 6, len(joints)))
        turn = np.kron(np.eye(2), self._to_palm.rotation)
        for joint in range(1, model.njoints):
            poses.append(self._to_palm * data.oMi[joint])
            jacobian = pin.getJointJacobian(
                model, data, joint, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
            )
            jacobians[joint] = turn @ jacobian[:, self._v_index]
        shapes = [
            self._to_palm * data.oMi[joint] * placement
            for joint, placement in zip(self.shape_joints, self._placements, strict=True)
        ]
        return HandState(
            joints,
            np.stack([pose.rotation for pose in poses]),
            np.stack([pose.translation for pose in poses]),
            jacobians,
            [(pose.rotation, pose.translation) for pose in shapes],
        )

    def dome_centre(self, state: HandState, finger: str) -> Array:
        """Centre [3] of a finger's dome in the palm's frame (m)."""
        joint = self.dome_joints[finger]
        return state.positions[joint] + state.rotations[joint] @ self.domes[finger].centre

    def near_links(self, state: HandState, within: float) -> list[LinkPair]:
        """Links of different fingers, or of palm and finger, that are nearer than `within` (m)."""
        self._pinocchio.computeDistances(
            self._model,
            self._data,
            self._geometry,
            self._geometry_data,
            self._to_pinocchio(state.joints),
        )
        results = self._geometry_data.distanceResults
        return [
            LinkPair(
                result.min_distance,
                (self.shape_joints[pair.first], self.shape_joints[pair.second]),
                (
                    self._to_palm.act(result.getNearestPoint1()),
                    self._to_palm.act(result.getNearestPoint2()),
                ),
                self._to_palm.rotation @ result.normal,
            )
            for pair, result in zip(self._geometry.collisionPairs, results, strict=True)
            if result.min_distance < within
        ]

    def _to_pinocchio(self, joints: Array) -> Array:
        q = np.empty_like(joints)
        q[self._q_index] = joints
        return q

    def _link_joint(self, link: str) -> int:
        return int(self._model.frames[self._model.getFrameId(link)].parentJoint)

    def _find_dome(self, finger: str) -> Dome:
        """The sphere of the last link: the URDF's shape, so that its size has one home."""
        (index,) = [
            i
            for i, shape in enumerate(self.shapes)
            if self.shape_links[i] == f"{finger}_link_3" and shape.kind == "sphere"
        ]
        return Dome(self._placements[index].translation.copy(), self.shapes[index].size[0])

    def _self_collision_pairs(self) -> list[tuple[int, int]]:
        """Shapes of different fingers, and of palm and finger where these do not join."""
        bodies = ["palm" if link in PALM_LINKS else link.split("_")[0] for link in self.shape_links]
        pairs = []
        for j, second in enumerate(self.shape_links):
            for i, first in enumerate(self.shape_links[:j]):
                joined = "palm" in (bodies[i], bodies[j]) and {first, second} & JOINED_TO_PALM
                if bodies[i] != bodies[j] and not joined:
                    pairs.append((i, j))
        return pairs
