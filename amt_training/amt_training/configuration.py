"""Hydra's configuration: typed settings in, checked settings out, one sentence for a mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from amt_perception.errors import AmtError

Settings = TypeVar("Settings")
INTERRUPTED = 130
"""Exit code of a program that Ctrl-C has stopped."""


def store(name: str, settings: Any, group: str | None = None) -> None:
    """Make settings (a dataclass, or one with other values) known to Hydra under a name."""
    ConfigStore.instance().store(name=name, group=group, node=_writable(settings))


def checked(config: DictConfig, kind: type[Settings]) -> Settings:
    """The settings in a composed configuration. Raises AmtError naming the key that is wrong."""
    try:
        settings = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        key = f" (key {error.full_key})" if error.full_key else ""
        raise AmtError(f"the configuration is not complete: {reason}{key}") from error
    assert isinstance(settings, kind)
    return settings


def command(main: Callable[[DictConfig], None]) -> Callable[[DictConfig], None]:
    """A program whose user's mistakes end in one sentence and exit code 1, Ctrl-C in 130."""

    @wraps(main)
    def run(config: DictConfig) -> None:
        try:
            main(config)
        except AmtError as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
            sys.exit(INTERRUPTED)

    return run


def _writable(settings: Any) -> DictConfig:
    """Frozen dataclasses become read-only configurations, which nobody could override."""
    node = OmegaConf.structured(settings)

    def visit(part: DictConfig) -> None:
        OmegaConf.set_readonly(part, None)
        for key in part:
            inner = part._get_node(key)
            if isinstance(inner, DictConfig) and not inner._is_none() and not inner._is_missing():
                visit(inner)

    visit(node)
    return node


def _run_name() -> str:
    """The experiment's name; in a sweep, the job's number below it."""
    hydra = HydraConfig.get()
    name = str(hydra.runtime.choices.get("experiment") or "run")
    return f"{name}/{hydra.job.num}" if hydra.mode == RunMode.MULTIRUN else name


OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
