"""One file's source -> what it imports, and where it uses a name that listens.

Comes in: source text and the module's name. Goes out: links and uses with their lines. Nothing is
run and no other file is read: whether a name is a module is for others to find out.

Imports for type checkers, and those for running a file as a program, bring nothing to who imports
it: they are left out. What stands in a function is there, and marked as lazy.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

from telemetry.guard.servers import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

_BY_CALL = {"import_module", "__import__"}
_LAST_WORDS = {name.rpartition(".")[2] for name in CALLS}
_MENTION = re.compile(rf"\b(?:{'|'.join(sorted(_BY_CALL | _LAST_WORDS))})\b")
"""Without one of these words in it, a file's expressions need not be looked at."""
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_READ = (ast.Import, ast.ImportFrom, ast.Call, ast.Name, ast.Attribute)


class Link(NamedTuple):
    """One module imports another; `from a import b` may mean the module a.b, so it makes two."""

    target: str
    line: int
    """0: not in the source, loaded by a name in a string."""
    function: str | None = None
    """The function that has to run first, if known; None: it happens at import."""


class Use(NamedTuple):
    """A name in `CALLS` is used."""

    name: str
    line: int


class Code(NamedTuple):
    """What one file does that matters here."""

    links: tuple[Link, ...] = ()
    uses: tuple[Use, ...] = ()


def read(source: str, module: str, *, is_package: bool) -> Code:
    """Read a file's source. Raises `SyntaxError`, and `ValueError` where it holds a null byte."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in somebody's string is not our matter
        tree = ast.parse(source)
    package = module if is_package else module.rpartition(".")[0]
    nodes = list(_walk(tree, expressions=_MENTION.search(source) is not None))
    aliases = _aliases(nodes, package)
    links = tuple(link for node, function in nodes for link in _links(node, function, package))
    uses = {use for node, _ in nodes for use in _uses(node, aliases)}
    return Code(links, tuple(sorted(uses, key=lambda use: (use.line, use.name))))


def _walk(tree: ast.Module, *, expressions: bool) -> Iterator[tuple[ast.AST, str | None]]:
    """The nodes to read of what an importer may come to run, with the function around them."""
    waiting: list[tuple[ast.AST, str | None]] = [(tree, None)]
    while waiting:
        node, function = waiting.pop()
        if isinstance(node, _READ):
            yield node, function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        elif isinstance(node, ast.Lambda):
            function = function or "lambda"
        if isinstance(node, ast.If) and _is_for_others(node.test):
            waiting += [(child, function) for child in node.orelse]
        elif expressions:
            waiting += [(child, function) for child in ast.iter_child_nodes(node)]
        else:
            blocks = (getattr(node, name, ()) for name in _BLOCKS)
            waiting += [(child, function) for block in blocks for child in block]


def _is_for_others(test: ast.expr) -> bool:
    """`if TYPE_CHECKING:` and `if __name__ == "__main__":`."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        return _dotted(test.left, {}) == "__name__"
    return _dotted(test, {}).rpartition(".")[2] == "TYPE_CHECKING"


def _links(node: ast.AST, function: str | None, package: str) -> Iterator[Link]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Link(alias.name, node.lineno, function)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, package)
        yield Link(base, node.lineno, function)
        for alias in node.names:
            yield Link(f"{base}.{alias.name}", node.lineno, function)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = node.args[0].value
        called = _dotted(node.func, {}).rpartition(".")[2]
        if called in _BY_CALL and isinstance(name, str):
            yield Link(_absolute(name, package), node.lineno, function)


def _base(node: ast.ImportFrom, package: str) -> str:
    return _absolute("." * node.level + (node.module or ""), package)


def _absolute(name: str, package: str) -> str:
    """The whole name of a module named from within a package; leading dots go up."""
    words = name.lstrip(".")
    dots = len(name) - len(words)
    if not dots:
        return name
    parts = package.split(".")
    above = parts[: len(parts) - dots + 1]
    return ".".join([*above, words] if words else above)


def _aliases(nodes: list[tuple[ast.AST, str | None]], package: str) -> dict[str, str]:
    """What the names that a file imports stand for."""
    aliases: dict[str, str] = {}
    for node, _ in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    aliases[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{_base(node, package)}.{alias.name}"
    return aliases


def _uses(node: ast.AST, aliases: dict[str, str]) -> Iterator[Use]:
    if isinstance(node, ast.Call):
        name = _known(node.func, aliases)
        shape = CALLS[name].arguments if name else None
        if name and shape and not node.keywords and len(node.args) in shape:
            yield Use(name, node.lineno)
    elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = _known(node, aliases)
        if name and CALLS[name].arguments is None:
            yield Use(name, node.lineno)


def _known(node: ast.expr, aliases: dict[str, str]) -> str | None:
    """The name in CALLS: as a whole or by its last word.

    A bare name that was not imported is the file's own: what it does stands where it is defined.
    """
    if isinstance(node, ast.Name):
        dotted = aliases.get(node.id, "")
    elif isinstance(node, ast.Attribute) and node.attr in _LAST_WORDS:
        dotted = _dotted(node, aliases)
    else:
        return None
    last = dotted.rpartition(".")[2]
    return dotted if dotted in CALLS else last if last in CALLS else None


def _dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    """`a.b.c` as text; what stands before the dots may be anything."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    words.append(aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "")
    return ".".join(reversed(words))
