"""One node becomes one value of the type that its key declares.

In: a node without references. Out: text, flags, numbers, seconds, lists, maps, endpoints, or the
`Mistake` that says what was expected. The types are strict where the OpenTelemetry Collector's are,
and stricter where it would guess (a bare number as a duration, a fraction as a whole number). It
knows no key, no path and no component.
"""

from __future__ import annotations

import ipaddress
import re
from fractions import Fraction
from typing import NamedTuple

from collector.fields.document import Entry, MappingNode, Node, ScalarNode, SequenceNode, Type
from collector.otelcol import CAN_RUN_IT
from collector.settings import Endpoint

_UNITS_NS = {
    # https://pkg.go.dev/time#ParseDuration
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION = re.compile(r"([-+]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[nuµμm]s|[smh]))+|0)")
_PART = re.compile(r"([0-9.]+)([a-zµμ]+)")
_DURATION_LENGTH_MAX = 64
_DURATION_NS_MAX = 2**63 - 1
_DURATIONS = "write it with a unit, such as 300ms, 5m or 1h30m"
_ENDPOINTS = 'write "127.0.0.1:4318", ":9464" (every interface) or "[::1]:9464"'
_HOST = re.compile(r"[A-Za-z0-9_.-]*")
_ENDPOINT = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*)):([0-9]{1,5})")
_PORT_MAX = 65535


class Mistake(Exception):  # noqa: N818 - reported as a Problem
    """A node that is not what its key declares."""

    def __init__(self, node: Node, what: str, hint: str = "", at: str = "") -> None:
        super().__init__(what)
        self.line = node.line
        self.what = what
        self.hint = hint
        self.at = at
        """Where below its key the node stands: an index, a name."""


class Name(NamedTuple):
    """An item of a list of names, and its line."""

    line: int
    text: str
    shown: str
    """The text for a message."""


def shown(node: Node) -> str:
    """Describe a node in a message: never with a value out of the environment."""
    if isinstance(node, MappingNode):
        return "a map"
    if is_secret(node):
        return f"the value of {', '.join(dict.fromkeys(node.variables))}"
    if isinstance(node, SequenceNode):
        return "a list"
    return f'"{node.text}"' if node.type is Type.TEXT else node.text or "nothing"


def is_secret(node: Node) -> bool:
    """Whether a node holds a value out of the environment."""
    return not isinstance(node, MappingNode) and bool(node.variables)


def unlike(node: Node, expected: str, hint: str = "") -> Mistake:
    """Make the mistake of a node that is of another type."""
    if isinstance(node, ScalarNode) and node.type is Type.STRUCTURE:
        hint = f"maps do not come out of the environment here. {CAN_RUN_IT}"
    return Mistake(node, f"expects {expected}, not {shown(node)}", hint)


def text(node: Node) -> str:
    """Read text; a number has to be quoted, unless it comes out of the environment."""
    if not isinstance(node, MappingNode) and node.original is not None:
        return node.original
    if not isinstance(node, ScalarNode):
        raise unlike(node, "text")
    if node.type not in (Type.TEXT, Type.NOTHING):
        raise unlike(node, "text", "" if is_secret(node) else f'quote it: "{node.text}"')
    return node.text if node.type is Type.TEXT else ""


def flag(node: Node) -> bool:
    """Read true or false; nothing is false, as in the Collector."""
    if isinstance(node, ScalarNode) and node.type in (Type.FLAG, Type.NOTHING):
        return node.text.lower() == "true"
    raise unlike(node, "true or false")


def whole(node: Node) -> int:
    """Read a whole number; nothing is 0, as in the Collector."""
    if isinstance(node, ScalarNode) and node.type is Type.NOTHING:
        return 0
    if isinstance(node, ScalarNode) and node.type is Type.WHOLE:
        digits = node.text.replace("_", "")
        octal = re.fullmatch("([-+]?)0([0-7]+)", digits)
        return int(octal[1] + octal[2], 8) if octal else int(digits, 0)
    raise unlike(node, "a whole number")


def scalar(node: Node) -> str | float | None:
    """Read a text, a number, true or false, as which it stands there; nothing is None."""
    if isinstance(node, ScalarNode):
        if node.type is Type.NOTHING:
            return None
        if node.type is Type.FLAG:
            return flag(node)
        if node.type is Type.WHOLE and -(2**63) <= whole(node) < 2**63:
            return whole(node)
        if node.type is Type.FRACTION:
            return float(re.sub(r"_|\.(?=[a-zA-Z])", "", node.text))
        if node.type is Type.TEXT:
            return node.text
    raise unlike(node, "text, a number, true or false")


def seconds(node: Node) -> float:
    """Read a duration as Go writes it; nothing and 0 are 0."""
    if isinstance(node, ScalarNode) and node.type in (Type.NOTHING, Type.WHOLE):
        if whole(node) == 0:
            return 0.0
        hint = f"the Collector reads a bare number as nanoseconds; {_DURATIONS}"
        raise unlike(node, "a duration", hint)
    found = _DURATION.fullmatch(node.text) if isinstance(node, ScalarNode) else None
    if not found or len(found[0]) > _DURATION_LENGTH_MAX:
        raise unlike(node, "a duration", _DURATIONS)
    parts = _PART.findall(found[2])
    duration_ns = sum(Fraction(number) * _UNITS_NS[unit] for number, unit in parts)
    if duration_ns > _DURATION_NS_MAX:
        raise Mistake(node, f"{shown(node)} is longer than 292 years")
    return float(duration_ns / 10**9) * (-1 if found[1] == "-" else 1)


def words(node: Node) -> tuple[str, ...]:
    """Read a list of texts; one text is split at its commas, as the Collector does."""
    if isinstance(node, ScalarNode) and node.type in (Type.TEXT, Type.NOTHING):
        return tuple(node.text.split(",")) if node.type is Type.TEXT and node.text else ()
    return tuple(name.text for name in names(node))


def names(node: Node) -> tuple[Name, ...]:
    """Read a list of texts, each with its line."""
    return tuple(
        Name(item.line, _at(item, f"[{n}]"), shown(item)) for n, item in enumerate(items(node))
    )


def pairs(node: Node) -> dict[str, str]:
    """Read a map of texts."""
    return {key: _at(entry.node, f"::{key}") for key, entry in entries(node).items()}


def items(node: Node) -> tuple[Node, ...]:
    """Read a list of anything; nothing is an empty one."""
    if isinstance(node, ScalarNode) and node.type is Type.NOTHING:
        return ()
    if not isinstance(node, SequenceNode):
        raise unlike(node, "a list")
    return node.items


def entries(node: Node) -> dict[str, Entry]:
    """Read a map of anything; nothing is an empty one."""
    if isinstance(node, ScalarNode) and node.type is Type.NOTHING:
        return {}
    if not isinstance(node, MappingNode):
        raise unlike(node, "a map")
    return node.entries


def _at(node: Node, at: str) -> str:
    try:
        return text(node)
    except Mistake as mistake:
        mistake.at = at
        raise


def endpoint(node: Node) -> Endpoint:
    """Read host:port; an empty host is every interface."""
    found = _ENDPOINT.fullmatch(text(node))
    if not found:
        raise unlike(node, "host:port", _ENDPOINTS)
    address, name, port = found[1], found[2], int(found[3])
    if port > _PORT_MAX:
        raise Mistake(node, f"{shown(node)}: a port is at most {_PORT_MAX}")
    if not (_is_ipv6(address) if name is None else _HOST.fullmatch(name)):
        raise Mistake(node, f"{shown(node)}: this is no host", _ENDPOINTS)
    return Endpoint(address if name is None else name, port)


def _is_ipv6(address: str) -> bool:
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True
