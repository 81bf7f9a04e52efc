"""Records pairs for the camera's calibration: flange poses from /tf, and the board in the images.

python -m amt_perception.calibration record pairs.yaml --help
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from amt_perception.calibration.arguments import add_record_arguments, board_from
from amt_perception.calibration.checks import turns_deg
from amt_perception.calibration.detection import BoardView, detect_board
from amt_perception.calibration.pairs import Pair, Recording, load_recording, save_recording
from amt_perception.calibration.stillness import Stillness, is_new
from amt_perception.camera.intrinsics import Intrinsics, load_intrinsics
from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_perception.ros.image_messages import (
    compressed_array,
    image_array,
    intrinsics_from_message,
)
from amt_retarget.ros import topics
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.transforms import TransformTree

LOOK_PERIOD_S = 0.1
"""Looking for the board in every image would be a waste."""
STALE_S = 1.0
"""A robot whose driver has ended stands still on /tf for ever."""
REPORT_PERIOD_S = 2.0


class FreshTree(TransformTree):
    """Also knows when each transform came."""

    def __init__(self, node: Node) -> None:
        self._arrivals: dict[str, float] = {}
        super().__init__(node)

    def _add(self, message: TFMessage) -> None:
        super()._add(message)
        now = time.monotonic()
        self._arrivals |= {stamped.child_frame_id: now for stamped in message.transforms}

    def age_s(self, frame: str) -> float:
        """Time since anything came about where a frame is."""
        newest, steps = -np.inf, 0
        while frame in self._parents and steps < len(self._parents):
            newest = max(newest, self._arrivals[frame])
            frame, steps = self._parents[frame].header.frame_id, steps + 1
        return time.monotonic() - newest


class CalibrationRecorder(Node):
    """Waits for the robot to stand, and writes a pair on Enter, or by itself with --auto."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__("calibration_recorder")
        self._options = options
        self._board = board_from(options)
        self._pairs: list[Pair] = []
        self._camera_frame = options.camera_frame
        self._intrinsics: Intrinsics | None = None
        if options.intrinsics is not None:
            self._intrinsics = load_intrinsics(options.intrinsics)
        self._earlier = load_recording(options.pairs) if options.pairs.exists() else None
        if self._earlier is not None:
            self._continue(self._earlier)
        self._tree = FreshTree(self)
        self._stillness = Stillness()
        self._asked = False
        self._said, self._said_at = "", -np.inf
        self._looked_at = -np.inf
        self._image_at = time.monotonic()
        if self._intrinsics is None:
            self.create_subscription(
                CameraInfo, options.camera_info_topic, self._on_info, topics.IMAGE_QOS
            )
        kind: type = CompressedImage if options.compressed else Image
        topic = options.image_topic + ("/compressed" if options.compressed else "")
        self._topic = self.create_subscription(
            kind, topic, self._on_image, topics.IMAGE_QOS
        ).topic_name
        self.create_timer(REPORT_PERIOD_S, self._check_images)
        if not options.auto:
            threading.Thread(target=self._listen, daemon=True).start()

    def _continue(self, earlier: Recording) -> None:
        """Go on with a file; AmtError when it was made with another board, mode or frame."""
        options = self._options
        for what, was, now in (
            ("mode", earlier.mode, options.mode),
            ("board", earlier.board, self._board),
            ("base frame", earlier.base_frame, options.base_frame),
            ("flange frame", earlier.flange_frame, options.flange_frame),
        ):
            if was != now:
                raise AmtError(
                    f"{options.pairs} was recorded with another {what}; give the same, or another "
                    "file name."
                )
        self._pairs = list(earlier.pairs)
        self._say(f"{options.pairs} has {len(self._pairs)} pairs already; going on.")

    def _listen(self) -> None:
        """Each Enter asks for a pair; the end of the input ends the recording."""
        for _ in sys.stdin:
            self._asked = True
        rclpy.try_shutdown()

    def _on_info(self, message: CameraInfo) -> None:
        if self._intrinsics is None:
            self._intrinsics = intrinsics_from_message(message)
            if self._intrinsics is None:
                raise AmtError(
                    "camera_info says that the camera is not calibrated (its K is zero); calibrate "
                    "it with ROS's camera_calibration, or give --intrinsics."
                )
            was = self._earlier.intrinsics if self._earlier else None
            if was is not None and not np.allclose(was.matrix, self._intrinsics.matrix):
                raise AmtError(
                    f"{self._options.pairs} was recorded with other intrinsics; give another file "
                    "name."
                )

    def _check_images(self) -> None:
        if time.monotonic() - self._image_at > REPORT_PERIOD_S:
            self._report(f"no images on {self._topic}")

    def _on_image(self, message: Image | CompressedImage) -> None:
        now = self._image_at = time.monotonic()
        if now - self._looked_at < LOOK_PERIOD_S:
            return
        self._looked_at = now
        if self._intrinsics is None:
            self._report("no camera_info yet: check --camera-info-topic or give --intrinsics")
            return
        compressed = isinstance(message, CompressedImage)
        image = compressed_array(message) if compressed else image_array(message)
        if image.shape[:2] != (self._intrinsics.height, self._intrinsics.width):
            raise AmtError(
                f"The images are {image.shape[1]}x{image.shape[0]} but the intrinsics are for "
                f"{self._intrinsics.width}x{self._intrinsics.height}."
            )
        self._camera_frame = message.header.frame_id or self._camera_frame
        if not self._camera_frame:
            raise AmtError("The images name no frame; say with --camera-frame what it is called.")
        view = detect_board(image, self._board, self._intrinsics)
        flange = self._flange()
        if view is None or flange is None:
            self._stillness.clear()
            if view is None:
                self._report("the board is not seen, or too little of it")
            return
        self._consider(now, view, flange)

    def _flange(self) -> np.ndarray | None:
        """[4, 4] of the flange in the base; None, and said why, when it is not known now."""
        base, frame = self._options.base_frame, self._options.flange_frame
        flange = self._tree.lookup(base, frame)
        if flange is None:
            self._report(f"/tf does not say where {frame} is in {base}: is the robot's driver on?")
        elif self._tree.age_s(frame) > STALE_S:
            self._report(f"/tf has been silent about {frame}: is the robot's driver still on?")
            flange = None
        return flange

    def _consider(self, now: float, view: BoardView, flange: np.ndarray) -> None:
        """Record the pair, or say what is missing."""
        self._stillness.add(now, flange, view.pixels.mean(axis=0))
        seen = f"board seen ({len(view.ids)} corners, {view.reprojection_px:.1f} px)"
        new = is_new(flange, [pair.flange for pair in self._pairs])
        if not self._stillness.still:
            self._report(f"{seen}, waiting for the robot to stand")
        elif not new:
            self._report(f"{seen}, this pose is recorded: move and turn the robot")
            self._asked = False
        elif self._options.auto or self._asked:
            self._record(view, flange)
        else:
            self._report(f"{seen}, the robot stands: press Enter")

    def _record(self, view: BoardView, flange: np.ndarray) -> None:
        self._asked = False
        stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._pairs.append(Pair(flange, view.pose, view.ids, view.pixels, stamp))
        options = self._options
        recording = Recording(
            options.mode, self._pairs, self._board, self._intrinsics,
            options.base_frame, options.flange_frame, self._camera_frame,
        )  # fmt: skip
        save_recording(recording, options.pairs)
        turns = turns_deg(np.array([pair.flange[:3, :3] for pair in self._pairs]))
        self._say(
            f"pair {len(self._pairs)} of {options.count}; the robot has turned by {turns[0]:.0f}, "
            f"{turns[1]:.0f} and {turns[2]:.0f} degrees about three axes so far"
        )
        if len(self._pairs) >= options.count:
            self._say(
                f"done; now: python -m amt_perception.calibration solve {options.pairs} "
                "--out camera.yaml --plot calibration.png"
            )
            rclpy.try_shutdown()

    def _report(self, text: str) -> None:
        """Say what is awaited, when it changes or from time to time."""
        now, kind = time.monotonic(), text.partition("(")[0] + text.partition(")")[2]
        if kind != self._said or now - self._said_at > 5.0 * REPORT_PERIOD_S:
            self._said, self._said_at = kind, now
            self._say(f"  {text}")

    @staticmethod
    def _say(text: str) -> None:
        print(text, flush=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line without ROS's own arguments."""
    parser = OneSentenceParser(prog="python -m amt_perception.calibration record")
    add_record_arguments(parser)
    options = parser.parse_args(remove_ros_args(list(arguments))[1:])
    if options.count < 1:
        raise AmtError(f"--count is {options.count}; record 10 or more pairs.")
    return options


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [CalibrationRecorder(parse(sys.argv))], (AmtError,))


if __name__ == "__main__":
    sys.exit(main())
