"""What stands between a push and its line in Prometheus, seen from the collector's machine.

The configuration says what should be; what runs is asked whether it is so. What lies outside, as
the page and Prometheus, `doctor` knows, which the workers' doctor uses as well.
"""
