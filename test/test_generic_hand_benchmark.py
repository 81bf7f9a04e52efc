"""The benchmark of the generic hand: its pictures show what their truth says."""

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="mujoco is not installed")

from benchmarks.generic_hand import CAMERA, draw, summary

from amt_perception.hand.joints import Side


def test_pictures_are_reproducible_and_show_the_whole_hand():
    pictures, again = list(draw(14, seed=3)), list(draw(14, seed=3))
    assert {picture.side for picture in pictures} == {Side.LEFT, Side.RIGHT}
    assert len({(picture.posture, picture.view) for picture in pictures}) == 12
    for picture, same in zip(pictures, again, strict=True):
        np.testing.assert_array_equal(picture.image, same.image)
        inside = (picture.joints_px > 0) & (picture.joints_px < (CAMERA.width, CAMERA.height))
        assert inside.all()


def test_palm_views_show_the_thumb_on_the_right_side():
    """Fingers up and palm to the camera, a right hand's thumb is right of its little finger."""
    palms = [picture for picture in draw(24, seed=0) if picture.view == "palm"]
    assert len(palms) == 8
    for picture in palms:
        along = picture.joints_px[9] - picture.joints_px[0]  # from the wrist to the middle finger
        across = picture.joints_px[5] - picture.joints_px[17]  # towards the thumb's side
        turn = along[0] * across[1] - along[1] * across[0]
        assert (turn > 0) == (picture.side == Side.RIGHT)


def test_summary_counts_sides_and_errors_of_what_was_found():
    figures = summary([(True, True, 0.1), (True, False, 0.2), (False, False, np.inf)])
    assert figures == pytest.approx({"pictures": 3, "found": 2 / 3, "side": 0.5, "error": 0.15})
    assert summary([(False, False, np.inf)])["error"] is None
