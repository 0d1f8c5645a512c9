"""What stands between a task and its line in Prometheus: the way is walked, the first break named.

`task` is what is sent along it. What lies behind the receiver, `doctor` knows, which the doctor of
the collector uses as well.
"""
