"""A HandSample as the two files of a WebDataset sample: its picture, and everything else as JSON.

The JSON is the canonical form in plain numbers (metres, radians, pixels; see HandSample), null for
what is not known. Numbers keep every digit.

A sample with exact truth has further files, which only other programs read: depth.png (uint16,
0.1 mm; 0 where nothing is), mask.png (uint8) and vertices.npy (float32, m).
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_training.data.sample import (
    ContactLabel,
    ExactTruth,
    HandSample,
    ManoLabel,
    ObjectLabel,
)

IMAGE_FORMATS = ("jpg", "png", "webp")
DEPTH_UNIT_M = 1e-4
"""Of depth.png."""


def encode_picture(image: np.ndarray, kind: str, quality: int) -> bytes:
    """A file of kind jpg, png or webp; quality: 1 to 100 of jpg and webp.

    image: [H, W, 3] uint8 RGB.
    """
    import cv2

    options = {
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        "png": [],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }
    done, data = cv2.imencode(f".{kind}", image[..., ::-1], options[kind])
    if not done:
        raise AmtError(f"a picture of {image.shape} cannot be written as {kind}; choose another")
    return bytes(data)


def decode_picture(data: bytes) -> np.ndarray:
    """[H, W, 3] uint8 RGB. Raises ValueError when it is none."""
    import cv2

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if picture is None:
        raise ValueError("not a picture")
    return picture


def encode_depth(depth: np.ndarray) -> bytes:
    """depth.png of depth [H, W] (m, infinite where nothing is); beyond 6.5 m counts as nothing."""
    steps = np.round(np.nan_to_num(depth, posinf=0.0) / DEPTH_UNIT_M)
    return _png(np.where(steps <= np.iinfo(np.uint16).max, steps, 0).astype(np.uint16))


def decode_depth(data: bytes) -> np.ndarray:
    """[H, W] float32 depth (m) of a depth.png, infinite where nothing is. Raises ValueError when it
    is none."""
    import cv2

    steps = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if steps is None:
        raise ValueError("not a picture")
    return np.where(steps > 0, DEPTH_UNIT_M * steps, np.inf).astype(np.float32)


def encode_exact(exact: ExactTruth) -> dict[str, bytes]:
    """The further files of a sample, by the endings of their names."""
    vertices = io.BytesIO()
    np.save(vertices, exact.vertices.astype(np.float32))
    return {
        "depth.png": encode_depth(exact.depth),
        "mask.png": _png(exact.mask),
        "vertices.npy": vertices.getvalue(),
    }


def _png(picture: np.ndarray) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", picture)
    assert done  # of whole numbers in one channel
    return bytes(data)


def encode_labels(sample: HandSample) -> dict[str, Any]:
    """Everything of a sample but its pictures and vertices, for JSON."""
    mano, objects, contact = sample.mano, sample.objects, sample.contact
    values = {
        "key": sample.key,
        "side": sample.side.name.lower(),
        "camera": sample.camera.tolist(),
        "hand_box": sample.hand_box.tolist(),
        "joints": [
            joint.tolist() if np.isfinite(joint).all() else None for joint in sample.joints
        ],
        "mano": None if mano is None else {
            "pose": mano.pose.tolist(), "shape": mano.shape.tolist()
        },
        "objects": None if objects is None else [
            {"class_index": int(one.class_index), "pose": one.pose.tolist()} for one in objects
        ],
        "contact": None if contact is None else {
            "part": contact.part.tolist(),
            "points": None if contact.points is None else contact.points.tolist(),
            "interaction": int(contact.interaction),
        },
    }  # fmt: skip
    if sample.exact is not None:
        values["exact"] = _exact_labels(sample.exact)
    return values


def _exact_labels(exact: ExactTruth) -> dict[str, Any]:
    return {
        "activity": exact.activity,
        "object_masks": list(exact.object_masks),
        "keypoints": exact.keypoints.tolist(),
        "part_distance": [one if np.isfinite(one) else None for one in exact.part_distance],
        "part_on_hand": exact.part_on_hand.tolist(),
        "part_on_object": exact.part_on_object.tolist(),
    }


def decode_sample(picture: bytes, labels: bytes) -> HandSample:
    """The sample of the two files. Raises ValueError or KeyError when they are no such files."""
    values = json.loads(labels)
    mano, objects, contact = (values[name] for name in ("mano", "objects", "contact"))
    unknown = [np.nan] * 3
    return HandSample(
        key=values["key"],
        image=decode_picture(picture),
        camera=np.array(values["camera"], dtype=float),
        side=Side[values["side"].upper()],
        hand_box=np.array(values["hand_box"], dtype=float),
        joints=np.array([joint or unknown for joint in values["joints"]], dtype=float),
        mano=mano and ManoLabel(np.array(mano["pose"]), np.array(mano["shape"])),
        objects=None if objects is None else tuple(
            ObjectLabel(one["class_index"], np.array(one["pose"])) for one in objects
        ),
        contact=contact and _contact(contact),
    )  # fmt: skip


def _contact(values: dict[str, Any]) -> ContactLabel:
    points = values["points"]
    return ContactLabel(
        part=np.array(values["part"], dtype=np.int64),
        points=None if points is None else np.array(points, dtype=float).reshape(-1, 3),
        interaction=values["interaction"],
    )
