"""`make chaos`: runs until the time is over, each with a seed that is printed."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import run

ROUND_SECONDS = 60.0


def main() -> int:
    """Run; 1 as soon as something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of violence altogether")
    parser.add_argument("--seed", type=int, help="of the first run; by chance if not given")
    options = parser.parse_args()
    left, seed = options.seconds or 600, options.seed
    while left > 0:
        seed = random.SystemRandom().randrange(10**6) if seed is None else seed
        seconds = min(left, ROUND_SECONDS)
        directory = Path(tempfile.mkdtemp(prefix="chaos-"))
        print(f"seed {seed}, {seconds:.0f} s", flush=True)
        begin = time.monotonic()
        result = run(directory, seed, seconds)
        acts = ", ".join(f"{name} {number}" for name, number in sorted(result.acts.items()))
        print(f"  {acts}\n  {result.summary}; {time.monotonic() - begin:.0f} s", flush=True)
        if result.mistakes:
            print("\n".join(f"  WRONG: {mistake}" for mistake in result.mistakes))
            print(f"  logs: {directory}; again: make chaos SEED={seed} SECONDS={seconds:.0f}")
            return 1
        shutil.rmtree(directory)
        left, seed = left - seconds, None
    return 0


sys.exit(main())
