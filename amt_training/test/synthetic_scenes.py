"""A small world drawn with flat triangles: fast, the same everywhere, and true in every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_training.synthetic.__main__ import main
from amt_training.synthetic.geometry import hand_mesh
from amt_training.synthetic.objects.library import ObjectLibrary
from amt_training.synthetic.scene import (
    FIRST_OBJECT,
    LEFT_HAND,
    RIGHT_HAND,
    Hand,
    Moment,
    Picture,
    PlacedObject,
    Shot,
    Touch,
)
from amt_training.synthetic.settings import WorldSettings

SMALL = WorldSettings(train=4, val=3, objects=(2, 2, 2), width=320, height=240)
"""Scenes with a right, a left, both hands, and a left one."""
SKIN = (200, 150, 120)
ELBOW = np.array([0.0, 0.25, 0.05])


@dataclass
class FlatWorld:
    """Every third scene has both hands; hands and objects move from frame to frame."""

    settings: WorldSettings
    part: str = "train"
    drawn: int = 0
    """Scenes."""

    @cached_property
    def library(self) -> ObjectLibrary:
        return ObjectLibrary(self.part, self.settings)

    def __len__(self) -> int:
        return int(getattr(self.settings, self.part))

    def sides(self, scene: int) -> tuple[Side, ...]:
        first = (Side.RIGHT, Side.LEFT)[scene % 2]
        return (Side.RIGHT, Side.LEFT) if scene % 3 == 2 else (first,)

    def shots(self, scene: int) -> Iterator[Shot]:
        self.drawn += 1
        random = np.random.default_rng((self.settings.seed, scene))
        shape, turn = random.normal(0.0, 0.7, 10), Rotation.random(random_state=scene)
        poses = random.normal(0.0, 0.2, (len(self.sides(scene)), 16, 3))
        size = self.settings.width, self.settings.height
        focal, middle = 0.9 * size[0], np.array(size) / 2.0 - (0.0, 1.25)
        camera = Intrinsics(focal, focal, *middle, *size)
        for frame in range(self.settings.frames):
            hands = []
            for place, (side, pose) in enumerate(zip(self.sides(scene), poses, strict=True)):
                pose = pose.copy()
                pose[0] = (Rotation.from_rotvec((0.0, 0.1 * frame, 0.0)) * turn).as_rotvec()
                wrist = np.array([0.16 * place - 0.05, 0.01 * frame, 0.55])
                hands.append(Hand(side, pose, shape, wrist, wrist + ELBOW))
            objects = []
            first, second = list(self.library.objects)[:2]
            for number, offset in ((second, (0.0, -0.1, 0.15)), (first, (0.04, 0.0, 0.05))):
                pose = np.eye(4)
                pose[:3, :3] = turn.as_matrix()
                pose[:3, 3] = hands[0].wrist + offset
                objects.append(PlacedObject(number, pose))
            moment = Moment(tuple(hands), tuple(objects))
            touches = tuple(_touch(hand, moment, self.library) for hand in hands)
            yield Shot(camera, moment, draw(moment, camera, self.library), touches, "grasp")


def _touch(hand: Hand, moment: Moment, library: ObjectLibrary) -> Touch:
    """Of one vertex for each part, to the nearest object."""
    on_hand = hand_mesh(hand)[[0, 744, 320, 443, 554, 671]]
    distances, points = [], []
    for one in moment.objects:
        seen = (on_hand - one.pose[:3, 3]) @ one.pose[:3, :3]
        distance, nearest = library.surface(one.number).distance(seen)
        distances.append(distance)
        points.append(nearest @ one.pose[:3, :3].T + one.pose[:3, 3])
    best, parts = np.argmin(distances, axis=0), np.arange(6)
    return Touch(np.array(distances)[best, parts], on_hand, np.array(points)[best, parts])


def draw(moment: Moment, camera: Intrinsics, library: ObjectLibrary) -> Picture:
    """The farthest triangles first, each at the depth of its middle."""
    image = np.full((camera.height, camera.width, 3), 90, np.uint8)
    depth = np.full(image.shape[:2], np.inf, np.float32)
    mask = np.zeros(image.shape[:2], np.uint8)
    triangles, numbers = [], []
    for hand in moment.hands:
        faces = hand_mesh(hand)[generic_hand(hand.side).faces]
        triangles.append(faces)
        numbers += len(faces) * [LEFT_HAND if hand.side == Side.LEFT else RIGHT_HAND]
    for place, one in enumerate(moment.objects):
        shape = library.objects[one.number]
        points = shape.vertices @ one.pose[:3, :3].T + one.pose[:3, 3]
        triangles.append(points[shape.faces])
        numbers += len(shape.faces) * [FIRST_OBJECT + place]
    corners = np.concatenate(triangles)
    seen = np.flatnonzero(np.linalg.det(corners) < 0.0)  # the others show their backs
    pixels = np.round(camera.project(corners)).astype(np.int32)
    depths = corners[..., 2].mean(axis=1)
    for face in seen[np.argsort(-depths[seen])]:
        number = numbers[face]
        colour = SKIN if number in (LEFT_HAND, RIGHT_HAND) else (60, 90, 20 * number - 160)
        cv2.fillConvexPoly(image, pixels[face], colour)
        cv2.fillConvexPoly(depth, pixels[face], float(depths[face]))
        cv2.fillConvexPoly(mask, pixels[face], number)
    return Picture(image, depth, mask)


def command(words):
    """Run a command in this process; its exit code, or the sentence that it ends with."""
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return end.code
    return 0
