"""Which of hypothesis's health checks the long examples of this suite do without."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from hypothesis import HealthCheck

ALL_HEALTH_CHECKS = cast("Collection[HealthCheck]", list(HealthCheck))
"""All of them, by the iterator of hypothesis's metaclass, whose annotation does not name the type of its items."""
