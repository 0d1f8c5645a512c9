"""A Django project with Celery as their documentation has it, and no word of telemetry."""

from tests.support.website.celery import app

__all__ = ["app"]
