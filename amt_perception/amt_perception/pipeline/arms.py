"""The robots of a pipeline, one or two, and the names that keep them apart."""

from __future__ import annotations

from dataclasses import dataclass

from amt_perception.pipeline.arguments import SIDE_WORD, Values, numbers

WORLD = "world"
"""Frame in which two arms and their camera stand."""


@dataclass(frozen=True)
class Arm:
    """One robot of the pipeline: its namespace and the names that tell it from another.

    base_pose: x y z (m) roll pitch yaw (rad) of base_frame in `world`; empty for a robot that
    stands alone, whose base_frame is the tree's root.
    """

    hand: str
    namespace: str
    tf_prefix: str
    frame_prefix: str
    base_frame: str
    base_pose: list[float]


def arms(values: Values) -> list[Arm]:
    """The robots that these values ask for."""
    namespace = values["namespace"].strip("/")
    if values["hand"] != "both":
        prefix = values["tf_prefix"]
        base = _prefixed(values["base_frame"], prefix)
        return [Arm(values["hand"], namespace, prefix, prefix, base, [])]
    base_poses = {"left": values["base_pose_left"], "right": values["base_pose_right"]}
    found = []
    for hand, base_pose in base_poses.items():
        tf_prefix = values["tf_prefix"].replace(SIDE_WORD, hand)
        frame_prefix = tf_prefix or f"{hand}/"  # with a slash, as RViz wants it
        found.append(
            Arm(
                hand,
                f"{namespace}/{hand}".strip("/"),
                tf_prefix,
                frame_prefix,
                _prefixed(values["base_frame"], frame_prefix),
                numbers(base_pose),
            )
        )
    return found


def camera_parent(values: Values) -> str:
    """The frame that `camera_pose` is given in: of two robots the world, of one its base."""
    return WORLD if values["hand"] == "both" else arms(values)[0].base_frame


def _prefixed(frame: str, prefix: str) -> str:
    return frame if frame.startswith(prefix) else prefix + frame
