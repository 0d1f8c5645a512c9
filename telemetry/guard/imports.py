"""The chains of imports by which a package reaches a module that can serve, and its own calls.

Comes in: names of packages, where to look for modules, an allowlist. Goes out: a `Report`: chains
link by link, calls that listen, what could not be read. No code of the target is run, and what a
file's source says or where it lies is for others to know.

Why our own walk: `modulefinder` follows bytecode, forgets lines and knows one way to a module only;
grimp builds the graph of the packages it is given, and the standard library, where the servers are,
cannot be given. Neither tells an import at the top from one inside a function.

All modules of the package are roots, as any of them may be imported; so a chain leaves the package
with its first link and says which file of it is the door. There is one chain for each module that
imports a server without being one: the one with the fewest lazy links, then the shortest.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from telemetry.guard.servers import BY_NAME, SERVERS, TELLING, Verdict, verdict
from telemetry.guard.source import Code, Link, Use, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from telemetry.guard.allowlist import Allowlist, Run
    from telemetry.guard.finder import Finder


class TargetError(ValueError):
    """There is no such package, or a file of its own cannot be read."""


class Step(NamedTuple):
    """One link of a chain, and where it is written."""

    importer: str
    file: str
    link: Link


class Chain(NamedTuple):
    """A way to a server module."""

    run: Run
    """The modules, from one of the package's own to the server module."""
    steps: tuple[Step, ...]
    reason: str
    """Why the last one counts as a server."""


class Call(NamedTuple):
    """The package itself makes a call that listens."""

    module: str
    file: str
    use: Use


@dataclass(frozen=True)
class Report:
    """What was found that is not allowed."""

    modules: int
    """How many were looked at."""
    chains: tuple[Chain, ...]
    calls: tuple[Call, ...]
    unread: tuple[str, ...]
    """Files of others that are no Python for this interpreter."""


def examine(packages: Sequence[str], finder: Finder, allowlist: Allowlist) -> Report:
    """Find the chains and calls of `packages`. Raises `TargetError`."""
    graph = Graph(finder)
    own = _own(packages, graph)
    modules = graph.explore(own)
    ways = _search(graph, own, graph.reaching(modules, own), allowlist)
    calls = tuple(
        Call(module, graph.file(module), use)
        for module in sorted(own)
        for use in graph.code(module).uses
        if not allowlist.allows_call(module, use.name)
    )
    chains = tuple(_chain(graph, way) for way in ways)
    return Report(len(modules), chains, calls, tuple(graph.unread))


def _own(packages: Iterable[str], graph: Graph) -> frozenset[str]:
    own: set[str] = set()
    for package in packages:
        tree = graph.tree(package)
        if not tree:
            raise TargetError(f"there is no module {package!r} here; --path says where to look")
        own.update(tree)
    for module in sorted(own):
        graph.code(module)
    if graph.unread:
        raise TargetError(f"cannot read {graph.unread[0]}")
    return frozenset(own)


class Graph:
    """Who imports whom, read as far as somebody asks."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._codes: dict[str, Code] = {}
        self._links: dict[str, dict[str, Link]] = {}
        self.tree = finder.tree
        self.unread: list[str] = []

    def file(self, module: str) -> str:
        """Where a module's source is."""
        found = self._finder.find(module)
        return found.file if found else ""

    def code(self, module: str) -> Code:
        """What a module's source says; nothing where it has none."""
        if module not in self._codes:
            self._codes[module] = self._read(module)
        return self._codes[module]

    def links(self, module: str) -> dict[str, Link]:
        """What a module imports, each with its packages; at import rather than lazily."""
        if module not in self._links:
            links: dict[str, Link] = {}
            by_name = [Link(name, 0, "") for name in BY_NAME.get(module, ())]
            for link in (*self.code(module).links, *by_name):
                words = link.target.split(".")
                for end in range(1, len(words) + 1):
                    target = ".".join(words[:end])
                    known = links.get(target)
                    if known is None or (known.function is not None and link.function is None):
                        links[target] = link._replace(target=target)
            self._links[module] = {
                target: link
                for target, link in links.items()
                if target not in {"", module} and (self._finder.find(target) or target in SERVERS)
            }
        return self._links[module]

    def server(self, module: str) -> Verdict | None:
        """Why a module counts as a server; None if it does not."""
        known = verdict(module)
        if known is not None:
            return known if known.serves else None
        names = {use.name for use in self.code(module).uses}
        telling = next((calls for calls in TELLING if calls <= names), None)
        if telling is None:
            return None
        return Verdict(serves=True, reason=f"calls {' and '.join(sorted(telling))}")

    def explore(self, roots: frozenset[str]) -> frozenset[str]:
        """Every module that can be reached."""
        waiting, seen = list(roots), set(roots)
        while waiting:
            new = self.links(waiting.pop()).keys() - seen
            seen |= new
            waiting += new
        return frozenset(seen)

    def reaching(self, modules: frozenset[str], own: frozenset[str]) -> frozenset[str]:
        """Those of the modules from which a server module can be reached, that one included."""
        importers: defaultdict[str, set[str]] = defaultdict(set)
        for module in modules:
            for target in self.links(module):
                importers[target].add(module)
        waiting = [module for module in modules - own if self.server(module)]
        seen = set(waiting)
        while waiting:
            new = importers[waiting.pop()] - seen
            seen |= new
            waiting += new
        return frozenset(seen)

    def _read(self, module: str) -> Code:
        found = self._finder.find(module)
        if found is None or found.source is None:
            if found is not None and found.file.endswith(".py"):
                self.unread.append(f"{found.file}: its text cannot be decoded")
            return Code()
        try:
            return read(found.source, module, is_package=found.below is not None)
        except (SyntaxError, ValueError, RecursionError) as error:
            self.unread.append(f"{found.file}: {error}")
            return Code()


def _search(
    graph: Graph, own: frozenset[str], reaching: frozenset[str], allowlist: Allowlist
) -> list[Run]:
    """The best way through each module that lets a server in, by Dijkstra's algorithm.

    It walks over modules together with how much of an allowed run the way ends in, so that a way
    that is allowed hides no other.
    """
    ways: dict[str, Run] = {}
    seen: set[tuple[str, Run]] = set()
    heap: list[tuple[int, int, Run, Run]] = []
    for module in own & reaching:
        tail = allowlist.follow((), module)
        if tail is not None:
            heapq.heappush(heap, (0, 1, (module,), tail))
    while heap:
        lazy, length, way, tail = heapq.heappop(heap)
        module = way[-1]
        if (module, tail) in seen:
            continue
        seen.add((module, tail))
        into: list[tuple[int, int, Run]] = []
        for target, link in graph.links(module).items():
            if target not in reaching or target in own:
                continue
            serves = graph.server(target) is not None
            end = (target, *_onward(graph, target)) if serves else (target,)
            after = allowlist.follow(tail, *end)
            later = link.function is not None
            if after is not None and serves:
                into.append((later, len(end), (*way, *end)))
            elif after is not None:
                heapq.heappush(heap, (lazy + later, length + 1, (*way, target), after))
        if into:
            ways.setdefault(module, min(into)[2])
    return sorted(ways.values())


def _onward(graph: Graph, server: str) -> Run:
    """The servers that one stands on, to the last; none where they stand on each other."""
    ways: list[Run] = [(server,)]
    seen = {server}
    for way in ways:
        below = [to for to in sorted(graph.links(way[-1])) if _stands_on(graph, way[-1], to)]
        if not below:
            return way[1:]
        ways += [(*way, target) for target in below if target not in seen]
        seen.update(below)
    return ()


def _stands_on(graph: Graph, server: str, other: str) -> bool:
    """Whether the other is a server too, and not a part of the same package."""
    found = graph.server(other)
    return found is not None and found is not graph.server(server)


def _chain(graph: Graph, run: Run) -> Chain:
    steps = tuple(
        Step(importer, graph.file(importer), graph.links(importer)[target])
        for importer, target in zip(run, run[1:])
    )
    found = graph.server(run[-1])
    return Chain(run, steps, found.reason if found else "")
