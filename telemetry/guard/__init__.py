"""Proofs that nothing listens: in the source, in the running process, and from outside.

Comes in: a package, a process, or a command. Goes out: what listens or could, and where that comes
from. Nothing in here knows a metric, a task or OpenTelemetry; no room of the river needs it.
"""
