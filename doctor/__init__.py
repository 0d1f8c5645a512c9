"""What both doctors share: how a walk is told, and what lies outside of worker and collector.

A mark is pushed by OTLP, read from a page and found in Prometheus. It knows neither Celery nor a
configuration file: `telemetry.doctor` walks to the receiver, `collector.doctor` from it on. The two
packages meet here as little as elsewhere, since nothing in here imports either.
"""
