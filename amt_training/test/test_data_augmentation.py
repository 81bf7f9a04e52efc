"""Augmentation: picture, camera, points and poses stay one scene."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from amt_perception.camera.crop import crop_affine, crop_intrinsics, sample_crops
from amt_perception.errors import AmtError
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.geometry import project
from amt_perception.model.hand_layer import HandLayer
from amt_perception.model.interface import LEFT, RIGHT
from amt_training.data.augmentation import (
    AugmentationSettings,
    augment,
    check_resolution,
    draw_changes,
)
from amt_training.data.crops import CropReader, StoredCrop, crop_sample
from amt_training.data.labels import stack_labels
from amt_training.data.warping import warp_pictures, warp_with_grid_sample

from .hand_samples import CAMERA, MadeDataset, make_picture

SIZE, SCALE = 112, 2.0
SETTINGS = AugmentationSettings()
LARGE = AugmentationSettings(rotation_degrees=170.0, translation=0.1)


def read(dataset, crop=StoredCrop(140, 2.5)):  # noqa: B008 - frozen
    """Images [N, 3, P, P] and labels of the whole data set."""
    reader = CropReader(dataset, crop)
    crops = [reader(index) for index in range(len(dataset.entries))]
    images = torch.from_numpy(np.stack([image for image, _ in crops]))
    return images.permute(0, 3, 1, 2), stack_labels([row for _, row in crops])


@pytest.fixture(scope="module")
def stored():
    return read(MadeDataset(sequences=6, frames=5))


def changes_for(settings, count, frames=1, seed=0):
    return draw_changes(settings, count, frames, torch.Generator().manual_seed(seed))


def picture_maps(labels, new, changes):
    """[N, 2, 3] from stored to new pixels, in double precision, from the definition."""
    maps = []
    for box, camera, joints, valid, turn, scale, shift in zip(
        labels.hand_box, labels.intrinsics, labels.joints, labels.joints_valid,
        changes.turn, changes.scale, changes.shift, strict=True,
    ):  # fmt: skip
        centre = (box[:2] + 0.5 * box[2:]).double().numpy()
        side = float(box[2:].max()) * SCALE / float(scale)
        depth = float(joints[valid][:, 2].mean())
        centre = centre - (camera[:2, :2].double() @ shift.double()).numpy() / depth
        square = np.array([*(centre - 0.5 * side), side, side])
        maps.append(crop_affine(square, SIZE, 1.0, float(turn)))
    return torch.from_numpy(np.stack(maps))


def seen(points, intrinsics):
    """[N, K, 2] pixels in double precision, by the whole camera matrix."""
    pixels = points.double() @ intrinsics.double().mT
    return pixels[..., :2] / pixels[..., 2:]


@pytest.mark.parametrize("settings", [SETTINGS, LARGE])
def test_every_point_is_seen_where_the_picture_shows_it(stored, settings):
    images, labels = stored
    changes = changes_for(settings, len(images))
    inputs, new = augment(images[:, None], labels, SIZE, SCALE, changes)
    maps = picture_maps(labels, new, changes)

    def error(before, after, known):
        old = seen(before, labels.intrinsics)
        mapped = old @ maps[:, :, :2].mT + maps[:, None, :, 2]
        off = (mapped - seen(after, new.intrinsics)).norm(dim=-1)
        assert known.any()
        return float(off[known].max())

    layers = {LEFT: HandLayer(generic_hand(Side.LEFT)), RIGHT: HandLayer(generic_hand(Side.RIGHT))}

    def vertices(of):
        import roma

        rotation = roma.rotvec_to_rotmat(of.mano_pose)
        both = {side: layer(rotation, of.mano_shape) for side, layer in layers.items()}
        left = (of.side == LEFT)[:, None, None]
        points = torch.where(left, both[LEFT].vertices, both[RIGHT].vertices)
        return points + of.joints[:, :1]

    def corners(of):
        local = torch.tensor(MadeDataset().object_models[3].points, dtype=torch.float32)
        pose = of.object_pose[:, 0]
        return local @ pose[:, :3, :3].mT + pose[:, None, :3, 3]

    assert error(labels.joints, new.joints, labels.joints_valid) < 1e-3
    assert error(vertices(labels), vertices(new), labels.mano_valid) < 1e-3
    assert error(corners(labels), corners(new), labels.object_class[:, 0] > 0) < 1e-3
    assert error(labels.contact_points, new.contact_points, labels.contact_valid) < 1e-3
    assert torch.equal(inputs.intrinsics[:, 0], new.intrinsics)
    assert (new.intrinsics[:, [1, 2, 2], [0, 0, 1]] == 0.0).all()
    assert (new.intrinsics[:, [0, 1, 2], [0, 1, 2]] > 0.0).all()


def test_nothing_but_the_camera_frame_changes(stored):
    images, labels = stored
    _, new = augment(images[:, None], labels, SIZE, SCALE, changes_for(SETTINGS, len(images)))
    for name in ("side", "joints_valid", "mano_valid", "mano_shape", "object_class",
                 "contact_part", "contact_valid", "interaction"):  # fmt: skip
        assert torch.equal(getattr(new, name), getattr(labels, name))
    known = labels.joints_valid.all(dim=1)
    bones = torch.cdist(labels.joints, labels.joints)[known]
    torch.testing.assert_close(torch.cdist(new.joints, new.joints)[known], bones,
                               atol=1e-5, rtol=0.0)  # fmt: skip
    torch.testing.assert_close(new.joints[..., 2], labels.joints[..., 2])
    assert (new.mano_pose[~labels.mano_valid] == 0.0).all()
    assert torch.equal(new.mano_pose[:, 1:], labels.mano_pose[:, 1:])


def test_pixels_follow_the_map(stored):
    images, labels = stored
    changes = changes_for(replace(LARGE, colour=0.0), len(images))
    inputs, new = augment(images[:, None], labels, SIZE, SCALE, changes)
    maps = picture_maps(labels, new, changes)
    expected = sample_crops(images.contiguous(), maps.numpy(), SIZE)
    # sample_crops filters what becomes smaller; elsewhere it is bilinear too.
    larger = maps[:, :, :2].det() >= 1.0
    assert larger.sum() > 5
    off = (inputs.image[:, 0].int() - expected.int()).abs()[larger]
    assert off.max() <= 1


def test_evaluation_sees_what_the_estimator_sees():
    """The same resolution and a whole number of pixels between the two crops' corners."""
    dataset = MadeDataset(sequences=3, frames=2)
    images, labels = read(dataset, StoredCrop(140, 2.5))
    inputs, new = augment(images[:, None], labels, SIZE, SCALE, None)
    for index in range(len(images)):
        sample = dataset.sample(index)
        affine = crop_affine(sample.hand_box, SIZE, SCALE)
        picture = torch.from_numpy(sample.image).permute(2, 0, 1)[None]
        expected = sample_crops(picture, affine[None], SIZE)[0]
        assert (inputs.image[index, 0].int() - expected.int()).abs().max() <= 1
        matrix = crop_intrinsics(affine, CAMERA)
        np.testing.assert_allclose(inputs.intrinsics[index, 0], matrix, rtol=1e-5, atol=1e-3)
        corner = affine[:, :2] @ sample.hand_box[:2] + affine[:, 2]
        box = np.concatenate([corner, affine[0, 0] * sample.hand_box[2:]])
        np.testing.assert_allclose(inputs.hand_box[index, 0], box, atol=1e-3)
    assert torch.equal(new.joints, labels.joints)
    assert torch.equal(inputs.crop[0, 0], torch.eye(2, 3))


@pytest.mark.parametrize("size", [60, 140, 300])
def test_stored_crops_are_the_estimators(size):
    """Shrunk by more than two, by less, and enlarged."""
    dataset, crop = MadeDataset(sequences=2, frames=2), StoredCrop(size, 2.5)
    for index in range(4):
        sample = dataset.sample(index)
        affine = crop_affine(sample.hand_box, size, 2.5)
        picture = torch.from_numpy(sample.image).permute(2, 0, 1)[None]
        expected = sample_crops(picture, affine[None], size)[0].permute(1, 2, 0).numpy()
        found = crop_sample(sample, crop)
        assert np.abs(found.image.astype(int) - expected).max() <= 1
        np.testing.assert_allclose(found.camera, crop_intrinsics(affine, CAMERA))


def test_a_crop_stored_as_the_model_wants_it_is_kept_to_the_bit():
    images, labels = read(MadeDataset(sequences=2, frames=2), StoredCrop(SIZE, SCALE))
    inputs, _ = augment(images[:, None], labels, SIZE, SCALE, None)
    assert torch.equal(inputs.image[:, 0], images)


def test_the_box_is_that_of_erring_joints_and_the_truth_is_not(stored):
    images, labels = stored
    quiet = replace(SETTINGS, joint_noise=0.0)
    changes = changes_for(SETTINGS, len(images))
    calm = changes_for(quiet, len(images))
    assert 0.0070 < float(changes.joint_error.std()) < 0.0082
    inputs, new = augment(images[:, None], labels, SIZE, SCALE, changes)
    exact, same = augment(images[:, None], labels, SIZE, SCALE, calm)
    assert torch.equal(new.joints, same.joints)
    assert torch.equal(inputs.image, exact.image)
    known = labels.joints_valid.all(dim=1)
    pixels = project(new.joints, new.intrinsics)[known]
    tight = torch.cat([pixels.amin(1), pixels.amax(1) - pixels.amin(1)], dim=-1)
    torch.testing.assert_close(exact.hand_box[known, 0], tight, atol=1e-3, rtol=0.0)
    off = (inputs.hand_box - exact.hand_box)[known].abs().amax(dim=(1, 2))
    assert (off > 0.5).all()
    # Without all joints there is nothing to err: the box of the labels, turned.
    assert not known.all()
    assert torch.equal(inputs.hand_box[~known, 0], new.hand_box[~known])


def test_frames_of_a_window_change_alike(stored):
    images, labels = stored
    changes = changes_for(SETTINGS, 6, frames=5)
    inputs, new = augment(images.unflatten(0, (6, 5)), labels, SIZE, SCALE, changes)
    assert inputs.image.shape == (6, 5, 3, SIZE, SIZE)
    assert inputs.side.tolist() == [RIGHT, LEFT] * 3
    # One camera, one roll: a joint's old and new x and y tell the angle.
    old, now = labels.joints[:, 1, :2], new.joints[:, 1, :2]
    angle = torch.atan2(old[:, 0] * now[:, 1] - old[:, 1] * now[:, 0], (old * now).sum(-1))
    angle = angle.unflatten(0, (6, 5))
    torch.testing.assert_close(angle, angle[:, :1].expand(6, 5), atol=1e-4, rtol=0.0)
    assert angle[:, 0].std() > 0.02


def test_changes_are_within_their_bounds():
    changes = changes_for(SETTINGS, 4000)
    limit = math.radians(7.12)
    assert 0.99 * limit < float(changes.turn.abs().max()) <= limit
    assert 0.76 <= float(changes.scale.min()) < 0.765
    assert 1.135 < float(changes.scale.max()) <= 1.14
    assert 0.0359 < float(changes.shift.abs().max()) <= 0.036
    grey = changes.colour @ torch.tensor([100.0, 100.0, 100.0, 1.0])
    torch.testing.assert_close(grey, grey[:, :1].expand(-1, 3))  # grey stays grey
    bright = changes.colour[:, :, :3].sum(-1)[:, 0]
    assert float(bright.max()) <= 1.168**2 + 1e-5
    none = changes_for(AugmentationSettings(0.0, (1.0, 1.0), 0.0, 0.0, 0.0), 3)
    torch.testing.assert_close(none.colour, torch.eye(3, 4).expand(3, 3, 4), atol=1e-5, rtol=0.0)


def test_both_implementations_agree(stored):
    images, labels = stored
    changes = changes_for(SETTINGS, len(images))
    linear = crop_affine(labels.hand_box.numpy(), SIZE, SCALE, changes.turn.numpy())
    affine = torch.from_numpy(linear).float()
    for colour in (None, changes.colour):
        first = warp_pictures(images, affine, SIZE, colour)
        second = warp_with_grid_sample(images, affine, SIZE, colour)
        assert (first.int() - second.int()).abs().max() <= 2
        assert first.float().std() > 30.0


def test_several_threads_do_what_one_does(stored):
    images, labels = stored
    affine = torch.from_numpy(crop_affine(labels.hand_box.numpy(), SIZE, SCALE)).float()
    before, one = torch.get_num_threads(), None
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            result = warp_pictures(images, affine, SIZE, None)
            assert one is None or torch.equal(result, one)
            one = result
    finally:
        torch.set_num_threads(before)


def test_colour_changes_the_hue_about_grey():
    picture = torch.from_numpy(make_picture(np.random.default_rng(1)))[None, :240, :240]
    only_hue = torch.zeros(1, 4)
    only_hue[0, 3] = 2.0 * math.pi / 3.0
    from amt_training.data.augmentation import _colour

    colour = _colour(only_hue)
    # A third of a turn makes red green, green blue, blue red.
    turned = warp_pictures(picture.permute(0, 3, 1, 2), torch.eye(2, 3)[None], 240, colour)
    expected = picture.roll(1, dims=-1).permute(0, 3, 1, 2)
    assert (turned.int() - expected.int()).abs().max() <= 1


def test_impossible_settings_are_refused():
    with pytest.raises(AmtError, match=r"augmentation\.scale"):
        AugmentationSettings(scale=(1.2, 0.8))
    with pytest.raises(AmtError, match=r"augmentation\.colour"):
        AugmentationSettings(colour=1.5)
    with pytest.raises(AmtError, match="alias"):
        check_resolution(StoredCrop(280, 2.7), 112, 2.0, 0.76)
    with pytest.raises(AmtError, match="crop_scale"):
        check_resolution(StoredCrop(200, 1.8), 224, 2.0, 1.0)
    check_resolution(StoredCrop(), 224, 2.0, 0.76)
