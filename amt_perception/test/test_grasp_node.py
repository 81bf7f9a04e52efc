"""The grasp node over DDS, with a tiny model that knows nothing, and without any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

rclpy = pytest.importorskip("rclpy", reason="ROS is not installed")

from amt_msgs.msg import GraspArray  # noqa: E402
from amt_msgs.srv import SampleGrasps  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import PointCloud2, PointField  # noqa: E402

from amt_perception.errors import AmtError  # noqa: E402
from amt_perception.grasp.config import GraspConfig  # noqa: E402
from amt_perception.grasp.grasp_model import GraspModel  # noqa: E402
from amt_perception.grasp.weights import save_grasp_checkpoint  # noqa: E402
from amt_perception.nodes.grasp_node import GraspNode  # noqa: E402
from amt_perception.ros.cloud_messages import cloud_points  # noqa: E402
from amt_retarget.robot.robot import Robot  # noqa: E402
from amt_retarget.ros import topics  # noqa: E402
from amt_retarget.ros.grasp_messages import hand_grasp  # noqa: E402
from amt_retarget.ros.lifetime import NodeFailureError  # noqa: E402

WAIT_S = 60.0
TINY = GraspConfig(
    name="tiny", width=32, geometry_width=32, heads=4, language_width=32, fusion_layers=1,
    velocity_layers=1, centres=(64, 32), fusion_points=32, velocity_points=32,
)  # fmt: skip
BOX = trimesh.creation.box([0.05, 0.06, 0.12]).apply_translation([0.0, 0.0, 0.06])

Ask = Callable[..., SampleGrasps.Response]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = GraspModel(TINY)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("model") / "grasp.safetensors"
    save_grasp_checkpoint(path, model, {})
    return path


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Ask, list[GraspArray]]]]:
    """Start the node with parameters; gives a function that asks it, and what it publishes."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
    nodes = []

    def start_one(**parameters: object) -> tuple[Ask, list[GraspArray]]:
        arguments = [word for item in parameters.items() for word in ("-p", "{}:={}".format(*item))]
        rclpy.init(args=["--ros-args", "--log-level", "fatal", *arguments])
        asker = rclpy.create_node("asker")
        nodes.append(asker)
        nodes.append(GraspNode())
        client = asker.create_client(SampleGrasps, topics.SAMPLE_GRASPS)
        published: list[GraspArray] = []
        asker.create_subscription(GraspArray, topics.GRASPS, published.append, topics.LATCHED_QOS)
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        assert client.wait_for_service(WAIT_S)

        def ask(**fields: object) -> SampleGrasps.Response:
            request = SampleGrasps.Request(**{"instruction": "hold it", "count": 2, **fields})
            answer = client.call_async(request)
            executor.spin_until_future_complete(answer, WAIT_S)
            executor.spin_once(timeout_sec=0.2)
            return answer.result()

        return ask, published

    yield start_one
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def cloud_message(points: np.ndarray, normals: np.ndarray) -> PointCloud2:
    """A cloud with padding between its points, as depth cameras publish it."""
    names = ("x", "y", "z", "normal_x", "normal_y", "normal_z")
    message = PointCloud2(height=1, width=len(points), point_step=32, row_step=32 * len(points))
    message.fields = [
        PointField(name=name, offset=4 * i + 4 * (i > 2), datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    packed = np.zeros((len(points), 8), np.float32)
    packed[:, :3], packed[:, 4:7] = points, normals
    message.data = packed.tobytes()
    message.header.frame_id = "camera"
    return message


def test_missing_weights_end_it_with_one_sentence(start: Callable[..., tuple]):
    with pytest.raises(NodeFailureError, match="no checkpoint nowhere"):
        start(checkpoint="nowhere.safetensors")


def test_grasps_of_a_mesh_and_of_a_cloud(
    start: Callable[..., tuple], checkpoint: Path, tmp_path: Path
):
    mesh = tmp_path / "box.obj"
    BOX.export(mesh)
    ask, published = start(checkpoint=checkpoint, device="cpu")
    answer = ask(mesh=str(mesh), object_track_id="box_1")
    assert answer.success, answer.message
    assert len(answer.grasps.grasps) == 2 and answer.grasps.header.frame_id == "object"
    assert answer.grasps.object_track_id == "box_1" and answer.grasps.instruction == "hold it"
    assert published == [answer.grasps]
    robot = Robot.load("ur5e", "right")
    for message in answer.grasps.grasps:
        grasp = hand_grasp(message, "right")
        for joints in (grasp.pre_grasp.joints, grasp.grasp.joints, grasp.squeeze):
            assert np.all(joints >= robot.lower[6:]) and np.all(joints <= robot.upper[6:])
    # The same object elsewhere in its file has the same grasps there.
    BOX.copy().apply_translation([0.3, 0.0, 0.0]).export(mesh)
    moved = ask(mesh=str(mesh)).grasps.grasps
    for one, other in zip(answer.grasps.grasps, moved, strict=True):
        assert other.wrist.position.x - one.wrist.position.x == pytest.approx(0.3, abs=1e-3)
        np.testing.assert_allclose(other.joint_positions, one.joint_positions, atol=0.01)

    points, faces = trimesh.sample.sample_surface(BOX, 3000, seed=1)
    answer = ask(cloud=cloud_message(points, BOX.face_normals[faces]), count=1)
    assert answer.success and answer.grasps.header.frame_id == "camera", answer.message

    for wrong, words in (
        ({}, "either a mesh or a cloud"),
        ({"mesh": "nowhere.obj"}, "nowhere.obj"),
        ({"mesh": str(mesh), "count": 0}, "count is 0"),
        ({"mesh": str(mesh), "instruction": " "}, "instruction"),
    ):
        answer = ask(**wrong)
        assert not answer.success and words in answer.message and "\n" not in answer.message
        assert not answer.grasps.grasps


def test_clouds_are_read_as_they_are_written():
    random = np.random.default_rng(0)
    points, normals = random.normal(size=(2, 20, 3)).astype(np.float32)
    points[3, 1] = np.nan
    message = cloud_message(points, normals)
    read = cloud_points(message)
    np.testing.assert_array_equal(read[0], np.delete(points, 3, axis=0))
    np.testing.assert_array_equal(read[1], np.delete(normals, 3, axis=0))
    message.fields = message.fields[:3]
    assert cloud_points(message)[1] is None
    message.fields = message.fields[:2]
    with pytest.raises(AmtError, match="x, y and z"):
        cloud_points(message)
    message.width += 1
    with pytest.raises(AmtError, match="bytes"):
        cloud_points(message)
