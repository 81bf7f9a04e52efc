"""The perception node with an estimator that says what is known: topics, parameters, overlay."""

import os

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS is not installed")

from amt_msgs.msg import ContactArray, HandPoseArray, ObjectPoseArray  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from amt_perception.camera.intrinsics import Intrinsics  # noqa: E402
from amt_perception.nodes import perception_node  # noqa: E402
from amt_perception.ros.image_messages import camera_info_message, image_array  # noqa: E402
from amt_retarget.ros import topics  # noqa: E402
from amt_retarget.ros.lifetime import NodeFailureError  # noqa: E402

WAIT_S = 10.0
CAMERA = Intrinsics.from_field_of_view(640, 480)
TOPICS = {
    topics.HANDS: (HandPoseArray, topics.RESULT_QOS),
    topics.OBJECTS: (ObjectPoseArray, topics.RESULT_QOS),
    topics.CONTACTS: (ContactArray, topics.RESULT_QOS),
    topics.OVERLAY: (Image, topics.RESULT_QOS),
}


@pytest.fixture
def start(monkeypatch):
    """Start the node with parameters and somebody who listens to topics; gives both and `spin`."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
    nodes = []

    def start_one(listen, **parameters):
        arguments = [word for item in parameters.items() for word in ("-p", "{}:={}".format(*item))]
        rclpy.init(args=["--ros-args", "--log-level", "fatal", *arguments])
        listener = rclpy.create_node("listener")
        nodes.append(listener)
        received = {topic: [] for topic in listen}
        for topic in listen:
            kind, qos = TOPICS[topic]
            listener.create_subscription(kind, topic, received[topic].append, qos)
        infos = listener.create_publisher(CameraInfo, topics.CAMERA_INFO, topics.KEPT_QOS)
        node = perception_node.PerceptionNode(subscribe=False)
        nodes.append(node)
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        executor.add_node(node)

        def spin_until(condition):
            clock, deadline = listener.get_clock(), WAIT_S
            start = clock.now()
            while not condition():
                executor.spin_once(timeout_sec=0.05)
                elapsed = (clock.now() - start).nanoseconds * 1e-9
                assert elapsed < deadline, f"nothing came on {list(received)}"

        spin_until(lambda: infos.get_subscription_count() == 1)
        infos.publish(camera_info_message(CAMERA))
        spin_until(lambda: node._intrinsics is not None)
        spin_until(lambda: all(node.count_subscribers(topic) for topic in listen))
        return node, received, spin_until

    yield start_one
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def header(second):
    message = Header(frame_id="camera_optical_frame")
    message.stamp.sec = second
    return message


def amt(tmp_path, **more):
    (tmp_path / "weights").write_bytes(b"")
    return {"estimator": "amt", "checkpoint": tmp_path / "weights", **more}


def test_everything_is_published_with_the_images_stamp(start, fake_amt, tmp_path, scene):
    values = amt(tmp_path, device="cpu", precision="fp32", publish_vertices="true")
    node, received, spin_until = start(TOPICS, **values)
    assert fake_amt.calls == [(tmp_path / "weights", None, "cpu", "fp32")]
    image = np.full((480, 640, 3), 90, np.uint8)
    node.process(image, header(5))
    spin_until(lambda: all(received.values()))
    for (message,) in received.values():
        assert (message.header.stamp.sec, message.header.frame_id) == (5, "camera_optical_frame")
    (hands,), (objects,) = received[topics.HANDS], received[topics.OBJECTS]
    (contacts,), (overlay,) = received[topics.CONTACTS], received[topics.OVERLAY]
    assert len(hands.hands[0].vertices) == 778
    assert objects.objects[0].class_id == "006_mustard_bottle"
    assert len(contacts.contacts) == 3 and contacts.interaction == ContactArray.INTERACTION_GRASP
    picture = image_array(overlay)
    wrist = np.round(CAMERA.project(scene.hands[0].joints[0])).astype(int)
    assert picture.shape == image.shape and (picture[5, 5] == 90).all()
    assert np.abs(picture[wrist[1], wrist[0]].astype(int) - 90).max() > 50
    assert (image == 90).all(), "the node must not draw on the image that it was given"


def test_empty_arrays_say_that_nothing_is_there(start, fake_amt, tmp_path):
    listen = (topics.HANDS, topics.OBJECTS, topics.CONTACTS)
    node, received, spin_until = start(listen, **amt(tmp_path))
    node.process(np.zeros((480, 640, 3), np.uint8), header(1))
    spin_until(lambda: all(received.values()))
    assert received[topics.HANDS][0].hands == [] and received[topics.OBJECTS][0].objects == []
    assert received[topics.CONTACTS][0].contacts == []


def test_the_overlay_is_not_drawn_when_nobody_looks(start, fake_amt, tmp_path, monkeypatch):
    node, received, spin_until = start((topics.HANDS,), **amt(tmp_path))
    monkeypatch.setattr(perception_node, "draw_estimate", None)
    node.process(np.full((480, 640, 3), 90, np.uint8), header(1))
    spin_until(lambda: received[topics.HANDS])


def test_mediapipe_says_nothing_about_objects(start):
    listen = (topics.HANDS, topics.OBJECTS, topics.CONTACTS)
    node, received, spin_until = start(listen, estimator="mediapipe")
    node.process(np.zeros((480, 640, 3), np.uint8), header(1))
    node.process(np.zeros((480, 640, 3), np.uint8), header(2))
    spin_until(lambda: len(received[topics.HANDS]) >= 1)
    assert received[topics.OBJECTS] == received[topics.CONTACTS] == []


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"estimator": "amt", "checkpoint": "nowhere"}, "there is no checkpoint nowhere"),
        ({"estimator": "mediapipe", "checkpoint": "x"}, "MediaPipe cannot load x"),
        ({"device": "cuda"}, "MediaPipe computes on the CPU"),
        ({"precision": "fp8"}, "one precision only"),
        ({"precision": "int4"}, "there is no precision 'int4'"),
    ],
)
def test_a_wrong_parameter_ends_the_node_with_one_sentence(start, parameters, sentence):
    with pytest.raises(NodeFailureError, match=sentence):
        start((), **parameters)
