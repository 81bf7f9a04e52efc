"""python -m amt_training.toy: learn rendered scenes by heart, and look at it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_training.toy.scenes import make_scenes
from amt_training.toy.training import (
    Schedule,
    build,
    crops,
    errors,
    predict,
    shuffled,
    train,
)
from amt_training.watch.curves import Run, draw_curves, to_curves
from amt_training.watch.pictures import draw_sheet, write_picture

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
    seen: list[dict[str, float]] = []
    with tqdm(total=arguments.steps, unit="step") as bar:

        def watch(step: int, now: dict[str, float]) -> None:
            terms.append({"step": step, **now})
            if step % _LOOK_EVERY == 0 or step == arguments.steps - 1:
                found = errors(predict(model, inputs), target)
                seen.append({"step": step, **asdict(found)})
                bar.set_postfix_str(f"{found.joints_mm:.1f} mm, {found.object_degrees:.1f} deg")
            bar.update()

        batches = shuffled(inputs, target, arguments.seed)
        train(model, loss, batches, Schedule(steps=arguments.steps), watch)
    output = predict(model, inputs)
    last = errors(output, target)
    print(
        f"{len(scenes.boxes)} scenes, {arguments.steps} steps: joints {last.joints_mm:.2f} mm in "
        f"the camera's frame, {last.relative_joints_mm:.2f} mm from the wrist; object "
        f"{last.object_mm:.2f} mm, {last.object_degrees:.2f} degrees"
    )
    title = f"{len(scenes.boxes)} scenes learned by heart"
    curves, predictions = arguments.out / "curves.png", arguments.out / "predictions.png"
    draw_curves(curves, [Run(title, to_curves(terms), to_curves(seen))], title)
    some = slice(0, _SHOWN)
    write_picture(predictions, draw_sheet(inputs[some], output[some], target[some], title))
    print(f"pictures: {curves}, {predictions}")


if __name__ == "__main__":
    main()
