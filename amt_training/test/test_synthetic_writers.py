"""The synthetic world written down: samples, shards, sheets; what is read back is what was true."""

import io
import json
import pickle
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import webdataset
from rosbags.highlevel import AnyReader
from scipy.spatial.transform import Rotation

from amt_perception.camera.crop import crop_affine
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import TIPS, Side
from amt_perception.hand.mirror import mirror_pose
from amt_perception.model.interface import INTERACTIONS
from amt_training.build import hand_models
from amt_training.data.contacts import TOUCHING_M
from amt_training.data.crops import StoredCrop
from amt_training.data.dexycb import DexYcb
from amt_training.data.files import read_yaml
from amt_training.data.labels import label_row, stack_labels
from amt_training.data.sample import UnlabelledError
from amt_training.data.settings import DATA_SETS
from amt_training.data.shard_samples import DEPTH_UNIT_M, decode_depth, decode_picture
from amt_training.data.shards import ShardDataset, shard_file
from amt_training.data.targets import TargetBuilder
from amt_training.synthetic import bags, dexycb_folder, look, shards
from amt_training.synthetic.__main__ import main
from amt_training.synthetic.dataset import (
    NEAR_M,
    SyntheticDataset,
    contact_label,
    hand_sample,
    settings_digest,
)
from amt_training.synthetic.geometry import hand_joints, hand_mesh
from amt_training.synthetic.messages import type_store
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import FIRST_OBJECT, LEFT_HAND, RIGHT_HAND, Picture, Touch
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.studio import LENSES, Recording, Studio, _ring
from amt_training.synthetic.truth import perfect_estimate

from .synthetic_scenes import FlatWorld, draw

SMALL = WorldSettings(train=4, val=3, objects=(2, 2, 2), width=320, height=240)
"""Scenes with a right, a left, both hands, and a left one."""


@pytest.fixture
def flat_worlds(monkeypatch):
    """The commands draw small flat worlds."""

    def world(settings, part):
        values = {"objects": SMALL.objects, "width": SMALL.width, "height": SMALL.height}
        return FlatWorld(replace(settings, **values), part)

    for module in (bags, look, shards):
        monkeypatch.setattr(module, "World", world)


def command(words):
    """Run a command in this process; its exit code, or the sentence that it ends with."""
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return end.code
    return 0


def test_the_data_set_has_every_hand_of_every_frame():
    dataset = SyntheticDataset(FlatWorld(replace(SMALL, frames=2)))
    digest = settings_digest(dataset.world.settings)
    assert len(dataset.entries) == 2 * 5
    assert [entry.side.name[0] for entry in dataset.entries] == list("RRLLRRLLLL")
    assert [entry.frame for entry in dataset.entries] == [0, 1] * 5
    assert dataset.entries[6].sequence == f"train-{digest}/000002/left"
    assert len({dataset.sample(index).key for index in range(10)}) == 10
    assert dataset.object_models.keys() == set(range(1, 7))
    assert settings_digest(SMALL) == settings_digest(replace(SMALL, train=9))
    assert settings_digest(SMALL) != settings_digest(replace(SMALL, sleeves=0.1))


def test_labels_are_those_of_the_shot():
    dataset = SyntheticDataset(FlatWorld(SMALL))
    shot = next(dataset.world.shots(2))
    for index, side, number in ((2, Side.RIGHT, RIGHT_HAND), (3, Side.LEFT, LEFT_HAND)):
        sample = dataset.sample(index)
        hand = next(one for one in shot.moment.hands if one.side == side)
        np.testing.assert_allclose(sample.joints[0], hand.wrist, atol=1e-12)
        np.testing.assert_array_equal(sample.mano.pose, hand.pose)
        pixels = shot.camera.project(sample.joints)
        x, y, width, height = sample.hand_box
        assert np.allclose(pixels.min(axis=0), (x, y))
        assert np.allclose(pixels.max(axis=0), (x + width, y + height))
        seen = np.argwhere(shot.picture.mask == number)[:, ::-1]
        nearest = np.linalg.norm(seen[:, None] - pixels, axis=-1).min(axis=0)
        assert nearest.max() < 6.0  # tips are inside the flesh, and others may hide some
        touch = shot.touches[shot.moment.hands.index(hand)]
        assert sample.contact.part.tolist() == (touch.distance < TOUCHING_M).tolist()
    assert [one.class_index for one in dataset.sample(2).objects] == [1, 2]  # the nearest first


def test_thumb_and_palm_are_a_grasp():
    distance = np.array([-0.001, 0.004, 0.006, 0.02, 0.03, np.inf])
    label = contact_label(Touch(distance, np.zeros((6, 3)), np.arange(18.0).reshape(6, 3)))
    assert label.part.tolist() == [1, 1, 0, 0, 0, 0]
    assert label.points.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert INTERACTIONS[label.interaction] == "grasp"


def test_left_hands_are_mirrored_right_ones():
    """The shape is the right hand's model's: the training's own hands must fit."""
    dataset = SyntheticDataset(FlatWorld(SMALL))
    hands = {side: generic_hand(side) for side in (Side.RIGHT, Side.LEFT)}
    builder = TargetBuilder(hands[Side.RIGHT], dataset.tip_vertices, dataset.object_models)
    samples = [dataset.sample(index) for index in range(5)]
    labels = stack_labels([label_row(sample, np.eye(2, 3)) for sample in samples])
    builder.check_hand_model(labels, "flat world")
    target = builder(labels)
    for index, sample in enumerate(samples):
        shot = next(dataset.world.shots(dataset.scene_of(index)))
        mesh = next(hand_mesh(one) for one in shot.moment.hands if one.side == sample.side)
        np.testing.assert_allclose(target.vertices[index], mesh, atol=1e-5)
    hand = next(dataset.world.shots(1)).moment.hands[0]
    assert hand.side == Side.LEFT
    other = replace(hand, side=Side.RIGHT, pose=mirror_pose(hand.pose), wrist=np.zeros(3))
    mirrored = hand_joints(other) * (-1.0, 1.0, 1.0)
    np.testing.assert_allclose(mirrored + hand.wrist, hand_joints(hand), atol=1e-6)


def test_hands_outside_the_picture_and_far_objects_are_left_out():
    world = FlatWorld(SMALL)
    shot, entry = next(world.shots(0)), SyntheticDataset(world).entries[0]
    away = np.eye(4)
    away[0, 3] = 0.45
    with pytest.raises(UnlabelledError, match="outside the picture"):
        hand_sample(replace(shot, moment=shot.moment.moved(away)), entry)
    box, can = shot.moment.objects
    far = replace(box, pose=box.pose + np.pad([[NEAR_M]], ((2, 1), (3, 0))))
    moment = replace(shot.moment, objects=(far, can))
    assert len(hand_sample(replace(shot, moment=moment), entry).objects) == 1


def test_the_second_hand_costs_nothing_and_other_processes_draw_for_themselves():
    dataset = SyntheticDataset(FlatWorld(SMALL))
    first = dataset.sample(2)
    second = dataset.sample(3)
    assert dataset.world.drawn == 1 and dataset.scene_of(2) == dataset.scene_of(3) == 2
    assert first.image is second.image
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.sample(3).image, second.image)
    assert len(pickle.dumps(dataset)) < first.image.nbytes  # no pictures travel


def test_training_finds_it():
    assert isinstance(DATA_SETS["synthetic"], WorldSettings)
    assert hand_models(None, DATA_SETS["synthetic"]).keys() == {Side.RIGHT, Side.LEFT}


def test_shards_hold_everything(tmp_path, flat_worlds):
    words = ["shards", "--scenes", 4, "--samples-per-shard", 3, "--workers", 0, "--out", tmp_path]
    assert command(words) == 0
    dataset = SyntheticDataset(FlatWorld(SMALL), exact=True)
    back = ShardDataset(tmp_path / "train")
    assert list(back.entries) == dataset.entries
    tars = [str(shard_file(tmp_path / "train", number)) for number in range(2)]
    found = list(webdataset.WebDataset(tars, shardshuffle=False))
    assert len(found) == 5
    for index, files in enumerate(found):
        sample, read = dataset.sample(index), back.sample(index)
        exact = sample.exact
        np.testing.assert_array_equal(read.joints, sample.joints)
        assert np.abs(read.image.astype(int) - sample.image).mean() < 3.0
        depth = decode_depth(files["depth.png"])
        known = np.isfinite(exact.depth)
        assert 0.02 < known.mean() < 0.9 and (np.isfinite(depth) == known).all()
        assert np.abs(depth[known] - exact.depth[known]).max() <= 0.51 * DEPTH_UNIT_M
        mask = cv2.imdecode(np.frombuffer(files["mask.png"], np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, exact.mask)
        vertices = np.load(io.BytesIO(files["vertices.npy"]))
        np.testing.assert_allclose(vertices, exact.vertices, atol=1e-6)
        labels = json.loads(files["json"])
        assert labels["exact"]["activity"] == "grasp"
        assert labels["exact"]["object_masks"] == [FIRST_OBJECT + 1, FIRST_OBJECT]
        np.testing.assert_array_equal(labels["exact"]["part_distance"], exact.part_distance)
        np.testing.assert_array_equal(labels["exact"]["part_on_object"], exact.part_on_object)
        np.testing.assert_array_equal(labels["exact"]["keypoints"], exact.keypoints)


def test_crops_carry_their_truth(tmp_path, flat_worlds):
    words = ["shards", "--part", "val", "--scenes", 1, "--crop", "--workers", 0]
    assert command([*words, "--out", tmp_path]) == 0
    whole = SyntheticDataset(FlatWorld(SMALL, "val"), exact=True).sample(0)
    files = next(iter(webdataset.WebDataset([str(tmp_path / "val/shard-000000.tar")],
                                            shardshuffle=False)))  # fmt: skip
    affine = crop_affine(whole.hand_box, StoredCrop.size, StoredCrop.scale)
    depth = decode_depth(files["depth.png"])
    assert depth.shape == (StoredCrop.size, StoredCrop.size)
    hand = np.argwhere(whole.exact.mask == RIGHT_HAND)[::97, ::-1]
    places = np.round(hand @ affine[:, :2].T + affine[:, 2]).astype(int)
    inside = ((places >= 0) & (places < StoredCrop.size)).all(axis=1)
    off = depth[tuple(places[inside].T[::-1])] - whole.exact.depth[tuple(hand[inside].T[::-1])]
    assert inside.sum() > 10 and np.median(np.abs(off)) < 2e-3


def test_a_stopped_command_goes_on_and_the_files_are_the_same(tmp_path, flat_worlds, monkeypatch):
    words = ["shards", "--scenes", 5, "--samples-per-shard", 1, "--workers", 0, "--out"]
    assert command([*words, tmp_path / "whole"]) == 0
    shots = FlatWorld.shots

    def stopped(world, scene):
        if scene == 3:  # the first three share their hands, so one process writes them
            raise KeyboardInterrupt
        return shots(world, scene)

    with monkeypatch.context() as patch:
        patch.setattr(FlatWorld, "shots", stopped)
        assert command([*words, tmp_path / "again"]) == 130
    assert not shard_file(tmp_path / "again/train", 4).exists()
    first = shard_file(tmp_path / "again/train", 0)
    made = first.stat().st_mtime_ns
    assert command([*words, tmp_path / "again"]) == 0
    assert first.stat().st_mtime_ns == made
    for number in range(6):
        one, other = (shard_file(tmp_path / name / "train", number) for name in ("whole", "again"))
        assert one.read_bytes() == other.read_bytes()


def test_the_sheet_shows_every_scene(tmp_path, flat_worlds):
    path = tmp_path / "look.png"
    assert command(["look", "--scenes", 3, "--out", path]) == 0
    sheet = cv2.imread(str(path))
    assert sheet.shape == (2 * (240 + 8), 2 * (3 * look.TILE_COLUMNS + 8), 3)
    assert sheet[260:, :900].std() > 20.0 > sheet[260:, 1000:].std()  # three scenes of four places


def test_contacts_name_their_objects():
    world = FlatWorld(SMALL)
    shot = next(world.shots(2))
    truth = perfect_estimate(shot, world.library)
    assert [one.class_name for one in truth.objects] == ["can", "box"]
    assert [one.track_id for one in truth.objects] == ["can_002#0", "box_001#1"]
    for contact in truth.contacts:
        assert contact.probability == (contact.distance < TOUCHING_M)
        one = shot.moment.objects[int(contact.object_track_id.rpartition("#")[2])]
        # A small step along the normal leads away from the object.
        seen = (contact.position + 1e-3 * contact.normal - one.pose[:3, 3]) @ one.pose[:3, :3]
        before = (contact.position - one.pose[:3, 3]) @ one.pose[:3, :3]
        surface = world.library.surface(one.number)
        assert surface.distance(seen[None])[0] > surface.distance(before[None])[0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["paint"], "invalid choice: 'paint'"),
        ([], "required: COMMAND"),
        (["shards", "--frames", "0"], "'0' is not a whole number from 1"),
        (["look", "--mesh", "nowhere.obj"], "nowhere.obj"),
    ],
)
def test_mistakes_end_in_one_sentence(words, sentence, flat_worlds, tmp_path):
    message = command(words)
    assert sentence in message and "\n" not in message


@pytest.mark.parametrize("compressed", [False, True])
def test_bags_hold_images_and_their_truth(tmp_path, flat_worlds, compressed):
    words = ["bags", "--scenes", 3, "--frames", 3, "--workers", 0, "--out", tmp_path]
    assert command([*words, "--compressed"] if compressed else words) == 0
    bag = tmp_path / "test_000002"
    world = FlatWorld(replace(SMALL, frames=3), "test")
    shots = list(world.shots(2))
    times = [1_000_000_000, 1_033_333_333, 1_066_666_667]
    found = defaultdict(list)
    with AnyReader([bag], default_typestore=type_store()) as reader:
        assert reader.duration == 66_666_668 and reader.message_count == 3 * 6
        for connection, time, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == time
            assert message.header.frame_id == "camera_optical_frame"
            found[connection.topic].append((time, message))
    images = found[bags.COMPRESSED_IMAGE if compressed else bags.IMAGE]
    for frame, shot in enumerate(shots):
        time, image = images[frame]
        assert time == times[frame]
        if compressed:
            pixels, error = decode_picture(image.data.tobytes()), 3.0
        else:
            pixels, error = image.data.reshape(image.height, image.width, 3), 0.0
        assert np.abs(pixels.astype(int) - shot.picture.image).mean() <= error
        camera = found[bags.CAMERA_INFO][frame][1]
        np.testing.assert_array_equal(camera.k.reshape(3, 3), shot.camera.matrix)
        for place, hand in enumerate(shot.moment.hands):
            time, message = found[bags.TRUE_HANDS][2 * frame + place]
            assert time == times[frame] and message.side == hand.side
            joints = [(point.x, point.y, point.z) for point in message.joints]
            np.testing.assert_array_equal(joints, hand_joints(hand))
            np.testing.assert_allclose(message.mano_pose, hand.pose.ravel(), atol=1e-6)
        objects = found[bags.TRUE_OBJECTS][frame][1].objects
        assert [one.class_id for one in objects] == ["can", "box"]
        for one, true in zip(objects, shot.moment.objects, strict=True):
            place, turn = one.pose.pose.position, one.pose.pose.orientation
            np.testing.assert_allclose((place.x, place.y, place.z), true.pose[:3, 3])
            matrix = Rotation.from_quat((turn.x, turn.y, turn.z, turn.w)).as_matrix()
            np.testing.assert_allclose(matrix, true.pose[:3, :3], atol=1e-12)
        contacts = found[bags.TRUE_CONTACTS][frame][1].contacts
        distances = np.concatenate([touch.distance for touch in shot.touches])
        np.testing.assert_allclose([one.distance for one in contacts], distances, rtol=1e-6)


def test_bags_speak_the_installed_messages():
    """The hashes by which ROS 2 tells types apart are those of the built amt_msgs."""
    for name in ("HandPose", "ObjectPoseArray", "ContactArray"):
        file = Path(sys.prefix, "share/amt_msgs/msg", f"{name}.json")
        if not file.is_file():
            pytest.skip("amt_msgs is not built in this environment")
        built = json.loads(file.read_text())["type_hashes"]
        hashes = {one["type_name"]: one["hash_string"] for one in built}
        full = f"amt_msgs/msg/{name}"
        assert type_store().hash_rihs01(full) == hashes[full]


def test_a_folder_of_another_world_is_refused(tmp_path, flat_worlds):
    words = ["bags", "--scenes", 1, "--workers", 0, "--out", tmp_path]
    assert command([*words, "--frames", 1]) == 0
    made = next(tmp_path.glob("*/*.mcap")).stat().st_mtime_ns
    (tmp_path / ".unfinished" / "test_000001").mkdir(parents=True)  # as kill -9 leaves it
    assert command([*words, "--frames", 1]) == 0
    assert next(tmp_path.glob("*/*.mcap")).stat().st_mtime_ns == made  # whole: left as it is
    assert "another world" in command([*words, "--frames", 2])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock", "test_000000", "world.json",
    ]  # fmt: skip


class FlatStudio(Studio):
    """The motion of a flat world's hand, drawn flatly."""

    def recording(self, seed, side):
        world = FlatWorld(replace(self.settings, train=9), "train")
        shots = list(world.shots(0 if side == Side.RIGHT else 1))
        made = Recording("grasp", tuple(one.moment for one in shots), np.eye(4)[None], (), (), seed)
        return replace(made, from_stage=_ring(made.moments, len(self.lenses)))

    def picture(self, recording, camera, frame):
        moment = recording.moments[frame].moved(recording.from_stage[camera])
        return draw(moment, self.lenses[camera], self.library)


class BlankStudio(FlatStudio):
    """Draws nothing, fast."""

    def picture(self, recording, camera, frame):
        blank = np.zeros((480, 640), np.uint8)
        return Picture(np.dstack(3 * [blank]), np.full(blank.shape, np.inf, np.float32), blank)


@pytest.fixture(scope="module")
def dexycb(tmp_path_factory):
    """The folder of a right and a left hand's recording, two frames, two cameras."""
    root = tmp_path_factory.mktemp("dexycb") / "data"
    words = ["dexycb", "--scenes", 2, "--frames", 2, "--workers", 0, "--out", root]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dexycb_folder, "Studio", FlatStudio)
        assert command(words) == 0
    return root


@pytest.fixture(scope="module")
def hands():
    return [generic_hand(side) for side in (Side.RIGHT, Side.LEFT)]


def test_dexycb_comes_back_through_its_loader(dexycb, hands):
    root = dexycb
    data = DexYcb(root, "s0", "train", *hands)
    assert [(entry.frame, entry.side.name[0]) for entry in data.entries] == [
        (frame, side) for side in "RL" for _ in range(2) for frame in range(2)
    ]
    assert len(DexYcb(root, "s1", "val", *hands).entries) == 0
    settings = WorldSettings(objects=(21, 0, 0), frames=2)
    studio = FlatStudio(ObjectLibrary("train", settings), settings, LENSES[:2])
    builder = TargetBuilder(hands[0], data.tip_vertices, data.object_models)
    for index in range(8):
        sample, entry = data.sample(index), data.entries[index]
        recording = studio.recording((0,), entry.side)
        camera = index // 2 % 2
        moment = recording.moments[entry.frame].moved(recording.from_stage[camera])
        hand = moment.hands[0]
        if entry.side == Side.LEFT:
            hand = replace(hand, shape=np.zeros(10))
        np.testing.assert_allclose(sample.camera, LENSES[camera].matrix, rtol=1e-12)
        mesh = hand_mesh(hand)
        ours = hand_joints(hand)
        inner = [one for one in range(21) if one not in TIPS]
        np.testing.assert_allclose(sample.joints[inner], ours[inner], atol=1e-6)
        tips = mesh[list(data.tip_vertices[entry.side])]
        np.testing.assert_allclose(sample.joints[list(TIPS)], tips, atol=1e-6)
        np.testing.assert_allclose(sample.mano.shape, hand.shape, atol=1e-9)
        labels = stack_labels([label_row(sample, np.eye(2, 3))])
        np.testing.assert_allclose(builder(labels).vertices[0], mesh, atol=2e-6)
        for one, true in zip(sample.objects, moment.objects, strict=True):
            np.testing.assert_allclose(one.pose, true.pose, atol=1e-6)
            surface = studio.library.surface(true.number)
            points = data.object_models[one.class_index].points
            assert np.abs(surface.distance(points)[0]).max() < 1e-6
            shape = studio.library.objects[true.number]
            known = data.object_models[one.class_index]
            np.testing.assert_allclose(known.symmetry_axis, shape.symmetry_axis)
            assert known.symmetry_rotations.shape == shape.symmetry_rotations.shape


def test_dexycb_has_depth_masks_and_a_world(dexycb):
    root = dexycb
    name = dexycb_folder.recording_name(1)
    meta = read_yaml(root / name / "meta.yml")
    assert meta["mano_sides"] == ["left"] and meta["num_frames"] == 2
    extrinsics = read_yaml(
        root / "calibration" / f"extrinsics_{meta['extrinsics']}" / "extrinsics.yml"
    )
    world = np.load(root / name / "pose.npz")
    for camera, serial in enumerate(meta["serials"]):
        folder = root / name / serial
        labels = np.load(folder / "labels_000001.npz")
        to_world = np.reshape(extrinsics["extrinsics"][serial], (3, 4))
        for seen, there in zip(labels["pose_y"], world["pose_y"][1], strict=True):
            turn = Rotation.from_quat(there[:4]).as_matrix()
            np.testing.assert_allclose(to_world[:, :3] @ seen[:, :3], turn, atol=1e-6)
            place = to_world[:, :3] @ seen[:, 3] + to_world[:, 3]
            np.testing.assert_allclose(place, there[4:], atol=1e-6)
        depth = cv2.imread(str(folder / "aligned_depth_to_color_000001.png"), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16 and set(np.unique(labels["seg"])) == {0, 1, 2, 255}
        np.testing.assert_array_equal(depth > 0, labels["seg"] > 0)
        wrist = labels["joint_3d"][0, 0]
        middle = np.median(1e-3 * depth[labels["seg"] == 255])
        assert abs(middle - wrist[2]) < 0.12
        pixel = LENSES[camera].project(wrist)
        np.testing.assert_allclose(labels["joint_2d"][0, 0], pixel, atol=1e-3)


def test_more_recordings_join(tmp_path, hands, monkeypatch):
    monkeypatch.setattr(dexycb_folder, "Studio", BlankStudio)
    monkeypatch.setattr(dexycb_folder, "SUBJECTS", dexycb_folder.SUBJECTS[:2])
    words = ["dexycb", "--frames", 1, "--workers", 0, "--out", tmp_path / "data"]
    assert command([*words, "--scenes", 1]) == 0
    first = tmp_path / "data" / dexycb_folder.recording_name(0) / "pose.npz"
    made = first.stat().st_mtime_ns
    assert command([*words, "--scenes", 3]) == 0  # the last one has the first one's subject
    assert first.stat().st_mtime_ns == made
    assert len(DexYcb(tmp_path / "data", "s0", "train", *hands).entries) == 3 * 2
    assert command([*words, "--cameras", 9]).startswith("--cameras is 9")
