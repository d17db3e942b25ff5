"""What the store promises that a fleet needs beside those of the mob store contract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from redis_mob.contracts.wake_up import WakeUp
from redis_mob.models import MobDefinition, MobRun, MobRunStatus
from redis_mob.models.debounce import Debounce
from redis_mob.models.due_work import DueWork
from redis_mob.models.execution import EVERYTHING, Execution, ExecutionKey, RunLaunch, Serves
from redis_mob.models.labels import NO_LABELS, LabelChange, Labels
from redis_mob.models.signal import Published, Sent, Signal
from redis_mob.models.subflow import ParentRun
from redis_mob.models.transition import Commit, RunView, Transition
from redis_mob.models.worker import LiveWorker, WorkerRecord


@runtime_checkable
class ExecutionStore(Protocol):
    """What the fleet needs beside the mob store contract: executions with leases, transitions, and what is due when.

    Times come from the storage's clock alone. All methods raise as those of `MobRunStore` do.
    """

    async def start_run(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        at: datetime | None = None,
        labels: Labels = NO_LABELS,
    ) -> bool:
        """Store a pending run with what it was started with, and make it due now, or at a time.

        False if the run exists already (contract: executions-1). Its labels are what it is found by
        (contract: operations-140). Raises ValidationError for those that a run may not have.
        """
        ...

    async def start_debounced(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        debounce: Debounce,
        labels: Labels = NO_LABELS,
    ) -> str:
        """As `start_run`, under a key: the id of the run in which the starts of this key are gathered.

        If the key has a run that has not begun, and whose cancellation was not requested, that is started anew in its
        place: with this launch and these labels, after this call and not after the others (contract: operations-165).
        Otherwise this run is created, with another id if there is one that has it. Raises ValidationError for a run
        that has begun.
        """
        ...

    async def start_child(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        parent: ParentRun,
        execution: Execution,
        at: datetime | None = None,
    ) -> bool:
        """As `start_run`, for a step of another run that waits for this one: its `execution` as it was read.

        False too, with nothing written, if the parent does not wait for this run any more: it is over, was told of the
        end of this run, or the execution is stored as another one (contract: executions-22).
        """
        ...

    async def tell_parent(self, run_id: str, parent: ParentRun, signal: Signal) -> bool:
        """Send the parent of a run that is over a signal which tells it so, once however often this is called.

        A parent that is over, or gone, is told nothing. True if that is done; until then a child is not deleted. False
        if the run is not over, or does not exist (contract: executions-22).
        """
        ...

    async def load(self, run_id: str) -> RunView | None:
        """The core of a run with its executions as they were at one moment; None if it does not exist.

        The core is what decisions look at. The step ledger, the ledger of loop iterations and the authority inputs are
        not read: they are empty in the run of the view, and `MobRunStore.get_run` gives them.
        Raises NotFoundError for a run that was not started by a fleet, SerializationError for one that lacks a part it
        needs, unless its cancellation was requested (contract: executions-2).
        """
        ...

    async def items(self, run_id: str, frame_id: str, node_id: str) -> Sequence[Any]:
        """The items of a node whose step has `for_each`, as they were when it began (contract: executions-21).

        Raises NotFoundError if there is no such run, or the node has none.
        """
        ...

    async def ended(self, run_id: str, keys: Sequence[ExecutionKey]) -> Sequence[Execution]:
        """The executions of these items, which are over, in the order of the keys (contract: executions-21).

        Raises NotFoundError if there is no such run, or one of them is not over.
        """
        ...

    async def get_definition(self, digest: str) -> MobDefinition:
        """The definition of this digest. Raises NotFoundError."""
        ...

    async def commit(self, transition: Transition) -> Commit:
        """Make a transition happen with everything that belongs to it, exactly once (contract: executions-3).

        It is handed on if its claims are for a worker that was let go of (contract: executions-15).

        Lost, with nothing written, if the run does not exist or is over; if a frame, loop or execution it changes is
        not what was read; if cancellation was requested since; and for a decision, if the flow state is another one,
        or there was a decision since (contract: executions-4, executions-13); and if it begins an execution of a run
        that is paused (contract: operations-121).
        """
        ...

    async def request_cancel(self, run_id: str) -> bool:
        """Ask for the end of a run; False if it is over (contract: executions-11). Raises NotFoundError."""
        ...

    async def send_signal(self, run_id: str, signal: Signal, *, idempotency_key: str | None = None) -> Sent:
        """Send a signal to a run, which is due then; the first commit of a step that waits for it takes it.

        The same idempotency key gives the same signal, also when the run is over (contract: executions-19). Raises
        NotFoundError for an unknown run, CasConflictError for one that is over, or has 10,000 signals that no step has
        taken, and ValidationError for a key under which another signal was sent to this run.
        """
        ...

    async def publish(self, run_id: str, key: ExecutionKey, execution: Execution, name: str, value: Any) -> bool:
        """Publish a value of a run under a name, in the place of the one before, for the worker of an execution.

        False, with nothing written, if the execution is not stored as it is given: its worker was overtaken, or it is
        over (contract: executions-20). Raises NotFoundError for an unknown run, CasConflictError if the run has 1,000
        other values.
        """
        ...

    async def set_labels(
        self, run_id: str, change: LabelChange, *, key: ExecutionKey | None = None, execution: Execution | None = None
    ) -> bool:
        """Change attributes and summary of a run: for an operator, or for the worker of an execution, which is given.

        False, with nothing written, if that is not stored as it is given: its worker was overtaken, or it is over
        (contract: operations-142). Raises NotFoundError for an unknown run, ValidationError for what a run may not
        have, CasConflictError if it had more than 32 attributes then.
        """
        ...

    async def published(self, run_id: str, name: str) -> Published | None:
        """What a run has published under a name; None if the run does not exist."""
        ...

    async def status(self, run_id: str) -> MobRunStatus | None:
        """The status of a run, read alone; None if it does not exist."""
        ...

    async def take_due(
        self,
        *,
        max_runs: int,
        max_executions: int,
        keep: timedelta,
        serves: Serves = EVERYTHING,
        max_suspects: int | None = None,
        leads: Collection[str] = (),
        patience: timedelta = timedelta(),
    ) -> DueWork:
        """Take runs and executions that are due; they are hidden from other workers for the time of `keep`.

        Of the executions only those in queues that the worker `serves` are taken (contract: executions-10), by the
        priority of their runs, and of each run in its turn; of a role with a limit only as many as may be under way. Of
        those that were under way when a worker was lost, which come first, no more than `max_suspects`. Workers whose
        leases have expired are let go of before (contract: executions-15).

        A run of which an outcome was reported is left to its leader for the time of `patience`: to a worker that says
        that it `leads` it, because it was the last that was asked to look at it, and has lost no decision since.

        Taking is a convenience that spreads the work: what makes a transition happen once is `commit`
        (contract: executions-9).
        """
        ...

    async def put_aside(self, view: RunView, keys: Sequence[ExecutionKey]) -> bool:
        """Put aside executions that a worker has taken, of a run that is paused, until it is resumed.

        Those that have changed since they were read stay as they are, and how one was lost is kept
        (contract: operations-124). False if the run is not paused any more: then nothing happened. Raises NotFoundError
        if there is no such run.
        """
        ...

    async def join_workers(self, worker: WorkerRecord, lease: timedelta) -> None:
        """Make a worker known, which has a lease from now on (contract: executions-14)."""
        ...

    async def renew_worker(self, worker: WorkerRecord, lease: timedelta) -> bool:
        """Give a worker its lease anew, from now on; False if it is not known, or was let go of."""
        ...

    def keep_alive(
        self, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]
    ) -> AbstractAsyncContextManager[None]:
        """Renew the lease of a known worker in a thread, until the block ends.

        `on_loss` is called once, in this event loop, if the lease is lost. An event loop that is blocked does not keep
        the thread from renewing. On a server, a lease of two seconds or more is also kept while something holds the
        interpreter (contract: executions-14).
        """
        ...

    async def leave_workers(self, worker_id: str, *, is_orderly: bool = True) -> bool:
        """Let go of a worker; what it holds waits for others at once (contract: executions-15).

        `is_orderly` says that it hands that back itself, so that nothing counts as lost; else its process is known to
        be gone. False if it is not known.
        """
        ...

    async def workers(self) -> tuple[LiveWorker, ...]:
        """The workers that hold a lease, by its end."""
        ...

    async def held(self, worker_id: str) -> frozenset[tuple[str, ExecutionKey]]:
        """The executions that a worker holds, each with the id of its run."""
        ...

    def listen(
        self,
        run_id: str | None = None,
        *,
        only_end: bool = False,
        serves: Serves | None = None,
        worker_id: str | None = None,
    ) -> AbstractAsyncContextManager[WakeUp]:
        """Be woken up when something became due, of executions only those in queues that are served; or, with a run,
        when that changed, with `only_end` when it ended; or, with a worker, when an execution was taken from it.

        A wake-up may be lost, and one for nothing may come (contract: executions-12).
        """
        ...
