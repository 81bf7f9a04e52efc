"""The surfaces that are drawn: the generic hand with a forearm grown on it, and a sleeve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from amt_perception.hand.joints import MANO_JOINT_NAMES
from amt_perception.hand.model_data import HandModelData

FOREARM = len(MANO_JOINT_NAMES)
"""Number of the bone that follows MANO's 16: the hand bends against it at the wrist."""

FOREARM_RINGS = (
    (0.02, 1.03), (0.045, 1.08), (0.075, 1.18), (0.11, 1.30), (0.15, 1.42), (0.20, 1.5),
    (0.26, 1.5), (0.6, 1.7),
)  # fmt: skip
SLEEVE_RINGS = (
    (0.095, 1.36), (0.065, 1.36), (0.053, 1.40), (0.051, 1.46), (0.054, 1.53), (0.060, 1.54),
    (0.063, 1.51), (0.066, 1.54), (0.085, 1.58), (0.105, 1.72), (0.125, 1.70), (0.15, 1.84),
    (0.175, 1.82), (0.205, 1.95), (0.29, 2.0),
    (0.6, 2.2),
)  # fmt: skip
"""Distance from the wrist (m) and size against the wrist's edge of each ring."""

WRIST_BEND = (-0.012, 0.045)
"""The skin passes from hand to forearm between these distances from the wrist's joint (m)."""


class Mesh(NamedTuple):
    """Triangles with skinning weights, in a right hand's model frame at rest."""

    vertices: np.ndarray
    """[N, 3] (m)."""
    faces: np.ndarray
    """[F, 3] counter-clockwise seen from outside."""
    weights: np.ndarray
    """[N, 17] of MANO's 16 joints and the forearm; rows sum to one."""


def hand_and_forearm(data: HandModelData) -> Mesh:
    """A right hand with a forearm, in one piece, with the hand's own triangles."""
    loop = open_edge(data.faces)
    rings = forearm_rings(data.v_template[loop])
    new = len(data.v_template) + np.arange(len(rings)).reshape(-1, len(loop))
    vertices = np.vstack([data.v_template, rings])
    faces = np.vstack([data.faces, _tube(np.vstack([loop, new]))])

    weights = np.zeros((len(vertices), FOREARM + 1))
    weights[: len(data.weights), :FOREARM] = data.weights
    weights[len(data.weights) :, 0] = 1.0
    wrist = data.J_regressor[0] @ data.v_template
    start, end = WRIST_BEND
    t = np.clip((vertices[:, 0] - wrist[0] - start) / (end - start), 0.0, 1.0)
    beyond = t**2 * (3.0 - 2.0 * t)
    weights[:, FOREARM] = beyond * weights[:, 0]
    weights[:, 0] *= 1.0 - beyond
    return Mesh(vertices, faces, weights)


def sleeve(data: HandModelData) -> Mesh:
    """The end of a sleeve around a right hand's forearm."""
    loop = open_edge(data.faces)
    vertices = sleeve_rings(data.v_template[loop])
    faces = _tube(np.arange(len(vertices)).reshape(-1, len(loop)))
    weights = np.zeros((len(vertices), FOREARM + 1))
    weights[:, FOREARM] = 1.0
    return Mesh(vertices, faces, weights)


def forearm_rings(edge: np.ndarray) -> np.ndarray:
    """[128, 3] the forearm's vertices at rest for a wrist's edge [16, 3]."""
    return _rings(edge, FOREARM_RINGS)


def sleeve_rings(edge: np.ndarray) -> np.ndarray:
    """[256, 3] the sleeve's vertices at rest for a wrist's edge [16, 3]."""
    return _rings(edge, SLEEVE_RINGS)


def smooth(mesh: Mesh, subdivisions: int = 2) -> Mesh:
    """Every triangle in 4 ** subdivisions, on a smooth surface close by the given vertices."""
    rule, faces = subdivision(mesh.faces, subdivisions)
    return Mesh(smoothed(mesh.vertices, rule), faces, rule @ mesh.weights)


def subdivision(faces: np.ndarray, subdivisions: int = 2) -> tuple[csr_array, np.ndarray]:
    """Every triangle of [F, 3] in four, again and again: a rule [M, N] for M vertices from N.

    The given vertices come first. Returns the rule and the new faces [4 ** subdivisions F, 3].
    """
    rule, faces = _split(faces)
    for _ in range(subdivisions - 1):
        again, faces = _split(faces)
        rule = csr_array(again @ rule)
    return rule, faces


def smoothed(vertices: np.ndarray, rule: csr_array) -> np.ndarray:
    """[M, 3] vertices of the smooth surface close by vertices [N, 3], by the rule of a subdivision.

    Subdivision shrinks; so the given vertices first move out by what they would shrink.
    """
    shrunk = rule[: len(vertices)] @ vertices
    return rule @ (2.0 * vertices - shrunk)


def vertex_normals(mesh: Mesh) -> np.ndarray:
    """[N, 3] outward unit normals, faces weighted by their area."""
    a, b, c = mesh.vertices[mesh.faces].swapaxes(0, 1)
    normals = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], np.cross(b - a, c - a))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _split(faces: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """Every triangle in four: the rule [M, N] for the vertices, the N given first, and the faces.

    Loop, "Smooth subdivision surfaces based on triangles", 1987, with the vertex weights of Warren,
    "Subdivision methods for geometric design", 1995, and cubic splines along open edges.
    """
    count = faces.max() + 1
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, edge_of_side, triangles = np.unique(
        sides, axis=0, return_inverse=True, return_counts=True
    )
    edge_of_side = edge_of_side.reshape(-1)  # NumPy 2.0 gave it another shape
    opposite = faces[:, [2, 0, 1]].reshape(-1)
    inner = triangles == 2

    middle = count + np.arange(len(edges))
    ends = np.where(inner, 3 / 8, 1 / 2)
    wings = inner[edge_of_side]
    rows = [middle, middle, middle[edge_of_side[wings]]]
    columns = [edges[:, 0], edges[:, 1], opposite[wings]]
    values = [ends, ends, np.full(wings.sum(), 1 / 8)]

    on_border = np.zeros(count, dtype=bool)
    on_border[edges[~inner]] = True
    valence = np.bincount(edges.ravel(), minlength=count)
    share = np.where(on_border, 1 / 8, np.where(valence == 3, 3 / 16, 3 / (8 * valence)))
    # A border vertex only sees its two neighbours on the border.
    neighbours = np.vstack([edges, edges[:, ::-1]])
    seen = ~on_border[neighbours[:, 0]] | ~np.tile(inner, 2)
    one, other = neighbours[seen].T
    rows += [one, np.arange(count)]
    columns += [other, np.arange(count)]
    values += [share[one], 1.0 - share * np.bincount(one, minlength=count)]

    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    rule = csr_array(coo_array(entries, shape=(count + len(edges), count)))
    a, b, c = faces.T
    ab, bc, ca = middle[edge_of_side.reshape(-1, 3)].T
    corners = (a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)
    new_faces = np.concatenate([np.column_stack(corner) for corner in corners])
    return rule, new_faces


def open_edge(faces: np.ndarray) -> np.ndarray:
    """The vertices along the only open edge, in the direction of its triangles."""
    sides = set(map(tuple, faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).tolist()))
    following = {a: b for a, b in sides if (b, a) not in sides}
    loop = [min(following)]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    return np.array(loop)


def _rings(edge: np.ndarray, rings: tuple[tuple[float, float], ...]) -> np.ndarray:
    """[16 R, 3] copies of the wrist's edge [16, 3], moved along x and scaled about its centre."""
    centre = edge.mean(axis=0)
    flat = (edge - centre) * (0.0, 1.0, 1.0)
    return np.vstack([centre + (distance, 0.0, 0.0) + size * flat for distance, size in rings])


def _tube(rings: np.ndarray) -> np.ndarray:
    """[F, 3] triangles between consecutive rings of vertex numbers [R, K]."""
    a, d = rings[:-1], rings[1:]
    b, c = np.roll(a, -1, axis=1), np.roll(d, -1, axis=1)
    corners = [np.stack(corner, axis=-1).reshape(-1, 3) for corner in ((b, a, d), (b, d, c))]
    return np.vstack(corners)
