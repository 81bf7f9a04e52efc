"""Executes one grasp at a time, by service: `amt/execute_grasp` and `amt/stop_grasp`."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from amt_msgs.srv import ExecuteGrasp, StopGrasp
from rclpy.node import Node
from rclpy.service import Service

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.grasp_motion import GraspMotion
from amt_retarget.retarget.grasp_plan import GraspPlanner, Phase
from amt_retarget.retarget.teleoperation import Teleoperation
from amt_retarget.retarget.workspace import check_workspace
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.grasp_messages import hand_grasp
from amt_retarget.ros.transforms import TransformTree


class GraspExecution:
    """The services by which a grasp takes the robot over, and is let go."""

    def __init__(
        self, node: Node, robot: Robot, base_frame: str, transforms: TransformTree
    ) -> None:
        self._node = node
        self._robot = robot
        self._base_frame = base_frame
        self._transforms = transforms
        self._services: list[Service] = []

    def start(self, control: Teleoperation, lock: RLock, brake: Callable[[], None]) -> None:
        """Offer the services. lock: of control; brake: pauses it and waits for its rest."""
        self._control, self._lock, self._brake = control, lock, brake
        create = self._node.create_service
        self._services = [
            create(ExecuteGrasp, topics.EXECUTE_GRASP, self._on_execute),
            create(StopGrasp, topics.STOP_GRASP, self._on_stop),
        ]

    def end(self) -> None:
        """Take the services back."""
        for service in self._services:
            self._node.destroy_service(service)
        self._services = []

    def _on_execute(
        self, request: ExecuteGrasp.Request, response: ExecuteGrasp.Response
    ) -> ExecuteGrasp.Response:
        log = self._node.get_logger()
        try:
            motion = self._begin(request)
        except RetargetError as error:
            response.message = str(error)
            log.error(f"Refused a grasp: {error}")
            return response
        finally:
            self._control.paused = False
        response.accepted = True
        log.info(f"Executing a grasp of {request.header.frame_id}: {motion.duration:.1f} s")
        return response

    def _begin(self, request: ExecuteGrasp.Request) -> GraspMotion:
        control, running = self._control, self._control.grasp
        if running is not None and not control.grasp_stopped and running.phase != Phase.DONE:
            raise RetargetError("a grasp is being executed: stop it first")
        grasp = hand_grasp(request.grasp, self._robot.hand)
        frame = request.header.frame_id
        with self._lock:
            object_pose = self._transforms.lookup(self._base_frame, frame) if frame else None
        if object_pose is None:
            raise RetargetError(
                f"tf does not say where the object's frame '{frame}' is in {self._base_frame}: "
                "give its name in header.frame_id, and publish its pose"
            )
        control.check_allowed()
        self._brake()
        retargeter = control.retargeter
        planner = GraspPlanner(self._robot, retargeter.limits, retargeter.settings.table_height)
        ways = planner.plan(grasp, object_pose, control.standing)
        check_workspace(ways, self._robot, retargeter.settings)
        motion = GraspMotion(ways, retargeter.limits)
        with self._lock:
            control.execute(motion)
        return motion

    def _on_stop(
        self, request: StopGrasp.Request, response: StopGrasp.Response
    ) -> StopGrasp.Response:
        if self._control.grasp is None:
            response.message = "no grasp is executed or held: there is nothing to stop"
            return response
        self._control.grasp_stopped = True
        if request.follow_hands:
            self._brake()
            with self._lock:
                self._control.follow_hands()
                self._control.paused = False
        response.stopped = True
        return response
