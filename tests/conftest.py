"""What every test shares: hypothesis profiles."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No deadlines: cores are shared, and speed is measured in benchmarks, never in tests.
settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("default")
