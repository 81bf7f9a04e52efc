"""What the shipped checkpoint is worth: `python -m benchmarks.small [--data FOLDER]`.

On held-out scenes of the synthetic world, whose truth is exact, beside the baseline and MediaPipe;
on real videos beside MediaPipe. Writes small.json and small.md into DOCS/results, pictures into
DOCS, and videos and the drawn scenes, which the next run finds again, into OUT.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

import amt_perception
from amt_perception.errors import AmtError
from amt_perception.estimators.amt import AmtEstimator
from amt_perception.estimators.factory import create_estimator
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.weights import load_checkpoint, read_info
from amt_perception.output.files import atomic_write
from amt_training.evaluate import trained_on
from amt_training.synthetic.settings import WorldSettings
from benchmarks.model.__main__ import _cpu_name
from benchmarks.small.mediapipe_scenes import mediapipe_hands
from benchmarks.small.overlay import painter, write_jpeg
from benchmarks.small.report import as_markdown, first_figures
from benchmarks.small.scenes import held_out_scenes
from benchmarks.small.synthetic import measure_models, sheet
from benchmarks.small.video_figures import clip_figures
from benchmarks.small.videos import HAND_CLIPS, clip_path, false_finds, watch

SHIPPED = Path(amt_perception.__file__).parent / "weights" / "small.safetensors"
STILLS = {"hand_right": (150, 400), "coffee": (100,)}
"""Frames of the clips that the page shows."""
