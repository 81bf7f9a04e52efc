"""An object and an instruction in; grasps for the robot out."""

from __future__ import annotations

import sys
from pathlib import Path

from amt_msgs.msg import GraspArray
from amt_msgs.srv import SampleGrasps
from std_msgs.msg import Header

from amt_perception.errors import AmtError
from amt_perception.grasp.object_input import ObjectCloud, from_points, load_object
from amt_perception.ros.cloud_messages import cloud_points
from amt_retarget.errors import RetargetError
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.lifecycle import SelfStartingLifecycleNode
from amt_retarget.ros.lifetime import run_nodes

MOST = 64
"""Grasps of one request; each costs some tenths of a second."""


class GraspNode(SelfStartingLifecycleNode):
    """Samples grasps by service, and publishes the last ones."""

    user_errors = (AmtError, RetargetError)

    def __init__(self) -> None:
        super().__init__("grasp_node")
        self.declare_parameter("checkpoint", "")
        self.declare_parameter("device", "auto")
        self.declare_parameter("robot", "ur5e")
        self.declare_parameter("hand", "right")
        self.declare_parameter("object_frame", "object")
        self.start()

    def _text(self, name: str) -> str:
        return str(self.get_parameter(name).value)

    def configure(self) -> None:
        self._robot = Robot.load(self._text("robot"), self._text("hand"))
        self._object_frame = self._text("object_frame")
        from amt_perception.grasp.predictor import GraspPredictor
        from amt_perception.grasp.weights import SHIPPED_GRASP_CHECKPOINT

        checkpoint = Path(self._text("checkpoint") or SHIPPED_GRASP_CHECKPOINT)
        self._predictor = GraspPredictor.load(checkpoint, self._text("device"))
        side = self._predictor.config.side
        if side != self._robot.hand:
            raise AmtError(
                f"{checkpoint} is for a {side} hand and the robot has a {self._robot.hand} one; "
                f"set hand to {side}"
            )
        self._grasps = self.create_publisher(GraspArray, topics.GRASPS, topics.LATCHED_QOS)

    def activate(self) -> None:
        self._service = self.create_service(SampleGrasps, topics.SAMPLE_GRASPS, self._on_request)

    def deactivate(self) -> None:
        self.destroy_service(self._service)

    def _on_request(
        self, request: SampleGrasps.Request, response: SampleGrasps.Response
    ) -> SampleGrasps.Response:
        try:
            response.grasps = self._sample(request)
        except self.user_errors as error:
            response.message = str(error)
            return response
        response.success = True
        self._grasps.publish(response.grasps)
        return response

    def _sample(self, request: SampleGrasps.Request) -> GraspArray:
        if not 1 <= request.count <= MOST:
            raise AmtError(f"count is {request.count}; ask for 1 to {MOST} grasps")
        from amt_perception.ros.robot_grasps import grasp_messages

        cloud, header = self._object(request)
        instruction = request.instruction
        count = self._predictor.drawn(request.count)
        proposals = self._predictor.sample(cloud, instruction, count, request.seed)
        for note in self._predictor.notes(cloud, instruction):
            self.get_logger().warning(f"{cloud.name}: {note}")
        return GraspArray(
            header=header,
            object_track_id=request.object_track_id,
            instruction=instruction,
            grasps=grasp_messages(proposals, cloud, self._robot, request.count),
        )

    def _object(self, request: SampleGrasps.Request) -> tuple[ObjectCloud, Header]:
        """The object of a request, and the frame of its grasps."""
        header = request.cloud.header
        given = bool(request.cloud.data)
        if given == bool(request.mesh):
            raise AmtError("give either a mesh or a cloud of the object")
        if not given:
            stamp = self.get_clock().now().to_msg()
            frame = Header(stamp=stamp, frame_id=self._object_frame)
            return load_object(Path(request.mesh)), frame
        points, normals = cloud_points(request.cloud)
        return from_points(header.frame_id or "the cloud", points, normals), header


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [GraspNode()], (AmtError, RetargetError))


if __name__ == "__main__":
    sys.exit(main())
