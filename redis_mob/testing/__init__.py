"""Published for those who test a fleet of their own, or write a backend of the store contracts.

For a fleet (docs/testing.md): `step_context` is what a handler is called with, `run_flow` runs a flow in memory, and
`virtual_time` skips the waiting. `redis_mob.testing.fixtures` is a pytest plugin that is there once this package is
installed; its fixtures are `mob_storage`, `fleet` and `mob_clock`.

For a backend: `redis_mob.testing.conformance` is the conformance suite: tests for any implementation of the Protocols
in `redis_mob.contracts`; `Backend` is what it asks of one. `redis_mob.testing.plugin` reports which guarantees hold.
`redis_mob.testing.history` decides whether what concurrent clients saw could have happened one call after the other,
`redis_mob.testing.watching` whether watchers of a log got what is promised to them,
`redis_mob.testing.faults` is a proxy that does to requests what bad networks do, and `redis_mob.testing.containers` has
fixtures that run a server in a container.
The suite, the plugins and the fixtures need pytest and pytest-asyncio: `pip install redis-mob[testing]`.
"""

import sys
from typing import TYPE_CHECKING

if "pytest" in sys.modules:  # `run_flow` and `step_context` are for other runners of tests too
    import pytest

    # of what is imported after this
    pytest.register_assert_rewrite("redis_mob.testing.conformance", "redis_mob.testing.waiting")

if TYPE_CHECKING:
    from redis_mob.testing.backend import (
        Backend as Backend,
        Record as Record,
        StoredDocument as StoredDocument,
        StoredEvent as StoredEvent,
        StoredOverlay as StoredOverlay,
        StoredProfile as StoredProfile,
        StoredRecord as StoredRecord,
        StoredRun as StoredRun,
        StoredSpec as StoredSpec,
        StoredSupervisor as StoredSupervisor,
        Stores as Stores,
    )
    from redis_mob.testing.steps import (
        FleetFactory as FleetFactory,
        HandlerConversation as HandlerConversation,
        HandlerSuspended as HandlerSuspended,
        KeptCheckpoints as KeptCheckpoints,
        KeptHistory as KeptHistory,
        KeptSpending as KeptSpending,
        run_flow as run_flow,
        step_context as step_context,
    )
    from redis_mob.testing.clock import VirtualClock as VirtualClock, virtual_time as virtual_time

    __all__: list[str]
else:
    from redis_mob.lazy_names import lazy_names

    # The plugin of this package is imported in every project that has the package installed: it must import nothing
    # more. The same names as above, for Python.
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "backend": (
                "Backend Record StoredDocument StoredEvent StoredOverlay StoredProfile StoredRecord "
                "StoredRun StoredSpec StoredSupervisor Stores"
            ),
            "steps": (
                "FleetFactory HandlerConversation HandlerSuspended KeptCheckpoints KeptHistory KeptSpending run_flow "
                "step_context"
            ),
            "clock": "VirtualClock virtual_time",
        },
    )
