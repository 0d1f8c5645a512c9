"""The `redaction` processor: attributes that are not allowed are deleted, and values masked.

In: its section. Out: a rule on the attributes of a stream's resource, scope and point. Streams that
become equal are one series, whose sum stays exact. It knows no number, no time and no other
processor.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from collector import go_regexp
from collector.model import text_of
from collector.processors import _names
from collector.rule import Processor

if TYPE_CHECKING:
    from collections.abc import Collection

    from collector.fields.section import Section
    from collector.model import Attributes, Stream, Value

Mask: TypeAlias = Callable[[re.Pattern[str], str], str]

REMEMBERED = 10_000
"""Attribute sets that are not gone through again."""
STARS = "****"
_ALL = re.compile("[^\n]*")
_PLAIN: dict[str, Callable[[bytes], str]] = {
    # A digest hides nothing that can be guessed; which one is the file's choice.
    "md5": lambda text: hashlib.md5(text, usedforsecurity=False).hexdigest(),
    "sha1": lambda text: hashlib.sha1(text, usedforsecurity=False).hexdigest(),
    "sha3": lambda text: hashlib.sha3_256(text).hexdigest(),
}
_DATABASES = ("es", "memcached", "mongo", "opensearch", "redis", "sql", "valkey")
_KEYED = {"hmac-sha256": ("sha256", 32), "hmac-sha512": ("sha512", 64)}
"""The digest, and how long a key has to be."""


@dataclass(frozen=True)
class _Rules:
    """What is done to each attribute."""

    allowed: Collection[str] | None
    """None allows every key."""
    ignored: Collection[str]
    ignored_keys: tuple[re.Pattern[str], ...]
    allowed_values: tuple[re.Pattern[str], ...]
    blocked_keys: tuple[re.Pattern[str], ...]
    blocked_values: tuple[re.Pattern[str], ...]
    all_types: bool
    mask: Mask

    @property
    def is_blind(self) -> bool:
        """Whether only keys decide, and no value is changed."""
        return not (self.allowed_values or self.blocked_keys or self.blocked_values)

    def kept(self, attributes: Attributes) -> Attributes:
        """Go through attributes; only those with a blocked key or value change."""
        return tuple(
            (key, self._value(key, value))
            for key, value in attributes
            if self._is_ignored(key) or self.allowed is None or key in self.allowed
        )

    def _is_ignored(self, key: str) -> bool:
        return key in self.ignored or _any(self.ignored_keys, key)

    def _value(self, key: str, value: Value) -> Value:
        if self._is_ignored(key):
            return value
        text = text_of(value) if self.all_types or isinstance(value, str) else ""
        if _any(self.allowed_values, text):
            return value
        if _any(self.blocked_keys, key):
            return self.mask(_ALL, text)
        masked = text
        for pattern in self.blocked_values:
            masked = self.mask(pattern, masked)
        return value if masked == text else masked


def _any(patterns: Collection[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)


def read(section: Section) -> Processor:
    """Read the processor's settings; without `allowed_keys` every attribute goes.

    The Collector lets the keys of its own summary (`redaction.redacted.keys` and four more) through
    as well, whoever sent them; here they are keys like all others.
    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/redactionprocessor
    """
    # `info` and `debug` write redaction.* attributes on every point, which become labels.
    section.choice("summary", ("silent", ""), "", elsewhere=("info", "debug"))
    _no_sanitizers(section)
    allowed = frozenset(section.words("allowed_keys"))
    rules = _Rules(
        allowed=None if section.flag("allow_all_keys") else allowed,
        ignored=frozenset(section.words("ignored_keys")),
        ignored_keys=_names.patterns(section, "ignored_key_patterns"),
        allowed_values=_names.patterns(section, "allowed_values"),
        blocked_keys=_names.patterns(section, "blocked_key_patterns"),
        blocked_values=_names.patterns(section, "blocked_values"),
        all_types=section.flag("redact_all_types"),
        mask=_mask(section),
    )

    # Resources and scopes are those of many streams, and so is what rules before this one left.
    kept = lru_cache(REMEMBERED)(rules.kept)

    def rewrite(stream: Stream) -> Stream:
        scope = stream.scope
        if scope.attributes:
            scope = scope._replace(attributes=kept(scope.attributes))
        resource, attributes = kept(stream.resource), kept(stream.attributes)
        return stream.but(resource=resource, scope=scope, attributes=attributes)

    return Processor(rewrite, is_blind=rules.is_blind)


def _no_sanitizers(section: Section) -> None:
    """Accept those that are turned off; others guess what is an id, and the guess is not ours."""
    url, databases = section.section("url_sanitizer"), section.section("db_sanitizer")
    for one in (url, databases):
        one.flag("sanitize_span_name")  # no metric has one
    for one in (url, *map(databases.section, _DATABASES)):
        one.only("enabled", value=False)
        one.words("attributes")


def _mask(section: Section) -> Mask:
    """What stands in place of what a pattern matches: stars, or a digest of it."""
    name = section.choice("hash_function", (*_PLAIN, *_KEYED, ""), "", fold=True)
    key = section.text("hmac_key")
    if not name:
        return lambda pattern, text: go_regexp.replace_all(pattern, STARS, text)
    digest = _PLAIN.get(name) or _keyed(section, name, key.encode())
    return lambda pattern, text: go_regexp.replace_all(
        pattern, "$0", text, lambda found: digest(found.encode())
    )


def _keyed(section: Section, name: str, key: bytes) -> Callable[[bytes], str]:
    digest, bytes_min = _KEYED[name]
    if len(key) < bytes_min and not section.mistaken("hmac_key"):
        what = f"{name} needs at least {bytes_min} bytes, not {len(key)}"
        section.mistake("hmac_key", what, "write ${env:…}, and keep the key out of the file")
    return lambda text: hmac.new(key, text, digest).hexdigest()
