"""Fixtures of several test files."""

from dataclasses import replace

import pytest

from amt_training.synthetic import bags, look, shards

from .synthetic_scenes import SMALL, FlatWorld


@pytest.fixture
def flat_worlds(monkeypatch):
    """The commands draw small flat worlds."""

    def world(settings, part):
        values = {"objects": SMALL.objects, "width": SMALL.width, "height": SMALL.height}
        return FlatWorld(replace(settings, **values), part)

    for module in (bags, look, shards):
        monkeypatch.setattr(module, "World", world)
