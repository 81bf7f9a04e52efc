"""What the runner makes of the way in which its processes end. Small real processes."""

import os
import sys
import time

import pytest

from amt_perception.errors import AmtError
from amt_perception.pipeline.runner import Pipeline, Process

SENTENCE = "film.mp4 is cut off: copy it again."


def run(code, name="video_node"):
    command = [sys.executable, "-c", f"import os, sys\n{code}"]
    process = Process(name, command, dict(os.environ), plays_video=name == "video_node")
    deadline = time.monotonic() + 20.0
    while process.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (f"print('error: {SENTENCE}', file=sys.stderr); sys.exit(1)", SENTENCE),
        ("sys.exit(3)", "video_node ended (3) before the video did; see its messages above."),
        ("os.kill(os.getpid(), 9)", "video_node was killed by SIGKILL before the video did;"),
    ],
)
def test_a_failure_is_one_sentence(code, description):
    pipeline = Pipeline({})
    pipeline.processes = [run(code)]
    with pytest.raises(AmtError) as caught:
        pipeline.video_ended()
    assert str(caught.value).startswith(description)
    pipeline.stop()


def test_only_the_end_of_the_video_is_an_end():
    pipeline = Pipeline({})
    assert not pipeline.video_ended()
    pipeline.processes = [run("pass")]
    assert pipeline.video_ended()
    pipeline.processes = [run("pass"), run("pass", "retarget_node")]
    with pytest.raises(AmtError, match="retarget_node ended"):
        pipeline.video_ended()
    pipeline.stop()


def test_messages_are_passed_on_but_the_last_word_only_once(capfd):
    process = run(f"print('note\\nerror: {SENTENCE}', file=sys.stderr); sys.exit(1)")
    assert process.describe_end() == SENTENCE
    assert capfd.readouterr().err == "note\n"


def test_stop_ends_also_what_does_not_listen():
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', file="
    pipeline = Pipeline({})
    command = [sys.executable, "-c", ignore + "__import__('sys').stderr); time.sleep(60)"]
    pipeline.processes = [Process("deaf", command, dict(os.environ))]
    time.sleep(0.5)
    pipeline.stop()
    assert pipeline.processes[0].exit_code == -9
