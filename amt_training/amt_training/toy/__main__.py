"""python -m amt_training.toy: learn rendered scenes by heart, and look at it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_training.toy.pictures import draw_curves, draw_grid
from amt_training.toy.scenes import make_scenes
from amt_training.toy.training import (
    Errors,
    Schedule,
    build,
    crops,
    errors,
    predict,
    shuffled,
    train,
)

_LOOK_EVERY = 50
_SHOWN = 24


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m amt_training.toy", description=__doc__)
    parser.add_argument("--scenes", type=int, default=64, help="how many are learned (64)")
    parser.add_argument("--steps", type=int, default=Schedule.steps, help="of training")
    parser.add_argument("--seed", type=int, default=0, help="of scenes and network (0)")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (2)")
    parser.add_argument("--out", type=Path, default=Path("out/toy"), help="folder of the pictures")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except AmtError as error:
        sys.exit(str(error))


def run(arguments: argparse.Namespace) -> None:
    """Train, report, draw."""
    torch.set_num_threads(arguments.threads)
    scenes = make_scenes(arguments.scenes, arguments.seed)
    model, loss = build(arguments.seed)
    inputs, target = crops(scenes, model)
    terms: list[dict[str, float]] = []
    seen: dict[int, Errors] = {}
    with tqdm(total=arguments.steps, unit="step") as bar:

        def watch(step: int, now: dict[str, float]) -> None:
            terms.append(now)
            if step % _LOOK_EVERY == 0 or step == arguments.steps - 1:
                seen[step] = errors(predict(model, inputs), target)
                last = seen[step]
                bar.set_postfix_str(f"{last.joints_mm:.1f} mm, {last.object_degrees:.1f} deg")
            bar.update()

        batches = shuffled(inputs, target, arguments.seed)
        train(model, loss, batches, Schedule(steps=arguments.steps), watch)
    last = seen[arguments.steps - 1]
    print(
        f"{len(scenes.boxes)} scenes, {arguments.steps} steps: joints {last.joints_mm:.2f} mm in "
        f"the camera's frame, {last.relative_joints_mm:.2f} mm from the wrist; object "
        f"{last.object_mm:.2f} mm, {last.object_degrees:.2f} degrees"
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_curves(arguments.out / "curves.png", terms, seen)
    some = slice(0, _SHOWN)
    draw_grid(arguments.out / "predictions.png", inputs[some], predict(model, inputs[some]),
              target[some], columns=8)  # fmt: skip
    print(f"pictures: {arguments.out / 'curves.png'}, {arguments.out / 'predictions.png'}")


if __name__ == "__main__":
    main()
