"""What a person's grasp says, what of it the robot is to keep, and what is no grasp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.grasp import HumanGrasp, ObjectSurface, grasp_by_distance
from amt_retarget.grasp.human import HUMAN_TIPS, fingertip_contacts, palm_contact
from amt_retarget.retarget.hand_frame import Side


def flat_hand() -> np.ndarray:
    """Joints [21, 3] of a stretched right hand: fingers along z, palm to +x."""
    joints = np.zeros((21, 3))
    for finger in range(5):
        for bone in range(4):
            place = [0.0, 0.03 * (2 - finger), 0.09 + 0.02 * bone]
            joints[1 + 4 * finger + bone] = place
    return joints


def table(height: float) -> ObjectSurface:
    """A plane in front of the palm at x = height (m) that looks at it."""
    y, z = np.meshgrid(np.linspace(-0.15, 0.15, 101), np.linspace(-0.05, 0.25, 101))
    points = np.stack([np.full(y.size, height), y.ravel(), z.ravel()], axis=1)
    return ObjectSurface(points, np.tile([-1.0, 0.0, 0.0], (y.size, 1)))


@pytest.fixture
def grasp() -> HumanGrasp:
    return grasp_by_distance(flat_hand(), Side.RIGHT, table(0.01))


def test_every_part_that_is_near_touches(grasp: HumanGrasp) -> None:
    assert set(grasp.contacts) == {"palm", "thumb", "index", "middle", "ring", "pinky"}
    for part, tip in HUMAN_TIPS.items():
        distances = np.linalg.norm(grasp.contacts[part] - grasp.joints[tip], axis=1)
        assert distances.min() < 0.0105  # the plane is 10 mm from the joints
        assert np.abs(grasp.contacts[part][:, 1] - grasp.joints[tip, 1]).max() < 0.015
        np.testing.assert_allclose(grasp.normals[part], [[-1.0, 0.0, 0.0]] * len(distances))
    with pytest.raises(RetargetError, match="50 mm from the object"):
        grasp_by_distance(flat_hand(), Side.RIGHT, table(0.05))


def test_contact_is_the_fingertips_pad(grasp: HumanGrasp) -> None:
    """Of a finger that touches with its whole length, what its tip touches counts."""
    for finger, contact in fingertip_contacts(grasp).items():
        under_tip = grasp.joints[HUMAN_TIPS[finger]] + [0.01, 0.0, 0.0]
        assert np.linalg.norm(contact.point - under_tip) < 0.006
        np.testing.assert_allclose(contact.normal, [-1.0, 0.0, 0.0])
    palm = palm_contact(grasp)
    assert palm is not None and palm.point[2] < 0.1


def test_ring_finger_takes_over_the_little_one(grasp: HumanGrasp) -> None:
    kept = fingertip_contacts(grasp)["ring"].point
    assert abs(kept[1] - grasp.joints[HUMAN_TIPS["ring"], 1]) < 0.01
    contacts = {part: points for part, points in grasp.contacts.items() if part != "ring"}
    taken = fingertip_contacts(replace(grasp, contacts=contacts))["ring"].point
    assert abs(taken[1] - grasp.joints[HUMAN_TIPS["pinky"], 1]) < 0.01
    del contacts["pinky"]
    assert "ring" not in fingertip_contacts(replace(grasp, contacts=contacts))


def test_normal_of_a_thin_objects_two_sides_is_that_of_one(grasp: HumanGrasp) -> None:
    point = grasp.contacts["index"][:1]
    sides = {"index": np.concatenate([point, point + np.array([0.002, 0.0, 0.0])])}
    normals = {"index": np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])}
    contact = fingertip_contacts(replace(grasp, contacts=sides, normals=normals))["index"]
    assert abs(contact.normal[0]) == pytest.approx(1.0)


def test_what_is_no_grasp_is_said_in_a_sentence(grasp: HumanGrasp) -> None:
    with pytest.raises(RetargetError, match="No part of the hand touches"):
        replace(grasp, contacts={}, normals={})
    with pytest.raises(RetargetError, match="Unknown parts of the hand nose"):
        replace(grasp, contacts={"nose": np.zeros((1, 3))}, normals={"nose": np.ones((1, 3))})
    with pytest.raises(RetargetError, match="as many normals"):
        replace(grasp, normals={})
    with pytest.raises(RetargetError, match="must be finite"):
        replace(
            grasp, contacts={"thumb": np.full((1, 3), np.nan)}, normals={"thumb": np.ones((1, 3))}
        )
    with pytest.raises(RetargetError, match="have a direction"):
        replace(grasp, contacts={"thumb": np.ones((1, 3))}, normals={"thumb": np.zeros((1, 3))})
    with pytest.raises(RetargetError, match="make no hand"):
        replace(grasp, joints=np.zeros((21, 3)))
    with pytest.raises(RetargetError, match="21 joints"):
        replace(grasp, joints=np.zeros((20, 3)))
    with pytest.raises(RetargetError, match="LEFT or RIGHT"):
        replace(grasp, side=Side.UNKNOWN)
