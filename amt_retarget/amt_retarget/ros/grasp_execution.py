"""Executes one grasp at a time, by service: `amt/execute_grasp` and `amt/stop_grasp`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from amt_msgs.srv import ExecuteGrasp, StopGrasp
from rclpy.node import Node
from rclpy.service import Service

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.grasp_motion import GraspMotion
from amt_retarget.retarget.grasp_plan import GraspPlanner, Phase
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.grasp_messages import hand_grasp
from amt_retarget.ros.transforms import TransformTree
from amt_retarget.safety.limits import JointLimits


class GraspExecution:
    """The grasp that the robot executes or holds, if any.

    The node drives it: while `motion` is there, each cycle takes its command from it.

    Attributes:
        motion: None when no grasp is executed or held.
        stopped: whether it is to hold where it is.
    """

    def __init__(
        self,
        node: Node,
        robot: Robot,
        limits: JointLimits,
        table_height: float,
        base_frame: str,
        transforms: TransformTree,
    ) -> None:
        self._node = node
        self._hand = robot.hand
        self._limits = limits
        self._planner = GraspPlanner(robot, limits, table_height)
        self._base_frame = base_frame
        self._transforms = transforms
        self._services: list[Service] = []
        self.motion: GraspMotion | None = None
        self.stopped = False

    def start(
        self, stand_still: Callable[[], np.ndarray], follow_hands: Callable[[], None]
    ) -> None:
        """Offer the services.

        stand_still: brings the robot to rest and returns the joints [22] at which it stands, or
        raises RetargetError where it cannot move; follow_hands: is called when the grasp is let go.
        """
        self._stand_still, self._follow_hands = stand_still, follow_hands
        create = self._node.create_service
        self._services = [
            create(ExecuteGrasp, topics.EXECUTE_GRASP, self._on_execute),
            create(StopGrasp, topics.STOP_GRASP, self._on_stop),
        ]

    def end(self) -> None:
        """Take the services back and forget the grasp."""
        for service in self._services:
            self._node.destroy_service(service)
        self._services = []
        self.release()

    def release(self) -> None:
        """Forget the grasp."""
        self.motion, self.stopped = None, False

    @property
    def phase(self) -> Phase:
        """How far the grasp is."""
        return Phase.NONE if self.motion is None else self.motion.phase

    def _on_execute(
        self, request: ExecuteGrasp.Request, response: ExecuteGrasp.Response
    ) -> ExecuteGrasp.Response:
        log = self._node.get_logger()
        try:
            motion = self._plan(request)
        except RetargetError as error:
            response.message = str(error)
            log.error(f"Refused a grasp: {error}")
            return response
        self.motion, self.stopped = motion, False
        response.accepted = True
        log.info(f"Executing a grasp of {request.header.frame_id}: {motion.duration:.1f} s")
        return response

    def _plan(self, request: ExecuteGrasp.Request) -> GraspMotion:
        if self.motion is not None and not self.stopped and self.phase != Phase.DONE:
            raise RetargetError("a grasp is being executed: stop it first")
        grasp = hand_grasp(request.grasp, self._hand)
        frame = request.header.frame_id
        object_pose = self._transforms.lookup(self._base_frame, frame) if frame else None
        if object_pose is None:
            raise RetargetError(
                f"tf does not say where the object's frame '{frame}' is in {self._base_frame}: "
                "give its name in header.frame_id, and publish its pose"
            )
        positions = self._stand_still()
        return GraspMotion(self._planner.plan(grasp, object_pose, positions), self._limits)

    def _on_stop(
        self, request: StopGrasp.Request, response: StopGrasp.Response
    ) -> StopGrasp.Response:
        if self.motion is None:
            response.message = "no grasp is executed or held: there is nothing to stop"
            return response
        self.stopped = True
        if request.follow_hands:
            self._follow_hands()
        response.stopped = True
        return response
