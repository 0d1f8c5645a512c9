"""Telemetry for Celery that workers push: `from telemetry import instrument; instrument(app)`.

Importing this package costs nothing: no thread, no socket, no environment is read and no server
module comes along. Everything begins with the call of `instrument`, or with a broker's address that
begins with `portless+`. What it offers is imported when it is asked for: a probe that reads a
worker's state file needs nothing of it.
"""

from telemetry.broker.alias import register

TYPE_CHECKING = False  # not typing's: that would be the first thing to take time
if TYPE_CHECKING:
    from telemetry.carry import carrying
    from telemetry.install import instrument, push_metrics

__all__ = ["carrying", "instrument", "push_metrics"]


def __getattr__(name: str) -> object:
    """Import what is asked for, when it is."""
    from importlib import import_module  # noqa: PLC0415 - as above

    places = dict.fromkeys(__all__, "telemetry.install") | {"carrying": "telemetry.carry"}
    if name not in places:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(places[name]), name)


register()
