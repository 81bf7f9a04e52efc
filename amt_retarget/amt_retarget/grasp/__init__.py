"""Grasp retargeting: a person's grasp of an object becomes one of the Allegro hand."""

from amt_retarget.grasp.human import HumanGrasp
from amt_retarget.grasp.retargeter import GraspRetargeter, RobotGrasp
from amt_retarget.grasp.surface import ObjectSurface
from amt_retarget.grasp.touch import grasp_by_distance

__all__ = ["GraspRetargeter", "HumanGrasp", "ObjectSurface", "RobotGrasp", "grasp_by_distance"]
