"""sensor_msgs/PointCloud2 to points and normals."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from amt_perception.errors import AmtError

FLOATS = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}
POINT, NORMAL = ("x", "y", "z"), ("normal_x", "normal_y", "normal_z")


def cloud_points(message: PointCloud2) -> tuple[np.ndarray, np.ndarray | None]:
    """Points [P, 3] (m) in the message's frame, and normals [P, 3] where it has them.

    Points that a depth camera has not seen, which are not finite, are left out. Raises AmtError for
    a cloud without the fields x, y and z as floats, and for one whose size is wrong.
    """
    count = message.width * message.height
    if message.row_step * message.height != len(message.data) or (
        message.row_step < message.width * message.point_step
    ):
        raise AmtError(
            f"A cloud of {message.width}x{message.height} points came with {len(message.data)} "
            "bytes; whoever publishes it is wrong."
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.row_step)
    packed = np.ascontiguousarray(rows[:, : message.width * message.point_step])
    points = _columns(message, packed, count, POINT)
    if points is None:
        raise AmtError("A cloud needs the fields x, y and z as floats; publish one with them.")
    normals = _columns(message, packed, count, NORMAL)
    seen = np.isfinite(points).all(axis=1)
    return points[seen], None if normals is None else normals[seen]


def _columns(
    message: PointCloud2, packed: np.ndarray, count: int, names: tuple[str, ...]
) -> np.ndarray | None:
    """Fields of these names as columns [P, 3]; None where one is missing or no float."""
    fields = {field.name: field for field in message.fields}
    order = ">" if message.is_bigendian else "<"
    columns = []
    for name in names:
        kind = FLOATS.get(fields[name].datatype) if name in fields else None
        if kind is None or fields[name].offset + int(kind[1]) > message.point_step:
            return None
        layout = np.dtype(
            {
                "names": [name],
                "formats": [order + kind],
                "offsets": [fields[name].offset],
                "itemsize": message.point_step,
            }
        )
        columns.append(packed.reshape(-1).view(layout)[name].astype(float))
    return np.stack(columns, axis=1).reshape(count, 3)
