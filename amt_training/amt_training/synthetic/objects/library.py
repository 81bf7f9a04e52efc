"""The objects of a part of the synthetic world, by number."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.grasp.object_input import read_mesh as read_checked_mesh
from amt_training.data.sample import ObjectModel
from amt_training.synthetic.objects.families import FAMILIES
from amt_training.synthetic.objects.shapes import Shape, Solid, SyntheticObject, assembled
from amt_training.synthetic.objects.surface import Surface
from amt_training.synthetic.settings import WorldSettings

OTHER = "other"
"""The class of a mesh that a person gives."""
OBJECT_CLASSES = ("background", *FAMILIES, OTHER)
"""What a model's `AmtConfig.object_classes` is for this world."""
POINTS = 512
"""Points on the surface of each object's model: losses look at all of them for every vertex of a
hand."""
PARTS = ("train", "val", "test")
_OUTSIDE_M = 1e-4
"""A point of the surface, moved out by this, is outside of all components."""


class ObjectLibrary:
    """Drawn objects, the families in turn, and after them the meshes that the settings name.

    Each part has its own: the objects of val and test are never trained on. A person's meshes
    are in every part. A number means the same object in every part.
    """

    objects: Mapping[int, SyntheticObject]
    """Of this part, by their numbers."""
    all_objects: Mapping[int, SyntheticObject]
    """Of all parts, numbered from 1."""

    def __init__(self, part: str, settings: WorldSettings) -> None:
        """part: train, val or test. Raises AmtError for a mesh that `read_mesh` refuses."""
        self._part, self._settings = part, settings
        families = list(FAMILIES.items())
        found: list[tuple[str, SyntheticObject]] = []
        for place, owner in enumerate(PARTS):
            for number in range(settings.objects[place]):
                family, draw = families[number % len(families)]
                random = np.random.default_rng([settings.seed, place, number])
                name = f"{family}_{len(found) + 1:03d}"
                found.append((owner, assembled(name, family, draw(random))))
        found += [(part, read_mesh(Path(path))) for path in settings.meshes]
        self.all_objects = {number: one for number, (_, one) in enumerate(found, start=1)}
        self.objects = {
            number: one for number, (owner, one) in enumerate(found, start=1) if owner == part
        }
        if not self.objects:
            raise AmtError(f"the part {part} has no objects: raise its count in data.objects")
        self._surfaces: dict[int, Surface] = {}

    @cached_property
    def models(self) -> Mapping[int, ObjectModel]:
        """What learning and evaluation know of each object of all parts, by its number."""
        return {number: self._model(number) for number in self.all_objects}

    def surface(self, number: int) -> Surface:
        """Of an object, in its frame; made at the first call."""
        if number not in self._surfaces:
            one = self.all_objects[number]
            self._surfaces[number] = Surface(one.vertices, one.faces)
        return self._surfaces[number]

    def _model(self, number: int) -> ObjectModel:
        one = self.all_objects[number]
        points, normals = _outer_points(one, self.surface(number))
        return ObjectModel(
            points,
            normals,
            one.symmetry_rotations,
            one.symmetry_axis,
            object_class=OBJECT_CLASSES.index(one.family),
        )

    def __reduce__(self) -> tuple[type[ObjectLibrary], tuple[str, WorldSettings]]:
        # Another process draws the same objects from the same seeds.
        return ObjectLibrary, (self._part, self._settings)


def read_mesh(path: Path) -> SyntheticObject:
    """A person's mesh file in metres as an object of one part and no symmetry.

    Its origin moves to the middle of its bounding box. What is inside it is only sure when it is
    closed. Raises AmtError when the file is missing or cannot be read, or the mesh is empty, flat,
    inside out, not finite or of a size that no hand holds.
    """
    mesh = read_checked_mesh(path)
    if mesh.is_watertight and mesh.volume < 0.0:
        raise AmtError(f"{path} is inside out; turn its triangles counter-clockwise from outside")
    solid = Solid(np.array(mesh.vertices, float), np.array(mesh.faces))
    return assembled(path.stem, OTHER, Shape({"body": solid}))


def _outer_points(one: SyntheticObject, surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """POINTS points [P, 3] of the surface that are not inside another component, and normals."""
    import trimesh

    mesh = trimesh.Trimesh(one.vertices, one.faces, process=False)
    points, faces = trimesh.sample.sample_surface(mesh, 2 * POINTS, seed=0)
    normals = mesh.face_normals[faces]
    outer = ~surface.inside(points + _OUTSIDE_M * normals)
    if outer.sum() < POINTS:
        raise AmtError(f"most of the surface of {one.name} lies inside itself; repair the mesh")
    return np.asarray(points)[outer][:POINTS], normals[outer][:POINTS]
