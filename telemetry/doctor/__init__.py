"""What stands between a task and its line in Prometheus: the way is walked, the first break named.

A hop is a verdict about what a probe found. `task` and `mark` are what is sent along the way.
"""
