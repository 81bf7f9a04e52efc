"""Grasps of one object by every method, refined and tried in MuJoCo."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from amt_perception.grasp.object_input import ObjectCloud
from amt_perception.grasp.predictor import STEPS, GraspPredictor
from amt_retarget.errors import RetargetError
from amt_retarget.grasp.baselines import Baselines
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.proximity import Proximity
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.grasp.retargeter import RobotGrasp
from amt_retarget.robot.robot import Robot
from amt_retarget.simulation.grasp_trial import GraspTrial, TrialObject
from amt_training.functional.catalogue import FAMILIES, families_of
from amt_training.functional.finding import outer_surface
from amt_training.functional.instructions import HELD_OUT, draw_instruction
from amt_training.functional.metrics import Record, Trial
from amt_training.functional.objects import share_on_part
from amt_training.functional.sample import GraspObject

MODEL, FEW_STEPS, SHUFFLED = "model", "model, 4 steps", "model, shuffled text"
SCRIPTED, RANDOM = "scripted", "random"
METHODS = (MODEL, FEW_STEPS, SHUFFLED, SCRIPTED, RANDOM)
FEW = 4
NEAR_M = 0.002
"""A link this close to the object is at it."""


class ObjectTrials:
    """Makes rough grasps of one object touch, and tries them."""

    def __init__(self, robot: Robot, one: GraspObject) -> None:
        """Raises RetargetError without MuJoCo or Pinocchio."""
        surface = outer_surface(one)
        self.object = one
        self._hand = HandModel(robot)
        self._proximity = Proximity(self._hand, surface)
        self._refiner = GraspRefiner(robot, surface)
        self._baselines = Baselines(robot, surface)
        self._trial = GraspTrial(
            robot, TrialObject.from_mesh(one.vertices.astype(float), one.faces.astype(np.int64))
        )

    def refine(self, rough: Configuration, random: np.random.Generator) -> RobotGrasp:
        """See `GraspRefiner.refine_best`."""
        return self._refiner.refine_best(rough, random)

    def baseline(self, method: str, count: int, seed: int) -> list[RobotGrasp]:
        """The scripted grasp, or `count` random ones; both touch already."""
        if method == SCRIPTED:
            return [self._baselines.scripted()]
        random = np.random.default_rng([seed, 2, *self.object.name.encode()])
        return [self._baselines.random(random) for _ in range(count)]

    def run(self, grasp: RobotGrasp, part: str) -> Trial:
        """Try a grasp that is to touch a part; physics that diverges is a grasp that failed."""
        place = Configuration(grasp.rotation, grasp.position, grasp.joints)
        gaps = self._proximity.gaps(self._hand(grasp.joints), place, 2.0 * NEAR_M)
        links = {
            link for link, gap in zip(self._hand.shape_links, gaps, strict=True) if gap <= NEAR_M
        }
        try:
            result = self._trial.run(grasp)
        except RetargetError:
            return Trial(False, 0.0, grasp.penetration, len(links))
        on_part = share_on_part(self.object, part, result.contact_points)
        return Trial(result.held, on_part, result.penetration, len(links))


def instructed_parts(one: GraspObject) -> list[str]:
    """The parts that people ask to take: to use the object, and to hand it over."""
    family = FAMILIES[one.family]
    return list(dict.fromkeys([family.use, family.handover]))


def instruction_for(one: GraspObject, part: str, seed: int) -> str:
    """A sentence, worded as training never hears it, that asks to touch a part."""
    random = np.random.default_rng([seed, *f"{one.name} {part}".encode()])
    return draw_instruction(FAMILIES[one.family], part, HELD_OUT, random).text


def shuffled_instruction(one: GraspObject, part: str, split: str, seed: int) -> str:
    """A sentence for another family's object of the split that asks to touch another part."""
    random = np.random.default_rng([seed, 1, *f"{one.name} {part}".encode()])
    choices = [
        (family, other)
        for family in families_of(split)
        for other in dict.fromkeys([family.use, family.handover])
        if family.name != one.family and other != part
    ]
    family, other = choices[random.integers(len(choices))]
    return draw_instruction(family, other, HELD_OUT, random).text


def cloud_of(one: GraspObject) -> ObjectCloud:
    """The object as the predictor takes it."""
    return ObjectCloud(one.name, one.points, one.normals, np.zeros(3), one.vertices, one.faces)


def try_method(
    method: str,
    trials: ObjectTrials,
    predictor: GraspPredictor,
    part: str,
    split: str,
    seed: int,
    count: int,
) -> Record:
    """`count` grasps of a part of the object by one of METHODS, refined and tried.

    The scripted grasp is one, whatever the part, seed and count.
    """
    one, instruction = trials.object, ""
    start = perf_counter()
    if method in (SCRIPTED, RANDOM):
        grasps = trials.baseline(method, count, seed)
        drawn_at = refined_at = perf_counter()
    else:
        if method == SHUFFLED:
            instruction = shuffled_instruction(one, part, split, seed)
        else:
            instruction = instruction_for(one, part, seed)
        steps = FEW if method == FEW_STEPS else STEPS
        proposals = predictor.sample(cloud_of(one), instruction, count, seed, steps)
        drawn_at = perf_counter()
        random = np.random.default_rng([seed, 3, *f"{one.name} {part}".encode()])
        grasps = [
            trials.refine(Configuration(each.rotation, each.position, each.joints), random)
            for each in proposals
        ]
        refined_at = perf_counter()
    return Record(
        method=method,
        object=one.name,
        family=one.family,
        hard=FAMILIES[one.family].hard,
        part=part,
        only_part=len(one.part_names) == 1,
        instruction=instruction,
        seed=seed,
        trials=tuple(trials.run(grasp, part) for grasp in grasps),
        draw_seconds=drawn_at - start,
        refine_seconds=refined_at - drawn_at,
    )
