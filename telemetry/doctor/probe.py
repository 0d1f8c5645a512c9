"""What is asked of the app and its broker, and where the environment lets a worker push to.

Comes in: an app, a queue, the environment. Goes out: values for the verdicts in `hops`. Questions
are bounded in time, whatever a broker's library does meanwhile, and no error's text is repeated:
it may quote an address with its password.
"""

from __future__ import annotations

import threading
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

from doctor.asking import ASK_SECONDS, place_of
from doctor.pushing import Receiver
from doctor.walk import Verdict, broken
from telemetry.doctor import task
from telemetry.health.asking import channel
from telemetry.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

App: TypeAlias = Any

BROKER_SECONDS = 3 * ASK_SECONDS
"""For one question: a library may try an address twice, and look a name up before that."""


def app(name: str) -> tuple[App, Verdict | None]:
    """Import it as `celery -A` does; a verdict where that fails."""
    from celery.app.utils import find_app  # noqa: PLC0415 - it takes a moment

    try:
        return find_app(name), None
    except SettingsError as error:
        return None, broken(str(error), "correct what instrument(app) is given")
    except ModuleNotFoundError as error:
        what = f"{name} cannot be imported: there is no module {error.name}"
        return None, broken(what, "run the doctor where workers run, with -A as they have it")
    except Exception as error:  # noqa: BLE001 - it is somebody's program
        at = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{name} cannot be imported: {type(error).__name__} at "
        what += f"{PurePath(at.filename).name}:{at.lineno}"
        return None, broken(what, f"see what `python -c 'import {name.partition(':')[0]}'` says")


def broker_error(app: App, queue: str) -> str | None:
    """The class of the error at the broker; None: it answers, whether there is the queue or not."""
    return _error(lambda: _length(app, queue))


def is_in_memory(app: App) -> bool:
    """Whether its messages stay in the process."""
    return str(app.connection_for_write().transport_cls) == "memory"


def send(app: App, queue: str, expires_seconds: float) -> str | None:
    """Publish the marked task, which expires; the class of the error, if there is one."""

    def publish() -> None:
        expires = max(1.0, expires_seconds)
        app.send_task(task.NAME, queue=queue, expires=expires, ignore_result=True, retry=False)

    return _error(publish)


def waiting(app: App, queue: str) -> int | None:
    """How many messages wait in a queue; None where the broker does not say."""
    found: list[int | None] = []
    _error(lambda: found.append(_length(app, queue)))
    return found[0] if found else None


def _length(app: App, queue: str) -> int | None:
    with channel(app, ASK_SECONDS) as (connection, own):
        try:
            return int(own.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return None  # a queue that is not there is made by the first message


def _error(ask: Callable[[], object]) -> str | None:
    """The class of what `ask` raises; a name for it where it does not end."""
    raised: list[str] = []

    def asked() -> None:
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - whatever a broker's library raises
            raised.append(type(error).__name__)
        else:
            raised.append("")

    thread = threading.Thread(target=asked, daemon=True)
    thread.start()
    thread.join(BROKER_SECONDS)
    return (raised[0] or None) if raised else f"no answer in {BROKER_SECONDS:.0f} s"


def receiver(environ: Mapping[str, str], *, is_grpc: bool) -> Receiver:
    """Where the SDK's exporter would push, and with what.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
    """

    def given(what: str) -> str:
        names = (f"OTEL_EXPORTER_OTLP_METRICS_{what}", f"OTEL_EXPORTER_OTLP_{what}")
        return next((value for name in names if (value := environ.get(name, "").strip())), "")

    headers = dict(parse_env_headers(given("HEADERS"), liberal=True))
    files = (given("CERTIFICATE") or None, given("CLIENT_CERTIFICATE") or None)
    if is_grpc:
        url = given("ENDPOINT") or "http://localhost:4317"
        parts = urlsplit(url)
        insecure = given("INSECURE").lower() == "true" if given("INSECURE") else None
        if insecure is None:
            insecure = parts.scheme == "http"
        is_secure = parts.scheme == "https" or not insecure
        address = parts.netloc or url
    else:
        address, is_secure = _http_address(environ, given), False
    return Receiver(
        is_grpc=is_grpc,
        address=address,
        where=place_of(address),
        headers=headers,
        is_secure=is_secure,
        authority=files[0],
        certificate=files[1],
        key=given("CLIENT_KEY") or None,
    )


def _http_address(environ: Mapping[str, str], given: Callable[[str], str]) -> str:
    """Only the address for all signals is one that the path is added to."""
    whole = environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "").strip()
    return whole or f"{(given('ENDPOINT') or 'http://localhost:4318').rstrip('/')}/v1/metrics"
