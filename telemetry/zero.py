"""`opentelemetry-instrument celery -A app worker`: every app instrumented, with no line in it.

Comes in: the call of opentelemetry-instrument, before the application and Celery are imported. Goes
out: `instrument(app)` for each app when Celery finalizes it, which a worker, beat and every task
that is called by its object come through; or for the current app before its first message, where a
producer knows its tasks by name only. Nothing of Celery is imported before the application does.

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
        register_post_import_hook(_celery_is_there, "celery.app.base")

    def _uninstrument(self, **_: Any) -> None:  # noqa: ANN401 - as above
        """Nothing: an app that is watched stays watched."""


def _celery_is_there(_module: object) -> None:
    from celery import _state, signals  # noqa: PLC0415 - it is being imported just now

    _state.connect_on_app_finalize(_instrument)  # how shared_task hears of apps
    signals.before_task_publish.connect(_first_message, weak=False, dispatch_uid=_FIRST)


def _first_message(headers: dict[str, Any] | None = None, **_: object) -> None:
    from celery import _state, signals  # noqa: PLC0415 - as above

    signals.before_task_publish.disconnect(dispatch_uid=_FIRST)
    _instrument(_state.get_current_app())
    # Receivers that were connected just now do not hear of this message any more.
    install.prepare(headers)


def _instrument(app: Celery) -> None:
    try:
        install.instrument(app)
    except SettingsError as error:
        logger.error("no telemetry of Celery: %s", error)  # noqa: TRY400 - it says all there is
    except Exception:
        logger.exception("no telemetry of Celery")
