"""FISHEYE624 and the pinhole camera that takes its place."""

import numpy as np
import pytest

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_training.data.fisheye import Fisheye624
from amt_training.data.virtual_camera import VirtualCamera

from .fixtures.hot3d_files import LENSES
from .fixtures.made_hands import draw_hand, made_hand

LENS_CASES = [(size, stream) for size, streams in LENSES.items() for stream in streams]
DOWN = np.array([1.0, 0.0, 0.0])


@pytest.fixture(params=LENS_CASES, ids="-".join)
def lens(request):
    device, stream = request.param
    width, height, parameters = LENSES[device][stream]
    return Fisheye624.from_parameters(parameters), width, height


def test_projection_is_the_published_equation(lens):
    lens, _, _ = lens
    points = np.random.default_rng(0).uniform([-1, -1, 0.2], [1, 1, 1.5], (200, 3))
    for point, found in zip(points, lens.project(points), strict=True):
        assert found == pytest.approx(_published(lens, point), abs=1e-9)


def _published(lens, point):
    """Project Aria's documentation, term by term."""
    x, y, z = point
    theta, phi = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    r = theta + sum(k * theta ** (2 * i + 3) for i, k in enumerate(lens.radial))
    u, v = r * np.cos(phi), r * np.sin(phi)
    p0, p1 = lens.tangential
    s0, s1, s2, s3 = lens.thin_prism
    tangential = (p0 * (2 * u**2 + r**2) + 2 * p1 * u * v, p1 * (2 * v**2 + r**2) + 2 * p0 * u * v)
    prism = (s0 * r**2 + s1 * r**4, s2 * r**2 + s3 * r**4)
    return [
        lens.focal[i] * ((u, v)[i] + tangential[i] + prism[i]) + lens.principal[i] for i in (0, 1)
    ]


def test_projection_returns_to_every_pixel(lens):
    lens, width, height = lens
    pixels = np.stack(np.meshgrid(np.arange(-0.5, width, 9.7), np.arange(-0.5, height, 9.3)), -1)
    rays = lens.unproject(pixels)
    seen = np.isfinite(rays).all(axis=-1)
    assert seen.mean() > 0.75
    assert np.abs(lens.project(rays) - pixels)[seen].max() < 1e-6
    assert np.linalg.norm(rays[seen], axis=-1) == pytest.approx(1.0, abs=1e-12)
    assert np.abs(lens.unproject(lens.project(3.0 * rays)) - rays)[seen].max() < 1e-9


def test_the_optical_axis_and_what_lies_beyond_the_lens():
    lens = Fisheye624.from_parameters(LENSES["aria"]["1201-1"][2])
    assert lens.project(np.array([0.0, 0.0, 2.0])) == pytest.approx(lens.principal)
    assert lens.unproject(np.array(lens.principal)) == pytest.approx([0, 0, 1], abs=1e-12)
    assert np.isnan(lens.project(np.array([0.01, 0.0, -1.0]))).all()
    assert np.isnan(lens.unproject(np.array([5000.0, 240.0]))).all()


def test_a_wrong_number_of_parameters_is_named():
    with pytest.raises(AmtError, match="15 or 16 parameters, not 14"):
        Fisheye624.from_parameters([1.0] * 14)


def test_the_virtual_picture_shows_what_the_fisheye_picture_shows(lens):
    """A disc painted at every joint of the fisheye picture lies where the pinhole camera says."""
    lens, width, height = lens
    joints = made_hand(Side.RIGHT, 5, (0.1, 0.05, 0.35)).joints21((744, 320, 443, 554, 671))
    view = VirtualCamera.looking_at(joints, lens.focal[0], 3.0, DOWN)
    for joint in joints[::4]:
        picture = np.zeros((height, width, 3), np.uint8)
        rows, columns = np.mgrid[:height, :width]
        x, y = lens.project(joint)
        disc = 255 * np.exp(-0.125 * ((columns - x) ** 2 + (rows - y) ** 2))
        picture[..., 1] = np.round(disc)
        seen = view.picture(picture, lens)[..., 1].astype(float)
        assert seen.max() > 200
        rows, columns = np.mgrid[: view.size, : view.size]
        found = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
        in_view = view.matrix @ view.rotation @ joint
        assert found == pytest.approx(in_view[:2] / in_view[2], abs=0.15)


def test_the_virtual_camera_looks_at_the_hand_the_right_way_up(lens):
    lens, _, _ = lens
    joints = made_hand(Side.LEFT, 6, (0.2, -0.15, 0.4)).joints21((744, 320, 443, 554, 671))
    view = VirtualCamera.looking_at(joints, lens.focal[0], 3.0, DOWN)
    assert view.rotation @ view.rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(view.rotation) == pytest.approx(1.0)
    down = view.rotation @ DOWN
    assert down[0] == pytest.approx(0.0, abs=1e-12) and down[1] > 0.7
    pixels = joints @ (view.matrix @ view.rotation).T
    pixels = pixels[:, :2] / pixels[:, 2:]
    middle = 0.5 * (pixels.min(axis=0) + pixels.max(axis=0))
    assert middle == pytest.approx(2 * [0.5 * (view.size - 1)], abs=0.05 * view.size)
    assert np.ptp(pixels, axis=0).max() * 3.0 == pytest.approx(view.size, rel=0.02)


def test_the_coarse_map_is_right_to_a_hundredth_of_a_pixel(lens):
    lens, _, _ = lens
    joints = made_hand(Side.RIGHT, 7, (0.05, 0.1, 0.4)).joints21((744, 320, 443, 554, 671))
    view = VirtualCamera.looking_at(joints, lens.focal[0], 3.0, DOWN)
    steps = np.arange(0, view.size - 4, 4.0)
    corners = np.stack(np.meshgrid(steps, steps), -1)
    between = view.source_pixels(corners + 2.0, lens)
    ends = [np.array([x, y]) for x in (0.0, 4.0) for y in (0.0, 4.0)]
    mean = np.mean([view.source_pixels(corners + end, lens) for end in ends], axis=0)
    assert np.nanmax(np.abs(between - mean)) < 0.01


def test_a_drawn_hand_is_seen_in_its_place():
    """draw_hand of the fixtures paints where the joints are."""
    hand = made_hand(Side.RIGHT, 8, (0.0, 0.0, 0.5))
    picture = np.zeros((240, 320, 3), np.uint8)
    pixels = 300 * hand.vertices[:, :2] / hand.vertices[:, 2:] + [160, 120]
    draw_hand(picture, pixels, hand.vertices[:, 2], Side.RIGHT)
    x, y = np.round(pixels.mean(axis=0)).astype(int)
    assert picture[y, x].max() > 100
