"""Names of modules -> their source, by looking at directories alone.

Comes in: where to look, as `sys.path` has it. Goes out: a module's source, or that there is none.
It runs nothing of what it finds: no package's `__init__`, unlike `importlib.util.find_spec`.
"""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec


class Module(NamedTuple):
    """A module that can be imported."""

    name: str
    file: str = ""
    """Empty: a package without an `__init__`."""
    source: str | None = None
    """None: it has none, or none that can be decoded."""
    below: tuple[str, ...] | None = None
    """Where its submodules are; None: it is no package."""


class Finder:
    """Looks for modules in `path`, in this order."""

    def __init__(self, path: Sequence[str]) -> None:
        self._path = path
        self._found: dict[str, Module | None] = {}

    def find(self, name: str) -> Module | None:
        """The module, or None where there is none of this name, as for those built in."""
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def tree(self, name: str) -> list[str]:
        """A module and everything below it, packages without an `__init__` included."""
        module = self.find(name)
        names = {name} if module else set()
        for directory in map(Path, (module and module.below) or ()):
            for file in directory.rglob("*.py"):
                parts = file.relative_to(directory).with_suffix("").parts
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                if all(part.isidentifier() for part in parts):
                    names.add(".".join((name, *parts)))
        return sorted(names)

    def _look(self, name: str) -> Module | None:
        path: Sequence[str] | None = self._path
        parent, _, _ = name.rpartition(".")
        if parent:
            above = self.find(parent)
            path = above.below if above else None
        portions: list[str] = []
        for spec in _specs(name, path or ()):
            below = spec.submodule_search_locations
            if spec.loader is not None:
                within = None if below is None else tuple(below)
                return Module(name, spec.origin or "", _source(spec), within)
            portions += below or ()
        return Module(name, below=tuple(portions)) if portions else None


def _specs(name: str, path: Iterable[str]) -> Iterable[ModuleSpec]:
    for directory in path:
        finder = pkgutil.get_importer(directory)
        spec = finder.find_spec(name) if finder is not None else None
        if spec is not None:
            yield spec


def _source(spec: ModuleSpec) -> str | None:
    get_source = getattr(spec.loader, "get_source", None)  # one that reads and does not run
    try:
        source: str | None = get_source(spec.name) if get_source else None
    except (ImportError, SyntaxError, UnicodeDecodeError):
        return None
    return source
