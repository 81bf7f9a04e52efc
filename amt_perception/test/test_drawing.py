"""What `draw_estimate` draws lies where the camera sees it, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.drawing.mesh import draw_mesh
from amt_perception.drawing.overlay import draw_estimate
from amt_perception.drawing.scene import AXIS_COLOURS, AXIS_LENGTH_M
from amt_perception.estimators.interface import FrameEstimate, HandPart, TrackState
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import hand_faces

pytest.importorskip("cv2", reason="opencv is not installed")

CAMERA = Intrinsics.from_field_of_view(640, 480)
GREY = np.full((480, 640, 3), 90, np.uint8)
WHITE = (255, 255, 255)
SQUARE = np.array([[-0.1, -0.1, 0.0], [0.1, -0.1, 0.0], [0.1, 0.1, 0.0], [-0.1, 0.1, 0.0]])
AHEAD = np.array([0.0, 0.0, 0.5])
FACING = np.array([[0, 2, 1], [0, 3, 2]])
"""Counter-clockwise for a camera that looks along z."""


def drawn(estimate, camera=CAMERA, image=GREY):
    return draw_estimate(image, estimate, camera, hand_faces())


def pixel(point):
    return tuple(np.round(CAMERA.project(point)).astype(int))


def test_a_surface_covers_exactly_what_it_projects_to():
    canvas = GREY.copy()
    draw_mesh(canvas, SQUARE + AHEAD, FACING, CAMERA, WHITE, 1.0)
    changed = (canvas != 90).any(axis=2)
    (left, top), (right, bottom) = CAMERA.project(SQUARE[[0, 2]] + AHEAD)
    inside = np.zeros_like(changed)
    inside[round(top) : round(bottom), round(left) : round(right)] = True
    assert (changed != inside).mean() < 0.005
    assert (changed & ~inside).sum() <= 2 * (right - left + bottom - top)


def test_a_surface_is_seen_from_outside_only_and_in_front_of_the_camera():
    for vertices, faces in (
        (SQUARE + AHEAD, FACING[:, ::-1]),
        (SQUARE - AHEAD, FACING),
        (SQUARE + 10.0 * AHEAD[::-1] + AHEAD, FACING),
    ):
        canvas = GREY.copy()
        draw_mesh(canvas, vertices, faces, CAMERA, WHITE, 1.0)
        assert (canvas == GREY).all()


def test_the_nearer_surface_hides_the_farther():
    near, far = 0.3 * SQUARE + 0.6 * AHEAD, SQUARE + AHEAD
    tilted = near + np.array([[0.0, 0.0, 0.1]]) * (near[:, :1] > 0)  # so that its shade differs
    both = {}
    for order, parts in (("near first", (tilted, far)), ("far first", (far, tilted))):
        canvas = GREY.copy()
        faces = np.vstack([FACING, FACING + 4])
        draw_mesh(canvas, np.vstack(parts), faces, CAMERA, (120, 120, 120), 1.0)
        both[order] = canvas
    np.testing.assert_allclose(*map(np.int16, both.values()), atol=2)
    alone = GREY.copy()
    draw_mesh(alone, far, FACING, CAMERA, (120, 120, 120), 1.0)
    assert np.abs(both["far first"][240, 320].astype(int) - alone[240, 320]).max() > 3


def test_the_mesh_lies_under_the_skeleton(scene):
    hands = FrameEstimate(scene.hands)
    bare = FrameEstimate([replace(scene.hands[0], vertices=None)])
    changed = (drawn(hands) != drawn(bare)).any(axis=2)
    u, v = CAMERA.project(scene.hands[0].vertices).round().astype(int).T
    assert changed.sum() > 0.5 * np.ptp(u) * np.ptp(v) * 0.4
    rows, columns = np.nonzero(changed)
    assert rows.min() >= v.min() - 2 and rows.max() <= v.max() + 2
    assert columns.min() >= u.min() - 2 and columns.max() <= u.max() + 2
    wrist = pixel(scene.hands[0].joints[0])
    assert not changed[wrist[1], wrist[0]]


def test_a_predicted_hand_is_dimmed(scene):
    hand = scene.hands[0]
    predicted = FrameEstimate([replace(hand, state=TrackState.PREDICTED)])
    u, v = pixel(hand.vertices[hand.vertices[:, 2].argmin()])
    change = [
        np.abs(drawn(one)[v, u].astype(int) - 90).sum()
        for one in (predicted, FrameEstimate([hand]))
    ]
    assert 0 < change[0] < change[1]


def test_object_axes_have_their_colours_and_directions(scene):
    bottle = replace(scene.objects[0], size=np.zeros(3))
    picture = drawn(FrameEstimate([], [bottle]))
    for axis, colour in zip(bottle.rotation.T, AXIS_COLOURS, strict=True):
        u, v = pixel(bottle.position + 0.8 * AXIS_LENGTH_M * axis)
        assert np.abs(picture[v - 1 : v + 2, u - 1 : u + 2].astype(int) - colour).sum(2).min() < 60
    behind = replace(bottle, position=np.array([0.0, 0.0, -0.5]))
    np.testing.assert_array_equal(drawn(FrameEstimate([], [behind])), drawn(FrameEstimate([], [])))


def test_likely_contacts_are_drawn_the_surer_the_redder(scene):
    greens = {}
    for probability in (0.3, 0.6, 1.0):
        contact = replace(scene.contacts[0], part=HandPart.INDEX, probability=probability)
        picture = drawn(FrameEstimate([], [], [contact]))
        u, v = pixel(contact.position)
        greens[probability] = tuple(int(value) for value in picture[v, u])
    assert greens[0.3] == (90, 90, 90)
    assert greens[0.6][0] > 200 and greens[1.0][0] > 200
    assert greens[0.6][1] > greens[1.0][1] + 40


def test_the_corner_says_when_and_what():
    black = np.zeros_like(GREY)
    lower_left = (slice(440, 480), slice(0, 320))
    nothing = draw_estimate(black, FrameEstimate(), CAMERA, hand_faces())
    timed = draw_estimate(black, FrameEstimate(), CAMERA, hand_faces(), 1.25)
    assert nothing[lower_left].any() and not nothing[:400].any()
    assert (timed[lower_left] != nothing[lower_left]).any()
    assert not black.any()


@pytest.mark.parametrize("size", [(64, 48), (1920, 1080), (301, 999)])
def test_any_picture_can_be_drawn_on(scene, size):
    camera = Intrinsics.from_field_of_view(*size)
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    assert drawn(scene, camera, image).shape == image.shape
    left = replace(scene.hands[0], side=Side.LEFT, vertices=scene.hands[0].vertices * (-1, 1, 1))
    assert (drawn(FrameEstimate([left]), camera, image) != image).any()
