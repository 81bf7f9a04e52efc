"""Video files, folders and cameras, whole and broken. The tests make their own small videos."""

import os
import re
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from amt_perception.camera.sources import open_source
from amt_perception.errors import AmtError

SHARED = Path(
    os.environ.get("AMT_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
VIDEOS = SHARED / "videos"
needs_videos = pytest.mark.skipif(not VIDEOS.is_dir(), reason="the shared videos are not here")

WIDTH, HEIGHT, RATE = 64, 48, 10
RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def corners(image):
    """The nearest pure colour in each corner: top left, top right, bottom left, bottom right."""
    rows, columns = image.shape[:2]
    patches = [image[y, x] for y in (4, rows - 5) for x in (4, columns - 5)]
    return [tuple(255 * (patch > 128)) for patch in patches]


def picture(index):
    """Red, green, blue and black quarters, with noise that makes the packets a few kB long."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[: HEIGHT // 2, : WIDTH // 2] = RED
    image[: HEIGHT // 2, WIDTH // 2 :] = GREEN
    image[HEIGHT // 2 :, : WIDTH // 2] = BLUE
    noise = np.random.default_rng(index).integers(0, 256, (24, 24, 3))
    image[12:36, 20:44] = noise
    return image


def write_video(path, count=30, codec="libx264", times=None, sound=False, options=None):
    """times: presentation times in units of 1/100 s; without them frame i is at i/RATE."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            if times is not None:
                frame.pts = times[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate = 8000
            container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
    return path


def read_until_error(path):
    """Frames that came and the message of the AmtError that ended them."""
    frames = []
    with pytest.raises(AmtError) as error, open_source(str(path)) as source:
        frames.extend(frame for frame in source)
    return frames, str(error.value)


def test_whole_video(tmp_path):
    source = open_source(str(write_video(tmp_path / "a.mp4", sound=True)))
    frames = list(source)
    assert (source.width, source.height, source.frame_rate, source.frame_count) == (64, 48, 10, 30)
    assert source.name == "a.mp4"
    assert [frame.index for frame in frames] == list(range(30))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(30) / RATE, atol=1e-6)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image.flags.writeable and frames[0].image.flags.c_contiguous
    assert corners(frames[0].image) == [RED, GREEN, BLUE, BLACK]
    assert len(list(source)) == 30, "a file can be read again from its start"


def test_variable_frame_rate_keeps_its_times(tmp_path):
    times = [50, 60, 95, 100, 180]
    source = open_source(str(write_video(tmp_path / "a.mkv", count=5, times=times)))
    expected = np.array([0.0, 0.1, 0.45, 0.5, 1.3])
    np.testing.assert_allclose([frame.time_s for frame in source], expected, atol=1e-3)


def test_given_rate_replaces_the_times(tmp_path):
    path = write_video(tmp_path / "a.mkv", count=5, times=[0, 1, 50, 51, 90])
    source = open_source(str(path), rate=20.0)
    assert source.frame_rate == 20.0
    np.testing.assert_allclose([frame.time_s for frame in source], np.arange(5) / 20.0)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 1, -1, 0), [BLUE, RED, BLACK, GREEN]),
        ((-1, 0, 0, -1), [BLACK, BLUE, GREEN, RED]),
        ((0, -1, 1, 0), [GREEN, BLACK, RED, BLUE]),
        ((-1, 0, 0, 1), [GREEN, RED, BLACK, BLUE]),
    ],
    ids=["90 clockwise", "180", "90 anticlockwise", "mirrored"],
)
def test_stored_rotation_is_applied(tmp_path, matrix, expected):
    path = write_video(tmp_path / "a.mp4", count=2)
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 44  # the matrix in a version 0 track header
    a, b, c, d = (value * 65536 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    source = open_source(str(path))
    assert (source.width, source.height) == ((64, 48) if a else (48, 64))
    image = next(iter(source)).image
    assert image.shape == (source.height, source.width, 3)
    assert corners(image) == expected


@pytest.mark.parametrize("declared", [5, 3000])
def test_wrong_frame_count_in_the_header_is_only_a_hint(tmp_path, declared):
    path = write_video(tmp_path / "a.avi", codec="mpeg4")
    data = bytearray(path.read_bytes())
    place = data.find(b"strh") + 8 + 32  # dwLength of the stream header
    data[place : place + 4] = struct.pack("<I", declared)
    path.write_bytes(data)
    source = open_source(str(path))
    assert source.frame_count == declared
    assert len(list(source)) == 30


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("index_first.mp4", "libx264", {"movflags": "faststart"}),
        ("fragmented.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mkv", "libx264", {}),
        ("a.avi", "mpeg4", {}),
    ],
)
def test_cut_off_file_gives_its_frames_then_fails(tmp_path, name, codec, options):
    path = write_video(tmp_path / name, codec=codec, options=options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    frames, message = read_until_error(path)
    assert 0 < len(frames) < 29
    steps = np.diff([frame.time_s for frame in frames]) * RATE
    np.testing.assert_allclose(steps[:-1], 1.0, atol=1e-6)  # the last may lack a neighbour
    assert np.all(steps > 0.5)
    assert re.search(r"is cut off \(\d+ bytes are missing\)", message)
    assert f"breaks after {len(frames)} frames" in message


@pytest.mark.parametrize("inside", [0, 5], ids=["between packets", "inside a packet"])
def test_cut_off_file_gives_every_complete_frame(tmp_path, inside):
    path = write_video(tmp_path / "a.mp4", options={"movflags": "faststart"})
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        cut = packets[20].pos + inside
    path.write_bytes(path.read_bytes()[:cut])
    frames, message = read_until_error(path)
    assert len(frames) == 20
    assert "is cut off" in message


def test_cut_off_file_without_its_index_cannot_be_opened(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(AmtError, match=r"cut off \(\d+ bytes are missing\) and cannot be opened"):
        open_source(str(path))


@pytest.mark.parametrize("filler", [b"\x00", b"\xa5"])
def test_damage_in_the_middle_fails(tmp_path, filler):
    path = write_video(tmp_path / "a.mp4", options={"movflags": "faststart"})
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][15]
        start, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[start + 8 : start + size] = filler * (size - 8)
    path.write_bytes(data)
    frames, message = read_until_error(path)
    assert 5 < len(frames) < 30
    assert f"is damaged and breaks after {len(frames)} frames" in message


def test_damage_that_the_decoder_would_conceal_fails(tmp_path):
    path = write_video(tmp_path / "a.mp4", options={"movflags": "faststart"})
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][15]
        middle = packet.pos + packet.size // 2
    data = bytearray(path.read_bytes())
    data[middle : middle + 20] = bytes(byte ^ 0xFF for byte in data[middle : middle + 20])
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 30, "FFmpeg alone reports nothing"
    frames, message = read_until_error(path)
    assert 5 < len(frames) < 30
    assert "is damaged" in message


def test_hole_in_a_stream_fails(tmp_path):
    """MPEG-TS: one lost transport packet of the video (PID 0x100), as on a bad line."""
    path = write_video(tmp_path / "a.ts")
    data = path.read_bytes()
    packets = range(len(data) // 2 // 188 * 188, len(data), 188)
    hole = next(k for k in packets if data.startswith(b"\x47\x01\x00", k))
    path.write_bytes(data[:hole] + data[hole + 188 :])
    frames, message = read_until_error(path)
    assert 5 < len(frames) < 30
    assert "is damaged" in message


def test_times_that_do_not_increase(tmp_path):
    path = write_video(tmp_path / "a.h264")
    with pytest.raises(AmtError, match="stores no times: give its frame rate"):
        open_source(str(path))
    assert len(list(open_source(str(path), rate=30.0))) == 30


def make_audio(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))


def make_video_without_frames(path):
    """The boxes that come before the first fragment, ftyp and moov, describe a stream only."""
    write_video(path, options={"movflags": "empty_moov+frag_keyframe"})
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moof") - 4])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.mp4", lambda path: None, "does not exist"),
        ("empty.mp4", lambda path: path.touch(), "is empty"),
        ("junk.mp4", lambda path: path.write_bytes(b"\x11\x22\x33" * 999), "is not a video"),
        ("notes.txt", lambda path: path.write_text("hello\n" * 99), "is a text file"),
        ("sound.m4a", make_audio, "only has sound"),
        ("silent.mp4", make_video_without_frames, "no video frames"),
        ("folder", lambda path: path.mkdir(), "have no times: give their frame rate"),
    ],
)
def test_what_is_no_video_says_so(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(AmtError, match=message) as error:
        open_source(str(tmp_path / name))
    assert "\n" not in str(error.value) and name in str(error.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
@pytest.mark.parametrize("kind", ["file", "folder", "image"])
def test_no_permission(tmp_path, kind, monkeypatch):
    path = tmp_path if kind != "file" else write_video(tmp_path / "a.mp4", count=2)
    write_images(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    target = {"file": "a.mp4", "folder": ".", "image": "."}[kind]
    tmp_path.chmod(0o711 if kind != "image" else 0o755)
    if kind == "folder":
        path.chmod(0o711)
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(AmtError, match=r"[Pp]ermission"):
            open_source(target, rate=10.0)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_senseless_rate(tmp_path, rate):
    with pytest.raises(AmtError, match="must be a positive number"):
        open_source(str(tmp_path), rate=rate)


def write_images(folder, count, suffix=".png", size=(HEIGHT, WIDTH)):
    from PIL import Image

    for index in range(count):
        image = np.full((*size, 3), 10 * index, np.uint8)
        Image.fromarray(image).save(folder / f"frame{index}{suffix}")


def test_folder_in_natural_order(tmp_path):
    write_images(tmp_path, 12)
    (tmp_path / "notes.txt").write_text("not an image")
    source = open_source(str(tmp_path), rate=5.0)
    frames = list(source)
    assert (source.frame_count, source.frame_rate) == (12, 5.0)
    assert (source.width, source.height) == (WIDTH, HEIGHT)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10 * i for i in range(12)]
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(12) / 5.0)


def test_folder_without_images(tmp_path):
    with pytest.raises(AmtError, match="has no images"):
        open_source(str(tmp_path), rate=5.0)


def test_folder_with_an_image_of_another_size(tmp_path):
    from PIL import Image

    write_images(tmp_path, 2)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "frame2.png")
    with pytest.raises(AmtError, match=r"frame2.png is 30x20 but the first image is 64x48"):
        list(open_source(str(tmp_path), rate=5.0))


def test_folder_with_a_cut_off_image(tmp_path):
    write_images(tmp_path, 3, ".jpg", size=(200, 200))
    path = tmp_path / "frame1.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(AmtError, match=r"frame1.jpg is damaged"):
        list(open_source(str(tmp_path), rate=5.0))


@pytest.mark.parametrize("text", ["97", "/dev/video97"])
@pytest.mark.skipif(not Path("/dev").is_dir(), reason="needs device files")
def test_absent_camera(text):
    with pytest.raises(AmtError, match="There is no camera /dev/video97"):
        open_source(text)


def test_device_that_is_no_camera():
    with pytest.raises(AmtError, match="is not a camera"):
        open_source("/dev/null")


def test_camera_that_is_unplugged(tmp_path, monkeypatch):
    """OpenCV reads a file in the camera's place; its end looks like a pulled cable."""
    cv2 = pytest.importorskip("cv2")
    from amt_perception.camera import device

    path = write_video(tmp_path / "a.mp4", count=4)
    open_capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: open_capture(str(path)))
    monkeypatch.setattr(device, "_check_device_file", lambda number: None)
    frames = []
    source = open_source("0")
    assert (source.name, source.width, source.height) == ("camera 0", WIDTH, HEIGHT)
    assert source.frame_count is None
    with pytest.raises(AmtError, match="camera 0 stopped after 4 frames"):
        frames.extend(iter(source))
    with source:
        pass
    assert list(source) == [], "a closed camera gives nothing"


@needs_videos
@pytest.mark.parametrize(("name", "count"), [("hand_right.mp4", 621), ("coffee.mp4", 287)])
def test_shared_video(name, count):
    source = open_source(str(VIDEOS / name))
    times = [frame.time_s for frame in source]
    assert (source.width, source.height, len(times)) == (1280, 720, count)
    np.testing.assert_allclose(times, np.arange(count) / source.frame_rate, atol=1e-4)


@needs_videos
def test_shared_folder():
    with pytest.raises(AmtError, match="must have one size"):
        list(open_source(str(SHARED / "images_no_hand"), rate=1.0))
