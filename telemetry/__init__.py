"""Telemetry for Celery that workers push: `from telemetry import instrument; instrument(app)`.

Importing this package costs nothing: no thread, no socket, no environment is read and no server
module comes along. Everything begins with the call of `instrument`.
"""

TYPE_CHECKING = False  # typing's own would be the first thing that costs a probe time
if TYPE_CHECKING:
    from telemetry.install import instrument

__all__ = ["instrument"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from telemetry import install  # noqa: PLC0415 - a probe needs nothing of it

    return getattr(install, name)
