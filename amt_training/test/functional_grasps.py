"""A small functional set whose grasps are drawn by chance, for tests that need no simulator."""

import json

import numpy as np
from scipy.spatial.transform import Rotation

from amt_training.functional.catalogue import FAMILIES
from amt_training.functional.dataset import DESCRIPTION, HAND
from amt_training.functional.objects import Listed, drawn_object
from amt_training.functional.storage import StoredGrasps, write_grasps


def stored_grasps(family="mug", number=0, count=4):
    """An object with grasps that nobody tried; distances are those to random points."""
    one = drawn_object(Listed(FAMILIES[family], number), seed=0)
    random = np.random.default_rng([7, number, *family.encode()])
    near = one.points[random.integers(len(one.points), size=(count, 6))]
    distances = np.linalg.norm(one.points[None, :, None] - near[:, None], axis=-1)
    distances[..., 5] = 1.0
    parts = len(one.part_names)
    arrays = {
        "rotation": Rotation.from_quat(random.standard_normal((count, 4))).as_matrix(),
        "position": random.normal(0.0, 0.1, (count, 3)),
        "joints": random.uniform(0.0, 1.0, (count, 16)),
        "squeeze": random.uniform(0.0, 1.0, (count, 16)),
        "pre_grasp_rotation": Rotation.from_quat(random.standard_normal((count, 4))).as_matrix(),
        "pre_grasp_position": random.normal(0.0, 0.1, (count, 3)),
        "pre_grasp": random.uniform(0.0, 1.0, (count, 16)),
        "on_part": np.ones(count),
        "penetration": np.full(count, 0.001),
        "moved": np.full(count, 0.01),
        "turned": np.full(count, 0.05),
    }
    part = np.arange(count) % parts
    return StoredGrasps(
        object=one,
        part=part,
        tries=np.full(parts, 10),
        held=np.bincount(part, minlength=parts),
        distances=distances.astype(np.float16),
        **{name: array.astype(np.float32) for name, array in arrays.items()},
    )


def write_set(folder, objects=(("mug", 0), ("screwdriver", 0), ("pan", 0), ("knife", 0))):
    """A folder as `python -m amt_training.functional generate` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).write_text(json.dumps({"hand": HAND}))
    for family, number in objects:
        stored = stored_grasps(family, number)
        split = FAMILIES[family].split
        write_grasps(folder / split / f"{stored.object.name}.safetensors", stored)
    return folder
