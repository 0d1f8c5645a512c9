"""Telemetry for Celery that workers push: `from telemetry import instrument; instrument(app)`.

Importing this package costs nothing: no thread, no socket, no environment is read and no server
module comes along. Everything begins with the call of `instrument`.
"""

from telemetry.carry import carrying
from telemetry.install import instrument

__all__ = ["carrying", "instrument"]
