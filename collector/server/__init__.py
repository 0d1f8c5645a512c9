"""The outside world: sockets, the clock, signals and the process."""
