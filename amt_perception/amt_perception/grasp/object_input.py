"""An object as the grasp model sees it: from a mesh file, a mesh in memory or a point cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import CLOUD_POINTS

if TYPE_CHECKING:
    from trimesh import Scene, Trimesh

SMALLEST_M, LARGEST_M = 0.01, 0.6
"""Longest side of an object that a hand can hold (m)."""
FLATNESS = 1e-3
"""An object whose points spread less than so much of their widest spread is flat."""
NEIGHBOURS = 16
"""Points of a cloud that a normal is fitted to."""
POINTS_LOOKED_AT = 20_000
"""Of a denser cloud so many, drawn at random, are enough to see the surface."""
SURFACE_SPACING_M = 0.003
"""Of the points that stand for a cloud's surface: one in each cell of this size."""
_OUTSIDE_M = 1e-4
"""A point of the surface, moved out by this, is outside of all components."""


@dataclass(frozen=True, eq=False)
class ObjectCloud:
    """Points on an object's outer surface. Object frame: the file's own axes, metres, the origin
    in the middle of the bounding box."""

    name: str
    points: np.ndarray
    """[1024, 3] float32 (m)."""
    normals: np.ndarray
    """[1024, 3] float32 unit vectors out of the object."""
    centre: np.ndarray
    """[3] the object frame's origin in the file's or the cloud's own frame (m)."""
    vertices: np.ndarray | None = None
    """[V, 3] of the mesh, where there is one (m)."""
    faces: np.ndarray | None = None
    """[F, 3], counter-clockwise seen from outside."""
    surface_points: np.ndarray | None = None
    """[S, 3] of a cloud's points, close together, in the place of a mesh (m)."""
    surface_normals: np.ndarray | None = None
    """[S, 3] their unit normals."""
    notes: tuple[str, ...] = ()
    """What a person should know about the input; empty for a good one."""


def load_object(path: Path, seed: int = 0) -> ObjectCloud:
    """A mesh file (OBJ, PLY, STL, glTF) or a cloud file (PLY, XYZ) in metres.

    The same seed draws the same points. Raises AmtError when the file is missing, cannot be read,
    is empty, or its mesh or cloud is refused by `from_mesh` or `from_points`.
    """
    scene = _read(path)
    mesh = scene.to_mesh()
    if len(mesh.faces):
        return from_mesh(str(path), np.asarray(mesh.vertices), np.asarray(mesh.faces), seed)
    clouds = [one.vertices for one in scene.dump() if isinstance(one, _trimesh().PointCloud)]
    if not clouds:
        raise AmtError(f"{path} is empty; give a file with a triangle mesh or a point cloud")
    return from_points(str(path), np.concatenate(clouds), seed=seed)


def from_mesh(name: str, vertices: np.ndarray, faces: np.ndarray, seed: int = 0) -> ObjectCloud:
    """Points drawn evenly from the outer surface of a triangle mesh.

    vertices [V, 3] (m); faces [F, 3]. A mesh that is inside out, or whose triangles do not agree,
    is turned; one that is not closed is taken, and `notes` says so. name: what messages call it; a
    path's stem becomes the object's name. Raises AmtError for a mesh that is empty, not finite,
    flat, or of a size that no hand holds.
    """
    vertices, faces = np.asarray(vertices, float), np.asarray(faces)
    if vertices.shape[1:] != (3,) or faces.shape[1:] != (3,) or (faces >= len(vertices)).any():
        raise AmtError(
            f"the mesh {name} has vertices {vertices.shape} and triangles {faces.shape} that do "
            "not fit; give coordinates [V, 3] and three indices of them for each triangle"
        )
    mesh = checked_mesh(name, _trimesh().Trimesh(vertices, faces, process=False))
    notes = _turn_outwards(mesh)
    centre = mesh.bounds.mean(axis=0)
    mesh.apply_translation(-centre)
    points, normals = _outer_points(name, mesh, seed)
    return ObjectCloud(
        name=Path(name).stem,
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        centre=centre,
        vertices=np.array(mesh.vertices),
        faces=np.array(mesh.faces),
        notes=notes,
    )


def from_points(
    name: str, points: np.ndarray, normals: np.ndarray | None = None, seed: int = 0
) -> ObjectCloud:
    """1024 of a cloud's points; normals that are not given are fitted to each one's neighbours.

    points [P, 3] (m) from all around the object; normals [P, 3] out of it. Fitted normals (Hoppe et
    al., "Surface reconstruction from unorganized points", SIGGRAPH 1992) look away from the middle
    of the bounding box, which is wrong inside a hollow: `notes` says so. Raises AmtError for a
    cloud of too few points, one that is not finite, flat, or of a size that no hand holds.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1:] != (3,) or len(points) < CLOUD_POINTS:
        raise AmtError(
            f"the cloud {name} has shape {points.shape}; give at least {CLOUD_POINTS} points of "
            "three coordinates"
        )
    _check_points(name, points)
    centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
    random = np.random.default_rng(seed)
    seen = random.choice(len(points), min(len(points), POINTS_LOOKED_AT), replace=False)
    notes: tuple[str, ...] = ()
    if normals is None:
        directions = _fitted_normals(points[seen] - centre)
        notes = (
            "the cloud has no normals: fitted ones look away from its middle, inside a hollow too",
        )
    else:
        directions = _unit(name, np.asarray(normals, float), points)[seen]
    places = points[seen] - centre
    cells = np.floor(places / SURFACE_SPACING_M).astype(np.int64)
    spread = np.sort(np.unique(cells, axis=0, return_index=True)[1])
    return ObjectCloud(
        name=Path(name).stem,
        points=places[:CLOUD_POINTS].astype(np.float32),
        normals=directions[:CLOUD_POINTS].astype(np.float32),
        centre=centre,
        surface_points=places[spread],
        surface_normals=directions[spread],
        notes=notes,
    )


def read_mesh(path: Path) -> Trimesh:
    """A checked triangle mesh of a file, in its own frame (m), as its triangles are wound.

    Raises AmtError when the file is missing or cannot be read, or as `checked_mesh` does.
    """
    return checked_mesh(str(path), _read(path).to_mesh())


def checked_mesh(name: str, mesh: Trimesh) -> Trimesh:
    """The mesh with each vertex once and no others than those of its triangles.

    Raises AmtError when it has no triangles, is not finite, flat, or of a size that no hand holds.
    """
    if not len(mesh.faces):
        raise AmtError(f"{name} has no triangles; give a file with a triangle mesh")
    _check_points(name, mesh.vertices[np.unique(mesh.faces)])
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.remove_unreferenced_vertices()
    return mesh


def _trimesh() -> ModuleType:
    try:
        import trimesh
    except ImportError as error:
        raise AmtError("Reading meshes needs trimesh: pip install trimesh") from error
    return trimesh


def _read(path: Path) -> Scene:
    trimesh = _trimesh()
    if not path.is_file():
        raise AmtError(f"there is no mesh {path}; correct its path")
    try:
        scene: Scene = trimesh.load_scene(path, process=False, skip_materials=True)
    except Exception as error:  # a damaged mesh can raise anything
        reason = " ".join(str(error).split())
        raise AmtError(
            f"{path} cannot be read as a mesh ({type(error).__name__}: {reason}); give an OBJ, "
            "PLY, STL or glTF file"
        ) from error
    return scene


def _check_points(name: str, points: np.ndarray) -> None:
    """Raise AmtError where points [P, 3] are not finite, of a wrong size, or flat."""
    if not np.isfinite(points).all():
        raise AmtError(f"{name} has points that are not finite numbers; export it without them")
    extents = np.ptp(points, axis=0)
    if not SMALLEST_M <= extents.max() <= LARGEST_M:
        size = " x ".join(f"{value:.4g}" for value in extents)
        too_large = extents.max() > LARGEST_M
        hint = "one in millimetres by 0.001" if too_large else "one that is too small, say by 1000"
        raise AmtError(
            f"{name} is {size} m large, and a hand holds things of {SMALLEST_M} to {LARGEST_M} m; "
            f"meshes are in metres, so scale {hint}"
        )
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(points.T)), 0.0))
    if spread[0] < FLATNESS * spread[2]:
        raise AmtError(f"{name} is flat; give an object that encloses a volume, seen all around")


def _turn_outwards(mesh: Trimesh) -> tuple[str, ...]:
    """Turn triangles so that their normals look out of each component; what was done.

    A component's own middle decides by the sign of the volume: exact for a closed component, the
    best guess for an open one.
    """
    trimesh, notes = _trimesh(), []
    closed = mesh.is_watertight
    if not mesh.is_winding_consistent:
        trimesh.repair.fix_winding(mesh)
        notes.append("its triangles did not agree which side is outside, and have been turned")
    faces, turned = mesh.faces.copy(), False
    parts = trimesh.graph.connected_components(
        mesh.face_adjacency, nodes=np.arange(len(faces)), min_len=1
    )
    for part in parts:
        corners = mesh.vertices[faces[part]]
        corners = corners - corners.mean(axis=(0, 1))
        volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
        if volume < 0.0:
            faces[part] = faces[part][:, ::-1]
            turned = True
    if turned:
        mesh.faces = faces
        notes.append("triangles that were inside out have been turned")
    if not closed:
        notes.append("the mesh is not closed: which side of it is outside is a guess at its holes")
    return tuple(notes)


def _outer_points(name: str, mesh: Trimesh, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """1024 points [N, 3] (m) and normals of the surface, not inside another component.

    What is inside, libigl's fast winding number says, for open meshes too (Barill et al., "Fast
    winding numbers for soups and clouds", SIGGRAPH 2018).
    """
    try:
        import igl
    except ImportError as error:
        raise AmtError("Sampling meshes needs libigl: pip install libigl") from error
    points, faces = _trimesh().sample.sample_surface(mesh, 4 * CLOUD_POINTS, seed=seed)
    normals = mesh.face_normals[faces]
    tree = igl.FastWindingNumberBVH()
    tree.init(
        np.array(mesh.vertices, np.float64, order="C"), np.array(mesh.faces, np.int64, order="C")
    )
    outer = tree.winding_number(np.ascontiguousarray(points + _OUTSIDE_M * normals)) <= 0.5
    if outer.sum() < CLOUD_POINTS:
        raise AmtError(f"most of the surface of {name} lies inside itself; repair the mesh")
    return np.asarray(points)[outer][:CLOUD_POINTS], normals[outer][:CLOUD_POINTS]


def _fitted_normals(points: np.ndarray) -> np.ndarray:
    """[P, 3] directions in which the neighbours of points [P, 3] spread least, outwards."""
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(points).query(points, NEIGHBOURS)
    offsets = points[nearest] - points[nearest].mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(offsets.swapaxes(1, 2) @ offsets)[1][..., 0]
    inwards = (points * normals).sum(axis=1) < 0.0
    return np.where(inwards[:, None], -normals, normals)


def _unit(name: str, normals: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Given normals with length one. Raises AmtError where they are none."""
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    if normals.shape != points.shape or not np.all(np.isfinite(lengths) & (lengths > 0.0)):
        raise AmtError(
            f"the normals of the cloud {name} do not fit its points: give one direction of finite "
            "numbers for each point, or none at all"
        )
    return normals / lengths
