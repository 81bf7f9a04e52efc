"""What there is to see: hands and objects at one moment, before anything is drawn.

Metres, radians. A moment is made in some frame of its own (an object's, or a stage whose z axis
points up), and moved into the camera's (OpenCV axes) to be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.joints import Side


@dataclass(frozen=True)
class Hand:
    """A hand of the generic model."""

    side: Side
    pose: np.ndarray
    """[16, 3] axis-angle of the joints in MANO's order, mean pose included; the first one turns the
    hand in the moment's frame."""
    shape: np.ndarray
    """[10] of the right hand's model; a left hand is its mirror image."""
    wrist: np.ndarray
    """[3] the wrist's joint (m)."""
    elbow: np.ndarray
    """[3] where the forearm comes from (m)."""

    def moved(self, transform: np.ndarray) -> Hand:
        """Seen from another frame: transform [4, 4] takes points there."""
        turn = Rotation.from_matrix(transform[:3, :3])
        first = (turn * Rotation.from_rotvec(self.pose[0])).as_rotvec()
        return replace(
            self,
            pose=np.vstack([first, self.pose[1:]]),
            wrist=turn.apply(self.wrist) + transform[:3, 3],
            elbow=turn.apply(self.elbow) + transform[:3, 3],
        )


@dataclass(frozen=True)
class PlacedObject:
    """An object of the library, somewhere."""

    number: int
    """Its place in the `ObjectLibrary`, from 1."""
    pose: np.ndarray
    """[4, 4] from the object's frame to the moment's."""

    def moved(self, transform: np.ndarray) -> PlacedObject:
        """Seen from another frame: transform [4, 4] takes points there."""
        return replace(self, pose=transform @ self.pose)


@dataclass(frozen=True)
class Moment:
    """Hands and objects at one time."""

    hands: tuple[Hand, ...]
    """One, or a right and a left one."""
    objects: tuple[PlacedObject, ...]
    """The first is what the first hand is about, if it is about any."""

    def moved(self, transform: np.ndarray) -> Moment:
        """Seen from another frame: transform [4, 4] takes points there."""
        return Moment(
            tuple(hand.moved(transform) for hand in self.hands),
            tuple(one.moved(transform) for one in self.objects),
        )


@dataclass(frozen=True)
class Touch:
    """How a hand touches the objects around it, from its mesh and theirs."""

    distance: np.ndarray
    """[6] signed distance of each of HAND_PARTS to the nearest object (m), negative inside;
    infinite without objects."""
    on_hand: np.ndarray
    """[6, 3] the vertex of each part that is nearest (m)."""
    on_object: np.ndarray
    """[6, 3] the point of the object's surface that is nearest to it (m)."""


@dataclass(frozen=True)
class Picture:
    """What a camera without faults sees."""

    image: np.ndarray
    """[H, W, 3] uint8 RGB."""
    depth: np.ndarray
    """[H, W] float32 z in the camera's frame (m); infinite where only the backdrop is."""
    mask: np.ndarray
    """[H, W] uint8: one of the numbers below, + the place in `Moment.objects` for objects."""


NOTHING, LEFT_HAND, RIGHT_HAND, LEFT_SLEEVE, RIGHT_SLEEVE, FIRST_OBJECT = 0, 1, 2, 3, 4, 10
"""Values of `Picture.mask`. A hand's includes its bare forearm."""


@dataclass(frozen=True)
class Shot:
    """One frame of a scene, and everything that is true about it."""

    camera: Intrinsics
    moment: Moment
    """In the camera's frame."""
    picture: Picture
    """Its image is as a real camera gives it: blurred, noisy, compressed."""
    touches: tuple[Touch, ...]
    """Of each hand."""
    activity: str
    """grasp, approach, gesture or sequence."""
