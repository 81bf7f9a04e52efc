"""Whole recorded sequences, smoothed and solved at once: `retarget_sequence`.

On the command line: `python -m amt_retarget.retarget.offline RECORDING.npz ... --out FOLDER`.
"""

from amt_retarget.retarget.offline.sequence import Trajectory, retarget_sequence

__all__ = ["Trajectory", "retarget_sequence"]
