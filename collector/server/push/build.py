"""A plan's exporters that push -> pushers, each with its sink."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from collector.push_settings import Debug, File
from collector.server.push.debug import DebugSink
from collector.server.push.file import FileSink
from collector.server.push.pusher import Pusher, Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.fields.component_id import ComponentId
    from collector.plan import Plan
    from collector.push_settings import Pushing
    from collector.river import River


def pushers(plan: Plan, river: River, clock: Callable[[], float]) -> list[Pusher]:
    """Make one for each exporter that pushes, at the shortest interval of its pipelines."""
    made = []
    for id_, outlet in river.pushing.items():
        interval = min(one.interval_seconds for one in plan.pipelines if id_ in one.exporters)
        made.append(Pusher(str(id_), outlet, _sink(plan, id_), interval, clock))
    return made


def _sink(plan: Plan, id_: ComponentId) -> Sink:
    settings: Pushing = plan.exporters[id_]  # type: ignore[assignment] # the river has sorted them
    if isinstance(settings, Debug):
        return DebugSink(str(id_), settings)
    if isinstance(settings, File):
        return FileSink(str(id_), settings)
    # requests takes a moment to import, and is not needed by others
    from collector.server.push.otlp_http import OtlpHttpSink  # noqa: PLC0415
    from collector.server.push.spool import Spool  # noqa: PLC0415

    storage = plan.storages.get(settings.queue.storage)
    name = f"exporter_{quote(str(id_), safe='')}"
    return OtlpHttpSink(str(id_), settings, Spool(settings.queue.size, storage, name))
