"""Results appear all together or not at all, whatever goes wrong while they are written."""

import os
import signal

import pytest

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_folder, check_writable
from amt_perception.pipeline.interrupts import (
    TerminationRequest,
    interrupt_on_sigterm,
    uninterrupted,
)


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_results_replace_the_older_ones_together(tmp_path):
    out = tmp_path / "new" / "spaces and ünïcode"
    with atomic_folder(out) as folder:
        (folder / "a").write_text("1")
        (folder / "b").write_text("1")
        assert not (out / "a").exists()
    with atomic_folder(out) as folder:
        (folder / "a").write_text("2")
    assert contents(out) == {"a": "2", "b": "1"}


def fill_the_disk():
    with open("/dev/full", "wb") as file:
        file.write(bytes(1 << 16))


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("fail", "expected"), [(fill_the_disk, AmtError), (press_ctrl_c, KeyboardInterrupt)]
)
def test_a_failure_leaves_everything_as_it_was(tmp_path, fail, expected):
    (tmp_path / "a").write_text("old")
    with pytest.raises(expected), atomic_folder(tmp_path) as folder:
        (folder / "a").write_text("new")
        fail()
    assert contents(tmp_path) == {"a": "old"}
    with pytest.raises(expected), atomic_folder(tmp_path / "x" / "y"):
        fail()
    assert contents(tmp_path) == {"a": "old"}


def test_a_folder_that_takes_nothing_says_so_and_a_check_leaves_nothing(tmp_path):
    check_writable(tmp_path / "x" / "y")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "x", "/proc/x"):
        with pytest.raises(AmtError, match="choose another folder"):
            check_writable(type(tmp_path)(folder))


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminationRequest)],
)
def test_signals_wait_for_the_end_of_the_block(number, expected):
    before = signal.getsignal(signal.SIGTERM)
    interrupt_on_sigterm()
    steps = []
    try:
        with pytest.raises(expected), uninterrupted():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            steps.append("done")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == ["done"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
