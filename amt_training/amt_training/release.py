"""python -m amt_training.release CHECKPOINT OUT: a trained model as it is given to users."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from amt_perception.command_line import OneSentenceParser
from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.model.sigma_reparam import fold_sigma_reparam
from amt_perception.model.weights import STORAGE, load_checkpoint, read_info, save_checkpoint


def main(words: list[str] | None = None) -> None:
    """Run the command line. words: instead of those that the program was called with."""
    parser = OneSentenceParser(prog="python -m amt_training.release", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="ema.safetensors of a checkpoint's folder")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument(
        "--storage", choices=STORAGE, default="float16", help="how matrices are kept (float16)"
    )
    parser.add_argument("--mano-folder", type=Path, help="MANO's, if it was trained with it")
    try:
        print(release(parser.parse_args(words)))
    except AmtError as error:
        sys.exit(str(error))


def release(arguments: argparse.Namespace) -> str:
    """Write the file; says what it is. What was noted of the training stays in it.

    Raises AmtError when the checkpoint cannot be used.
    """
    notes = read_info(arguments.checkpoint).training
    hand = load_hand_model(Side.RIGHT, arguments.mano_folder)
    model = load_checkpoint(arguments.checkpoint, hand)
    fold_sigma_reparam(model)
    save_checkpoint(arguments.out, model, notes, arguments.storage)
    data = arguments.out.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{arguments.out}: {len(data) / 1e6:.1f} MB, sha256 {digest}"


if __name__ == "__main__":
    main()
