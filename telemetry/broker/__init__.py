"""The SQL broker: what its tables say, and a transport that acknowledges in them.

The rooms here know SQL and kombu. They know no metric, no OpenTelemetry and nothing of Celery's
workers; each is imported by who needs it, since SQLAlchemy is not in every installation.
"""
