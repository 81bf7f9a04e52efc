"""Crops: exact to a fraction of a pixel, turned or not, enlarged or shrunk, inside or outside."""

import numpy as np
import pytest

from amt_perception.camera.crop import crop_affine, crop_intrinsics, image_points, sample_crops

torch = pytest.importorskip("torch", reason="torch is not installed")

SIZE = 112
BOXES = {
    "enlarged": (200.0, 150.0, 30.0, 22.0),
    "one to one": (100.3, 90.7, 40.0, 56.0),
    "shrunk": (50.0, 40.0, 90.0, 160.0),
    "shrunk far": (0.0, -100.0, 500.0, 620.0),
}


def crops(image, boxes, rotation=0.0):
    affines = crop_affine(np.array(boxes), SIZE, 2.0, rotation)
    images = torch.from_numpy(image).permute(2, 0, 1).expand(len(affines), -1, -1, -1)
    return affines, sample_crops(images, affines, SIZE).permute(0, 2, 3, 1).numpy()


def test_box_is_in_the_middle_at_its_scale():
    affine = crop_affine(np.array([10.0, 20.0, 40.0, 30.0]), 224, 2.0)
    assert affine @ [30.0, 35.0, 1.0] == pytest.approx([111.5, 111.5])
    assert affine @ [31.0, 35.0, 1.0] == pytest.approx([111.5 + 224 / 80, 111.5])
    turned = crop_affine(np.array([10.0, 20.0, 40.0, 30.0]), 224, 2.0, np.pi / 2)
    assert turned @ [31.0, 35.0, 1.0] == pytest.approx([111.5, 111.5 + 224 / 80])


def test_projection_through_the_crop_is_the_projection_then_the_crop():
    matrix = np.array([[600.0, 0.0, 320.0], [0.0, 610.0, 240.0], [0.0, 0.0, 1.0]])
    affine = crop_affine(np.array([[10.0, 20.0, 40.0, 30.0]] * 2), 224, 2.0, np.array([0.0, 0.7]))
    point = np.array([0.1, -0.05, 0.6])
    pixel = matrix @ point / point[2]
    in_crop = crop_intrinsics(affine, matrix) @ point / point[2]
    assert in_crop[:, :2] == pytest.approx(affine @ pixel)
    back = image_points(affine, in_crop[:, None, :2])
    assert back == pytest.approx(np.broadcast_to(pixel[:2], (2, 1, 2)))


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())
@pytest.mark.parametrize("rotation", [0.0, 0.6])
def test_a_spot_lands_where_the_affine_map_says(box, rotation):
    affine = crop_affine(np.array(box), SIZE, 2.0, rotation)
    target = np.array([40.3, 61.8])  # crop pixels
    spot = image_points(affine, target[None])[0]
    scale = np.sqrt(np.linalg.det(affine[:, :2]))
    ys, xs = np.mgrid[:480, :640]
    distance = ((xs - spot[0]) ** 2 + (ys - spot[1]) ** 2) * (scale / 3.0) ** 2
    image = np.repeat((250 * np.exp(-0.5 * distance))[..., None], 3, axis=2).round()
    _, (crop,) = crops(image.astype(np.uint8), [box], rotation)
    weight = crop[..., 0].astype(float)
    ys, xs = np.mgrid[:SIZE, :SIZE]
    found = [(weight * xs).sum() / weight.sum(), (weight * ys).sum() / weight.sum()]
    assert found == pytest.approx(target, abs=0.05)


def test_one_to_one_crop_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    _, (crop,) = crops(image, [(100.0 - 0.5 + SIZE / 4, 80.0 - 0.5 + SIZE / 4, SIZE / 2, SIZE / 2)])
    assert (crop == image[80 : 80 + SIZE, 100 : 100 + SIZE]).all()


@pytest.mark.parametrize("side", [2.0, 3.1, 4.0, 5.7])
def test_fine_patterns_become_grey(side):
    image = np.zeros((720, 720, 3), np.uint8)
    image[::2, ::2] = image[1::2, 1::2] = 255
    extent = 0.5 * SIZE * side
    _, (crop,) = crops(image, [(360 - extent / 2, 360 - extent / 2, extent, extent)])
    assert np.abs(crop[4:-4, 4:-4].astype(float) - 127.5).max() < 12.0


def test_outside_is_black_and_one_batch_holds_any_scale():
    image = np.full((480, 640, 3), 200, np.uint8)
    boxes = [*BOXES.values(), (-50.0, -50.0, 100.0, 100.0), (2000.0, 2000.0, 30.0, 30.0)]
    affines, together = crops(image, boxes)
    for box, crop in zip(boxes, together, strict=True):
        assert (crop == crops(image, [box])[1][0]).all()
    ys, xs = np.mgrid[:SIZE, :SIZE]
    pixels = np.stack([xs, ys], axis=-1).reshape(1, -1, 2)
    for affine, crop in zip(affines, together, strict=True):
        inside = image_points(affine, pixels).reshape(SIZE, SIZE, 2)
        far = 8.0 / np.sqrt(np.linalg.det(affine[:, :2]))
        outside = (inside < -far).any(-1) | (inside > np.array([639, 479]) + far).any(-1)
        well_inside = ((inside > far) & (inside < np.array([639, 479]) - far)).all(-1)
        assert (crop[outside] == 0).all()
        assert (crop[well_inside] == 200).all()


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        sample_crops(torch.zeros(1, 3, 8, 8), np.zeros((1, 2, 3)), SIZE)
    with pytest.raises(ValueError, match="as many"):
        sample_crops(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), np.zeros((2, 2, 3)), SIZE)
