"""Latency of the engine's variants, in turns, beside a matrix product of the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from amt_perception.estimators.amt import AmtEstimator
from amt_perception.model.engine import Engine

from .inputs import BOX, CAMERA, random_crops, random_images
from .parts import random_model

WARM_UP_RUNS = 5


def variants(name: str, device: str) -> dict[str, AmtEstimator]:
    """The same random weights behind every precision and backend that runs here.

    On a CPU with one thread: the operations of a tiny model are shorter than a thread's start.
    """
    threads = None if device == "cuda" else 1
    choices = {"eager fp32": ("fp32", "eager"), "eager bf16": ("bf16", "eager")}
    if device == "cuda":
        choices["engine bf16"] = ("bf16", "compiled")
        if torch.cuda.get_device_capability() >= (8, 9):
            choices["engine fp8"] = ("fp8", "compiled")
    else:
        choices["engine fp32"] = ("fp32", "openvino")
        choices["engine bf16"] = ("bf16", "openvino")
    return {
        label: AmtEstimator(Engine(random_model(name), device, precision, backend, threads))
        for label, (precision, backend) in choices.items()
    }


def in_turns(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, np.ndarray]:
    """Times (s) of several calls, one of each in every round: what disturbs one disturbs all."""
    for call in calls.values():
        for _ in range(WARM_UP_RUNS):
            call()
    times: dict[str, list[float]] = {label: [] for label in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(times))]) < 5:
        for label, call in calls.items():
            start = time.perf_counter()
            call()
            times[label].append(time.perf_counter() - start)
    return {label: np.array(some) for label, some in times.items()}


def time_batch(
    estimators: dict[str, AmtEstimator], batch: int, seconds: float
) -> dict[str, np.ndarray]:
    """Times (s) from uint8 images on the device to the network's results on the host."""
    device = next(iter(estimators.values())).engine.device
    images = random_images(batch, device)
    cameras, boxes = [CAMERA] * batch, [[BOX]] * batch

    def call(estimator: AmtEstimator) -> Callable[[], Any]:
        return lambda: estimator.engine.decode([estimator.encode(images, cameras, boxes)])

    return in_turns({label: call(one) for label, one in estimators.items()}, seconds)


def matmul_rate(device: torch.device, seconds: float) -> float:
    """FLOP/s of a large square matrix product on random numbers: bf16 on a GPU, fp32 on a CPU."""
    on_gpu = device.type == "cuda"
    size = 8192 if on_gpu else 1536
    kind = torch.bfloat16 if on_gpu else torch.float32
    first, second = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))

    def call() -> None:
        for _ in range(5):
            first @ second
        if on_gpu:
            torch.cuda.synchronize()

    times = in_turns({"matmul": call}, seconds)["matmul"]
    return 5 * 2.0 * size**3 / float(np.median(times))


@torch.no_grad()
def joint_shift_p99_mm(estimators: dict[str, AmtEstimator], samples: int = 256) -> float:
    """How far fp8 moves joints against bf16, on noise: the 99th percentile."""
    from amt_perception.model.interface import AmtInput

    size = next(iter(estimators.values())).engine.config.image_size
    image, numbers = random_crops(samples, size, seed=1)
    intrinsics, crop, box, side = numbers.split((9, 6, 4, 1), dim=1)
    inputs = AmtInput(
        image=image[:, None],
        intrinsics=intrinsics.unflatten(1, (1, 3, 3)),
        crop=crop.unflatten(1, (1, 2, 3)),
        hand_box=box[:, None],
        side=side[:, 0].long(),
    )
    joints = {}
    for label in ("engine bf16", "engine fp8"):
        engine = estimators[label].engine
        inputs.image = image[:, None].to(engine.device)
        joints[label] = engine.decode([engine.encode(inputs)]).joints
    shift = (joints["engine fp8"] - joints["engine bf16"]).norm(dim=-1)
    return 1000.0 * float(np.percentile(shift.numpy(), 99))


def cpu_speed(name: str, precision: str, threads: int, seconds: float) -> dict[str, float]:
    """Of a size through OpenVINO, from a uint8 image to results.

    images_per_s: the median's. cpu_ms_per_image: of all threads together, which other programs on
    the machine disturb less.
    """
    estimator = AmtEstimator(Engine(random_model(name), "cpu", precision, "openvino", threads))
    used = time.process_time()
    times = time_batch({precision: estimator}, 1, seconds)[precision]
    used = time.process_time() - used
    return {
        "images_per_s": 1.0 / float(np.median(times)),
        "cpu_ms_per_image": 1e3 * used / (len(times) + WARM_UP_RUNS),
    }
