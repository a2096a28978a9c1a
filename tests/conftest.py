"""What all tests share: reproducible properties, and the helpers of ``tests/core`` for the tests of other folders."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent / "core"))
sys.path.insert(0, str(Path(__file__).parent / "host"))

# Ordinary runs draw the same cases every time; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile(
    "ordinary", deadline=None, derandomize=True, max_examples=80, database=None, suppress_health_check=[*HealthCheck]
)
settings.register_profile(
    "search", deadline=None, max_examples=2000, database=None, suppress_health_check=[*HealthCheck]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))
