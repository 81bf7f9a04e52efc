"""Grasps found by chance: both kinds, around what they are asked for, none where none fits."""

from __future__ import annotations

import numpy as np
import pytest

from amt_retarget.errors import RetargetError
from amt_retarget.grasp import ObjectSurface
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.contact_parts import part_of_link
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.grasp.search import GraspSearch
from amt_retarget.robot.robot import Robot


def box_mesh(sides: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A box about the origin."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return corners * np.array(sides) / 2.0, np.array(faces)


BAR = ObjectSurface.from_mesh(*box_mesh((0.03, 0.04, 0.2)))
PLATE = ObjectSurface.from_mesh(*box_mesh((0.16, 0.16, 0.008)))


def proposals(
    robot: Robot, surface: ObjectSurface, part: ObjectSurface, seed: int, tries: int
) -> list[Configuration]:
    search, random = GraspSearch(robot, surface), np.random.default_rng(seed)
    found = [search.propose(part.points, part.normals, random) for _ in range(tries)]
    return [one for one in found if one is not None]


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.load("ur5e", "right")


@pytest.mark.parametrize("hand", ["right", "left"])
def test_most_proposals_become_grasps(hand: str) -> None:
    robot = Robot.load("ur5e", hand)
    refiner = GraspRefiner(robot, BAR)
    found = proposals(robot, BAR, BAR, seed=0, tries=12)
    assert len(found) >= 6
    grasps = [refiner.refine(one) for one in found]
    touching = [{part_of_link(link) for link in grasp.contacts} for grasp in grasps]
    good = [
        "thumb" in parts and bool(parts & {"index", "middle", "ring"}) and grasp.penetration < 0.002
        for grasp, parts in zip(grasps, touching, strict=True)
    ]
    assert np.mean(good) >= 0.7
    # Around the bar from many sides, by the palm and by the fingertips.
    sides = np.stack([grasp.rotation[:, 0] for grasp in grasps])
    assert (sides @ sides.T).min() < -0.3
    assert {len(grasp.contacts) > 4 for grasp in grasps} == {True, False}


def test_same_seed_same_grasps(robot: Robot) -> None:
    first, second = (proposals(robot, BAR, BAR, seed=3, tries=4) for _ in range(2))
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)
        np.testing.assert_array_equal(one.position, other.position)


def test_plate_is_taken_by_its_edge(robot: Robot) -> None:
    """Thumb on one side and a finger on the other: nothing else fits."""
    refiner = GraspRefiner(robot, PLATE)
    found = proposals(robot, PLATE, PLATE, seed=1, tries=12)
    assert found
    opposed = 0
    for one in found:
        contacts = refiner.refine(one).contacts
        normals = {"thumb": [], "finger": []}
        for link, contact in contacts.items():
            part = part_of_link(link)
            if part != "palm":
                normals["thumb" if part == "thumb" else "finger"].append(contact.normal)
        opposed += any(a @ b < -0.7 for a in normals["thumb"] for b in normals["finger"])
    assert opposed >= 0.5 * len(found)


def test_grasps_are_at_the_part(robot: Robot) -> None:
    """Asked for the bar's upper end, the hand is there."""
    upper = BAR.points[:, 2] > 0.05
    part = ObjectSurface(BAR.points[upper], BAR.normals[upper])
    found = proposals(robot, BAR, part, seed=2, tries=8)
    assert found
    refiner = GraspRefiner(robot, BAR)
    heights = [
        np.mean([contact.point[2] for contact in grasp.contacts.values()])
        for grasp in map(refiner.refine, found)
        if grasp.contacts
    ]
    assert np.median(heights) > 0.03


def test_nothing_fits_around_a_wall(robot: Robot) -> None:
    wall = ObjectSurface.from_mesh(*box_mesh((0.5, 0.5, 0.5)), spacing=0.01)
    assert not proposals(robot, wall, wall, seed=4, tries=10)


def test_bad_parts_get_one_sentence(robot: Robot) -> None:
    search, random = GraspSearch(robot, BAR), np.random.default_rng(0)
    with pytest.raises(RetargetError, match="normal"):
        search.propose(BAR.points, BAR.normals[:-1], random)
    with pytest.raises(RetargetError, match="finite"):
        search.propose(np.full((5, 3), np.nan), BAR.normals[:5], random)
