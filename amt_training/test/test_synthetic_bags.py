"""The synthetic world as bags: images and their truth, and a folder of another world."""

import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from scipy.spatial.transform import Rotation

from amt_training.data.contacts import TOUCHING_M
from amt_training.data.shard_samples import decode_picture
from amt_training.synthetic import bags
from amt_training.synthetic.geometry import hand_joints
from amt_training.synthetic.messages import type_store
from amt_training.synthetic.truth import perfect_estimate

from .synthetic_scenes import SMALL, FlatWorld, command


def test_contacts_name_their_objects():
    world = FlatWorld(SMALL)
    shot = next(world.shots(2))
    truth = perfect_estimate(shot, world.library)
    assert [one.class_name for one in truth.objects] == ["can", "box"]
    assert [one.track_id for one in truth.objects] == ["can_002#0", "box_001#1"]
    for contact in truth.contacts:
        assert contact.probability == (contact.distance < TOUCHING_M)
        one = shot.moment.objects[int(contact.object_track_id.rpartition("#")[2])]
        # A small step along the normal leads away from the object.
        seen = (contact.position + 1e-3 * contact.normal - one.pose[:3, 3]) @ one.pose[:3, :3]
        before = (contact.position - one.pose[:3, 3]) @ one.pose[:3, :3]
        surface = world.library.surface(one.number)
        assert surface.distance(seen[None])[0] > surface.distance(before[None])[0]


@pytest.mark.parametrize("compressed", [False, True])
def test_bags_hold_images_and_their_truth(tmp_path, flat_worlds, compressed):
    words = ["bags", "--scenes", 3, "--frames", 3, "--workers", 0, "--out", tmp_path]
    assert command([*words, "--compressed"] if compressed else words) == 0
    bag = tmp_path / "test_000002"
    world = FlatWorld(replace(SMALL, frames=3), "test")
    shots = list(world.shots(2))
    times = [1_000_000_000, 1_033_333_333, 1_066_666_667]
    found = defaultdict(list)
    with AnyReader([bag], default_typestore=type_store()) as reader:
        assert reader.duration == 66_666_668 and reader.message_count == 3 * 6
        for connection, time, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == time
            assert message.header.frame_id == "camera_optical_frame"
            found[connection.topic].append((time, message))
    images = found[bags.COMPRESSED_IMAGE if compressed else bags.IMAGE]
    for frame, shot in enumerate(shots):
        time, image = images[frame]
        assert time == times[frame]
        if compressed:
            pixels, error = decode_picture(image.data.tobytes()), 3.0
        else:
            pixels, error = image.data.reshape(image.height, image.width, 3), 0.0
        assert np.abs(pixels.astype(int) - shot.picture.image).mean() <= error
        camera = found[bags.CAMERA_INFO][frame][1]
        np.testing.assert_array_equal(camera.k.reshape(3, 3), shot.camera.matrix)
        for place, hand in enumerate(shot.moment.hands):
            time, message = found[bags.TRUE_HANDS][2 * frame + place]
            assert time == times[frame] and message.side == hand.side
            joints = [(point.x, point.y, point.z) for point in message.joints]
            np.testing.assert_array_equal(joints, hand_joints(hand))
            np.testing.assert_allclose(message.mano_pose, hand.pose.ravel(), atol=1e-6)
        objects = found[bags.TRUE_OBJECTS][frame][1].objects
        assert [one.class_id for one in objects] == ["can", "box"]
        for one, true in zip(objects, shot.moment.objects, strict=True):
            place, turn = one.pose.pose.position, one.pose.pose.orientation
            np.testing.assert_allclose((place.x, place.y, place.z), true.pose[:3, 3])
            matrix = Rotation.from_quat((turn.x, turn.y, turn.z, turn.w)).as_matrix()
            np.testing.assert_allclose(matrix, true.pose[:3, :3], atol=1e-12)
        contacts = found[bags.TRUE_CONTACTS][frame][1].contacts
        distances = np.concatenate([touch.distance for touch in shot.touches])
        np.testing.assert_allclose([one.distance for one in contacts], distances, rtol=1e-6)


def test_bags_speak_the_installed_messages():
    """The hashes by which ROS 2 tells types apart are those of the built amt_msgs."""
    for name in ("HandPose", "ObjectPoseArray", "ContactArray"):
        file = Path(sys.prefix, "share/amt_msgs/msg", f"{name}.json")
        if not file.is_file():
            pytest.skip("amt_msgs is not built in this environment")
        built = json.loads(file.read_text())["type_hashes"]
        hashes = {one["type_name"]: one["hash_string"] for one in built}
        full = f"amt_msgs/msg/{name}"
        assert type_store().hash_rihs01(full) == hashes[full]


def test_a_folder_of_another_world_is_refused(tmp_path, flat_worlds):
    words = ["bags", "--scenes", 1, "--workers", 0, "--out", tmp_path]
    assert command([*words, "--frames", 1]) == 0
    made = next(tmp_path.glob("*/*.mcap")).stat().st_mtime_ns
    (tmp_path / ".unfinished" / "test_000001").mkdir(parents=True)  # as kill -9 leaves it
    assert command([*words, "--frames", 1]) == 0
    assert next(tmp_path.glob("*/*.mcap")).stat().st_mtime_ns == made  # whole: left as it is
    assert "another world" in command([*words, "--frames", 2])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock", "test_000000", "world.json",
    ]  # fmt: skip
