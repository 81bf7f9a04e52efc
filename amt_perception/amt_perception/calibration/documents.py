"""The YAML files of the calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from amt_perception.errors import AmtError


def read_yaml(path: Path, kind: str, what: str) -> dict[str, Any]:
    """The mapping in a file of ours. Raises AmtError when it is missing, not YAML, or of others."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AmtError(f"Cannot read {path} ({error.strerror}).") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise AmtError(f"{path} is not YAML; give the file with the {what}.") from error
    if not isinstance(document, dict) or document.get("format") != kind:
        raise AmtError(f"{path} holds no {what}: it does not begin with 'format: {kind}'.")
    return document
