"""`python -m amt_perception.pipeline`: see runner.py."""

import sys

try:
    from amt_perception.pipeline.runner import main

    code = main()
except KeyboardInterrupt:  # while modules are still being imported
    code = 130
sys.exit(code)
