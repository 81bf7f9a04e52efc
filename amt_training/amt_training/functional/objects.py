"""The objects of the functional set, as the grasp model sees them: points that know their part."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import CLOUD_POINTS
from amt_training.functional.catalogue import FAMILIES, OUTER_RIM, RIM, TOP_RIM, Family
from amt_training.functional.sample import GraspObject
from amt_training.synthetic.objects.library import read_mesh
from amt_training.synthetic.objects.shapes import SyntheticObject, assembled
from amt_training.synthetic.objects.surface import Surface

SCALE = (0.9, 1.25)
"""Objects are made for people; the Allegro hand is about 1.6 times as large as theirs."""
RIM_M, RIM_SHARE = {TOP_RIM: 0.03, OUTER_RIM: 0.045}, 0.4
"""How far a rim reaches down from the top of a body, or inwards from its outside like the raised
border of a plate (m), and at most which share of its height or radius that is. The hand's
fingertips are 24 mm wide."""
_OUTSIDE_M = 1e-4
"""A point of the surface, moved out by this, is outside of all components."""
_CANDIDATES = 4 * CLOUD_POINTS


class Listed(NamedTuple):
    """An object of the set before it is drawn."""

    family: Family
    number: int

    @property
    def name(self) -> str:
        """Such as mug_07."""
        return f"{self.family.name}_{self.number:02d}"


def listed_objects(count: int) -> list[Listed]:
    """`count` objects of every family, the families in turn."""
    return [Listed(family, number) for number in range(count) for family in FAMILIES.values()]


def drawn_object(listed: Listed, seed: int) -> GraspObject:
    """The object itself. The same seed gives the same one."""
    family = listed.family
    random = np.random.default_rng([seed, listed.number, *family.name.encode()])
    scale = random.uniform(*SCALE)
    return grasp_object(assembled(listed.name, family.name, family.draw(random)), family, scale)


def mesh_object(path: Path) -> GraspObject:
    """A person's closed mesh file (m) as an object of one part, body.

    Raises AmtError for what `synthetic.objects.library.read_mesh` refuses.
    """
    return grasp_object(read_mesh(path))


def grasp_object(
    one: SyntheticObject, family: Family | None = None, scale: float = 1.0
) -> GraspObject:
    """An object with CLOUD_POINTS points on its outside, each labelled with its part.

    family: says which solids count as other parts and where the rim is; None takes the solids as
    they are. Triangles inside of other solids have no points. Deterministic. Raises AmtError when
    hardly any of the surface is outside.
    """
    import trimesh

    vertices = scale * one.vertices
    mesh = trimesh.Trimesh(vertices, one.faces, process=False)
    points, faces = trimesh.sample.sample_surface(mesh, _CANDIDATES, seed=0)
    points, normals = np.asarray(points), mesh.face_normals[faces]
    outer = ~Surface(vertices, one.faces).inside(points + _OUTSIDE_M * normals)
    if outer.sum() < CLOUD_POINTS:
        raise AmtError(f"most of the surface of {one.name} lies inside itself; repair the mesh")
    chosen = np.flatnonzero(outer)[:CLOUD_POINTS]
    points, normals = points[chosen], normals[chosen]
    solids = np.array(one.part_names)[one.part_of_face[faces[chosen]]]
    labels = solids if family is None else _labels(family, solids, points)
    names = one.part_names if family is None else family.part_names
    return GraspObject(
        name=one.name,
        family=one.family,
        vertices=vertices.astype(np.float32),
        faces=one.faces.astype(np.int32),
        part_names=names,
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        point_part=np.array([names.index(label) for label in labels]),
    )


def share_on_part(one: GraspObject, part: str, contacts: np.ndarray) -> float:
    """Share of contact points [K, 3] (object frame, m) that are on a part; 0 without contacts.

    A contact belongs to the part of the object's point that is nearest to it. Raises AmtError for
    a part that the object has not.
    """
    if part not in one.part_names:
        raise AmtError(f"{one.name} has the parts {', '.join(one.part_names)}, not '{part}'")
    if not len(contacts):
        return 0.0
    _, nearest = KDTree(one.points).query(contacts)
    return float((one.point_part[nearest] == one.part_names.index(part)).mean())


def _labels(family: Family, solids: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[N] names of parts, from the names of the solids [N] that points [N, 3] are on."""
    labels = np.array([family.parts.get(name, name) for name in solids], dtype=object)
    if family.rim is None:
        return labels
    along = points[:, 2] if family.rim == TOP_RIM else np.linalg.norm(points[:, :2], axis=1)
    body = labels == "body"
    size = np.ptp(along[body]) if family.rim == TOP_RIM else along[body].max()
    labels[body & (along > along[body].max() - min(RIM_M[family.rim], RIM_SHARE * size))] = RIM
    return labels
