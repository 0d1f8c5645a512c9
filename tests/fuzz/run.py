"""One input through one target, with a guard against readers that never come back.

Directories of inputs are read here and inputs that failed are kept; what a target promises and
where inputs come from is not known.
"""

from __future__ import annotations

import faulthandler
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parent / "corpus"
HANGS_SECONDS = 30
"""No input takes a hundredth of it: what does hangs, and the process ends with a traceback."""


def corpus(target: str) -> dict[str, bytes]:
    """Return the inputs of a target by name: seeds, and whatever failed once (`found-…`)."""
    paths = sorted((CORPUS / target).iterdir())
    return {path.name: path.read_bytes() for path in paths}


def check(target: Callable[[bytes], None], data: bytes) -> None:
    """Run an input; raises whatever the target raises."""
    faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
    try:
        target(data)
    finally:
        faulthandler.cancel_dump_traceback_later()


def keep(target: str, data: bytes) -> Path:
    """Write an input that failed to the corpus, where every test run tries it from now on."""
    path = CORPUS / target / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path
