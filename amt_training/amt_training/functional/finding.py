"""Grasps of one part of an object that the Allegro hand can hold: searched, refined and tried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from scipy.spatial import KDTree

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import CLOUD_POINTS
from amt_perception.model.interface import HAND_PARTS
from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.contact_parts import part_distances, part_of_link
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.grasp.search import GraspSearch
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import GraspTrial, TrialObject, TrialResult
from amt_training.functional.objects import share_on_part
from amt_training.functional.sample import GraspObject
from amt_training.functional.storage import JOINTS, StoredGrasps
from amt_training.synthetic.objects.surface import Surface

LEAST_ON_PART = 0.8
"""Share of the contacts that are on the part that was asked for."""
MOST_PENETRATION_M = 0.002
MOST_ON_THE_WAY_M = 0.003
"""Penetration on the straight way from the pre-grasp."""
_OUTSIDE_M = 1e-4


@dataclass(frozen=True, eq=False)
class HeldGrasp:
    """A grasp that held its object in the trial."""

    grasp: RobotGrasp
    trial: TrialResult
    on_part: float
    """Share of the trial's contacts on the part."""


@dataclass(frozen=True, eq=False)
class PartGrasps:
    """What the search at one part of an object came to."""

    kept: list[HeldGrasp]
    tries: int
    held: int
    """Grasps that held, those among them that touch other parts as well."""


class GraspFinder:
    """Finds grasps of one object. The same generators give the same grasps."""

    def __init__(self, robot: Robot, one: GraspObject) -> None:
        self._robot, self._one = robot, one
        self._surface = outer_surface(one)
        _, nearest = KDTree(one.points).query(self._surface.points)
        self._part = one.point_part[nearest]
        self._hand = HandModel(robot)
        self._search = GraspSearch(robot, self._surface)
        self._refiner = GraspRefiner(robot, self._surface)

    def find(self, part: str, count: int, tries: int, random: Generator) -> PartGrasps:
        """Up to `count` grasps of a part, from at most so many tries."""
        chosen = self._part == self._one.part_names.index(part)
        points, normals = self._surface.points[chosen], self._surface.normals[chosen]
        kept: list[HeldGrasp] = []
        held = tried = 0
        while len(kept) < count and tried < tries:
            tried += 1
            rough = self._search.propose(points, normals, random)
            grasp = None if rough is None else self._refiner.refine(rough)
            if grasp is None or not self._promising(grasp, part):
                continue
            trial = self._tried(grasp)
            if trial is None or not trial.held:
                continue
            held += 1
            on_part = share_on_part(self._one, part, trial.contact_points)
            if on_part >= LEAST_ON_PART:
                kept.append(HeldGrasp(grasp, trial, on_part))
        return PartGrasps(kept, tried, held)

    def distances(self, grasp: RobotGrasp) -> np.ndarray:
        """[1024, 6] from the object's points to each hand part at a grasp (m)."""
        place = Configuration(grasp.rotation, grasp.position, grasp.joints)
        return part_distances(self._hand, place, self._one.points.astype(float))

    @cached_property
    def _trial(self) -> GraspTrial:
        # Made when the first grasp is tried: taking an object apart takes seconds.
        thing = TrialObject.from_mesh(self._one.vertices.astype(float), self._one.faces)
        return GraspTrial(self._robot, thing)

    def _tried(self, grasp: RobotGrasp) -> TrialResult | None:
        trial = self._trial
        try:
            return trial.run(grasp)
        except RetargetError:  # the physics diverged: not a grasp to learn from
            return None

    def _promising(self, grasp: RobotGrasp, part: str) -> bool:
        """Is it worth a trial?"""
        fingers = {part_of_link(link) for link in grasp.contacts}
        points = np.array([contact.point for contact in grasp.contacts.values()])
        return (
            "thumb" in fingers
            and len(fingers - {"thumb", "palm"}) > 0
            and grasp.penetration <= MOST_PENETRATION_M
            and grasp.approach_penetration <= MOST_ON_THE_WAY_M
            and share_on_part(self._one, part, points) >= LEAST_ON_PART
        )


def find_grasps(robot: Robot, one: GraspObject, count: int, tries: int, seed: int) -> StoredGrasps:
    """Up to `count` grasps of every part of an object. The same arguments give the same ones.

    tries: at most, for each part. Raises AmtError, naming the object, when it cannot be tried.
    """
    try:
        finder = GraspFinder(robot, one)
        found = [
            finder.find(
                part, count, tries, np.random.default_rng([seed, number, *one.name.encode()])
            )
            for number, part in enumerate(one.part_names)
        ]
    except RetargetError as error:
        raise AmtError(f"{one.name}: {error}") from error
    held = [each for part in found for each in part.kept]
    grasps = [each.grasp for each in held]
    distances = [finder.distances(grasp) for grasp in grasps]
    return StoredGrasps(
        object=one,
        rotation=_stacked([grasp.rotation for grasp in grasps], 3, 3),
        position=_stacked([grasp.position for grasp in grasps], 3),
        joints=_stacked([grasp.joints for grasp in grasps], JOINTS),
        squeeze=_stacked([grasp.squeeze for grasp in grasps], JOINTS),
        pre_grasp_rotation=_stacked([grasp.pre_grasp_rotation for grasp in grasps], 3, 3),
        pre_grasp_position=_stacked([grasp.pre_grasp_position for grasp in grasps], 3),
        pre_grasp=_stacked([grasp.pre_grasp for grasp in grasps], JOINTS),
        part=np.repeat(np.arange(len(found)), [len(part.kept) for part in found]),
        on_part=_stacked([each.on_part for each in held]),
        penetration=_stacked([each.trial.penetration for each in held]),
        moved=_stacked([each.trial.moved for each in held]),
        turned=_stacked([each.trial.turned for each in held]),
        distances=_stacked(distances, CLOUD_POINTS, len(HAND_PARTS)).astype(np.float16),
        tries=np.array([part.tries for part in found]),
        held=np.array([part.held for part in found]),
    )


def outer_surface(one: GraspObject) -> ObjectSurface:
    """An object's surface without the triangles that lie inside of its other components."""
    surface = ObjectSurface.from_mesh(one.vertices, one.faces)
    inside = Surface(one.vertices, one.faces).inside(surface.points + _OUTSIDE_M * surface.normals)
    return ObjectSurface(surface.points[~inside], surface.normals[~inside])


def _stacked(values: list, *shape: int) -> np.ndarray:
    return np.array(values, np.float32).reshape(len(values), *shape)
