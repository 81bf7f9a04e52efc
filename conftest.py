"""For all tests: drawing without a display, and packages rather than the folders around them."""

import os
import signal

# Each package lies in a folder of the same name; pytest would take that folder for the package.
import amt_perception  # noqa: F401
import amt_retarget  # noqa: F401
import amt_training  # noqa: F401

os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it when it is first imported

# A shell without job control starts background jobs, and all their children, deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
