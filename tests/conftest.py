"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Time is no reason to fail, neither a test's nor that of making its examples: on a machine that is
# busy both are a matter of luck.
settings.register_profile(
    "portless", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("portless")
