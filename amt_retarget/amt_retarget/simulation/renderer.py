"""Pictures of the robot at given joint positions."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import JOINT_NAMES, PALM_FRAME
from amt_retarget.simulation.engine import OPENGL_HINT, import_mujoco
from amt_retarget.simulation.model import build_spec

if TYPE_CHECKING:
    import mujoco

VERTICAL_FIELD_OF_VIEW = 36.0
"""Of every view, degrees (MuJoCo's fovy)."""

ROBOT_TARGET = {"ur5e": (0.27, 0.11, 0.44), "ur10e": (0.37, 0.14, 0.53)}
ROBOT_DISTANCE = {"ur5e": 1.30, "ur10e": 1.66}
"""The robot view looks at this point of base_link (m) from this distance (m)."""

HAND_TARGET = (0.0, 0.0, 0.01)
HAND_DISTANCE = 0.54
"""The hand view looks at this point of palm_link (m) from this distance (m)."""

AZIMUTH = {"robot": 205.0, "hand": 200.0}
ELEVATION = {"robot": -14.0, "hand": -8.0}
"""Direction of sight of each view, degrees; azimuth 180 looks along -x of base_link."""


class RobotRenderer:
    """Draws the robot on its table. Use it as a context manager, or call `close`.

    Two views: "robot", a three-quarter view of arm and hand from the front, and "hand", a close-up
    that follows the palm's position but not its rotation, so that a turn of the hand is seen.

    Args:
        arm, hand: as in `Robot.load`.
        width, height: of the picture, pixels.
        camera_pose: [4, 4] pose of a camera in base_link (OpenCV axes: x right, y down, z forward;
            m) that replaces the point of view of "robot"; for example the real camera's.
        fine: smooth edges and shadows. Without a GPU that takes six to ten times as long.

    Raises:
        RetargetError: unknown arm or hand, no MuJoCo or OpenGL, or camera_pose is not rigid.
    """

    def __init__(
        self,
        arm: str,
        hand: str,
        width: int = 1280,
        height: int = 720,
        camera_pose: ArrayLike | None = None,
        fine: bool = False,
    ) -> None:
        self._mujoco = import_mujoco()
        spec = build_spec(arm, hand)
        spec.visual.global_.offwidth = width
        spec.visual.global_.offheight = height
        spec.visual.global_.fovy = VERTICAL_FIELD_OF_VIEW
        spec.visual.quality.offsamples = 4 if fine else 0
        for light in spec.lights:
            light.castshadow = fine and light.name == "key"
        if camera_pose is not None:
            position, quaternion = _mujoco_camera_pose(camera_pose)
            spec.worldbody.add_camera(
                name="robot", pos=position, quat=quaternion, fovy=VERTICAL_FIELD_OF_VIEW
            )
        self._arm = arm
        self._model = spec.compile()
        self._data = self._mujoco.MjData(self._model)
        self._qpos = np.array([self._model.joint(name).qposadr[0] for name in JOINT_NAMES])
        try:
            self._renderer = self._mujoco.Renderer(self._model, height, width)
        except Exception as error:  # every OpenGL platform raises its own kinds
            raise RetargetError(f"{OPENGL_HINT} ({error})") from error

    def __enter__(self) -> RobotRenderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()

    def render(self, positions: ArrayLike, view: str = "robot") -> NDArray[np.uint8]:
        """Picture [height, width, 3] (RGB) of the robot at positions [22] (rad, project order).

        Args:
            view: "robot" or "hand".

        Raises:
            RetargetError: wrong shape, a position that is not finite, or an unknown view.
        """
        positions = np.asarray(positions, dtype=float)
        if positions.shape != self._qpos.shape or not np.all(np.isfinite(positions)):
            raise RetargetError(f"render needs {self._qpos.size} finite joint positions")
        if view not in AZIMUTH:
            raise RetargetError(f"unknown view {view!r}: choose one of {', '.join(AZIMUTH)}")
        self._data.qpos[self._qpos] = positions
        self._mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, self._camera(view))
        return self._renderer.render()

    def _camera(self, view: str) -> mujoco.MjvCamera:
        """The camera of the view: the given pose, or one that looks at the view's target."""
        camera = self._mujoco.MjvCamera()
        if view == "robot" and self._model.ncam:
            camera.type = self._mujoco.mjtCamera.mjCAMERA_FIXED
            camera.fixedcamid = 0
            return camera
        camera.azimuth = AZIMUTH[view]
        camera.elevation = ELEVATION[view]
        if view == "robot":
            camera.lookat = ROBOT_TARGET[self._arm]
            camera.distance = ROBOT_DISTANCE[self._arm]
        else:
            palm = self._data.body(PALM_FRAME)
            camera.lookat = palm.xpos + palm.xmat.reshape(3, 3) @ HAND_TARGET
            camera.distance = HAND_DISTANCE
        return camera


def _mujoco_camera_pose(pose: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pose [4, 4] with OpenCV axes -> position [3] and wxyz quaternion [4] with OpenGL axes."""
    pose = np.asarray(pose, dtype=float)
    if pose.shape != (4, 4) or not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-4):
        raise RetargetError("camera_pose must be a [4, 4] rigid transform, camera to base_link")
    rotation = Rotation.from_matrix(pose[:3, :3] @ np.diag([1.0, -1.0, -1.0]))
    return pose[:3, 3], rotation.as_quat()[[3, 0, 1, 2]]
