"""The Allegro hand alone, floating: kinematics and collision shapes in the palm's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.shapes import Shape, read_shape
from amt_retarget.robot.description import FINGERS, urdf_path
from amt_retarget.robot.robot import Robot

Array = NDArray[np.float64]

PALM_LINKS = ("hand_adapter", "palm_link")
HAND_LINKS = PALM_LINKS + tuple(f"{finger}_link_{i}" for finger in FINGERS for i in range(4))
TOUCHING_LINKS = {"thumb_link_1", *(f"{finger}_link_0" for finger in FINGERS)}
"""Links whose boxes share the space about the joints that join them to the palm."""
KNUCKLE_LINKS = {finger: f"{finger}_link_1" for finger in FINGERS} | {"thumb": "thumb_link_2"}
"""Links at whose origin the finger's own length begins: what a knuckle is on a human hand."""


@dataclass(frozen=True)
class FingertipDome:
    """The rubber dome at a finger's end: where it is in the frame of the finger's last joint."""

    centre: Array
    """[3] m."""
    radius: float
    """m."""


class HandState:
    """Where every link and shape of the hand is at one configuration. Palm frame, metres."""

    def __init__(
        self, rotations: Array, positions: Array, jacobians: Array, shape_poses: list[tuple]
    ) -> None:
        self.rotations = rotations
        """[J, 3, 3] of Pinocchio's joints; joint 0 is the palm."""
        self.positions = positions
        """[J, 3]."""
        self.jacobians = jacobians
        """[J, 6, 16] of the joints' origins: linear, then angular; project's joint order."""
        self.shape_poses = shape_poses
        """(rotation [3, 3], position [3]) of each of the hand's shapes."""

    def point_jacobian(self, joint: int, points: Array) -> Array:
        """Jacobian [n, 3, 16] of points [n, 3] (palm frame) that move with a joint's link."""
        lever = points - self.positions[joint]
        linear, angular = self.jacobians[joint, :3], self.jacobians[joint, 3:]
        return linear + np.cross(angular.T[None], lever[:, None]).transpose(0, 2, 1)


class HandModel:
    """The hand of a Robot without its arm. Joints are [16] in the project's order, rad.

    Attributes:
        lower, upper: position limits [16], rad.
        rest: the hand's joints of the robot's ready pose [16], rad.
        shapes: the collision shapes of the URDF, in the frames of `shape_joints`.
        domes: the fingertip's dome by finger, in the frame of `dome_joints`.
    """

    def __init__(self, robot: Robot) -> None:
        try:
            import pinocchio
        except ImportError as error:
            raise RetargetError("The hand model needs Pinocchio: pip install pin") from error
        self._pinocchio = pinocchio
        path = str(urdf_path(robot.arm, robot.hand))
        geometry = pinocchio.buildGeomFromUrdf(
            robot.model, path, pinocchio.GeometryType.COLLISION
        )
        for item in list(geometry.geometryObjects):
            if robot.model.frames[item.parentFrame].name not in HAND_LINKS:
                geometry.removeGeometryObject(item.name)
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
        self.rest: Array = robot.home[len(robot.arm_joint_names) :]

        self._palm = model.frames[model.getFrameId(robot.palm_frame)].placement
        self._to_palm = self._palm.inverse()
        self.links = [model.frames[item.parentFrame].name for item in geometry.geometryObjects]
        self.shape_joints = [item.parentJoint for item in geometry.geometryObjects]
        self._placements = [item.placement for item in geometry.geometryObjects]
        self.shapes: list[Shape] = [read_shape(item) for item in geometry.geometryObjects]
        self.knuckle_joints = {f: self._link_joint(link) for f, link in KNUCKLE_LINKS.items()}
        self.dome_joints = {f: self._link_joint(f"{f}_link_3") for f in FINGERS}
        self.domes = {finger: self._find_dome(finger) for finger in FINGERS}
        self._add_self_collision_pairs(geometry)

    def __call__(self, joints: Array) -> HandState:
        """The hand at joints [16]."""
        pin, model, data = self._pinocchio, self._model, self._data
        pin.computeJointJacobians(model, data, self._to_pinocchio(joints))
        turn = self._to_palm.rotation
        placements = [self._to_palm * data.oMi[joint] for joint in range(model.njoints)]
        placements[0] = pin.SE3.Identity()
        jacobians = np.zeros((model.njoints, 6, self.rest.size))
        for joint in range(1, model.njoints):
            jacobian = pin.getJointJacobian(
                model, data, joint, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
            )[:, self._v_index]
            jacobians[joint, :3], jacobians[joint, 3:] = turn @ jacobian[:3], turn @ jacobian[3:]
        shape_poses = []
        for joint, local in zip(self.shape_joints, self._placements, strict=True):
            pose = self._to_palm * data.oMi[joint] * local
            shape_poses.append((pose.rotation, pose.translation))
        return HandState(
            np.stack([placement.rotation for placement in placements]),
            np.stack([placement.translation for placement in placements]),
            jacobians,
            shape_poses,
        )

    def self_distances(self, joints: Array) -> list[tuple[float, int, int, Array, Array, Array]]:
        """Distances between shapes of different fingers, or finger and palm, at joints [16].

        Returns:
            (distance in m, negative in collision; the two joints whose links the shapes belong to;
            the nearest point [3] on each; the unit vector [3] from the first to the second shape),
            all in the palm frame.
        """
        pin = self._pinocchio
        pin.computeDistances(
            self._model, self._data, self._geometry, self._geometry_data, self._to_pinocchio(joints)
        )
        rows = []
        for pair, result in zip(
            self._geometry.collisionPairs, self._geometry_data.distanceResults, strict=True
        ):
            rows.append(
                (
                    result.min_distance,
                    self.shape_joints[pair.first],
                    self.shape_joints[pair.second],
                    self._to_palm.act(result.getNearestPoint1()),
                    self._to_palm.act(result.getNearestPoint2()),
                    self._to_palm.rotation @ result.normal,
                )
            )
        return rows

    def _to_pinocchio(self, joints: Array) -> Array:
        q = np.empty(self.rest.size)
        q[self._q_index] = joints
        return q

    def _link_joint(self, link: str) -> int:
        return int(self._model.frames[self._model.getFrameId(link)].parentJoint)

    def _find_dome(self, finger: str) -> FingertipDome:
        """The sphere of the last link: the URDF's shape, so that its size has one home."""
        (index,) = [
            i
            for i, shape in enumerate(self.shapes)
            if self.links[i] == f"{finger}_link_3" and shape.kind == "sphere"
        ]
        return FingertipDome(self._placements[index].translation.copy(), self.shapes[index].size[0])

    def _add_self_collision_pairs(self, geometry: object) -> None:
        """Pairs of different fingers, and of palm and finger where they do not join."""
        pin = self._pinocchio
        bodies = ["palm" if link in PALM_LINKS else link.split("_")[0] for link in self.links]
        for i, first in enumerate(self.links):
            for j, second in enumerate(self.links[:i]):
                joined = "palm" in (bodies[i], bodies[j]) and {first, second} & TOUCHING_LINKS
                if bodies[i] != bodies[j] and not joined:
                    geometry.addCollisionPair(pin.CollisionPair(j, i))
        self._geometry = geometry
        self._geometry_data = geometry.createData()
