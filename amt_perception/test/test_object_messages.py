"""Objects and contacts as messages and markers."""

from dataclasses import replace

import numpy as np
import pytest
from amt_msgs.msg import Contact, ContactArray
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from amt_perception.estimators.interface import FrameEstimate, HandPart, Interaction
from amt_perception.hand.joints import TIPS, Side
from amt_perception.ros.hand_messages import hand_message
from amt_perception.ros.object_messages import contacts_message, objects_message, scene_markers

HEADER = Header(frame_id="camera")
HEADER.stamp.sec = 12


def test_constants_equal_the_library():
    for part in HandPart:
        assert getattr(Contact, f"PART_{part.name}") == part
    for interaction in Interaction:
        assert getattr(ContactArray, f"INTERACTION_{interaction.name}") == interaction


def test_an_object_keeps_its_pose_and_says_what_is_not_known(scene):
    message = objects_message(scene.objects, HEADER)
    assert message.header == HEADER
    (one,), (expected,) = message.objects, scene.objects
    assert (one.class_id, one.track_id) == ("006_mustard_bottle", "bottle-1")
    position, orientation = one.pose.pose.position, one.pose.pose.orientation
    np.testing.assert_allclose([position.x, position.y, position.z], expected.position)
    quaternion = [orientation.x, orientation.y, orientation.z, orientation.w]
    np.testing.assert_allclose(Rotation.from_quat(quaternion).as_matrix(), expected.rotation)
    covariance = np.array(one.pose.covariance).reshape(6, 6)
    np.testing.assert_allclose(np.diag(covariance)[:3], 0.02**2)
    assert np.isnan(np.diag(covariance)[3:]).all()
    assert (covariance[~np.eye(6, dtype=bool)] == 0.0).all()
    assert [one.size.x, one.size.y, one.size.z] == expected.size.tolist()


def test_contacts_name_part_and_object(scene):
    message = contacts_message(scene, HEADER)
    assert message.header == HEADER
    assert (message.interaction, message.interaction_score) == (
        ContactArray.INTERACTION_GRASP,
        0.75,
    )
    thumb, index, middle = message.contacts
    parts = [Contact.PART_THUMB, Contact.PART_INDEX, Contact.PART_MIDDLE]
    assert [contact.part for contact in message.contacts] == parts
    assert {contact.object_track_id for contact in message.contacts} == {"bottle-1"}
    assert {contact.side for contact in message.contacts} == {Side.RIGHT}
    assert (thumb.force, thumb.normal.z) == (2.5, -1.0)
    assert thumb.distance == pytest.approx(-0.002)
    assert np.isnan([index.force, index.distance]).all() and index.normal.z == 0.0
    tip = scene.hands[0].joints[TIPS[0]]
    np.testing.assert_allclose([thumb.position.x, thumb.position.y, thumb.position.z], tip)
    assert middle.probability == pytest.approx(0.3)


def test_no_pose_that_is_not_finite_is_published(scene):
    nowhere = np.array([0.0, np.nan, 0.5])
    with pytest.raises(ValueError, match="not finite"):
        objects_message([replace(scene.objects[0], position=nowhere)], HEADER)
    contacts = [replace(scene.contacts[0], position=nowhere)]
    with pytest.raises(ValueError, match="not finite"):
        contacts_message(replace(scene, contacts=contacts), HEADER)


def test_markers_show_objects_and_likely_contacts(scene):
    axes, name, box, contacts = scene_markers(scene, HEADER)
    assert [axes.type, name.type] == [Marker.LINE_LIST, Marker.TEXT_VIEW_FACING]
    assert len(axes.points) == len(axes.colors) == 6
    assert name.text == "006_mustard_bottle 88%"
    assert (box.type, box.scale.z) == (Marker.CUBE, 0.19)
    assert len(contacts.points) == len(contacts.colors) == 2  # the third is unlikely
    assert contacts.colors[0].g < contacts.colors[1].g  # the surer, the redder
    without_size = replace(scene.objects[0], size=np.zeros(3))
    kinds = [marker.type for marker in scene_markers(FrameEstimate([], [without_size]), HEADER)]
    assert Marker.CUBE not in kinds
    assert scene_markers(FrameEstimate(), HEADER) == []


def test_vertices_are_sent_only_when_asked_for(scene):
    hand = scene.hands[0]
    assert hand_message(hand, HEADER).vertices == []
    vertices = hand_message(hand, HEADER, vertices=True).vertices
    sent = np.array([(vertex.x, vertex.y, vertex.z) for vertex in vertices])
    np.testing.assert_allclose(sent, hand.vertices, atol=1e-6)
    assert hand_message(replace(hand, vertices=None), HEADER, vertices=True).vertices == []
