"""What messages of the fleet say, and whom they concern; lua/executions publishes them.

`<run id> due`, `<run id> changed` or `<run id> over` is about a run; codec/schedule makes those about queues and
workers. An empty message concerns all.
"""

from __future__ import annotations

from datetime import timedelta

from redis_mob.codec.schedule import about_queue, about_worker, encode_queue, queue_in, queue_of
from redis_mob.models.execution import ExecutionStatus, Serves
from redis_mob.models.transition import Transition
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS, Concern

_DUE = b" due"
_CHANGED = b" changed"
_OVER = b" over"


def run_message(run_id: str, *, is_due: bool, is_over: bool = False) -> bytes:
    """The message that a run has changed, and whether it is over, or due within a second."""
    return run_id.encode() + (_OVER if is_over else _DUE if is_due else _CHANGED)


def about(
    run_id: str | None = None,
    serves: Serves | None = None,
    worker_id: str | None = None,
    *,
    only_end: bool = False,
) -> Concern:
    """Accepts all messages about a run, or only that it is over; or those about a worker; without either, those that
    something became due.

    Of executions these are only those in queues that are served, if it is said which are.
    """
    if run_id is not None and only_end:
        return (run_id.encode() + _OVER).__eq__
    if run_id is not None:
        start = run_id.encode() + b" "
        return lambda message: message.startswith(start)
    if worker_id is not None:
        return about_worker(worker_id).__eq__

    def is_due(message: bytes) -> bool:
        queue = queue_in(message)
        return message.endswith(_DUE) if queue is None else serves is None or serves.includes(queue)

    return is_due


def messages_of(transition: Transition) -> list[bytes]:
    """What a transition tells: queues in which something waits now or soon, queues of limited roles that have room
    again, and workers from which something was taken."""
    before, run, launch = transition.before, transition.run, transition.before.launch
    roles: set[str] = set()
    workers: set[str] = set()
    soon = timedelta(seconds=SWEEP_SECONDS)
    for key, execution in transition.executions.items():
        earlier = before.executions.get(key)
        lease = earlier.lease if earlier else None
        is_due = execution.status is ExecutionStatus.WAITING and execution.due_at < before.now + soon
        leaves_room = lease is not None and execution.lease is None and execution.role in launch.max_concurrency
        if is_due or leaves_room:
            roles.add(execution.role)
        if lease is not None and (lease.owner != transition.by or execution.status is ExecutionStatus.CANCELED):
            workers.add(lease.owner)
    queues = [about_queue(encode_queue(queue_of(run.mob_id, role, launch))) for role in sorted(roles)]
    return queues + [about_worker(worker) for worker in sorted(workers)]


def about_progress(run_id: str) -> Concern:
    """Accepts the messages that something was told about a run, which are its id, and that it is over."""
    wanted = (run_id.encode(), run_id.encode() + _OVER)
    return wanted.__contains__
