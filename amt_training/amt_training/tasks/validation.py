"""A model's errors on held-out samples, while it is trained."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from amt_perception.hand.joints import WRIST
from amt_perception.metrics.pose import mpjpe, procrustes_mpjpe
from amt_perception.model.interface import AmtOutput
from amt_training.losses.targets import AmtTarget


def mean_errors(results: Iterable[tuple[AmtOutput, AmtTarget]]) -> dict[str, float]:
    """Mean errors of the hands with every joint known, in mm.

    absolute: in the camera's frame; relative: seen from the wrist; procrustes: after the best
    proper similarity. `python -m amt_training.evaluate` follows the data sets' protocols.
    """
    joints, truth = [], []
    for output, target in results:
        whole = target.joints_valid.all(dim=-1)
        joints.append(output.joints[whole].float().cpu().numpy())
        truth.append(target.joints[whole].float().cpu().numpy())
    found, true = np.concatenate(joints), np.concatenate(truth)
    if not len(found):
        return {}
    return {
        "absolute_mm": 1e3 * float(mpjpe(found, true).mean()),
        "relative_mm": 1e3 * float(mpjpe(found, true, root=WRIST).mean()),
        "procrustes_mm": 1e3 * float(procrustes_mpjpe(found, true).mean()),
    }
