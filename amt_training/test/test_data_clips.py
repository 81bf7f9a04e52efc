"""WebDataset clips: frames come back as samples, and wrong settings are found out."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.skinning import hand_vertices
from amt_training.data.clips import ClipOptions, WebDatasetClips
from amt_training.data.sample import Entry, SampleError

from .fixtures.clip_files import FRAMES, HEIGHT, TIPS, UNKNOWN_FRAME, WIDTH, write_clips
from .fixtures.made_hands import MODELS

FLOOR_M = 1e-6
"""1e-3 mm: the files have float32."""
MODELS_OF_BOTH = (MODELS[Side.RIGHT], MODELS[Side.LEFT])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips") / "train")


@pytest.fixture(scope="module")
def dataset(written):
    return WebDatasetClips(written.root, *MODELS_OF_BOTH)


def check(written, dataset):
    for index in range(len(dataset.entries)):
        sample = dataset.sample(index)
        _, clip, frame = sample.key.split("/")
        hand = written.hands[clip, int(frame)]
        assert np.abs(sample.joints - hand.joints21(TIPS)).max() < FLOOR_M
        assert sample.hand_box == pytest.approx(written.boxes[clip, int(frame)], abs=1e-3)
        assert sample.image.shape == (HEIGHT, WIDTH, 3)
        assert (sample.mano is None) == ((clip, int(frame)) == ("0002_l", FRAMES - 1))
        if sample.mano is not None:
            model = MODELS[sample.side]
            wrist = HandKinematics(model).rest(sample.mano.shape)[0][0]
            vertices = hand_vertices(
                model, sample.mano.pose, sample.mano.shape, sample.joints[0] - wrist
            )
            assert np.abs(vertices - hand.vertices).max() < FLOOR_M


def test_frames_with_a_known_hand_are_entries(dataset):
    right, left = "made-000000/0001_r", "made-000000/0002_l"
    assert dataset.entries == [
        *(Entry(right, frame, Side.RIGHT) for frame in range(FRAMES) if frame != UNKNOWN_FRAME),
        *(Entry(left, frame, Side.LEFT) for frame in range(FRAMES)),
    ]
    assert dataset.name == "clips train"


def test_joints_boxes_and_mano_are_the_generators(dataset, written):
    check(written, dataset)


def test_numbered_pictures_metres_boxes_with_sizes_and_full_poses(tmp_path):
    written = write_clips(tmp_path, True, unit=1.0, corners=False, add_mean=True)
    settings = ClipOptions(metres_per_unit=1.0, box_corners=False, flat_hand_mean=True)
    check(written, WebDatasetClips(tmp_path, *MODELS_OF_BOTH, settings))


def test_the_picture_is_the_frames(dataset, written):
    for index in (0, 2, 5):
        sample = dataset.sample(index)
        pixels = sample.joints @ sample.camera.T
        x, y = np.round(pixels[9, :2] / pixels[9, 2]).astype(int)
        red, _, blue = sample.image[y, x].astype(int)
        assert red > blue + 40


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (ClipOptions(flat_hand_mean=True), "check flat_hand_mean"),
        (ClipOptions(metres_per_unit=1.0), "metres_per_unit"),
        (ClipOptions(box_corners=False), "check box_corners"),
    ],
)
def test_settings_that_contradict_the_clips_are_found_out(written, settings, complaint):
    dataset = WebDatasetClips(written.root, *MODELS_OF_BOTH, settings)
    with pytest.raises(SampleError, match=complaint):
        dataset.sample(0)


@pytest.mark.parametrize("numbered", [False, True])
def test_a_clip_with_too_few_pictures_or_numbers_is_named(tmp_path, numbered):
    write_clips(tmp_path, numbered)
    dataset = WebDatasetClips(tmp_path, *MODELS_OF_BOTH)
    last = len(dataset.entries) - 1
    assert dataset.entries[last].frame == FRAMES - 1
    (tmp_path / "all").mkdir()
    path = tmp_path / "all" / "made-000000.tar"

    def rewrite(change):
        with tarfile.open(tmp_path / path.name) as old, tarfile.open(path, "w") as new:
            for member in old:
                content = change(member.name, old.extractfile(member).read())
                if content is not None:
                    member.size = len(content)
                    new.addfile(member, io.BytesIO(content))
        return WebDatasetClips(path.parent, *MODELS_OF_BOTH)

    def fewer_pictures(name, content):
        if name == f"0002_l.{FRAMES - 1:04d}.webp":
            return None
        if name == "0002_l.img_bytes.pickle":
            return pickle.dumps(pickle.loads(content)[:-1])
        return content

    def shorter_focal(name, content):
        if name != "0002_l.focal.npy":
            return content
        file = io.BytesIO()
        np.save(file, np.load(io.BytesIO(content))[:-1])
        return file.getvalue()

    with pytest.raises(SampleError, match=f"has no picture {FRAMES - 1}"):
        rewrite(fewer_pictures).sample(last)
    with pytest.raises(SampleError, match=rf"focal\.npy .* has no number for frame {FRAMES - 1}"):
        rewrite(shorter_focal).sample(last)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(AmtError, match="does not exist: give the folder"):
        WebDatasetClips(tmp_path / "none", *MODELS_OF_BOTH)
    with pytest.raises(AmtError, match="has no clip with a known hand"):
        WebDatasetClips(tmp_path, *MODELS_OF_BOTH)
    write_clips(tmp_path)
    dataset = WebDatasetClips(tmp_path, *MODELS_OF_BOTH)
    path = tmp_path / "made-000000.tar"
    content = path.read_bytes()
    path.write_bytes(b"\xff" * len(content))
    with pytest.raises(SampleError, match=r"0001_r\..* in .*made-000000\.tar is damaged"):
        dataset.sample(0)
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(AmtError, match=r"made-000000\.tar is (cut off|damaged)"):
        WebDatasetClips(tmp_path, *MODELS_OF_BOTH)
