"""HOT3D-Clips: pinhole pictures whose labels are those of the fisheye clips."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.hand.joints import MANO_TO_21, Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.skinning import hand_vertices
from amt_training.data.fisheye import Fisheye624
from amt_training.data.hot3d import LANDMARKS, Hot3d, Hot3dOptions
from amt_training.data.sample import SampleError

from .fixtures.hot3d_files import FRAMES, LENSES, camera_from_world, write_hot3d
from .fixtures.made_hands import MODELS, moved

FLOOR_M = 1e-6
"""1e-3 mm: smplx, which made the truth, computes in float32."""
TIPS = (744, 320, 443, 554, 671)
MODELS_OF_BOTH = (MODELS[Side.RIGHT], MODELS[Side.LEFT])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_hot3d(tmp_path_factory.mktemp("hot3d"))


@pytest.fixture(scope="module")
def dataset(written):
    return Hot3d(written.root, "aria", "all", *MODELS_OF_BOTH)


def parts(sample):
    clip, stream, frame, _ = sample.key.split("/")
    return clip, stream, int(frame)


def in_fisheye(written, sample):
    """The hand and its vertices in the frame of the fisheye camera."""
    clip, stream, frame = parts(sample)
    hand = written.hands[clip, frame, sample.side]
    transform = camera_from_world(written, frame, stream)
    return moved(transform, hand.joints21(TIPS)), moved(transform, hand.vertices)


def turn(joints, others):
    """The rotation that takes joints to others (Kabsch), and what remains between them."""
    rotation, _ = Rotation.align_vectors(others, joints)
    return rotation, np.abs(rotation.apply(joints) - others).max()


def test_labelled_and_seen_hands_are_entries(dataset):
    found = {}
    for entry in dataset.entries:
        found.setdefault(entry.sequence, []).append(entry.frame)
    assert found == {
        "clip-001849/1201-1/right": [0, 1],  # hardly seen in frame 2
        "clip-001849/1201-1/left": [0],  # missing in 1, without MANO in 2
        "clip-001849/214-1/right": [0, 1, 2],
        "clip-001849/214-1/left": [0],
        "clip-001850/1201-1/right": [0, 1, 2],
        "clip-001850/1201-1/left": [0, 1, 2],
        "clip-001850/214-1/right": [0, 1, 2],
        "clip-001850/214-1/left": [0, 1, 2],
    }
    assert FRAMES == 3 and dataset.name == "HOT3D-Clips aria all"


def test_joints_are_the_generators(dataset, written):
    """In the virtual camera's frame: the fisheye camera's, turned about the common centre."""
    for index, entry in enumerate(dataset.entries):
        sample = dataset.sample(index)
        assert sample.side == entry.side
        joints, _ = in_fisheye(written, sample)
        rotation, left_over = turn(joints, sample.joints)
        assert left_over < FLOOR_M
        assert rotation.as_matrix() @ [1.0, 0.0, 0.0] == pytest.approx([0, 0.9, 0], abs=0.45)


def test_mano_labels_give_the_joints(dataset, written):
    for index in range(0, len(dataset.entries), 3):
        sample = dataset.sample(index)
        model = MODELS[sample.side]
        rest_wrist = HandKinematics(model).rest(sample.mano.shape)[0][0]
        vertices = hand_vertices(
            model, sample.mano.pose, sample.mano.shape, sample.joints[0] - rest_wrist
        )
        _, wanted = in_fisheye(written, sample)
        rotation, _ = turn(in_fisheye(written, sample)[0], sample.joints)
        assert np.abs(vertices - rotation.apply(wanted)).max() < FLOOR_M
        assert vertices[list(TIPS)] == pytest.approx(sample.joints[[4, 8, 12, 16, 20]], abs=FLOOR_M)


def test_the_perspective_picture_is_the_fisheye_picture(dataset, written):
    """Colours at the joints of both pictures agree: labels and picture turned alike."""
    for index in range(0, len(dataset.entries), 4):
        sample = dataset.sample(index)
        _, stream, _ = parts(sample)
        joints, vertices = in_fisheye(written, sample)
        lens = Fisheye624.from_parameters(LENSES["aria"][stream][2])
        pixels = sample.joints @ sample.camera.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        x, y, width, height = sample.hand_box
        assert pixels.min(axis=0) == pytest.approx([x, y])
        assert pixels.max(axis=0) == pytest.approx([x + width, y + height])
        # The painted hand fills most of its outline in the new picture, too.
        rotation, _ = turn(joints, sample.joints)
        projected = rotation.apply(vertices) @ sample.camera.T
        projected = np.round(projected[:, :2] / projected[:, 2:]).astype(int)
        inside = ((projected >= 0) & (projected < sample.image.shape[0])).all(axis=1)
        on_sensor = np.isfinite(lens.project(vertices)).all(axis=1)
        columns, rows = projected[inside & on_sensor].T
        colours = sample.image[rows, columns].astype(int)
        skin = colours[:, 0] > colours[:, 2] + 25 if stream == "214-1" else colours[:, 0] > 120
        assert skin.mean() > 0.8


def test_participants_are_held_out(written):
    val = Hot3d(written.root, "aria", "val", *MODELS_OF_BOTH)
    assert {entry.sequence.split("/")[0] for entry in val.entries} == {"clip-001849"}
    train = Hot3d(written.root, "aria", "train", *MODELS_OF_BOTH)
    assert {entry.sequence.split("/")[0] for entry in train.entries} == {"clip-001850"}
    settings = Hot3dOptions(streams=("214-1",), validation_participants=("P0002",))
    val = Hot3d(written.root, "aria", "val", *MODELS_OF_BOTH, settings)
    assert {entry.sequence for entry in val.entries} == {
        "clip-001850/214-1/left",
        "clip-001850/214-1/right",
    }
    with pytest.raises(AmtError, match="no labelled hand of the part val"):
        Hot3d(written.root, "aria", "val", *MODELS_OF_BOTH,
              Hot3dOptions(validation_participants=("P9999",)))  # fmt: skip


def test_quest3_has_two_focal_lengths(tmp_path):
    written = write_hot3d(tmp_path, "quest3")
    dataset = Hot3d(tmp_path, "quest3", "all", *MODELS_OF_BOTH)
    sample = dataset.sample(0)
    assert turn(in_fisheye(written, sample)[0], sample.joints)[1] < FLOOR_M


def test_landmarks_are_the_challenges():
    """Against hand_tracking_toolkit's index into 16 MANO joints and five tips."""
    published = [16, 17, 18, 19, 20, 0, 14, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9]
    points = np.random.default_rng(0).standard_normal((21, 3))
    assert np.array_equal(points[MANO_TO_21][list(LANDMARKS)], points[published])
    assert LANDMARKS[:6] == (4, 8, 12, 16, 20, 0)  # tips first, the wrist at 5


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(AmtError, match="train_aria does not exist: download HOT3D-Clips"):
        Hot3d(tmp_path, "aria", "all", *MODELS_OF_BOTH)
    with pytest.raises(AmtError, match="aria and quest3, not vision"):
        Hot3d(tmp_path, "vision", "all", *MODELS_OF_BOTH)
    write_hot3d(tmp_path)
    dataset = Hot3d(tmp_path, "aria", "all", *MODELS_OF_BOTH)
    path = tmp_path / "train_aria" / "clip-001849.tar"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AmtError, match=r"clip-001849\.tar is (cut off|damaged)"):
        Hot3d(tmp_path, "aria", "all", *MODELS_OF_BOTH)
    path.write_bytes(b"\xff" * len(content))
    with pytest.raises(SampleError, match=r"clip-001849\.tar is damaged"):
        dataset.sample(0)
