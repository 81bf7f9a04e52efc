"""The one place that imports MuJoCo, so that its absence and its OpenGL are handled once."""

from __future__ import annotations

import os
import sys
from ctypes.util import find_library
from types import ModuleType

from amt_retarget.errors import RetargetError

OPENGL_HINT = (
    "MuJoCo cannot draw without a display's OpenGL or EGL: on Debian or Ubuntu run "
    "`apt install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri` and set MUJOCO_GL=egl"
)


def import_mujoco() -> ModuleType:
    """Import MuJoCo; where there is no display, let it draw through EGL.

    MuJoCo reads MUJOCO_GL once, at its first import. A value that the user set stays.
    """
    headless = sys.platform == "linux" and not os.environ.get("DISPLAY")
    if headless and "MUJOCO_GL" not in os.environ and find_library("EGL"):
        os.environ["MUJOCO_GL"] = "egl"
    try:
        import mujoco
    except ModuleNotFoundError as error:
        raise RetargetError("the simulation needs MuJoCo: pip install mujoco") from error
    except (ImportError, AttributeError, OSError) as error:  # PyOpenGL without its libraries
        raise RetargetError(f"{OPENGL_HINT} ({error})") from error
    return mujoco
