"""OakInk-Shape: hands come back where they were, and damaged or displaced ones do not."""

import json
import os
import pickle

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.interface import HAND_PARTS
from amt_training.data.sample import SampleError
from amt_training.functional.contact_distances import ManoParts
from amt_training.functional.instructions import HELD_OUT, TRAINED
from amt_training.functional.oakink_shape import OakInkShape, part_of, read_hand, read_open_mesh

from .fixtures.made_hands import MODELS, made_hand

RIGHT = MODELS[Side.RIGHT]
OFFSET = np.array([0.4, -0.2, 0.1])
"""Middle of the bounding box in a mesh's file (m)."""
KNUCKLE = 4
"""MANO's joint at the base of the middle finger, joint 9 of 21."""


def parameters(seed, quaternions=False):
    hand = made_hand(Side.RIGHT, seed)
    pose = np.concatenate([hand.orientation, hand.fingers]).astype(np.float32)
    if quaternions:
        pose = np.roll(Rotation.from_rotvec(pose.reshape(16, 3)).as_quat(), 1, axis=1)
    values = {"pose": pose, "shape": hand.shape.astype(np.float32), "tsl": hand.joints16[0]}
    return values, hand


def name_in(part, kind):
    """A six-letter name that the split puts into a part."""
    return next(name for i in range(1000) if part_of(name := f"{kind}{i:05d}") == part)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("oakink")
    shape = root / "shape"
    raw, target, test = name_in("train", "A"), name_in("val", "s"), name_in("test", "C")
    for index, folder, object_id, kind in (
        ("object_id", "OakInkObjectsV2", raw, "obj"),
        ("virtual_object_id", "OakInkVirtualObjectsV2", target, "ply"),
        ("object_id", "OakInkObjectsV2", test, "obj"),
    ):
        listed = shape / "metaV2" / f"{index}.json"
        listed.parent.mkdir(parents=True, exist_ok=True)
        names = json.loads(listed.read_text()) if listed.exists() else {}
        listed.write_text(json.dumps(names | {object_id: {"name": f"thing_{object_id}"}}))
        mesh = trimesh.creation.cylinder(0.03, 0.12)
        mesh.update_faces(mesh.triangles_center[:, 2] < 0.05)  # open at its top
        mesh.apply_translation(OFFSET - mesh.bounds.mean(axis=0))
        path = shape / folder / f"thing_{object_id}" / "align" / f"mesh_align.{kind}"
        path.parent.mkdir(parents=True)
        mesh.export(path)
    hands = {}
    for key, seed, quaternions, intent in (
        ((raw, "0123456789", None), 1, False, "0001"),
        ((raw, "0123456789", target), 2, True, "0001"),
        ((test, "abcdef0123", None), 3, False, "0004"),
    ):
        owner, tag, transferred = key
        folder = shape / "oakink_shape_v2" / "trigger_sprayer" / owner / tag
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "source.txt").write_text(f"pass1/{owner}_{intent}_0000/2021-09-26-19-59-58/x.pkl")
        values, hands[key] = parameters(seed, quaternions)
        path = folder / (transferred or "") / "hand_param.pkl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(values))
    return root, hands, (raw, target, test)


def test_splits_go_by_the_object_or_by_the_recorded_grasp(written):
    root, _, (raw, target, test) = written

    def objects(split):
        found = {}
        for part in ("train", "val", "test"):
            try:
                grasps = OakInkShape(root, split, part, RIGHT).grasps
            except AmtError as error:
                assert "no grasps" in str(error)
            else:
                found[part] = sorted(one.object_id for one in grasps)
        return found

    assert objects("object") == {"train": [raw], "val": [target], "test": [test]}
    # A transferred grasp stays with the grasp that it was made from.
    source, other = part_of(f"{raw}/0123456789"), part_of(f"{test}/abcdef0123")
    expected = {source: [raw, target]}
    expected[other] = sorted([*expected.get(other, []), test])
    assert objects("source") == {part: sorted(ids) for part, ids in expected.items()}


def test_about_eight_tenths_are_to_train_with():
    parts = [part_of(f"A{i:05d}") for i in range(2000)]
    assert part_of("A01001") == part_of("A01001")
    shares = [parts.count(part) / 2000 for part in ("train", "val", "test")]
    assert np.abs(np.subtract(shares, (0.8, 0.1, 0.1))).max() < 0.03


def test_a_hand_is_where_it_was(written):
    root, hands, (raw, target, _) = written
    dataset, hand = OakInkShape(root, "object", "val", RIGHT), hands[raw, "0123456789", target]
    assert len(dataset) == 1
    sample = dataset[0]
    pose = np.vstack([Rotation.from_matrix(sample.rotation).as_rotvec(), sample.joints])
    rest = RIGHT.J_regressor[0] @ (RIGHT.v_template + RIGHT.shapedirs @ sample.shape)
    vertices = hand_vertices(RIGHT, pose, sample.shape, sample.position - rest)
    assert np.abs(vertices - hand.vertices).max() < 1e-5
    assert np.abs(sample.position - hand.joints16[0]).max() < 1e-6
    # The middle finger's knuckle is far from where the sample has the wrist.
    assert np.linalg.norm(hand.joints16[KNUCKLE] - sample.position) > 0.06
    assert (sample.intent, sample.part) == ("use", "body")
    texts = {text.format(object="trigger sprayer") for text in HELD_OUT.general["use"]}
    assert sample.instruction in texts
    assert sample.joints.shape == (15, 3) and sample.shape.shape == (10,)


def test_distances_are_those_to_each_parts_skin(written):
    root, hands, (_, _, test) = written
    sample = OakInkShape(root, "object", "test", RIGHT)[0]
    assert sample.intent == "handover"
    hand = hands[test, "abcdef0123", None]
    low, high = sample.object.vertices.min(axis=0), sample.object.vertices.max(axis=0)
    assert np.abs(low + high).max() < 1e-6
    joint = RIGHT.weights.argmax(axis=1)
    joints = {"palm": (0,), "index": (1, 2, 3), "pinky": (7, 8, 9), "thumb": (13, 14, 15)}
    for name, members in joints.items():
        skin = hand.vertices[np.isin(joint, members)]
        apart = np.linalg.norm(sample.object.points[:, None] - skin[None], axis=-1).min(axis=1)
        found = sample.distances[:, HAND_PARTS.index(name)]
        assert (found < apart + 1e-6).all() and np.abs(found - apart).max() < 0.01, name


def test_distances_to_the_skin_itself_are_small():
    hand = made_hand(Side.RIGHT, 5)
    corners = hand.vertices[RIGHT.faces]
    random = np.random.default_rng(0).dirichlet(np.ones(3), len(corners))
    points = np.einsum("fk,fkd->fd", random, corners)
    nearest = ManoParts(RIGHT).distances(hand.vertices, points).min(axis=1)
    assert np.median(nearest) < 0.0025 and nearest.max() < 0.01
    with pytest.raises(AmtError, match="finite"):
        ManoParts(RIGHT).distances(hand.vertices * np.nan, points)


def test_training_turns_hand_and_object_together(written):
    root, hands, (raw, _, _) = written
    dataset = OakInkShape(root, "object", "train", RIGHT)
    first, other = dataset.sample(0, 0), dataset.sample(0, 1)
    assert not np.allclose(first.rotation, other.rotation, atol=0.01)
    assert np.array_equal(first.object.points, dataset[0].object.points)
    texts = {text.format(object="trigger sprayer") for text in TRAINED.general["use"]}
    assert {first.instruction, other.instruction} <= texts
    hand = hands[raw, "0123456789", None]
    wrist = (first.position - first.object.vertices) @ first.rotation
    before = Rotation.from_rotvec(hand.orientation).as_matrix()
    mesh = read_open_mesh(dataset._meshes[raw], raw, "x")
    assert np.abs(wrist - (hand.joints16[0] - mesh.vertices) @ before).max() < 1e-5


def test_an_open_mesh_and_one_that_is_inside_out_have_outward_normals(tmp_path):
    mesh = trimesh.creation.icosphere(3, 0.04)
    mesh.update_faces(mesh.triangles_center[:, 2] < 0.03)
    for faces in (mesh.faces, mesh.faces[:, ::-1]):
        path = tmp_path / "open.ply"
        trimesh.Trimesh(mesh.vertices + OFFSET, faces, process=False).export(path)
        one = read_open_mesh(path, "open", "ball")
        centre = np.array([0.0, 0.0, one.points[:, 2].max() - 0.03])
        outward = ((one.points - centre) * one.normals).sum(axis=1)
        assert (outward > 0.0).mean() > 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose": np.zeros(45)}, r"48 axis-angle values or 16 quaternions, not the shape .45"),
        ({"pose": np.zeros((16, 3))}, r"not the shape .16, 3"),
        ({"pose": np.zeros((16, 4))}, "16 quaternions"),
        ({"pose": np.full(48, np.nan)}, "pose is not finite"),
        ({"shape": np.zeros(11)}, "10 numbers"),
        ({"tsl": np.array([0.0, np.inf, 0.0])}, "tsl is not finite"),
        ({"tsl": "somewhere"}, "not numbers"),
    ],
)
def test_damaged_hands_are_refused(tmp_path, change, message):
    path = tmp_path / "hand_param.pkl"
    path.write_bytes(pickle.dumps(parameters(1)[0] | change))
    with pytest.raises(SampleError, match=message) as caught:
        read_hand(path)
    assert "hand_param.pkl" in str(caught.value)


def test_the_knuckle_is_not_taken_for_the_wrist(tmp_path):
    values, hand = parameters(1)
    del values["tsl"]
    path = tmp_path / "hand_param.pkl"
    path.write_bytes(pickle.dumps(values | {"hand_tsl": hand.joints16[KNUCKLE]}))
    with pytest.raises(SampleError, match=r"tsl .the wrist., but it has .*hand_tsl"):
        read_hand(path)


class Attack:
    def __reduce__(self):
        return os.system, ("true",)


def test_code_in_a_pickle_is_not_run(tmp_path):
    path = tmp_path / "hand_param.pkl"
    path.write_bytes(pickle.dumps(parameters(1)[0] | {"tsl": Attack()}))
    with pytest.raises(SampleError, match="not data; nothing was run"):
        read_hand(path)


def test_a_hand_far_from_the_object_is_refused(written, tmp_path):
    root, _, _ = written
    dataset = OakInkShape(root, "object", "test", RIGHT)
    path = tmp_path / "hand_param.pkl"
    values, hand = parameters(3)
    path.write_bytes(pickle.dumps(values | {"tsl": hand.joints16[0] + 1000.0}))
    dataset.grasps[0] = dataset.grasps[0]._replace(path=path)
    with pytest.raises(SampleError, match="m from the object"):
        dataset[0]


def test_missing_data_say_how_to_get_them(tmp_path, written):
    with pytest.raises(AmtError, match=r"oakink.net"):
        OakInkShape(tmp_path, "object", "train", RIGHT)
    with pytest.raises(AmtError, match="splits object, source and the parts"):
        OakInkShape(written[0], "views", "train", RIGHT)
    with pytest.raises(AmtError, match="right hand"):
        OakInkShape(written[0], "object", "train", MODELS[Side.LEFT])
