"""The broker: what it says about its queues, and an SQL transport that acknowledges in its tables.

The rooms here know SQL and kombu and nothing of Celery's workers; each is imported by who needs it,
since SQLAlchemy is not in every installation. Of metrics only `readings` knows, and only `observer`
sends any.
"""
