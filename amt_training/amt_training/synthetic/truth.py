"""What is true of a shot, also as a perfect estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.estimators.interface import (
    ContactEstimate,
    FrameEstimate,
    HandEstimate,
    HandPart,
    Interaction,
    ObjectEstimate,
    ScaleSource,
    TrackState,
)
from amt_perception.hand.joints import Side
from amt_training.data.contacts import TOUCHING_M
from amt_training.synthetic.geometry import hand_joints, hand_mesh
from amt_training.synthetic.scene import Hand, PlacedObject, Shot, Touch

if TYPE_CHECKING:
    from amt_training.synthetic.objects.library import ObjectLibrary

_SURE_NORMAL_M = 1e-6
"""Nearer than this, the way from the surface to the hand has no direction."""
_THUMB = HandPart.THUMB


def hand_of(shot: Shot, side: Side) -> tuple[Hand, Touch]:
    """The shot's hand of a side, and how it touches."""
    place = [hand.side for hand in shot.moment.hands].index(side)
    return shot.moment.hands[place], shot.touches[place]


def in_picture(shot: Shot, points: np.ndarray) -> np.ndarray:
    """[N] bool: which points [N, 3] of the camera's frame fall on a pixel."""
    pixels = shot.camera.project(points)
    size = np.array([shot.camera.width, shot.camera.height])
    return np.all((pixels >= -0.5) & (pixels < size - 0.5), axis=1)


def perfect_estimate(shot: Shot, library: ObjectLibrary) -> FrameEstimate:
    """What an estimator without errors would say about a shot.

    Hands have their side's number for a track, objects their name and their place in the moment.
    There is a contact for every part of a hand, with probability 1 or 0, unless there is no object.
    """
    objects = shot.moment.objects
    tracks = [f"{library.objects[one.number].name}#{place}" for place, one in enumerate(objects)]
    contacts = [
        contact
        for hand, touch in zip(shot.moment.hands, shot.touches, strict=True)
        for contact in _contacts(hand.side, touch, objects, tracks, library)
    ]
    return FrameEstimate(
        hands=[_hand(hand, shot) for hand in shot.moment.hands],
        objects=[_object(one, track, library) for one, track in zip(objects, tracks, strict=True)],
        contacts=contacts,
        interaction=_interaction(shot.touches),
        interaction_score=1.0,
    )


def _hand(hand: Hand, shot: Shot) -> HandEstimate:
    joints = hand_joints(hand)
    return HandEstimate(
        side=hand.side,
        track_id=int(hand.side),
        state=TrackState.TRACKED,
        confidence=1.0,
        wrist_rotation=Rotation.from_rotvec(hand.pose[0]).as_matrix(),
        joints=joints,
        joint_sigma=np.zeros(len(joints)),
        keypoints_px=shot.camera.project(joints),
        mano_pose=hand.pose,
        mano_shape=hand.shape,
        metric_scale=1.0,
        scale_source=ScaleSource.MODEL,
        vertices=hand_mesh(hand),
    )


def _object(one: PlacedObject, track: str, library: ObjectLibrary) -> ObjectEstimate:
    shape = library.objects[one.number]
    return ObjectEstimate(
        class_name=shape.family,
        confidence=1.0,
        track_id=track,
        position=one.pose[:3, 3],
        rotation=one.pose[:3, :3],
        position_sigma=0.0,
        rotation_sigma=0.0,
        size=np.ptp(shape.vertices, axis=0),
    )


def _contacts(
    side: Side,
    touch: Touch,
    objects: Sequence[PlacedObject],
    tracks: Sequence[str],
    library: ObjectLibrary,
) -> list[ContactEstimate]:
    """Of every part of a hand; none where there are no objects."""
    if not objects:
        return []
    owner = _owners(touch.on_object, objects, library)
    found = []
    for part in HandPart:
        distance = float(touch.distance[part])
        away = (touch.on_hand[part] - touch.on_object[part]) * np.sign(distance)
        length = float(np.linalg.norm(away))
        found.append(
            ContactEstimate(
                side=side,
                part=part,
                object_track_id=tracks[owner[part]],
                probability=float(distance < TOUCHING_M),
                position=touch.on_hand[part],
                distance=distance,
                normal=away / length if length > _SURE_NORMAL_M else np.zeros(3),
            )
        )
    return found


def _owners(
    points: np.ndarray, objects: Sequence[PlacedObject], library: ObjectLibrary
) -> np.ndarray:
    """[N] place of the object whose surface each of the points [N, 3] lies on."""
    gaps = []
    for one in objects:
        inside = (points - one.pose[:3, 3]) @ one.pose[:3, :3]
        gaps.append(np.abs(library.surface(one.number).distance(inside)[0]))
    owners: np.ndarray = np.argmin(gaps, axis=0)
    return owners


def _interaction(touches: tuple[Touch, ...]) -> Interaction:
    """The strongest of the hands'; the rule is that of `data.contacts.interaction_of`."""
    strongest = Interaction.NONE
    for touch in touches:
        parts = touch.distance < TOUCHING_M
        if parts[_THUMB] and parts.sum() > 1:
            return Interaction.GRASP
        if parts.any():
            strongest = Interaction.TOUCH
    return strongest
