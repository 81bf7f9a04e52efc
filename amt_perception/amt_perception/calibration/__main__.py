"""`python -m amt_perception.calibration board | record | solve`: see --help."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from dataclasses import replace

from amt_perception.calibration.arguments import board_from, make_parser
from amt_perception.errors import AmtError
from amt_perception.pipeline.interrupts import interrupt_on_sigterm

PLOT_KINDS = (".png", ".pdf", ".svg", ".jpg")
RECORDER = "amt_perception.nodes.calibration_recorder"


def main(arguments: list[str] | None = None) -> int:
    """Entry point: exit code 0, 1 with one sentence for a mistake, 130 for Ctrl-C or SIGTERM."""
    interrupt_on_sigterm()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words[:1] == ["record"] and not {"-h", "--help"} & set(words):
            _become_recorder(words[1:])
        options = make_parser().parse_args(words)
        {"board": _board, "solve": _solve}[options.command](options)
    except AmtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _become_recorder(words: list[str]) -> None:
    """The recorder is a node, and a library starts no node: this process turns into it."""
    if importlib.util.find_spec("rclpy") is None:
        raise AmtError(
            "Recording needs ROS 2, and Python finds no rclpy: source your ROS installation, or "
            "use the environment that the README's first command makes."
        )
    os.execv(sys.executable, [sys.executable, "-m", RECORDER, *words])


def _board(options: argparse.Namespace) -> None:
    from amt_perception.calibration.board import write_page

    write_page(board_from(options), options.out, options.page)
    print(f"{options.out}: print it at 100 % (not 'fit to page'), and measure the ruler on it")


def _solve(options: argparse.Namespace) -> None:
    from amt_perception.calibration.pairs import load_recording
    from amt_perception.calibration.plot import plot_residuals
    from amt_perception.calibration.result import result_document, summary, write_result
    from amt_perception.calibration.solve import solve
    from amt_perception.camera.intrinsics import load_intrinsics

    if options.plot is not None and options.plot.suffix.lower() not in PLOT_KINDS:
        raise AmtError(f"The plot {options.plot} must be one of {', '.join(PLOT_KINDS)}.")
    recording = load_recording(options.pairs)
    if options.intrinsics is not None:
        recording = replace(recording, intrinsics=load_intrinsics(options.intrinsics))
    solution = solve(recording)
    document = result_document(recording, solution)
    write_result(document, options.out)
    print("\n".join(summary(document, solution)))
    print(f"written: {options.out}")
    if options.plot is not None:
        plot_residuals(document, solution, options.plot)
        print(f"written: {options.plot}")


if __name__ == "__main__":
    sys.exit(main())
