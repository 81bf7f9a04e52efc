"""Pictures of hands and objects with exact truth, drawn by this program.

No data set, no licence, no download is needed. The same seed gives the same files on any number of
processes, and a command that was stopped goes on where it was when it is given again.
"""

from __future__ import annotations

from amt_training.subcommands import run_command
from amt_training.synthetic import bags, check, dexycb_folder, look, realism, shards

COMMANDS = {
    "look": (look, "a picture of some scenes with their truth: begin here"),
    "shards": (shards, "pictures and truth of each hand, to train on (WebDataset)"),
    "dexycb": (dexycb_folder, "sequences from several sides in DexYCB's layout"),
    "bags": (bags, "sequences as ROS 2 bags with topics for the truth (MCAP)"),
    "check": (check, "whether pictures and truth agree: joints, depth, touches, sides"),
    "realism": (realism, "how many of our hands MediaPipe finds, and which not"),
}


def main(words: list[str] | None = None) -> None:
    """Run the command line. words: instead of those that the program was called with."""
    run_command("amt_training.synthetic", __doc__, COMMANDS, words)


if __name__ == "__main__":
    main()
