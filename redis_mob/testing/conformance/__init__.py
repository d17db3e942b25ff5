"""The conformance suite: what any implementation of the store contracts must do, as pytest classes.

A backend author makes every class visible in a test module, and gives them one fixture:

    from redis_mob.testing.conformance import *

    @pytest.fixture
    def backend() -> Backend:
        return MyBackend(...)

Each class is a guarantee, which the first sentence of its docstring says; a backend without one of the stores imports
only the classes it wants, or leaves None in the place of the store. The numbers in the names of the tests are those of
the cases of the contracts.
"""

from redis_mob.testing.conformance.event_log import TestEventBatches, TestEventLog, TestStoredEvents
from redis_mob.testing.conformance.pruning import TestPruning
from redis_mob.testing.conformance.subscriptions import TestInterruptedSubscriptions, TestLostEvents, TestSubscriptions
from redis_mob.testing.conformance.terminal_commit import TestTerminalCommit
from redis_mob.testing.conformance.terminal_events import TestFailedSteps, TestTerminalEvents

__all__ = [
    "TestEventBatches",
    "TestEventLog",
    "TestFailedSteps",
    "TestInterruptedSubscriptions",
    "TestLostEvents",
    "TestPruning",
    "TestStoredEvents",
    "TestSubscriptions",
    "TestTerminalCommit",
    "TestTerminalEvents",
]
