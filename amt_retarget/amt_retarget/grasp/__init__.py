"""Grasps of the Allegro hand: from a person's, by search, and from rough to touching."""

from amt_retarget.grasp.human import HumanGrasp
from amt_retarget.grasp.refine import GraspRefiner
from amt_retarget.grasp.retargeter import GraspRetargeter, RobotGrasp
from amt_retarget.grasp.search import GraspSearch
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.grasp.touch import grasp_by_distance

__all__ = [
    "GraspRefiner",
    "GraspRetargeter",
    "GraspSearch",
    "HumanGrasp",
    "ObjectSurface",
    "RobotGrasp",
    "grasp_by_distance",
]
