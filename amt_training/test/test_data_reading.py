"""Worker processes: results in order, errors as they are, and no process left behind."""

import itertools
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amt_perception.errors import AmtError
from amt_training.data.reading import in_order
from amt_training.data.skipping import Skipping

ENDLESS = """
import itertools, operator, time
from amt_training.data.reading import in_order
results = in_order(operator.index, itertools.count(), workers=1)
print(next(results), flush=True)
time.sleep(100)
"""


def refuse(number):
    raise AmtError(f"{number} cannot be read")


def test_results_come_in_order_and_without_end():
    results = in_order(operator.neg, itertools.count(3), workers=0)
    assert list(itertools.islice(results, 4)) == [-3, -4, -5, -6]
    assert list(in_order(operator.neg, [5, 1], workers=0)) == [-5, -1]


def test_an_error_is_raised_as_it_is():
    with pytest.raises(AmtError, match=r"^7 cannot be read$"):
        next(in_order(refuse, [7], workers=0))


def test_workers_end_with_a_process_that_is_killed():
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "0\n"
        assert len(members(process.pid)) >= 3  # it, the fork server, the worker
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 20.0
        while members(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert members(process.pid) == []
    finally:
        for pid in members(process.pid):
            os.kill(pid, signal.SIGKILL)


def members(group):
    """The living processes of a process group."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(file.parent.name))
    return found


def test_the_limit_of_unreadable_samples(caplog):
    skipping = Skipping("made", total=1000, limit=0.01)
    for index in range(10):
        skipping.add(index, f"file-{index}")
        skipping.add(index, f"file-{index}")  # seen again in another epoch
    skipping.report()
    assert caplog.text.count("skipped file-") == 5
    assert "10 of 1000 samples" in caplog.text
    with pytest.raises(AmtError, match=r"11 of 1000 .* limit of 1\.00%.*file-10"):
        skipping.add(10, "file-10")
