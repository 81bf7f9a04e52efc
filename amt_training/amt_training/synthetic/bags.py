"""Sequences as rosbag2 bags (MCAP) with topics for the truth, for replay without a camera.

Each bag is a folder with metadata.yaml, as `ros2 bag play` and rosbags take it; its chunks are
compressed with zstd. Every message carries the time of its image.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from amt_perception.errors import AmtError
from amt_training.data.shard_samples import encode_picture
from amt_training.synthetic.messages import NANOSECONDS, MessageMaker, type_store
from amt_training.synthetic.options import (
    add_output_arguments,
    add_world_arguments,
    world_settings,
)
from amt_training.synthetic.scene import Shot
from amt_training.synthetic.sequences import whole_folder, world_folder, write_scenes
from amt_training.synthetic.truth import perfect_estimate
from amt_training.synthetic.world import World

IMAGE, COMPRESSED_IMAGE = "/image_raw", "/image_raw/compressed"
CAMERA_INFO = "/camera_info"
TRUE_HANDS = "/amt/truth/hand_pose"
"""amt_msgs/HandPose, one message for each hand of an image."""
TRUE_OBJECTS = "/amt/truth/object_poses"
TRUE_CONTACTS = "/amt/truth/contacts"
START_NS = NANOSECONDS
"""Time of the first image: zero means "now" to many tools."""
JPEG_QUALITY = 95
_VERSION: Literal[9] = 9
"""Of rosbag2's metadata, as in ROS 2 Jazzy."""
_SCENES, _FRAMES = 20, 150


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `bags`."""
    add_world_arguments(parser, part="test", scenes=_SCENES, frames=_FRAMES)
    add_output_arguments(parser, "out/synthetic/bags")
    parser.add_argument(
        "--compressed", action="store_true",
        help=f"JPEG pictures on {COMPRESSED_IMAGE}, in a tenth of the bytes; replay them with the "
        "perception node's parameter compressed:=true",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write <out>/<part>_NNNNNN for each scene. Goes on where it was stopped."""
    world = World(world_settings(arguments), arguments.part)
    type_store()
    job = BagJob(world, arguments.out, arguments.compressed)
    with world_folder(arguments.out, world.settings, world.part, compressed=arguments.compressed):
        write_scenes(job, range(len(world)), arguments.workers, "bags")
    print(f"{arguments.out}: replay one with ros2 bag play {job.path(0)}")


@dataclass(frozen=True)
class BagJob:
    """Writes one scene as a bag."""

    world: World
    folder: Path
    compressed: bool

    def path(self, scene: int) -> Path:
        """The folder of the bag; it is there when the bag is whole."""
        return self.folder / f"{self.world.part}_{scene:06d}"

    def __call__(self, scene: int) -> None:
        """Write it. Raises AmtError when that cannot be done."""
        try:
            from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        except ImportError as error:
            raise AmtError("Writing bags needs rosbags: pip install rosbags") from error
        with whole_folder(self.folder, self.path(scene)) as folder:
            writer = Writer(folder, version=_VERSION, storage_plugin=StoragePlugin.MCAP)
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with writer:
                connections = {
                    topic: writer.add_connection(topic, kind, typestore=type_store())
                    for topic, kind in self._topics().items()
                }
                period_ns = NANOSECONDS / self.world.settings.rate
                for frame, shot in enumerate(self.world.shots(scene)):
                    time_ns = START_NS + round(frame * period_ns)
                    for topic, message in self._messages(shot, MessageMaker(time_ns)):
                        connection = connections[topic]
                        data = type_store().serialize_cdr(message, connection.msgtype)
                        writer.write(connection, time_ns, data)

    def _topics(self) -> dict[str, str]:
        """Their types."""
        image = (
            {COMPRESSED_IMAGE: "sensor_msgs/msg/CompressedImage"}
            if self.compressed
            else {IMAGE: "sensor_msgs/msg/Image"}
        )
        return {
            CAMERA_INFO: "sensor_msgs/msg/CameraInfo",
            **image,
            TRUE_HANDS: "amt_msgs/msg/HandPose",
            TRUE_OBJECTS: "amt_msgs/msg/ObjectPoseArray",
            TRUE_CONTACTS: "amt_msgs/msg/ContactArray",
        }

    def _messages(self, shot: Shot, make: MessageMaker) -> Iterator[tuple[str, Any]]:
        """Topic and message of everything that is said about a frame, the truth last."""
        image = shot.picture.image
        yield CAMERA_INFO, make.camera_info(shot.camera)
        if self.compressed:
            jpeg = encode_picture(image, "jpg", JPEG_QUALITY)
            yield COMPRESSED_IMAGE, make.compressed_image(jpeg)
        else:
            yield IMAGE, make.image(image)
        truth = perfect_estimate(shot, self.world.library)
        for hand in truth.hands:
            yield TRUE_HANDS, make.hand(hand)
        yield TRUE_OBJECTS, make.objects(truth.objects or ())
        yield TRUE_CONTACTS, make.contacts(truth)
