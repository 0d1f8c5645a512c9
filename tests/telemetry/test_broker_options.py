"""An address or an option that cannot be done is refused by name, and without its secrets."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.broker.leases.options import OptionsError, read

URL = "postgresql+psycopg2://user:hunter2@db/shop"


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("sqlite:///broker.db", {}, r"portless\+sqlite is not possible.*use sqla\+sqlite"),
        ("mysql+pymysql://user:hunter2@db/shop", {}, r"portless\+mysql is not possible"),
        ("user:hunter2@db", {}, "none that SQLAlchemy can read"),
        (URL, {"polling_interval": 0}, "polling_interval is 0; it must be a number of seconds"),
        (URL, {"visibility_timeout": "1h"}, "visibility_timeout is '1h'"),
        (URL, {"lease_grace": True}, "lease_grace is True"),
        (
            URL,
            {"message_tablename": "m" * 60},
            "message_tablename is 'm.*must be a name of 1 to 52",
        ),
        (URL, {"isolation_level": "SERIALIZABLE"}, "isolation_level is the transport's own"),
    ],
)
def test_what_cannot_be_is_refused(url: str, options: dict[str, Any], words: str) -> None:
    """The message says what, and what to do; no password is in it."""
    with pytest.raises(OptionsError, match=words) as refused:
        read(url, options)
    assert "hunter2" not in str(refused.value)


def test_options_are_ours_kombus_or_the_engines() -> None:
    """Whatever is not the transport's own or kombu's goes to `create_engine`, as in stock."""
    options = read(URL, {"polling_interval": 2, "max_retries": 3, "pool_size": 7})
    assert options.polling_interval == 2.0
    assert options.engine == (("pool_size", 7),)
    assert options.visibility_timeout == 3600.0
    assert "hunter2" not in repr(options)
