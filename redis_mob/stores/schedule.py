"""What the schedule is told: how a transition moves executions, and what a worker serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from redis_mob.codec.delimited import encode_number
from redis_mob.codec.executions import encode_execution, execution_field, milliseconds
from redis_mob.codec.packing import Argument
from redis_mob.codec.pauses import scopes_of
from redis_mob.codec.schedule import encode_entry, encode_limits, encode_queue, encode_role, holder, queue_of
from redis_mob.models.execution import (
    END_OF_TIME,
    OVERDUE,
    Execution,
    ExecutionKey,
    ExecutionStatus,
    Left,
    RunLaunch,
    Serves,
    may_stand_aside,
)
from redis_mob.models.limits import Limit

if TYPE_CHECKING:
    from redis_mob.models.definition import MobDefinition
    from redis_mob.models.run import MobRun
    from redis_mob.models.transition import RunView, Transition

GATES = b"gates"
"""The field of the limits of roles that says that there are others; no role is encoded like it."""


def moves_of(transition: Transition) -> Iterator[list[Argument]]:
    """Where each execution stood, and where it stands, as lua/lib/schedule reads it."""
    before, run, launch = transition.before.executions, transition.run, transition.before.launch
    queues: dict[str, bytes] = {}
    limits: dict[tuple[Limit, ...], bytes] = {(): b""}
    for key, execution in transition.executions.items():
        earlier = before.get(key)
        left, joined = _place(earlier), _place(execution)
        if left or joined:
            role = execution.role
            if role not in queues:
                queues[role] = encode_queue(queue_of(run.mob_id, role, launch))
            if (own := execution.limits) not in limits:
                limits[own] = encode_limits(run.mob_id, run.flow_id, own)
            entry = encode_entry(queues[role], launch.priority, run.run_id, key, limits[own])
            told = _told(transition, key) if own else []
            bounds = (execution.role in launch.max_concurrency) + 2 * bool(own) + 4 * bool(told)
            yield [entry, left, joined, _at(execution), bounds, *told]


def _told(transition: Transition, key: ExecutionKey) -> list[Argument]:
    """What the limits of an execution are told: how many units it has used, and until when its rates are closed."""
    used, closed = transition.used.get(key), transition.closes_until(key)
    if used is None and closed is None:
        return []
    units: list[Argument] = [b"", b""] if used is None else [used.input_tokens, used.output_tokens]
    return [*units, b"" if closed is None else milliseconds(closed)]


def _place(execution: Execution | None) -> bytes:
    match execution:
        case Execution(status=ExecutionStatus.WAITING):
            return b"w"
        case Execution(status=ExecutionStatus.LEASED, lease=lease) if lease is not None:
            return holder(lease.owner, suspect=execution.suspect)
        case _:
            return b""


def _at(execution: Execution) -> Argument:
    match execution.status:
        case ExecutionStatus.WAITING:
            return milliseconds(execution.due_at)
        case ExecutionStatus.LEASED if execution.lease is not None:
            deadline = execution.lease.deadline
            return milliseconds(deadline if deadline > END_OF_TIME - OVERDUE else deadline + OVERDUE)
        case _:
            return b""


def aside_of(view: RunView, keys: Iterable[ExecutionKey]) -> tuple[str, dict[str, Any]]:
    """The run, and the arguments of lua/executions/put_aside: entry, field and record of each of its executions."""
    run, taken = view.run, list[list[Argument]]()
    for key in keys:
        execution = view.executions.get(key)
        if execution is not None and may_stand_aside(execution, view.now):
            queue = encode_queue(queue_of(run.mob_id, execution.role, view.launch))
            limits = encode_limits(run.mob_id, run.flow_id, execution.limits)
            entry = encode_entry(queue, view.launch.priority, run.run_id, key, limits)
            taken.append([entry, execution_field(key), encode_execution(execution), _place(execution)])
    return run.run_id, {"run_id": run.run_id, "scopes": scopes_of(run.mob_id, run.flow_id), "taken": taken}


def limits_of(run: MobRun, launch: RunLaunch, definition: MobDefinition) -> tuple[list[Argument], list[bytes]]:
    """The roles of a run that have a limit, each with it, in turns; and those that have none. If its executions have
    limits of their own, that stands with the roles."""
    flow = definition.flows.get(run.flow_id)
    roles = sorted(definition.roles_of(run.flow_id))
    limited: list[Argument] = []
    for role in roles:
        if role in launch.max_concurrency:
            limited += (encode_role(run.mob_id, role), encode_number(launch.max_concurrency[role]))
    if flow and flow.has_limits:
        limited += (GATES, 1)
    return limited, [encode_role(run.mob_id, role) for role in roles if role not in launch.max_concurrency]


def service(serves: Serves, left: frozenset[Left]) -> dict[str, Any]:
    """The arguments of lua/executions/take_due that say what a worker serves."""
    roles = sorted(serves.roles or ())
    if serves.mobs is None:
        prefixes = [b""]
    elif serves.roles is None:
        prefixes = [encode_role(mob_id) for mob_id in sorted(serves.mobs)]
    else:
        prefixes = [encode_role(mob_id, role) for mob_id in sorted(serves.mobs) for role in roles]
    return {
        "prefixes": prefixes,
        "any_role": int(serves.roles is None),
        "roles": roles,
        "release": serves.release,
        "left": ["\0".join(one) for one in sorted(left)],
    }
