"""`opentelemetry-instrument celery -A app worker`: every app instrumented, with no line in it.

Comes in: the call of opentelemetry-instrument, before the application and Celery are imported. Goes
out: `instrument(app)` when a worker or beat begins, or before the first message of a process that
publishes. Nothing of Celery is imported before the application does, and nothing happens while it
is: gevent, as it replaces the locks that are there, looks at Celery's lazy objects, which then make
and finalize an app of their own.

What `instrument` refuses is said in the log: a program that was not asked must not fail to start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined] # no types
    BaseInstrumentor,
)
from wrapt import register_post_import_hook

from telemetry import install
from telemetry.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection

    from celery import Celery

logger = logging.getLogger(__name__)

_FIRST = "telemetry.zero.first_message"


class Instrumentor(BaseInstrumentor):  # type: ignore[misc] # as above
    """What the entry point `opentelemetry_instrumentor: portless` names.

    OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=portless leaves it out.
    """

    _instance = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the Celery that it is for."""
        return ("celery >= 5.4, < 6",)

    def _instrument(self, **_: Any) -> None:  # noqa: ANN401 - whatever the command passes
        register_post_import_hook(_celery_is_there, "celery.signals")

    def _uninstrument(self, **_: Any) -> None:  # noqa: ANN401 - as above
        """Nothing: an app that is watched stays watched."""


def _celery_is_there(_module: object) -> None:
    from celery import signals  # noqa: PLC0415 - it is being imported just now

    signals.worker_init.connect(_worker, weak=False, dispatch_uid="telemetry.zero.worker")
    signals.beat_init.connect(_beat, weak=False, dispatch_uid="telemetry.zero.beat")
    signals.before_task_publish.connect(_first_message, weak=False, dispatch_uid=_FIRST)


def _worker(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's worker
    _instrument(sender.app)


def _beat(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's service
    known = install.this() is not None
    _instrument(sender.app)
    this = install.this()
    if this is not None and not known:  # who connects to a signal while it is sent misses it
        this.beat_begins(sender)


def _first_message(headers: dict[str, Any] | None = None, **_: object) -> None:
    from celery import _state, signals  # noqa: PLC0415 - as above

    signals.before_task_publish.disconnect(dispatch_uid=_FIRST)
    known = install.this() is not None
    _instrument(_state.get_current_app())
    this = install.this()
    if this is not None and not known and headers is not None:  # as above
        this.publisher.prepare(headers)


def _instrument(app: Celery) -> None:
    try:
        install.instrument(app)
    except SettingsError as error:
        logger.error("no telemetry of Celery: %s", error)  # noqa: TRY400 - it says all there is
    except Exception:
        logger.exception("no telemetry of Celery")
