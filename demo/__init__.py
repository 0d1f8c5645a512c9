"""A small shop on Celery and PostgreSQL, started from nothing, watched, and held to account."""
