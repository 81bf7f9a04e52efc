"""How long a video file should be, by the byte lengths that its container states.

A header's frame count is only a hint and often wrong, but the lengths of a container's chunks tell
a file that was cut off (an aborted download or copy) from one that ends where it was meant to. This
covers MP4/MOV (ISO/IEC 14496-12 boxes), Matroska/WebM (RFC 8794 and RFC 9559) and AVI (RIFF).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO


def missing_bytes(path: Path) -> int:
    """Bytes that the container announces but the file lacks.

    0 when it is complete, and for live recordings and formats that state no length (MPEG-TS, raw
    streams): those have no intended end that could be missed. Raises OSError.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"\x1a\x45\xdf\xa3":
            end = _matroska_end(file)
        elif start[:4] == b"RIFF":
            end = _riff_end(file, size)
        elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            end = _boxes_end(file, size)
        else:
            end = None
    return 0 if end is None else max(0, end - size)


def _boxes_end(file: BinaryIO, size: int) -> int | None:
    """End of the last top-level box of an MP4 or MOV file; None when it runs to the file's end."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = struct.unpack(">I", header[:4])[0]
        if length == 1 and len(header) == 16:  # a 64-bit length follows the type
            length = struct.unpack(">Q", header[8:])[0]
        if length < 8:
            return None
        position += length
    return position


def _riff_end(file: BinaryIO, size: int) -> int | None:
    """End of the last RIFF chunk; an AVI above 1 GiB has several."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        tag, length = struct.unpack("<4sI", file.read(8))
        if tag != b"RIFF" or length == 0:
            break
        position += 8 + length
    return position or None


def _matroska_end(file: BinaryIO) -> int | None:
    """End of the Segment, which follows the EBML header; None when its length is unknown (live)."""
    file.seek(4)
    header_length = _read_ebml_length(file)
    if header_length is None:
        return None
    file.seek(header_length, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return None
    length = _read_ebml_length(file)
    return None if length is None else file.tell() + length


def _read_ebml_length(file: BinaryIO) -> int | None:
    """Variable-length integer: leading zero bits of the first byte count the bytes that follow."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    extra = 8 - first[0].bit_length()
    value = first[0] & (0x7F >> extra)
    for byte in file.read(extra):
        value = value << 8 | byte
    return None if value == (1 << 7 * (extra + 1)) - 1 else value
