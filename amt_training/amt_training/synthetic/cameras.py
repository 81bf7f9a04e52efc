"""From where a scene is seen, and through which lens."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_training.data.boxes import joints_box
from amt_training.synthetic.geometry import hand_joints
from amt_training.synthetic.scene import Hand, Moment
from amt_training.synthetic.settings import WorldSettings

_TRIES = 200
_CLEARANCE_M = 0.12
"""Nothing is nearer to the camera than this (m)."""
_ALONG_ARM = np.linspace(0.0, 0.65, 14)
"""From the wrist; arms are drawn straight and so long (m)."""
_UP = np.array([0.0, 0.0, 1.0])
"""Of the stage."""


def draw_camera(
    moment: Moment, settings: WorldSettings, random: np.random.Generator, all_lenses: bool
) -> tuple[Intrinsics, np.ndarray] | None:
    """A camera that sees the first hand, and the transform [4, 4] from the stage's frame to its.

    all_lenses: with the focal lengths that are held out from training. None when no camera sees
    the hand as the settings ask.
    """
    hand = moment.hands[0]
    joints = hand_joints(hand)
    centre = joints.mean(axis=0)
    for _ in range(_TRIES):
        camera = _lens(settings, random, all_lenses)
        distance = np.exp(random.uniform(*np.log(settings.distance)))
        position = centre + distance * _direction(hand, settings, random)
        if _distance_to_things(position, moment) < _CLEARANCE_M:
            continue
        turn = _looking_along(centre - position, hand, random)
        size = 0.19 * camera.fx / distance
        margin = np.minimum(0.45 * size, 0.5 * np.array([camera.width, camera.height]) - 1.0)
        pixel = random.uniform(margin, (camera.width - margin[0], camera.height - margin[1]))
        ray = np.linalg.solve(camera.matrix, [*pixel, 1.0])
        aim, _ = Rotation.align_vectors([ray], [[0.0, 0.0, 1.0]])
        transform = np.eye(4)
        transform[:3, :3] = (aim * turn).as_matrix()
        transform[:3, 3] = -transform[:3, :3] @ position
        seen = joints @ transform[:3, :3].T + transform[:3, 3]
        if seen[:, 2].min() < _CLEARANCE_M:
            continue
        low, high = settings.hand_pixels
        if low <= joints_box(camera.matrix, seen)[2:].max() <= high:
            return camera, transform
    return None


def _lens(settings: WorldSettings, random: np.random.Generator, all_lenses: bool) -> Intrinsics:
    """Almost square pixels, the principal point almost in the middle, as of cheap cameras."""
    bands = np.array(settings.held_out_focal).reshape(-1, 2)
    while True:
        focal = float(np.exp(random.uniform(*np.log(settings.focal))))
        if all_lenses or not any(low < focal < high for low, high in bands):
            break
    width, height = settings.width, settings.height
    x, y = random.normal(0.0, 0.01, 2) * width
    return Intrinsics(
        fx=focal,
        fy=focal * float(random.normal(1.0, 0.005)),
        cx=0.5 * (width - 1) + float(x),
        cy=0.5 * (height - 1) + float(y),
        width=width,
        height=height,
    )


def _direction(hand: Hand, settings: WorldSettings, random: np.random.Generator) -> np.ndarray:
    """[3] unit vector from the hand to the camera."""
    if random.random() < settings.egocentric:
        # The head is behind the hand and above it.
        along = hand.elbow - hand.wrist
        towards = along / np.linalg.norm(along) + random.uniform(0.3, 1.6) * _UP
        towards = towards / np.linalg.norm(towards) + random.normal(0.0, 0.3, 3)
    else:
        azimuth = random.uniform(-np.pi, np.pi)
        height = random.uniform(-0.35, 0.97)
        across = np.sqrt(1.0 - height**2)
        towards = np.array([across * np.cos(azimuth), across * np.sin(azimuth), height])
    unit: np.ndarray = towards / np.linalg.norm(towards)
    return unit


def _looking_along(axis: np.ndarray, hand: Hand, random: np.random.Generator) -> Rotation:
    """From the stage's frame to that of a camera that looks along an axis, nearly upright."""
    forward = axis / np.linalg.norm(axis)
    along = hand.wrist - hand.elbow
    # Seen from straight above, "up" in the picture is where the arm points.
    up = _UP + 0.3 * along / np.linalg.norm(along)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    upright = Rotation.from_matrix(np.stack([right, np.cross(forward, right), forward]))
    roll = random.normal(0.0, 0.15) if random.random() < 0.8 else random.uniform(-0.8, 0.8)
    return Rotation.from_rotvec([0.0, 0.0, roll]) * upright


def _distance_to_things(position: np.ndarray, moment: Moment) -> float:
    """From a point to the arms and the objects' middles (m)."""
    points = []
    for hand in moment.hands:
        along = hand.elbow - hand.wrist
        points.append(hand.wrist + _ALONG_ARM[:, None] * along / np.linalg.norm(along))
    points += [one.pose[None, :3, 3] for one in moment.objects]
    return float(np.linalg.norm(np.concatenate(points) - position, axis=1).min())
