"""`python -m tests.fuzz.guided TARGET DIRECTORY…`: Atheris on one target; libFuzzer's arguments.

New inputs that reach something go to the first directory, the others are read. It ends the process.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["collector"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's arguments say to stop."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
