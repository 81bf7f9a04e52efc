"""Byte lengths that containers state, on hand-made headers."""

import struct

import pytest

from amt_perception.camera.container import missing_bytes

FTYP = struct.pack(">I4s8x", 16, b"ftyp")
EBML = b"\x1a\x45\xdf\xa3\x84head"  # an EBML header with 4 bytes of content
SEGMENT = b"\x18\x53\x80\x67"


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (FTYP + struct.pack(">I4s", 108, b"mdat") + bytes(100), 0),
        (FTYP + struct.pack(">I4s", 108, b"mdat") + bytes(70), 30),
        (FTYP + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100), 0),
        (FTYP + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(60), 40),
        (FTYP + struct.pack(">I4s", 0, b"mdat") + bytes(60), 0),
        (FTYP + struct.pack(">I4s", 58, b"mdat") + bytes(50) + bytes(5), 0),
        (EBML + SEGMENT + b"\x40\x64" + bytes(100), 0),
        (EBML + SEGMENT + b"\x40\x64" + bytes(88), 12),
        (EBML + SEGMENT + b"\x01" + b"\xff" * 7 + bytes(9), 0),
        (struct.pack("<4sI", b"RIFF", 100) + bytes(100), 0),
        (struct.pack("<4sI", b"RIFF", 100) + bytes(91), 9),
        (2 * (struct.pack("<4sI", b"RIFF", 100) + bytes(100)), 0),
        ((2 * (struct.pack("<4sI", b"RIFF", 100) + bytes(100)))[:212], 4),
        (struct.pack("<4sI", b"RIFF", 0) + bytes(50), 0),
        (b"\x47" + bytes(187), 0),
        (b"", 0),
    ],
    ids=[
        "mp4", "mp4 cut", "mp4 64 bit", "mp4 64 bit cut", "mp4 to the end", "mp4 padded",
        "mkv", "mkv cut", "mkv live", "avi", "avi cut", "avi in two parts",
        "avi second part cut", "avi never finished", "ts", "empty",
    ],
)  # fmt: skip
def test_missing_bytes(tmp_path, data, missing):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert missing_bytes(path) == missing
