"""The least that Django and Celery ask for."""

SECRET_KEY = "tests"
INSTALLED_APPS = ["tests.support.website.orders"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
CELERY_BROKER_URL = "memory://"
CELERY_TASK_DEFAULT_QUEUE = "lab"
