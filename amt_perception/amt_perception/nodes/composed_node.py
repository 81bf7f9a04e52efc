"""Nodes of the pipeline in one process: `composed_node perception_node video_node`.

With video_node, images pass by call instead of over DDS. retarget_node has an executor thread of
its own, so that commands go on while an image is being looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_perception.nodes.perception_node import PerceptionNode
from amt_perception.nodes.video_node import VideoNode
from amt_retarget.errors import RetargetError
from amt_retarget.ros.lifetime import run_node_groups

PARTS = ("retarget_node", "perception_node", "video_node")


def parse(words: Sequence[str]) -> list[str]:
    """The parts that the command line names. Raises AmtError for others."""
    parser = OneSentenceParser(prog="composed_node", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}")
    parts = parser.parse_args(list(words)).parts or ["perception_node", "video_node"]
    unknown = set(parts) - set(PARTS)
    if unknown or "perception_node" not in parts:
        raise AmtError(f"composed_node needs perception_node, and knows {', '.join(PARTS)}.")
    return list(parts)


def make_groups() -> list[list[Node]]:
    """Nodes by executor: perception with the camera that calls it with every image; the rest."""
    parts = parse(remove_ros_args(sys.argv)[1:])
    groups: list[list[Node]] = []
    if "retarget_node" in parts:
        from amt_retarget.nodes.retarget_node import RetargetNode

        groups.append([RetargetNode()])
    perception = PerceptionNode(subscribe="video_node" not in parts)
    groups.append([perception])
    if "video_node" in parts:
        groups[-1].insert(0, VideoNode(consume=perception.process))
    return groups


def main() -> int:
    """Entry point."""
    return run_node_groups(make_groups, (AmtError, RetargetError))


if __name__ == "__main__":
    sys.exit(main())
