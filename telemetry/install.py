"""`instrument`: what the environment wants, decided once, before anything heavy is imported.

Comes in: an app and the environment. Goes out: the app's boot steps, and the one `ThisProcess` that
does the rest. It knows neither Celery nor the SDK, so that importing it costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from telemetry import settings

if TYPE_CHECKING:
    from celery import Celery

    from telemetry.process import ThisProcess

_this: ThisProcess | None = None


def instrument(app: Celery, *, export_interval_seconds: float | None = None) -> None:
    """Watch the workers of `app`, count what this process publishes, and push both by OTLP.

    One line where the app is made, for workers and producers alike; the app may be configured
    later, and doing it again changes nothing. OTEL_* variables say where to push and how often, and
    win over `export_interval_seconds`. With OTEL_SDK_DISABLED=true nothing happens at all.
    Raises `telemetry.settings.SettingsError` where the environment contradicts itself.
    """
    global _this  # noqa: PLW0603 - one process, one report
    if _this is None:
        wanted = settings.read(
            os.environ, green=_green(), export_interval_seconds=export_interval_seconds
        )
        if not wanted.enabled:
            return
        from telemetry.process import ThisProcess  # noqa: PLC0415 - Celery's insides and the SDK

        _this = ThisProcess(wanted, os.environ)
    _this.add(app)


def _green() -> str | None:
    """The library that has made this process's threads greenlets, if one has."""
    from kombu.utils.compat import detect_environment  # noqa: PLC0415 - importing this is light

    name = str(detect_environment())
    return None if name == "default" else name
