"""Executions whose handlers ask people: they wait without a worker, and run again when there is an answer. Pure.

An answer comes as a signal to the run, behind a checkpoint that the handler finds (decision 0042).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from redis_mob.codec.asks import answered_in
from redis_mob.fleet.outcome import NewAsk
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.ask import Ask
from redis_mob.models.base import json_text
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, later
from redis_mob.models.transition import RunView


def suspend(builder: TransitionBuilder, key: ExecutionKey, execution: Execution, asks: Sequence[NewAsk]) -> None:
    """Let an execution wait for an answer to any of these; those that it has asked before wait as they did.

    Its attempt is not over: no retry is used up.
    """
    known = {ask.id: ask for ask in execution.asks}
    asked = [_asked(builder, key, one) for one in asks]
    builder.close(key, status=ExecutionStatus.ASKING, asks=tuple(known.get(ask.id, ask) for ask in asked))


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
            builder.close(key, status=ExecutionStatus.WAITING, due_at=builder.now, asks=left)
            for ask in late:
                builder.run_out(key, ask)


def asking(view: RunView) -> dict[ExecutionKey, Execution]:
    """The executions of a run that ask people, or have asked several and run while some have not answered."""
    return {key: one for key, one in view.executions.items() if one.asks}


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
