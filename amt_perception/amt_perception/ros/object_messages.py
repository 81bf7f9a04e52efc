"""ObjectEstimate and ContactEstimate to amt_msgs, and markers for RViz and Foxglove."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amt_msgs.msg import Contact, ContactArray, ObjectPose, ObjectPoseArray
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from amt_perception.estimators.interface import ContactEstimate, FrameEstimate, ObjectEstimate
from amt_retarget.ros.transforms import fill_pose

AXIS_LENGTH_M = 0.06
AXIS_COLOURS = ((0.90, 0.25, 0.25), (0.35, 0.75, 0.30), (0.25, 0.50, 0.95))
"""x, y, z, as RViz draws them."""
BOX_COLOUR = ColorRGBA(r=0.95, g=0.80, b=0.30, a=0.25)
CONTACT_SIZE_M = 0.014
SHOWN_CONTACT = 0.5
"""Contacts that are less likely than this are not drawn."""


def objects_message(objects: Sequence[ObjectEstimate], header: Header) -> ObjectPoseArray:
    """All objects of one image with the image's header.

    Raises ValueError for a pose that is not finite.
    """
    return ObjectPoseArray(header=header, objects=[_object_message(one) for one in objects])


def contacts_message(estimate: FrameEstimate, header: Header) -> ContactArray:
    """The contacts and the interaction of one image with the image's header.

    Raises ValueError for a position that is not finite.
    """
    message = ContactArray(header=header)
    message.interaction = int(estimate.interaction)
    message.interaction_score = float(estimate.interaction_score)
    message.contacts = [_contact_message(contact) for contact in estimate.contacts or ()]
    return message


def scene_markers(estimate: FrameEstimate, header: Header) -> list[Marker]:
    """Objects as axes, boxes and names; likely contacts as spheres from yellow to red."""
    markers = []
    for number, one in enumerate(estimate.objects or ()):
        markers += _object_markers(one, header, number)
    contacts = [one for one in estimate.contacts or () if one.probability >= SHOWN_CONTACT]
    if contacts:
        spheres = _marker(header, "contacts", Marker.SPHERE_LIST, 0)
        spheres.scale.x = spheres.scale.y = spheres.scale.z = CONTACT_SIZE_M
        spheres.points = [_point(contact.position) for contact in contacts]
        spheres.colors = [_contact_colour(contact.probability) for contact in contacts]
        markers.append(spheres)
    return markers


def _object_message(one: ObjectEstimate) -> ObjectPose:
    if not (np.isfinite(one.position).all() and np.isfinite(one.rotation).all()):
        raise ValueError("an object with a pose that is not finite must not be published")
    message = ObjectPose(class_id=one.class_name, track_id=one.track_id)
    message.confidence = float(one.confidence)
    fill_pose(message.pose.pose, one.rotation, one.position)
    variances = [one.position_sigma**2] * 3 + [one.rotation_sigma**2] * 3
    message.pose.covariance = np.diag(np.array(variances, float)).ravel()
    message.size = _vector(one.size)
    return message


def _contact_message(contact: ContactEstimate) -> Contact:
    if not np.isfinite(contact.position).all():
        raise ValueError("a contact with a position that is not finite must not be published")
    message = Contact(side=int(contact.side), part=int(contact.part))
    message.object_track_id = contact.object_track_id
    message.probability = float(contact.probability)
    message.distance = float(contact.distance)
    message.position = _point(contact.position)
    message.normal = _vector(contact.normal)
    message.force = float(contact.force)
    return message


def _object_markers(one: ObjectEstimate, header: Header, number: int) -> list[Marker]:
    axes = _marker(header, "object_axes", Marker.LINE_LIST, number)
    axes.scale.x = 0.006
    for axis, (red, green, blue) in zip(one.rotation.T, AXIS_COLOURS, strict=True):
        axes.points += [_point(one.position), _point(one.position + AXIS_LENGTH_M * axis)]
        axes.colors += 2 * [ColorRGBA(r=red, g=green, b=blue, a=1.0)]
    name = _marker(header, "object_names", Marker.TEXT_VIEW_FACING, number)
    name.text = f"{one.class_name} {one.confidence:.0%}"
    name.scale.z = 0.025
    name.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    name.pose.position = _point(one.position)
    markers = [axes, name]
    if np.all(one.size > 0.0):
        box = _marker(header, "object_boxes", Marker.CUBE, number)
        fill_pose(box.pose, one.rotation, one.position)
        box.scale, box.color = _vector(one.size), BOX_COLOUR
        markers.append(box)
    return markers


def _contact_colour(probability: float) -> ColorRGBA:
    """Yellow at SHOWN_CONTACT, red at 1."""
    doubt = (1.0 - probability) / (1.0 - SHOWN_CONTACT)
    return ColorRGBA(r=0.95, g=0.20 + 0.60 * float(doubt), b=0.15, a=1.0)


def _marker(header: Header, namespace: str, kind: int, number: int) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    return marker


def _point(position: np.ndarray) -> Point:
    return Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))


def _vector(vector: np.ndarray) -> Vector3:
    return Vector3(x=float(vector[0]), y=float(vector[1]), z=float(vector[2]))
