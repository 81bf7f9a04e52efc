"""The palm frame of human hands: an upright hand, its mirror image, and what is no hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_retarget.retarget.hand_frame import Side, hand_frame, mirrored


def open_right_hand() -> np.ndarray:
    """[21, 3] a flat right hand: fingers along z, palm to x, so the thumb is at +y."""
    joints = np.zeros((21, 3))
    joints[1:5, 1] = [0.030, 0.055, 0.080, 0.100]
    joints[1:5, 2] = [0.020, 0.040, 0.055, 0.070]
    for finger, y in enumerate((0.025, 0.0, -0.020, -0.040)):
        first = 5 + 4 * finger
        joints[first : first + 4, 1] = y
        joints[first : first + 4, 2] = 0.09 + np.array([0.0, 0.045, 0.070, 0.092])
    return joints


def test_upright_open_hand_has_the_axes_of_the_allegro_palm():
    frame = hand_frame(open_right_hand(), Side.RIGHT)
    np.testing.assert_allclose(frame.rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(frame.tips[2], [0.0, 0.0, 0.092], atol=1e-12)
    assert frame.tips[0, 1] > 0.05  # the thumb is on the side of the index finger
    assert frame.finger_length == pytest.approx(0.092)


def test_left_hand_is_the_mirror_image():
    flipped = open_right_hand() * [1.0, -1.0, 1.0]
    left = hand_frame(flipped, Side.LEFT)
    right = hand_frame(open_right_hand(), Side.RIGHT)
    np.testing.assert_allclose(left.rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(mirrored(left.tips), right.tips, atol=1e-12)


def test_frame_moves_with_the_hand():
    rotation = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    still = hand_frame(open_right_hand(), Side.RIGHT)
    moved = hand_frame(open_right_hand() @ rotation.T + [0.3, -0.2, 0.9], Side.RIGHT)
    np.testing.assert_allclose(moved.rotation, rotation, atol=1e-12)
    np.testing.assert_allclose(moved.wrist, [0.3, -0.2, 0.9], atol=1e-12)
    np.testing.assert_allclose(moved.tips, still.tips, atol=1e-12)


def test_bending_the_fingers_does_not_move_the_palm():
    joints = open_right_hand()
    joints[[6, 7, 8, 10, 11, 12, 14, 15, 16]] += [0.03, 0.0, -0.05]
    np.testing.assert_allclose(hand_frame(joints, Side.RIGHT).rotation, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    "joints",
    [
        np.full((21, 3), np.nan),
        np.zeros((21, 3)),
        open_right_hand() * 100.0,  # centimetres
        open_right_hand() * [1.0, 0.0, 1.0],  # all in one plane with the wrist
    ],
    ids=["nan", "one point", "centimetres", "no palm plane"],
)
def test_what_is_no_hand_has_no_frame(joints):
    assert hand_frame(joints, Side.RIGHT) is None


def test_misuse_is_an_error():
    with pytest.raises(ValueError, match="shape"):
        hand_frame(np.zeros((20, 3)), Side.RIGHT)
    with pytest.raises(ValueError, match="left or right"):
        hand_frame(open_right_hand(), Side.UNKNOWN)
