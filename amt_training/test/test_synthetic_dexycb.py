"""The synthetic world as a folder like DexYCB's, read by the loader of that data set."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import TIPS, Side
from amt_training.data.dexycb import DexYcb
from amt_training.data.files import read_yaml
from amt_training.data.labels import label_row, stack_labels
from amt_training.data.targets import TargetBuilder
from amt_training.synthetic import dexycb_folder
from amt_training.synthetic.geometry import hand_joints, hand_mesh
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import Picture
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.studio import LENSES, Recording, Studio, _ring

from .synthetic_scenes import FlatWorld, command, draw


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
    monkeypatch.setattr(dexycb_folder, "SUBJECT_FOLDERS", dexycb_folder.SUBJECT_FOLDERS[:2])
    words = ["dexycb", "--frames", 1, "--workers", 0, "--out", tmp_path / "data"]
    assert command([*words, "--scenes", 1]) == 0
    first = tmp_path / "data" / dexycb_folder.recording_name(0) / "pose.npz"
    made = first.stat().st_mtime_ns
    assert command([*words, "--scenes", 3]) == 0  # the last one has the first one's subject
    assert first.stat().st_mtime_ns == made
    assert len(DexYcb(tmp_path / "data", "s0", "train", *hands).entries) == 3 * 2
    assert command([*words, "--cameras", 9]).startswith("--cameras is 9")
