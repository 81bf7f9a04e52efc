"""Which sampled grasps come first."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from amt_perception.grasp.ranking import FRICTION, agreement, balance, order, score

X, Y, Z = np.eye(3)


def test_opposite_fingers_hold_and_fingers_on_one_side_do_not():
    places = 0.03 * np.array([X, -X])
    assert balance(places, np.array([X, -X])) == pytest.approx(1.0, abs=1e-4)
    assert balance(0.03 * np.array([X, Y]), np.array([X, X])) == pytest.approx(0.0, abs=1e-6)
    assert balance(places[:1], np.array([X])) == 0.0
    assert balance(places[:0], np.zeros((0, 3))) == 0.0


def test_three_fingers_about_a_ball_hold():
    angles = np.radians([0.0, 120.0, 240.0])
    normals = np.stack([np.cos(angles), np.sin(angles), 0.0 * angles], axis=1)
    assert balance(0.04 * normals, normals) == pytest.approx(1.0, abs=1e-4)


def test_a_wedge_slips_out_once_it_is_steeper_than_friction():
    def wedge(angle: float) -> float:
        tilt = np.array([np.cos(angle), 0.0, np.sin(angle)])
        other = tilt * (-1.0, 1.0, 1.0)
        return balance(np.array([0.03 * X, -0.03 * X]), np.array([tilt, other]))

    friction_angle = np.arctan(FRICTION)
    assert wedge(0.95 * friction_angle) == pytest.approx(1.0, abs=1e-3)
    steep = wedge(1.3 * friction_angle)
    # Two unit normal forces along -tilt, friction up: what is left pushes along -z.
    angle = 1.3 * friction_angle
    assert steep == pytest.approx(1.0 - (np.sin(angle) - FRICTION * np.cos(angle)), abs=1e-3)


def test_forces_past_each_other_turn_the_object():
    shifted = np.array([0.03 * X + 0.03 * Z, -0.03 * X - 0.03 * Z])
    assert balance(shifted, np.array([X, -X])) < 0.9


def test_places_agree_with_the_map_of_their_own_part():
    points = np.array([0.05 * X, 0.05 * Y])
    contact = np.zeros((2, 6))
    contact[0, 1], contact[1, 2] = 0.8, 0.6
    places = np.zeros((4, 6, 3))
    touches = np.zeros((4, 6), bool)
    touches[:3, 1:3] = True
    places[0, 1], places[0, 2] = 0.05 * X, 0.05 * Y
    places[1, 1], places[1, 2] = 0.05 * Y, 0.05 * X  # fingers exchanged
    places[2, 1], places[2, 2] = 0.06 * X, 0.05 * Y  # 10 mm off
    expected = [0.7, 0.0, (0.8 / np.e + 0.6) / 2.0, 0.0]
    np.testing.assert_allclose(agreement(places, touches, points, contact), expected, atol=1e-9)


def test_a_score_needs_both():
    points = 0.05 * np.array([X, -X, Y])
    normals = np.array([X, -X, Y])
    contact = np.full((3, 6), 0.9)
    contact[2] = 0.1
    places = np.zeros((3, 6, 3))
    touches = np.tile(np.arange(6) < 2, (3, 1))
    places[0, :2] = points[:2]  # opposite, and wanted
    places[1, :2] = points[[0, 0]]  # wanted, on one side
    places[2, :2] = points[[2, 2]]  # neither
    found = score(places, touches, points, normals, contact)
    assert found[0] == pytest.approx(0.9, abs=1e-3)
    assert found[1:].max() < 0.01


def test_copies_come_after_what_is_different():
    scores = np.array([0.5, 0.9, 0.88, 0.7])
    rotations = np.tile(np.eye(3), (4, 1, 1))
    rotations[3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    positions = np.zeros((4, 3))
    positions[0] = 0.2 * X
    assert order(scores, rotations, positions) == [1, 3, 0, 2]
    apart = positions + 0.2 * np.arange(4)[:, None] * Y
    assert order(scores, rotations, apart) == [1, 2, 3, 0]
