"""`python -m amt_perception.infer` with the AMT model itself: random weights, real pictures."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("mediapipe", reason="mediapipe is not installed")

from amt_perception.camera.sources import open_source  # noqa: E402
from amt_perception.infer.__main__ import main  # noqa: E402
from amt_perception.infer.results import Results  # noqa: E402
from amt_perception.model.weights import save_checkpoint  # noqa: E402

from .model_inputs import make_model  # noqa: E402
from .test_infer import shared  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, make_model(), {})
    return path


def test_a_video_through_the_model(checkpoint, tmp_path):
    video, out = str(shared("videos/hand_right.mp4")), tmp_path / "out"
    options = ["--checkpoint", str(checkpoint), "--output", str(out), "--duration", "0.2"]
    assert main([video, *options]) == 0
    results = Results.load(out / "hand_right.npz")
    assert len(results.times) == 6
    for estimate in results.estimates:
        (hand,) = estimate.hands
        assert hand.vertices.shape == (778, 3) and np.isfinite(hand.vertices).all()
        assert estimate.objects is not None and estimate.contacts is not None
    assert len(list(open_source(str(out / "hand_right.overlay.mp4")))) == 6
    request = json.loads((out / "results.json").read_text())["request"]
    assert request["estimator"] == "amt" and request["versions"]["torch"] == torch.__version__


def test_precisions_that_cannot_be_are_refused(checkpoint, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("a GPU can do more")
    for option, sentence in (
        (["--precision", "fp8"], "fp8 needs a GPU"),
        (["--device", "cuda"], "sees no CUDA GPU"),
        (["--hand-length", "0.18"], "AMT estimates the hand's size itself"),
    ):
        arguments = [str(shared("images_no_hand")), "--checkpoint", str(checkpoint), *option]
        assert main([*arguments, "--output", str(tmp_path / "out")]) == 1
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
