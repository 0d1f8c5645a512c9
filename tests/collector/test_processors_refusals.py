"""What a processor does not take is refused, and the whole message is held.

`refusals/processors/` holds one file each: pieces of its section, and what is said of them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import yaml

from collector.components import PROCESSORS
from collector.errors import ConfigError
from collector.processors import memory_limiter
from tests.collector.configured import processor

FILES = sorted((Path(__file__).parent / "refusals" / "processors").glob("*.yaml"))
REFUSALS = [
    (file.stem, text, told)
    for file in FILES
    for text, told in yaml.safe_load(file.read_text()).items()
]
READ = PROCESSORS | {
    "memory_limiter": partial(memory_limiter.read, total_memory_bytes=2**30),
    "memory_limiter-elsewhere": memory_limiter.read,  # where nobody knows how much there is
}


@pytest.mark.parametrize(("name", "text", "told"), REFUSALS)
def test_a_refusal_is_told_to_the_letter(name: str, text: str, told: str) -> None:
    """Where, what and what to do; a rule that would silently do nothing is the worst of all."""
    with pytest.raises(ConfigError) as caught:
        processor(READ[name], text)
    assert f"{caught.value}\n" == told
