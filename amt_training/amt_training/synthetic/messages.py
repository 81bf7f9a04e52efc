"""Shots as ROS messages without ROS: the types of `amt_msgs` and of ROS 2 Jazzy, for bags."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError
from amt_perception.estimators.interface import (
    ContactEstimate,
    FrameEstimate,
    HandEstimate,
    ObjectEstimate,
)

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

FRAME_ID = "camera_optical_frame"
NANOSECONDS = 1_000_000_000


@cache
def type_store() -> Typestore:
    """All message types. Raises AmtError when rosbags or the .msg files are missing."""
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise AmtError("Writing bags needs rosbags: pip install rosbags") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted(message_folder().glob("*.msg")):
        store.register(get_types_from_msg(file.read_text("utf-8"), f"amt_msgs/msg/{file.stem}"))
    return store


def message_folder() -> Path:
    """Folder of the .msg files of amt_msgs, in a checkout or where colcon has installed them.

    Raises AmtError when there is none.
    """
    here = Path(__file__).resolve()
    checkout = here.parents[3] / "amt_msgs" / "msg"
    installed = (prefix / "share/amt_msgs/msg" for prefix in (*here.parents, Path(sys.prefix)))
    for folder in (checkout, *installed):
        if (folder / "HandPose.msg").is_file():
            return folder
    raise AmtError(
        f"the messages of amt_msgs were found neither at {checkout} nor at "
        f"<prefix>/share/amt_msgs/msg above {here.parent}: build amt_msgs"
    )


class MessageMaker:
    """Makes the messages of one image."""

    def __init__(self, time_ns: int) -> None:
        """time_ns: when the image was taken (ns)."""
        self._types = type_store().types
        stamp = self._make("builtin_interfaces/Time", *divmod(time_ns, NANOSECONDS))
        self._header = self._make("std_msgs/Header", stamp, FRAME_ID)

    def image(self, image: np.ndarray) -> Any:
        """sensor_msgs/Image of [H, W, 3] uint8 RGB."""
        height, width, channels = image.shape
        return self._make(
            "sensor_msgs/Image",
            self._header, height, width, "rgb8", 0, channels * width, image.reshape(-1),
        )  # fmt: skip

    def compressed_image(self, jpeg: bytes) -> Any:
        """sensor_msgs/CompressedImage of a JPEG file."""
        data = np.frombuffer(jpeg, np.uint8)
        return self._make("sensor_msgs/CompressedImage", self._header, "jpeg", data)

    def camera_info(self, camera: Intrinsics) -> Any:
        """sensor_msgs/CameraInfo of a camera without distortion."""
        nowhere = self._make("sensor_msgs/RegionOfInterest", 0, 0, 0, 0, False)
        matrix = camera.matrix
        return self._make(
            "sensor_msgs/CameraInfo",
            self._header, camera.height, camera.width, "plumb_bob", np.zeros(5),
            matrix.ravel(), np.eye(3).ravel(), np.column_stack([matrix, np.zeros(3)]).ravel(),
            0, 0, nowhere,
        )  # fmt: skip

    def hand(self, hand: HandEstimate) -> Any:
        """amt_msgs/HandPose, without vertices."""
        return self._make(
            "amt_msgs/HandPose",
            header=self._header,
            side=int(hand.side),
            track_id=hand.track_id,
            state=int(hand.state),
            confidence=hand.confidence,
            wrist=self._pose(hand.joints[0], hand.wrist_rotation, np.zeros(36)),
            joints=[self._point(joint) for joint in hand.joints],
            joint_sigma=hand.joint_sigma.astype(np.float32),
            keypoints_px=hand.keypoints_px.astype(np.float32).ravel(),
            mano_pose=hand.mano_pose.astype(np.float32).ravel(),
            mano_shape=hand.mano_shape.astype(np.float32),
            metric_scale=hand.metric_scale,
            scale_source=int(hand.scale_source),
            vertices=[],
        )

    def objects(self, objects: Sequence[ObjectEstimate]) -> Any:
        """amt_msgs/ObjectPoseArray."""
        every = [
            self._make(
                "amt_msgs/ObjectPose",
                class_id=one.class_name,
                confidence=one.confidence,
                track_id=one.track_id,
                pose=self._pose(one.position, one.rotation, np.zeros(36)),
                size=self._make("geometry_msgs/Vector3", *one.size.tolist()),
            )
            for one in objects
        ]
        return self._make("amt_msgs/ObjectPoseArray", self._header, every)

    def contacts(self, truth: FrameEstimate) -> Any:
        """amt_msgs/ContactArray."""
        every = [self._contact(contact) for contact in truth.contacts or ()]
        interaction = int(truth.interaction), truth.interaction_score
        return self._make("amt_msgs/ContactArray", self._header, *interaction, every)

    def _contact(self, contact: ContactEstimate) -> Any:
        return self._make(
            "amt_msgs/Contact",
            side=int(contact.side),
            part=int(contact.part),
            object_track_id=contact.object_track_id,
            probability=contact.probability,
            distance=contact.distance,
            position=self._point(contact.position),
            normal=self._make("geometry_msgs/Vector3", *contact.normal.tolist()),
            force=contact.force,
        )

    def _pose(self, position: np.ndarray, rotation: np.ndarray, covariance: np.ndarray) -> Any:
        quaternion = Rotation.from_matrix(rotation).as_quat().tolist()
        orientation = self._make("geometry_msgs/Quaternion", *quaternion)
        pose = self._make("geometry_msgs/Pose", self._point(position), orientation)
        return self._make("geometry_msgs/PoseWithCovariance", pose, covariance)

    def _point(self, position: np.ndarray) -> Any:
        return self._make("geometry_msgs/Point", *position.tolist())

    def _make(self, name: str, *values: Any, **fields: Any) -> Any:
        return self._types[name.replace("/", "/msg/")](*values, **fields)
