"""An observer may fail; the observed never notices: the one way in which our code runs in a hook.

Comes in: a hook's name and what it does. An exception goes no further than here: it is counted as a
fact and the first of a hook is logged. It knows neither Celery nor what hooks do.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

from telemetry.tasks.facts import HookFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.tasks.facts import Fact

logger = logging.getLogger(__name__)


class Safely:
    """Runs the body of a hook."""

    def __init__(self, record: Callable[[Fact], None]) -> None:
        self._record = record
        self._logged: set[str] = set()

    def __call__(self, hook: str, body: Callable[..., object], *args: Any) -> None:  # noqa: ANN401 - whatever the hook was given
        """Call `body(*args)`; it raises nothing."""
        try:
            body(*args)
        except Exception as error:  # noqa: BLE001 - that is what it is for
            self.failed(hook, error)

    def failed(self, hook: str, error: Exception) -> None:
        """Count and log an error that a hook has caught by itself, since every task runs it."""
        if hook not in self._logged:
            self._logged.add(hook)
            at = traceback.extract_tb(error.__traceback__)[-1]
            # Not the message: it may quote what the task was given.
            logger.error(
                "telemetry failed in %s: %s at %s:%s; no task is affected, "
                "celery.telemetry.hook.errors counts the rest",
                hook,
                type(error).__name__,
                at.filename,
                at.lineno,
            )
        try:
            self._record(HookFailed(hook))
        except Exception:
            logger.debug("an error could not be counted", exc_info=True)
