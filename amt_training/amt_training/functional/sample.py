"""One grasp of one object for one purpose: what the grasp model learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GraspObject:
    """An object as the grasp model sees it; the origin is the middle of its bounding box."""

    name: str
    """Its own, such as mug_07."""
    family: str
    vertices: np.ndarray
    """[V, 3] (m)."""
    faces: np.ndarray
    """[F, 3]."""
    part_names: tuple[str, ...]
    points: np.ndarray
    """[1024, 3] float32 on the outer surface (m)."""
    normals: np.ndarray
    """[1024, 3] float32 unit vectors out of the object."""
    point_part: np.ndarray
    """[1024] index into part_names."""


@dataclass(frozen=True)
class GraspSample:
    """A grasp, and what it is for."""

    object: GraspObject
    instruction: str
    intent: str
    """use, hold, lift or handover."""
    part: str
    """The object's part that the instruction asks to touch."""
    rotation: np.ndarray
    """[3, 3] as in `amt_perception.grasp.interface.Grasps`."""
    position: np.ndarray
    """[3] (m)."""
    joints: np.ndarray
    """[16] of the Allegro hand, or [15, 3] of MANO (rad)."""
    shape: np.ndarray
    """[10] of MANO; [0] for the Allegro hand."""
    distances: np.ndarray
    """[1024, 6] float32: from each point to the surface of each hand part (m), all finite; of a
    part that the hand has not (the Allegro's little finger): 1 m."""
