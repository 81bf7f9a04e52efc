"""For all tests: MuJoCo draws without a display. It reads this when it is first imported."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
