"""While a worker runs in this process, whoever binds a socket is told of, or refused.

Comes in: an app and a mode of the guard's. Goes out: the hook switched on before the pool has any
process, and off again with the worker: the process of somebody's tests goes on and may listen. It
counts nothing and works without telemetry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.guard.bindhook import Mode, forbid_listening

if TYPE_CHECKING:
    from collections.abc import Callable


def step(mode: Mode, tell: Callable[[], None]) -> type:
    """A boot step for `app.steps["worker"]`; `tell` is called at each bind."""
    from celery import bootsteps  # noqa: PLC0415 - importing `telemetry` stays light

    class Closed(bootsteps.StartStopStep):
        def __init__(self, worker: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's own
            super().__init__(worker, **kwargs)
            forbid_listening(mode, tell)

        def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002 - as above
            forbid_listening("off")

        def terminate(self, parent: Any) -> None:  # noqa: ANN401 - as above
            self.stop(parent)

    return Closed
