"""`python -m amt_perception.pipeline`: see runner.py."""

import sys

from amt_perception.pipeline.runner import main

sys.exit(main())
