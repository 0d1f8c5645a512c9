"""`python -m benchmarks.worker [--short]`: what observing a worker costs, alone."""

import sys

from benchmarks.worker.tables import show

show(short="--short" in sys.argv[1:])
