"""What the store promises that a fleet needs beside those of the mob store contract."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol, runtime_checkable

from redis_mob.models import MobDefinition, MobRun, MobRunStatus
from redis_mob.models.execution import Execution, ExecutionKey, RunLaunch
from redis_mob.models.transition import DueWork, RunView, Transition


class WakeUp(Protocol):
    """What a worker waits for while nothing is due."""

    async def wait(self, timeout: float) -> bool:
        """Wait for a wake-up since the last wait, at most `timeout` seconds; returns whether there was one."""
        ...


@runtime_checkable
class ExecutionStore(Protocol):
    """What the fleet needs beside the mob store contract: executions with leases, transitions, and what is due when.

    Times come from the storage's clock alone. All methods raise as those of `MobRunStore` do.
    """

    async def start_run(self, run: MobRun, launch: RunLaunch, definition: MobDefinition) -> bool:
        """Store a pending run with what it was started with, and make it due.

        False if the run exists already (contract: executions-1).
        """
        ...

    async def load(self, run_id: str) -> RunView | None:
        """A run with its executions as they were at one moment; None if it does not exist.

        Raises NotFoundError for a run that was not started by a fleet.
        """
        ...

    async def get_definition(self, digest: str) -> MobDefinition:
        """The definition of this digest. Raises NotFoundError."""
        ...

    async def commit(self, transition: Transition) -> bool:
        """Make a transition happen with everything that belongs to it, exactly once (contract: executions-3).

        False, with nothing written, if the run does not exist or is over; if a frame, loop or execution it changes is
        not what was read; if cancellation was requested since; and for a decision, if the flow state is another one,
        or there was a decision since (contract: executions-4, executions-13).
        """
        ...

    async def renew_lease(self, run_id: str, key: ExecutionKey, *, expected: Execution, next: Execution) -> bool:
        """Replace an execution of a running run by one with a later lease; False if it is not what was read.

        A run that does not exist is a lost compare too (contract: executions-8).
        """
        ...

    async def request_cancel(self, run_id: str) -> bool:
        """Ask for the end of a run; False if it is over (contract: executions-11). Raises NotFoundError."""
        ...

    async def status(self, run_id: str) -> MobRunStatus | None:
        """The status of a run, read alone; None if it does not exist."""
        ...

    async def take_due(
        self, *, max_runs: int, max_executions: int, keep: timedelta, roles: Sequence[str] | None = None
    ) -> DueWork:
        """Take runs and executions that are due; they are hidden from other workers for the time of `keep`.

        Of the executions only those of `roles` are taken, of all roles if it is None.

        Taking is a convenience that spreads the work: what makes a transition happen once is `commit`
        (contract: executions-9).
        """
        ...

    def listen(self, run_id: str | None = None) -> AbstractAsyncContextManager[WakeUp]:
        """Be woken up when something became due, or, with a run, when that changed.

        A wake-up may be lost, and one for nothing may come (contract: executions-12).
        """
        ...
