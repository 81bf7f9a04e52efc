"""How well pictures, labels and touches of a shot agree, by other means than those that made them.

Labels say where joints, meshes and objects are; the picture comes from MuJoCo, which draws a finer
and smoother surface; distances to objects come from libigl. Here, rays are cast at the labels'
meshes, depth is read from the picture, and distances are measured anew.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.interface import HAND_PARTS
from amt_perception.sample.mesh import (
    FOREARM,
    FOREARM_RINGS,
    Mesh,
    hand_and_forearm,
    open_edge,
    vertex_normals,
)
from amt_training.data.contacts import PART_OF_JOINT
from amt_training.synthetic.objects.shapes import Solid, SyntheticObject, lofted
from amt_training.synthetic.scene import LEFT_HAND, RIGHT_HAND, Hand, Picture, Shot, Touch

HAND_THICKNESS_M = 0.03
"""A joint's flesh is not thicker in front of it."""
COVERED_M = 0.002
"""What the picture shows so much before a hand's surface covers it."""
JOINT_PIXELS = 3
"""A joint lies on the hand when the mask is not farther from it."""
LEAST_FACING = 0.5
"""Depth is compared where the surface is turned by up to 60 degrees from the camera."""
LARGEST_STEP_M = 0.01
"""More between neighbouring pixels is an edge of something."""
_SAMPLES, _NEAR_SAMPLES = 40_000, 10
_WRIST, _INDEX, _PINKY, _THUMB = 0, 5, 17, 1
"""Among the 21 joints."""


def mask_number(hand: Hand) -> int:
    """What the mask says where the hand is seen."""
    return LEFT_HAND if hand.side == Side.LEFT else RIGHT_HAND


def joints_on_hand(shot: Shot, hand: Hand, joints: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """[V] bool: do the V joints that can be seen lie on the drawn hand, to JOINT_PIXELS?

    joints [21, 3] and mesh [778, 3] in the camera's frame. A joint can be seen where its own flesh,
    at most HAND_THICKNESS_M of it, is the first thing that the picture shows: a ray says where the
    flesh begins, the picture's depth that nothing else is before it.
    """
    camera, picture = shot.camera, shot.picture
    pixels = camera.project(joints)
    column, row = np.round(np.nan_to_num(pixels, nan=-1e6)).astype(int).T
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    joints, pixels, column, row = joints[inside], pixels[inside], column[inside], row[inside]
    first = first_hits(mesh, generic_hand(hand.side).faces, joints)
    flesh = np.fmin(first, joints[:, 2])
    shown = picture.depth[row, column]
    seen = (shown > flesh - COVERED_M) & (flesh > joints[:, 2] - HAND_THICKNESS_M)
    rows, columns = np.nonzero(picture.mask == mask_number(hand))
    if not len(rows):
        return np.zeros(int(seen.sum()), bool)
    gap, _ = KDTree(np.column_stack([columns, rows])).query(pixels[seen])
    return gap <= JOINT_PIXELS + 0.5


def hand_depth_errors(shot: Shot, hand: Hand, mesh: np.ndarray) -> np.ndarray:
    """[V] depth in the picture less that of the V vertices that are seen (m); see `depth_errors`.

    mesh: [778, 3]. Vertices behind other parts of the hand or behind its forearm are not seen.
    Those next to the wrist are left out: a forearm is grown on them, which bends them, and MANO's
    mesh has none.
    """
    faces, free = generic_hand(hand.side).faces, _free_of_forearm()
    normals = vertex_normals(Mesh(mesh, faces, np.empty(0)))
    forearm = _forearm(hand, mesh)
    before = np.vstack([mesh, forearm.vertices]), np.vstack([faces, forearm.faces + len(mesh)])
    chosen = free & ~(first_hits(*before, mesh) < mesh[:, 2] - COVERED_M)
    return depth_errors(shot.camera, shot.picture, mask_number(hand), mesh[chosen], normals[chosen])


def object_depth_errors(
    shot: Shot, number: int, mesh: np.ndarray, faces: np.ndarray, points: np.ndarray,
    normals: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """[V] depth in the picture less that of the V points that are seen (m); see `depth_errors`.

    number: the object's in the mask. mesh [M, 3], points [P, 3] and unit normals [P, 3] there, all
    in the camera's frame.
    """
    hidden = first_hits(mesh, faces, points) < points[:, 2] - COVERED_M
    return depth_errors(shot.camera, shot.picture, number, points[~hidden], normals[~hidden])


def depth_errors(
    camera: Intrinsics, picture: Picture, number: int, points: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """[V] depth in the picture less that of V of the points (m).

    points [P, 3] on a surface with unit normals [P, 3], not hidden behind the surface itself;
    number: the surface's in the mask. Left out are points that face away from the camera by more
    than 60 degrees, and the silhouette's: those where the 16 pixels around do not all show the
    surface, or differ from their neighbours by more than LARGEST_STEP_M. Depth between pixels is
    interpolated as 1 / z, which is exact on a plane.
    """
    away = points / np.linalg.norm(points, axis=1, keepdims=True)
    facing = -(away * normals).sum(axis=1) >= LEAST_FACING
    with np.errstate(invalid="ignore"):
        pixels = camera.project(points)
        size = np.array([camera.width, camera.height])
        inside = ((pixels >= 1.0) & (pixels < size - 3.0)).all(axis=1)
    points, pixels = points[facing & inside], pixels[facing & inside]
    corner = np.floor(pixels).astype(int)
    around = np.arange(-1, 3)
    rows = (corner[:, 1, None] + around)[:, :, None]
    columns = (corner[:, 0, None] + around)[:, None, :]
    depth = picture.depth[rows, columns].astype(float)  # [V, 4, 4]
    whole = (picture.mask[rows, columns] == number).all(axis=(1, 2))
    points, pixels, corner, depth = points[whole], pixels[whole], corner[whole], depth[whole]
    steps = [np.abs(np.diff(depth, axis=axis)).max(axis=(1, 2), initial=0.0) for axis in (1, 2)]
    smooth = np.maximum(*steps) <= LARGEST_STEP_M
    points, depth = points[smooth], depth[smooth]
    x, y = (pixels[smooth] - corner[smooth]).T
    inverse = 1.0 / depth[:, 1:3, 1:3]
    upper = (1.0 - x) * inverse[:, 0, 0] + x * inverse[:, 0, 1]
    lower = (1.0 - x) * inverse[:, 1, 0] + x * inverse[:, 1, 1]
    found: np.ndarray = 1.0 / ((1.0 - y) * upper + y * lower) - points[:, 2]
    return found


def first_hits(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[P] depth (m) at which the camera's rays through points [P, 3] first meet a mesh; NaN where
    they do not. All in the camera's frame."""
    import igl

    vertices = np.ascontiguousarray(vertices, np.float64)
    faces = np.ascontiguousarray(faces, np.int64)
    tree = igl.AABB()
    tree.init(vertices, faces)
    rays = np.ascontiguousarray(points / points[:, 2:], np.float64)
    face, depth, _ = tree.intersect_ray_first(vertices, faces, np.zeros_like(rays), rays)
    hits: np.ndarray = np.where(face >= 0, depth, np.nan)
    return hits


class Measure:
    """Distances to an object without libigl: triangles near samples of the surface, and angles.

    Signs are those of the winding number, summed over all triangles (van Oosterom and Strackee,
    "The solid angle of a plane triangle", IEEE Trans. Biomedical Engineering 30, 1983).
    """

    def __init__(self, one: SyntheticObject) -> None:
        import trimesh

        self._triangles = one.vertices[one.faces]
        mesh = trimesh.Trimesh(one.vertices, one.faces, process=False)
        samples, self._face = trimesh.sample.sample_surface(mesh, _SAMPLES, seed=1)
        self._tree = KDTree(samples)
        self._low, self._high = one.vertices.min(axis=0), one.vertices.max(axis=0)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """[N] signed distances (m) of points [N, 3] in the object's frame, negative inside."""
        import trimesh

        _, near = self._tree.query(points, _NEAR_SAMPLES)
        repeated = np.repeat(points, _NEAR_SAMPLES, axis=0)
        closest = trimesh.triangles.closest_point(
            self._triangles[self._face[near.ravel()]], repeated
        )
        gaps = np.linalg.norm(closest - repeated, axis=1).reshape(-1, _NEAR_SAMPLES).min(axis=1)
        boxed = ((points > self._low) & (points < self._high)).all(axis=1)
        gaps[boxed] *= np.where(self._winding(points[boxed]) > 0.5, -1.0, 1.0)
        return gaps

    def _winding(self, points: np.ndarray) -> np.ndarray:
        total = np.empty(len(points))
        for index, point in enumerate(points):
            a, b, c = np.moveaxis(self._triangles - point, 1, 0)
            la, lb, lc = (np.sqrt(np.einsum("fk,fk->f", one, one)) for one in (a, b, c))
            volume = np.einsum("fk,fk->f", a, np.cross(b, c))
            corner = la * lb * lc + sum(
                np.einsum("fk,fk->f", one, two) * length
                for one, two, length in ((a, b, lc), (b, c, la), (c, a, lb))
            )
            total[index] = np.arctan2(volume, corner).sum() / (2.0 * np.pi)
        return total


def touch_errors(touch: Touch, hand: Hand, mesh: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """[6] by how much each part's touch is wrong (m): the worst of four errors.

    mesh [778, 3]; distances [778] of its vertices to the nearest object, measured, infinite without
    objects. The errors are those of the distance, of `on_hand` against the part's vertices, of the
    length from `on_hand` to `on_object` against the distance, and of the distance measured at the
    vertex that is said to be nearest. Infinite where one is finite and the other is not.
    """
    parts = PART_OF_JOINT[generic_hand(hand.side).weights.argmax(axis=1)]
    errors = np.zeros(len(HAND_PARTS))
    for part in range(len(HAND_PARTS)):
        own, said = np.flatnonzero(parts == part), touch.distance[part]
        least = distances[own].min()
        if not np.isfinite([said, least]).all():
            errors[part] = 0.0 if said == least else np.inf
            continue
        gaps = np.linalg.norm(mesh[own] - touch.on_hand[part], axis=1)
        length = np.linalg.norm(touch.on_hand[part] - touch.on_object[part])
        errors[part] = max(
            abs(said - least), gaps.min(), abs(length - abs(said)),
            abs(said - distances[own[gaps.argmin()]]),
        )  # fmt: skip
    return errors


def is_side(joints: np.ndarray, side: Side) -> bool:
    """Whether joints [21, 3] are those of a left or a right hand.

    From the wrist, the bases of index, pinky and thumb turn one way on a right hand and the other
    way on a left one: the thumb begins on the palm's side.
    """
    index, pinky, thumb = joints[[_INDEX, _PINKY, _THUMB]] - joints[_WRIST]
    right = bool(np.cross(index, pinky) @ thumb > 0.0)
    return right == (side == Side.RIGHT)


def _forearm(hand: Hand, mesh: np.ndarray) -> Solid:
    """What can hide a hand behind its own forearm, in the frame of the hand's mesh [778, 3].

    Rings of the wrist's edge, turned towards the elbow by the shortest way.
    """
    edge = mesh[open_edge(generic_hand(hand.side).faces)]
    middle, along = edge.mean(axis=0), hand.elbow - hand.wrist
    along = along / np.linalg.norm(along)
    outwards = [1.0 if hand.side == Side.RIGHT else -1.0, 0.0, 0.0]
    straight = Rotation.from_rotvec(hand.pose[0]).apply(outwards)
    bend, _ = Rotation.align_vectors([along], [straight])
    ring = bend.apply(edge - middle)
    rings = np.stack([middle + place * along + size * ring for place, size in FOREARM_RINGS])
    return lofted(rings[0].mean(axis=0), rings, rings[-1].mean(axis=0))


@lru_cache(maxsize=1)
def _free_of_forearm() -> np.ndarray:
    """[778] bool: vertices that the drawn forearm does not bend, the same on both sides."""
    data = generic_hand(Side.RIGHT)
    free: np.ndarray = hand_and_forearm(data).weights[: len(data.v_template), FOREARM] == 0.0
    return free
