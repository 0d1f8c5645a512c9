"""Directories that a component may make: `create_directory` and `directory_permissions`.

In: a section that has both. Out: the mode of new directories. It looks at no disk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.fields.section import Section

_OCTAL = re.compile("0?[0-7]{3}")


def mode(section: Section, default: str) -> int | None:
    """Read the mode that new directories get; None where none may be made."""
    create = section.flag("create_directory")
    text = section.text("directory_permissions")
    if text and not create:
        section.mistake("directory_permissions", "requires create_directory: true")
    if text and not _OCTAL.fullmatch(text):
        section.mistake("directory_permissions", f'must be octal, such as "{default}"')
        text = ""
    return int(text or default, 8) if create else None
