"""Published for those who write a backend of the store contracts, or test a fleet of their own.

`redis_mob.testing.conformance` is the conformance suite: tests for any implementation of the Protocols in
`redis_mob.contracts`; `Backend` is what it asks of one. `redis_mob.testing.plugin` reports which guarantees hold.
`redis_mob.testing.history` decides whether what concurrent clients saw could have happened one call after the other,
`redis_mob.testing.faults` is a proxy that does to requests what bad networks do, and `redis_mob.testing.containers` has
fixtures that run a server in a container.
Needs pytest and pytest-asyncio: `pip install redis-mob[testing]`.
"""

import pytest

pytest.register_assert_rewrite("redis_mob.testing.conformance", "redis_mob.testing.waiting")

from redis_mob.testing.backend import (  # noqa: E402  assertions are rewritten in what is imported from here on
    Backend,
    Record,
    StoredDocument,
    StoredEvent,
    StoredOverlay,
    StoredProfile,
    StoredRun,
    StoredSpec,
    StoredSupervisor,
    Stores,
)

__all__ = [
    "Backend",
    "Record",
    "StoredDocument",
    "StoredEvent",
    "StoredOverlay",
    "StoredProfile",
    "StoredRun",
    "StoredSpec",
    "StoredSupervisor",
    "Stores",
]
