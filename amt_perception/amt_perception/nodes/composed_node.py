"""Camera and perception in one process: images pass by call instead of over DDS."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node

from amt_perception.errors import AmtError
from amt_perception.nodes.perception_node import PerceptionNode
from amt_perception.nodes.video_node import VideoNode
from amt_retarget.ros.lifetime import run_nodes


def make_nodes() -> Sequence[Node]:
    """The perception node, and the video node that calls it with every image."""
    perception = PerceptionNode(subscribe=False)
    return [VideoNode(consume=perception.process), perception]


def main() -> int:
    """Entry point."""
    return run_nodes(make_nodes, (AmtError,))


if __name__ == "__main__":
    sys.exit(main())
