"""What happens to tasks: seen in Celery, told as facts, counted in tallies."""
