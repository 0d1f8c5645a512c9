"""Health without a port: a worker's state file and its probe, canaries, and the API's readiness.

Nothing is imported here: the probe has to answer before it would have loaded the half of it.
"""
