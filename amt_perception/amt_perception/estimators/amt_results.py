"""From the network's tensors to what an estimator says about one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.crop import image_points
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
from amt_perception.hand.joints import BASES, TIPS, WRIST, Side
from amt_perception.model.interface import HAND_PARTS, INTERACTIONS, AmtOutput

LEAST_PROBABILITY = 0.5
"""Objects and contacts that are less likely are left out."""
SAME_OBJECT_M = 0.05
"""Two objects of one class nearer than this are one, which both hands' crops show."""
_PART_JOINTS = (
    (WRIST, *BASES[1:]),
    *(tuple(range(base + 1, tip + 1)) for base, tip in zip(BASES, TIPS, strict=True)),
)
"""Joints of the hand parts, in the order of HAND_PARTS."""


def frame_estimate(
    output: AmtOutput | None,
    affines: np.ndarray,
    sides: Sequence[Side],
    object_classes: Sequence[str],
) -> FrameEstimate:
    """Everything about one image, from the network's output for its N hands, on the host.

    output: None where N is 0. affines: [N, 2, 3] from image to crop pixels. track_ids count the
    hands, and the objects, from 0.
    """
    if output is None or not sides:
        return FrameEstimate([], [], [])
    hands = [_hand(output, row, affine, side, row)
             for row, (affine, side) in enumerate(zip(affines, sides, strict=True))]  # fmt: skip
    objects = _objects(output, object_classes)
    parts = output.contact.part_probability.numpy()  # [N, 6]
    contacts = [
        contact
        for row, hand in enumerate(hands)
        for contact in _contacts(output, row, hand, objects)
    ]
    surest = int(parts.max(axis=1).argmax())
    touches = float(parts[surest].max())
    if touches < LEAST_PROBABILITY:
        return FrameEstimate(hands, objects, contacts, Interaction.NONE, 1.0 - touches)
    chances = output.contact.interaction_logits[surest].softmax(dim=-1).numpy()
    best = int(chances.argmax())
    kind = Interaction[INTERACTIONS[best].upper()]
    return FrameEstimate(hands, objects, contacts, kind, float(chances[best]))


def _hand(
    output: AmtOutput, row: int, affine: np.ndarray, side: Side, track_id: int
) -> HandEstimate:
    assert output.mano_rotation is not None and output.mano_shape is not None
    assert output.vertices is not None
    rotations = output.mano_rotation[row].numpy()
    return HandEstimate(
        side=side,
        track_id=track_id,
        state=TrackState.TRACKED,
        confidence=float(output.hand_confidence[row]),
        wrist_rotation=rotations[0].astype(float),
        joints=output.joints[row].numpy().astype(float),
        joint_sigma=output.joint_log_sigma[row].exp().numpy().astype(float),
        keypoints_px=image_points(affine, output.keypoints[row].numpy()),
        mano_pose=Rotation.from_matrix(rotations).as_rotvec(),
        mano_shape=output.mano_shape[row].numpy().astype(float),
        metric_scale=1.0,
        scale_source=ScaleSource.MODEL,
        vertices=output.vertices[row].numpy().astype(float),
    )


def _objects(output: AmtOutput, names: Sequence[str]) -> list[ObjectEstimate]:
    """Likely objects of all hands' crops, each once, the surest first."""
    found = output.objects
    likely = found.class_logits.softmax(dim=-1)[..., 1:]  # [N, Q, C - 1]: 0 is the background
    chances = (likely * found.confidence[..., None]).flatten(0, 1).numpy()
    positions = found.position.flatten(0, 1).numpy().astype(float)
    rotations = found.rotation.flatten(0, 1).numpy().astype(float)
    objects: list[ObjectEstimate] = []
    for query in np.argsort(-chances.max(axis=1)):
        kind = int(chances[query].argmax())
        name, position = names[kind + 1], positions[query]
        seen = any(
            one.class_name == name and np.linalg.norm(one.position - position) < SAME_OBJECT_M
            for one in objects
        )
        if chances[query, kind] >= LEAST_PROBABILITY and not seen:
            objects.append(
                ObjectEstimate(
                    class_name=name,
                    confidence=float(chances[query, kind]),
                    track_id=str(len(objects)),
                    position=position,
                    rotation=rotations[query],
                )
            )
    return objects


def _contacts(
    output: AmtOutput, row: int, hand: HandEstimate, objects: Sequence[ObjectEstimate]
) -> list[ContactEstimate]:
    """Contacts of one hand's likely parts, each with the object whose centre is nearest.

    A part's place and force are those of its surest contact point; without a point the place is the
    fingertip or the middle of the palm, and the force is unknown.
    """
    contact = output.contact
    probabilities = contact.part_probability[row].numpy()
    chances = contact.point_confidence[row].numpy()
    points = contact.points[row].numpy().astype(float)
    forces = contact.forces[row].numpy()
    owners = _nearest_parts(points, hand.joints)
    contacts = []
    for part in range(len(HAND_PARTS)):
        if probabilities[part] < LEAST_PROBABILITY:
            continue
        own = [k for k in np.argsort(-chances)
               if owners[k] == part and chances[k] >= LEAST_PROBABILITY]  # fmt: skip
        joints = hand.joints[list(_PART_JOINTS[part])]
        usual = joints.mean(axis=0) if part == HandPart.PALM else joints[-1]
        place = points[own[0]] if own else usual
        distances = [np.linalg.norm(one.position - place) for one in objects]
        contacts.append(
            ContactEstimate(
                side=hand.side,
                part=HandPart[HAND_PARTS[part].upper()],
                object_track_id=objects[int(np.argmin(distances))].track_id if objects else "",
                probability=float(probabilities[part]),
                position=place,
                force=float(forces[own[0]]) if own else float("nan"),
            )
        )
    return contacts


def _nearest_parts(points: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """[K] index into HAND_PARTS of the part with the joint that is nearest to each point [K, 3]."""
    distances = np.linalg.norm(points[:, None] - joints[None], axis=-1)  # [K, 21]
    return np.stack([distances[:, list(own)].min(axis=1) for own in _PART_JOINTS]).argmin(axis=0)
