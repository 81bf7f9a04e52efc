"""Camera images through DDS between two processes: loss, latency and CPU.

    python -m benchmarks.image_transport [--rate 60] [--seconds 20] [--default-transport]

Publishes 1280x720 rgb8 images with the node's own message code and QoS, in two processes with the
pipeline's transport settings. CPU is user + system time of each whole process over its wall time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 1280, 720


def publish(rate: float, seconds: float, done: Connection) -> None:
    """Publish stamped images at a rate for some seconds; send [count, cpu share]."""
    import rclpy
    from sensor_msgs.msg import Image

    from amt_perception.ros.image_messages import fill_image
    from amt_retarget.ros import topics

    rclpy.init()
    node = rclpy.create_node("image_source")
    publisher = node.create_publisher(Image, topics.IMAGE, topics.IMAGE_QOS)
    while publisher.get_subscription_count() == 0:
        time.sleep(0.05)
    time.sleep(0.5)
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    start, cpu, count = time.monotonic(), time.process_time(), 0
    while (due := start + count / rate) < start + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        message = Image()
        message.header.frame_id = str(count)
        message.header.stamp = node.get_clock().now().to_msg()
        fill_image(message, image)
        publisher.publish(message)
        count += 1
    share = (time.process_time() - cpu) / (time.monotonic() - start)
    done.send((count, share))
    rclpy.shutdown()


def subscribe(stop: Any, done: Connection) -> None:
    """Receive until told to stop; send [latencies in ms, cpu share]."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image

    from amt_perception.ros.image_messages import image_array
    from amt_retarget.ros import topics
    from amt_retarget.ros.transforms import seconds as to_seconds

    rclpy.init()
    node = rclpy.create_node("image_sink")
    latencies: list[float] = []
    times = [0.0, 0.0]

    def receive(message: Image) -> None:
        assert image_array(message).shape == (HEIGHT, WIDTH, 3)
        latencies.append(
            1e3 * (node.get_clock().now().nanoseconds * 1e-9 - to_seconds(message.header.stamp))
        )
        if len(latencies) == 1:
            times[:] = time.monotonic(), time.process_time()

    node.create_subscription(Image, topics.IMAGE, receive, topics.IMAGE_QOS)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.2)
    wall = time.monotonic() - times[0]
    done.send((latencies, (time.process_time() - times[1]) / wall))
    rclpy.shutdown()


def measure(rate: float, seconds: float) -> dict[str, float]:
    """Run both processes once; shares in percent, times in ms."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    publisher_end, publisher_child = context.Pipe()
    subscriber_end, subscriber_child = context.Pipe()
    sink = context.Process(target=subscribe, args=(stop, subscriber_child))
    source = context.Process(target=publish, args=(rate, seconds, publisher_child))
    sink.start()
    source.start()
    sent, publisher_cpu = publisher_end.recv()
    stop.set()
    latencies, subscriber_cpu = subscriber_end.recv()
    source.join()
    sink.join()
    quantiles = np.percentile(latencies, [50, 95, 99]) if latencies else [float("nan")] * 3
    return {
        "sent": sent,
        "received": len(latencies),
        "lost_percent": 100 * (1 - len(latencies) / sent),
        "latency_ms_p50": float(quantiles[0]),
        "latency_ms_p95": float(quantiles[1]),
        "latency_ms_p99": float(quantiles[2]),
        "publisher_cpu_percent": 100 * publisher_cpu,
        "subscriber_cpu_percent": 100 * subscriber_cpu,
    }


def main() -> None:
    """Measure, print, write out/bench/image_transport.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=60.0, help="images per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument(
        "--default-transport", action="store_true", help="without the pipeline's settings"
    )
    arguments = parser.parse_args()

    from amt_perception.pipeline.table import transport_environment

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    if not arguments.default_transport:
        os.environ.update(transport_environment())
    result = measure(arguments.rate, arguments.seconds)
    print(f"{WIDTH}x{HEIGHT} rgb8 at {arguments.rate:g} Hz for {arguments.seconds:g} s")
    for name, value in result.items():
        print(f"  {name:24s} {value:10.2f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "image_transport.json").write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
