"""Executions whose handlers ask people: they wait without a worker, and run again when there is an answer. Pure.

An answer comes as a signal to the run, behind a checkpoint that the handler finds (decision 0042).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from redis_mob.codec.asks import answered_in
from redis_mob.codec.executions import MILLISECOND
from redis_mob.fleet.outcome import NewAsk
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.ask import Ask, PendingAsk
from redis_mob.models.base import json_text
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, later
from redis_mob.models.transition import RunView


def suspend(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, asks: Sequence[NewAsk]) -> None:
    """Let an execution wait for an answer to any of these; those that it has asked before wait as they did.

    Its attempt is not over: no retry is used up. One that asks nothing waits for a worker, since its run is paused.
    """
    if not asks:
        # a moment later: what the same worker gets by the same commit does not begin, and no pause would keep it
        due_at = builder.now + MILLISECOND
        builder.close(key, status=ExecutionStatus.WAITING, due_at=due_at, resumes=True)
        return
    known = {ask.id: ask for ask in execution.asks}
    asked = [_asked(builder, key, one) for one in asks]
    builder.close(key, status=ExecutionStatus.ASKING, throttled=0, asks=tuple(known.get(ask.id, ask) for ask in asked))


def take_answers(builder: TransitionBuilder) -> None:
    """Let executions go on to whose asks there is an answer, or whose asks are out of time (contract: ask-5).

    What comes while the handler runs, since it has asked several people, is kept until it is asking again.
    """
    answered: defaultdict[ExecutionKey, set[str]] = defaultdict(set)
    for number, signal in builder.view.signals.items():
        if (told := answered_in(signal)) is None:
            continue
        key, ask_id = told
        execution = builder.execution(key)
        if execution is None or execution.is_over or execution.status is ExecutionStatus.ASKING:
            answered[key].add(ask_id)
            builder.drop_signal(number)
    for key in list(builder.index.with_status(ExecutionStatus.ASKING)):
        execution = builder.index.execution(key)
        pending = [ask for ask in execution.asks if ask.id not in answered[key]]
        late = [ask for ask in pending if ask.until is not None and ask.until <= builder.now]
        left = tuple(ask for ask in pending if ask not in late)
        if len(left) < len(execution.asks):
            builder.close(key, status=ExecutionStatus.WAITING, due_at=builder.now, asks=left, resumes=True)
            for ask in late:
                builder.run_out(key, ask)


def has_answers(view: RunView) -> bool:
    """Whether something was answered that an execution asks, and no decision has taken that."""
    answered = (answered_in(signal) for signal in view.signals.values())
    asking = (view.executions.get(told[0]) for told in answered if told is not None)
    return any(one is not None and one.status is ExecutionStatus.ASKING for one in asking)


def pending_of(view: RunView) -> list[PendingAsk]:
    """What people are asked in a run, also by handlers that run once more while some have not answered."""
    run = view.run
    return [
        PendingAsk.unchecked(
            run_id=run.run_id,
            mob_id=run.mob_id,
            flow_id=run.flow_id,
            step_id=execution.step_id,
            frame_id=key.frame_id,
            node_id=key.node_id,
            target=key.target,
            ask=ask,
        )
        for key, execution in view.executions.items()
        for ask in execution.asks
    ]


def unanswered_of(view: RunView) -> list[PendingAsk]:
    """The same without those whose answer the run was told already, and no decision has taken yet."""
    told = {answered[1] for signal in view.signals.values() if (answered := answered_in(signal)) is not None}
    return [one for one in pending_of(view) if one.ask.id not in told]


def _asked(builder: TransitionBuilder, key: ExecutionKey, new: NewAsk) -> Ask:
    told_apart_by = json_text([builder.view.run.run_id, *key, new.kind, new.ordinal, new.digest])
    return Ask(
        id=blake2b(told_apart_by.encode(), digest_size=8).hexdigest(),
        kind=new.kind,
        ordinal=new.ordinal,
        digest=new.digest,
        payload=new.payload,
        value_schema=new.value_schema,
        asked_at=builder.now,
        until=None if new.timeout_ms is None else later(builder.now, new.timeout_ms),
    )
