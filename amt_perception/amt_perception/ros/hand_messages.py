"""HandEstimate to amt_msgs/HandPose, and markers for RViz and Foxglove."""

from __future__ import annotations

import numpy as np
from amt_msgs.msg import HandPose
from geometry_msgs.msg import Point, Point32
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from amt_perception.estimators.interface import HandEstimate, TrackState
from amt_perception.hand.joints import BONES, Side
from amt_retarget.ros.transforms import fill_pose

COLOURS = {Side.LEFT: (0.20, 0.55, 0.95), Side.RIGHT: (0.95, 0.45, 0.15)}
MIDDLE_MCP = 9
UNKNOWN_COLOUR = (0.6, 0.6, 0.6)


def hand_message(hand: HandEstimate, header: Header, vertices: bool = False) -> HandPose:
    """One hand as a message with the image's header. Raises ValueError for a non-finite joint.

    vertices: send the mesh, too, where the estimator gives one; it costs about a millisecond.
    """
    if not np.isfinite(hand.joints).all():
        raise ValueError("a hand with non-finite joints must not be published")
    message = HandPose(header=header)
    message.side = int(hand.side)
    message.track_id = int(hand.track_id)
    message.state = int(hand.state)
    message.confidence = float(hand.confidence)
    fill_pose(message.wrist.pose, hand.wrist_rotation, hand.joints[0])
    # The palm's orientation is as uncertain as its far end is, seen from the wrist.
    palm_length = np.linalg.norm(hand.joints[MIDDLE_MCP] - hand.joints[0])
    rotation_sigma = float(hand.joint_sigma[MIDDLE_MCP] / palm_length)
    variances = [float(hand.joint_sigma[0]) ** 2] * 3 + [rotation_sigma**2] * 3
    message.wrist.covariance = np.diag(variances).ravel()
    message.joints = [_point(joint) for joint in hand.joints]
    message.joint_sigma = hand.joint_sigma.astype(np.float32)
    message.keypoints_px = hand.keypoints_px.astype(np.float32).ravel()
    message.mano_pose = hand.mano_pose.astype(np.float32).ravel()
    message.mano_shape = hand.mano_shape.astype(np.float32)
    message.metric_scale = float(hand.metric_scale)
    message.scale_source = int(hand.scale_source)
    if vertices and hand.vertices is not None:
        message.vertices = [Point32(x=x, y=y, z=z) for x, y, z in hand.vertices.tolist()]
    return message


def hand_markers(hands: list[HandEstimate], header: Header) -> MarkerArray:
    """Skeletons as lines and spheres, one namespace a side; hands that are gone are deleted."""
    clear = Marker(header=header, action=Marker.DELETEALL)
    markers = [clear]
    for hand in hands:
        if hand.state == TrackState.LOST:
            continue
        red, green, blue = COLOURS.get(hand.side, UNKNOWN_COLOUR)
        alpha = 1.0 if hand.state == TrackState.TRACKED else 0.4
        colour = ColorRGBA(r=red, g=green, b=blue, a=alpha)
        points = [_point(joint) for joint in hand.joints]
        lines = _marker(header, hand, Marker.LINE_LIST, 0, colour)
        lines.scale.x = 0.006
        lines.points = [points[index] for bone in BONES for index in bone]
        spheres = _marker(header, hand, Marker.SPHERE_LIST, 1, colour)
        spheres.scale.x = spheres.scale.y = spheres.scale.z = 0.012
        spheres.points = points
        markers += [lines, spheres]
    return MarkerArray(markers=markers)


def _marker(
    header: Header, hand: HandEstimate, kind: int, offset: int, colour: ColorRGBA
) -> Marker:
    marker = Marker(header=header, type=kind, action=Marker.ADD, color=colour)
    marker.ns = f"hand_{Side(hand.side).name.lower()}"
    marker.id = 2 * int(hand.track_id) + offset
    marker.pose.orientation.w = 1.0
    return marker


def _point(position: np.ndarray) -> Point:
    return Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))
