"""A camera with perception as a process of its own, to be killed: a hand in fast motion, 30 Hz."""

from __future__ import annotations

import time

import rclpy
from amt_msgs.msg import HandPoseArray

from amt_retarget.ros import topics
from benchmarks.robot_safety.hands import IMAGE_PERIOD_S, MovingHand, hand_message


def main() -> None:
    """Publish until killed."""
    rclpy.init()
    node = rclpy.create_node("source")
    hands = node.create_publisher(HandPoseArray, topics.HANDS, topics.hand_publisher_qos())
    person = MovingHand()
    due = time.monotonic()
    while rclpy.ok():
        joints = person.joints(time.monotonic(), "fast")
        hands.publish(hand_message(joints, node.get_clock().now().to_msg()))
        due = max(due + IMAGE_PERIOD_S, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
