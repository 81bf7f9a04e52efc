"""Build the generic hand: skeleton, mesh, skin weights, shape directions, joint regressor."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.sparse import csr_array

from amt_perception.hand.generic.correctives import pose_correctives
from amt_perception.hand.generic.flesh import PALM, build_flesh
from amt_perception.hand.generic.mesh import RoughHand, rough_hand
from amt_perception.hand.generic.postures import pose_components, relaxed_pose
from amt_perception.hand.generic.skeleton import Skeleton, build_skeleton
from amt_perception.hand.generic.skin import joint_regressor, skin_weights
from amt_perception.hand.joints import MANO_PARENTS, Side
from amt_perception.hand.limits import anatomical_axes
from amt_perception.hand.mirror import mirror_model
from amt_perception.hand.model_data import HandModelData

_SHAPE_STEP = 0.5
_RELAXATION_ROUNDS = 60
_WEB_ROUNDS = 2


@lru_cache(maxsize=2)
def generic_hand(side: Side) -> HandModelData:
    """The generic adult hand in MANO's format (hand length 0.19 m, breadth 0.084 m).

    Built in about a second at the first call, then kept. The left hand is the right one's mirror
    image. Raises AmtError for an unknown side.
    """
    if side == Side.LEFT:
        return mirror_model(generic_hand(Side.RIGHT))
    skeleton = build_skeleton(np.zeros(10))
    rough = rough_hand(skeleton)
    neighbours = _adjacency(rough.faces)
    vertices = _relaxed_skin(skeleton, rough, neighbours)
    axes = anatomical_axes(skeleton.joints, skeleton.tips, Side.RIGHT)
    centre = vertices.mean(axis=0)
    plain = HandModelData(
        side=side,
        v_template=vertices - centre,
        faces=rough.faces,
        shapedirs=_shape_directions(vertices, rough, neighbours),
        posedirs=np.zeros((len(vertices), 3, 135)),
        weights=skin_weights(skeleton, vertices, rough.groups, neighbours),
        J_regressor=joint_regressor(skeleton, vertices, rough.groups),
        parents=np.array(MANO_PARENTS),
        hands_components=pose_components(axes),
        hands_mean=relaxed_pose(axes),
        source="generic hand",
    )
    posedirs = pose_correctives(plain, skeleton, rough.groups, rough.on_wrist_loop)
    return replace(plain, posedirs=posedirs)


def _relaxed_skin(skeleton: Skeleton, rough: RoughHand, neighbours: csr_array) -> np.ndarray:
    """[778, 3] vertices on the skin, evenly spread over the palm, in the wrist's frame."""
    flesh = build_flesh(skeleton)
    vertices = flesh.project(rough.vertices, rough.groups, steps=6)
    free = ((rough.groups == PALM) | rough.on_roots) & ~rough.on_wrist_loop
    for _ in range(_RELAXATION_ROUNDS):
        vertices[free] += 0.6 * (_pull(neighbours, vertices) - vertices)[free]
        vertices = flesh.project(vertices, rough.groups, steps=2)
        vertices[rough.on_wrist_loop, 0] = rough.vertices[rough.on_wrist_loop, 0]
    return _smooth_webs(vertices, rough, neighbours)


def _smooth_webs(values: np.ndarray, rough: RoughHand, neighbours: csr_array) -> np.ndarray:
    """Values [778, D] evened out between the fingers, where the flesh has no clear normal."""
    clefts = rough.on_webs | (neighbours @ rough.on_webs > 0)
    values = values.copy()
    for _ in range(_WEB_ROUNDS):
        values[clefts] = (neighbours @ values)[clefts]
    return values


def _pull(neighbours: csr_array, vertices: np.ndarray) -> np.ndarray:
    """[778, 3] mean of each vertex's neighbours; far ones count more, which evens out the edges."""
    row, column = neighbours.nonzero()
    weight = np.linalg.norm(vertices[row] - vertices[column], axis=1)
    springs = csr_array((weight, (row, column)), shape=neighbours.shape)
    return (springs @ vertices) / springs.sum(axis=1)[:, None]


def _shape_directions(vertices: np.ndarray, rough: RoughHand, neighbours: csr_array) -> np.ndarray:
    """[778, 3, 10] central differences of the skin over each shape coefficient.

    The skin is carried along by a smooth interpolation of the skeleton's movement, so that vertices
    stay the same points of the hand, and pulled back onto the flesh.
    """
    mean_landmarks = build_skeleton(np.zeros(10)).landmarks
    directions = np.empty((len(vertices), 3, 10))
    for i, axis in enumerate(np.eye(10)):
        skins = []
        for step in (_SHAPE_STEP, -_SHAPE_STEP):
            skeleton = build_skeleton(step * axis)
            carry = RBFInterpolator(mean_landmarks, skeleton.landmarks, kernel="linear", degree=1)
            carried = carry(vertices)
            lift = build_flesh(skeleton).project(carried, rough.groups, steps=4) - carried
            skins.append(carried + _smooth_webs(lift, rough, neighbours))
        directions[..., i] = (skins[0] - skins[1]) / (2 * _SHAPE_STEP)
    return directions


def _adjacency(faces: np.ndarray) -> csr_array:
    """[778, 778] row-normalised neighbourhood of the mesh."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.vstack([edges, edges[:, ::-1]]), axis=0)
    matrix = csr_array((np.ones(len(edges)), edges.T), shape=(faces.max() + 1,) * 2)
    return csr_array(matrix.multiply(1 / matrix.sum(axis=1)[:, None]))
