"""What every test shares: hypothesis profiles."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No deadlines: cores are shared, and speed is measured in benchmarks, never in tests.
settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("thorough", parent=settings.get_profile("default"), derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("NESY_HYPOTHESIS", "default"))
