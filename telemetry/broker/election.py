"""Who of many looks: the session that holds PostgreSQL's advisory lock of this number.

Comes in: the name of the table that is looked at. Goes out: the lock's key. A lock belongs to a
session of one database and ends with it, however that ends, so there is never a second observer and
the next candidate has the place seconds later; nothing is written for that. What has no such lock
(SQLite, Redis, AMQP) is looked at by `portless observe` alone and never by workers.
"""

from __future__ import annotations

import hashlib


def key(messages_table: str) -> int:
    """64 bits with a sign, the same in every process that looks at this table."""
    digest = hashlib.sha256(f"portless observe {messages_table}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
