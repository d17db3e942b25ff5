"""What a handler is called with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from redis_mob.codec.labels import checked_change
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.conversation import HandlerConversation
from redis_mob.fleet.once import KeptCheckpoints, Once, UnkeptError
from redis_mob.fleet.spending import KeptSpending, Spend, Spending
from redis_mob.fleet.step_failed import StepFailed as StepFailed
from redis_mob.fleet.step_failed import StepThrottled as StepThrottled
from redis_mob.fleet.step_failed import checked_pause as checked_pause
from redis_mob.fleet.step_profile import StepProfile
from redis_mob.fleet.telling import Ready, Silent, Teller, chunk_of, report_of, topic_of
from redis_mob.models.ask import Answer
from redis_mob.models.execution import Escalation
from redis_mob.models.labels import AttributeValue, LabelChange
from redis_mob.models.message import Message
from redis_mob.models.progress import OUTPUT

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def _ask_timeout(timeout: float | timedelta | None) -> timedelta | None:
    try:
        return checked_pause(timeout)
    except TypeError:
        raise ValidationError(
            f"timeout must be a number of seconds, or a timedelta, up to a hundred years, not {shown(timeout)}"
        ) from None


@dataclass(frozen=True, slots=True)
class PreviousFailure:
    """Why the attempt before failed, so that this one can do better: a language model can be told what was wrong
    (contract: engine-38).

    `error_class` names the exception, None if there was none, as for an output that was refused or a timeout. `detail`
    is what the handler added. `retryable` is true: else there would be no further attempt.
    """

    reason: str
    error_class: str | None = None
    detail: Any = None
    retryable: bool = True


async def publish_nowhere(_key: str, _value: Any) -> None:
    """For contexts that a test has made: they belong to no run."""


def label_nowhere(_change: LabelChange) -> Awaitable[None]:
    """For contexts that a test has made, as `publish_nowhere`."""
    return Ready()


@dataclass(frozen=True, slots=True)
class StepContext:
    """One execution of a step by one member.

    `iteration` is that of the loop body the step is in, None outside of loops. `message` is rendered. `outputs` holds
    the visible output of each step, `loops` the iterations of each loop, as conditions see them. `attempt` counts
    from 1. `idempotency_key` is the same in every execution of this step by this member, `fencing_token` grows with
    every new owner: pass them on to what must not happen twice. `deadline` is when the execution is given up (UTC).
    `cancelled` is set when the result is not needed any more: the deadline has passed, or the lease is lost.
    `previous_failure` says why the latest attempt failed that came to its end, None if none did: an attempt that was
    lost with its worker has no reason. `profile` is what the definition says of the member's role and of this step. In
    a step with `for_each`, `item` is what this execution is for, `index` where that stands, from 0, among so many
    `items`; else they are None (contract: engine-42). The supervisor is called with an `escalation`: what it is told
    of. Its `step_id` is the step that has failed (contract: engine-81).
    """

    mob_id: str
    flow_id: str
    run_id: str
    step_id: str
    node_id: str
    frame_id: str
    iteration: int | None
    role: str
    member: str
    attempt: int
    message: Message
    params: Any
    outputs: Mapping[str, Any]
    loops: Mapping[str, Sequence[Mapping[str, Any]]]
    idempotency_key: str
    fencing_token: int
    deadline: datetime
    cancelled: asyncio.Event = field(repr=False)
    heartbeat: Callable[[], Awaitable[bool]] = field(repr=False)
    """Asks the storage whether the execution is still this worker's; False means that it was taken over or canceled.
    Workers learn that by themselves; this is for what is costly and must not be done in vain."""
    previous_failure: PreviousFailure | None = None
    item: Any = None
    index: int | None = None
    items: int | None = None
    escalation: Escalation | None = None
    profile: StepProfile = field(default_factory=StepProfile)
    publish: Callable[[str, Any], Awaitable[None]] = field(default=publish_nowhere, repr=False)
    """Publishes a JSON value of the run under a key, in the place of the one before: `fleet.get(run_id, key)` gives it.
    Raises ValidationError for a key or value that cannot be kept, CasConflictError for the 1,001st key, and
    LeaseLostError if the execution is not this worker's any more: then nothing was published."""
    teller: Teller = field(default=Silent(), repr=False)
    """Takes what `report` and `stream` tell."""
    checkpoints: Once = field(default_factory=lambda: Once(KeptCheckpoints()), repr=False)
    """Makes the calls of `once`."""
    talk: HandlerConversation | None = field(default=None, repr=False)
    """What `conversation` gives, None in a run without one."""
    spending: Spending = field(default_factory=lambda: Spending(KeptSpending()), repr=False)
    """Counts what the calls of `spend` use."""
    label: Callable[[LabelChange], Awaitable[None]] = field(default=label_nowhere, repr=False)
    """Does what `set_attributes` and `set_summary` ask for, and waits for it where no event loop runs."""

    @property
    def conversation(self) -> HandlerConversation:
        """The conversation of the run: its id and its history, which the handler reads and appends to, each item once.

        In the run of a sub-flow it is that of the run above, which the handler reads (contract: conversation-10).

        Raises ValidationError in a run that was started without one (contract: conversation-6).
        """
        if self.talk is None:
            raise ValidationError(
                f"run {self.run_id} has no conversation: start it with one, as in fleet.start(flow, conversation=...)"
            )
        return self.talk

    def set_attributes(self, attributes: Mapping[str, AttributeValue | None], /) -> Awaitable[None]:
        """Set attributes of the run, by which it is found: texts, numbers or truth values by name; None removes one.

        Others stay as they are. A coroutine awaits it, a plain function calls it. Raises ValidationError for a name or
        value that is none, or has more than 256 bytes, CasConflictError for the 33rd attribute, and LeaseLostError if
        the execution is not this worker's any more: then nothing was changed (contract: operations-142).
        """
        return self.label(checked_change(LabelChange(attributes)))

    def set_summary(self, summary: str | None, /) -> Awaitable[None]:
        """Set the summary of the run, which lists show: a text of at most 1,000 characters; None removes it.

        It is called, and raises, as `set_attributes`.
        """
        return self.label(checked_change(LabelChange(summary=summary, sets_summary=True)))

    @overload
    async def once(self, name: str, function: Callable[P, Awaitable[T]], /, *args: P.args, **named: P.kwargs) -> T: ...

    @overload
    async def once(self, name: str, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T: ...

    async def once(self, name: str, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        """Call a function, and keep what it returns: a later attempt gets that, and does not call.

        It is for what costs, or must not happen twice: a request to a model, a payment (contract: checkpoint-3). Name
        and arguments tell calls apart, and several calls of one name count in their order. With other arguments than in
        an earlier attempt the call is made again, and those who watch the run are told. What the function raises is not
        kept.
        The result is any JSON value, or what pydantic dumps as JSON; a return annotation says as which type it comes
        back, at the first time too. A coroutine function is awaited; a plain one is called here, in the event loop. In
        a handler that is a plain function call `call_once`.
        Raises ValidationError for a bad name, or arguments that are no JSON, before it calls; LeaseLostError if the
        execution is not this worker's any more; StepFailed, for good, if the result cannot be kept: it is paid, and
        another attempt would pay again. A worker that is lost between the call and its end has it made once more.
        """
        try:
            return await self.checkpoints.call(self._tell_of_call, name, function, args, named)
        except UnkeptError as error:
            raise StepFailed(str(error), retryable=False) from None

    def call_once(self, name: str, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        """What `once` does, for a handler that is a plain function: it runs in a thread, and this waits.

        Raises as `once`; TypeError for a coroutine function, and RuntimeError within a running event loop.
        """
        try:
            return self.checkpoints.call_in_thread(self._tell_of_call, name, function, args, named)
        except UnkeptError as error:
            raise StepFailed(str(error), retryable=False) from None

    async def ask(
        self, kind: str, payload: Any = None, /, *, schema: Any = None, timeout: float | timedelta | None = None
    ) -> Answer:
        """Ask people something, and give their answer: approved, approved with another value, or denied.

        Unless there is an answer, the handler ends here: its worker and all limits are free for others, for however
        long it takes. With the answer it runs again from its beginning, in the same attempt, gets the answer here, and
        what it has called through `once` it finds (contract: ask-2). Several asks may be made together; the handler
        runs again for each answer. What ends the handler is no Exception: let it pass.
        The payload is JSON, or what pydantic dumps as JSON. With a JSON `schema` the value of an approval has to fit
        it. Kind, payload and schema tell asks apart, and several of one kind count in their order: what the payload is
        made of should be the same when the handler runs again.
        Raises AskTimeoutError when there is no answer after `timeout`, in seconds or as a timedelta, from when it was
        asked first; ValidationError for a bad kind, schema or timeout, or a payload that is no JSON.
        """
        return await self.checkpoints.asking.ask(kind, payload, schema, _ask_timeout(timeout))

    def call_ask(
        self, kind: str, payload: Any = None, /, *, schema: Any = None, timeout: float | timedelta | None = None
    ) -> Answer:
        """What `ask` does, for a handler that is a plain function. Raises as `ask`."""
        return self.checkpoints.asking.ask_in_thread(kind, payload, schema, _ask_timeout(timeout))

    def spend(
        self,
        *,
        tokens: int | None = None,
        cost: float | None = None,
        tool_calls: int = 0,
        model: str | None = None,
    ) -> Spend:
        """A call that draws on the budgets of the run: `async with ctx.spend(tokens=2000, model="m") as call: ...`.

        A plain function writes `with`. It begins once what it may use is put aside in all budgets that it draws on; as
        long as other calls may leave room for it, it waits. Where nothing is left, the handler ends, as by `ask`, and
        its run is paused; or the step fails for good, if the budget says so (contract: budget-3).
        `tokens` and `cost` are what it may use: a guess that is too high costs nothing but time. When it has ended, it
        tells with `call.used(...)` what it has used; else what was put aside counts, marked as an estimate. So it does
        if the block raises: `call.used()` before that says that nothing was used. `tool_calls` count from the
        beginning. The cost is that of the `model` in the prices of the definition, unless it is given.
        Raises ValidationError for what is no number from 0 on, or nothing at all, for a model whose name has more than
        256 characters or one that is not printable, and within a call of this attempt that has put something aside;
        StepFailed where the budget says so, or counts costs, and that of the call is not known; LeaseLostError if the
        execution is not this worker's any more.
        """
        return self.spending.spend(tokens=tokens, cost=cost, tool_calls=tool_calls, model=model)

    def _tell_of_call(self, message: str, data: Any) -> Awaitable[None]:
        _log.warning("member %s at step %s of run %s: %s", self.member, shown(self.step_id), self.run_id, message)
        return self.report(message=message, data=data)

    def report(self, fraction: float | None = None, message: str | None = None, data: Any = None) -> Awaitable[None]:
        """Tell how far the handler has come: a fraction from 0 to 1, a message, any JSON (contract: progress-4).

        Those who watch the run see it at once, as long as there are few: of reports that come faster than ten a second
        the latest counts. A coroutine awaits it; a plain function, which runs in a thread, calls it. What is told is
        lost if the storage is away for long; the handler goes on. Raises ValidationError for what is no report, or has
        more than 16 KiB as JSON.
        """
        return self.teller.report(report_of(fraction, message, data))

    def stream(self, chunk: Any, topic: str = OUTPUT) -> Awaitable[None]:
        """Tell a chunk of what the handler makes, such as a token of a model: any JSON (contract: progress-5).

        Chunks stay in their order and are told one by one. A coroutine awaits it, a plain function calls it: either
        waits while too much is unsent. Raises ValidationError for what is no JSON, has more than 16 KiB, or for a topic
        that is none.
        """
        return self.teller.stream(topic_of(topic), chunk_of(chunk))


# The first form tells type checkers what a lambda takes.
Handler = Callable[Concatenate[StepContext, ...], Any] | Callable[..., Any]
"""A coroutine function, or a plain function, which runs in a thread.

It takes a StepContext, and values of the run by the names of its other parameters. It returns any JSON value, or what
pydantic dumps as JSON.
"""

H = TypeVar("H")


class CalledElsewhere:
    """A handler that has another one called in another process, where its annotations are followed."""

    handler: Handler


ALL_ROLES = "*"
"""What stands for every role that has no handler of its own."""


def handler_for(handlers: Mapping[str, H], role: str) -> H | None:
    """The handler of a role: its own, or that of `*`."""
    return handlers.get(role) or handlers.get(ALL_ROLES)
