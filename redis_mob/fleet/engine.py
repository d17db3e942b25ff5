"""The engine: decides what happens next in a run, from what is stored alone. Pure functions that make transitions.

Each takes a run as it was read and gives the transition to commit, or None when there is nothing to do. A transition
goes as far as it can: all results that are known, what follows from them, and the executions that this worker may begin
are one commit. That keeps a run consistent at every moment another worker can see, and saves a round trip for each of
the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import NamedTuple

from redis_mob.fleet.advance import advance_fully
from redis_mob.fleet.asks import suspend, take_answers
from redis_mob.fleet.deadline import execution_deadline, must_end, next_deadline
from redis_mob.fleet.escalation import SUPERVISOR, is_late
from redis_mob.fleet.execution_index import ExecutionIndex
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, Suspended, Throttled, accepted
from redis_mob.fleet.settlement import settle_execution
from redis_mob.fleet.subflows import take_ends
from redis_mob.fleet.takeover import end_overdue, is_convicted, is_overdue, take_over, was_lost
from redis_mob.fleet.throttling import settled_throttle, throttle
from redis_mob.fleet.transition_builder import TransitionBuilder, target
from redis_mob.kernel.machine import FlowMachine
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Claim, Execution, ExecutionKey, ExecutionStatus, Lease, Loss
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.ledger import StepRunStatus
from redis_mob.models.limits import TokenUse
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView, Transition


class Report(NamedTuple):
    """The outcome of an execution, from the worker that held its lease under this fencing token."""

    key: ExecutionKey
    token: int
    outcome: Outcome
    is_replaced: bool = False
    """The outcome stands for another one that could not be settled."""
    used: TokenUse | None = None
    """The tokens that the attempt has used; None if that is not known."""


class FailedAttempt(NamedTuple):
    """An execution whose attempt has failed, as it was during that attempt, and why."""

    key: ExecutionKey
    execution: Execution
    failed: Failed


@dataclass(frozen=True, slots=True)
class Claimant:
    """A worker that executions are given to.

    Beside those that it has taken from the schedule it may begin up to `slots` executions of roles that it `serves`:
    of those that the decision dispatches, and if it is `alone`, of all that wait: no other worker is alive in the
    namespace, and none was seen at the run lately. `traces` gives the context of the span of what it is about to get.
    """

    owner: str
    slots: int = 0
    alone: bool = False
    serves: Callable[[str], bool] = lambda _role: False
    traces: Callable[[RunView, ExecutionKey, Execution], str | None] = lambda _view, _key, _execution: None


class Decision(NamedTuple):
    """The transition to commit, None when there is nothing to do, and what the claimant is to execute once it is.

    `passed_over` says that a report or a claim did not fit the run as it was read: it comes too late, or, if what was
    read is not the latest, may fit what is stored by now. `machine` and `execution_index` are those of the run after
    the transition, as far as they were made. One that `is_unfinished` leaves to the next what it had no room for.
    `failed` are the reports that were taken as failures.
    """

    transition: Transition | None
    claimed: tuple[ExecutionKey, ...]
    passed_over: bool
    machine: FlowMachine
    execution_index: ExecutionIndex | None = None
    is_unfinished: bool = False
    failed: tuple[FailedAttempt, ...] = ()


def decide(
    view: RunView,
    definition: MobDefinition,
    *,
    reports: Sequence[Report] = (),
    claims: Iterable[Claim] = (),
    claimant: Claimant,
    random: Random,
    machine: FlowMachine | None = None,
    index: ExecutionIndex | None = None,
) -> Decision:
    """Take these reports, and those that are stored, go on from there, and give the claimant its executions.

    A claim is refused of an execution that does not wait, unless the worker that holds it has lost it; a report, when
    the lease is no longer its worker's. An execution that is long out of time fails instead. In a run that must end, or
    is paused, nothing is given. What a release before 0.2 left is entered into the schedule. The machine of the run,
    and the index of its executions, are made from what was read unless they are given; an index that is given changes.
    """
    builder = TransitionBuilder(view, definition, machine, index)
    enter_anew(builder)
    _settle_reported(builder, random)
    take_ends(builder, random)
    taken: list[_Taken] = []
    for one in _each_taken(builder, reports):
        settle_execution(builder, one.key, one.execution, one.outcome, random)
        taken.append(one)
    take_answers(builder)
    passed_over = len(taken) < len(reports)
    claimed: list[ExecutionKey] = []
    for key, loss in claims:
        execution = builder.execution(key)
        if key in claimed:
            continue  # it was taken twice, as from the queue of one release and then of another one
        if execution is None or view.run.status is not MobRunStatus.RUNNING:
            passed_over |= not _is_known_to_be_taken(execution, claimant)
        elif loss is not None and was_lost(execution, loss):
            # what is paused is taken over by the worker that begins it
            is_kept = bool(view.pauses) and not is_convicted(execution, loss)
            if is_kept or must_end(view) or take_over(builder, key, execution, loss, random):
                claimed.append(key)
        elif is_overdue(builder, execution):
            end_overdue(builder, key, execution, random)
        elif execution.waits(view.now):
            claimed.append(key)
        else:
            passed_over |= not _is_known_to_be_taken(execution, claimant)
    advance_fully(builder)
    claimed = [key for key in claimed if _give(builder, key, claimant, is_lost=True)]
    claimed += _begin_more(builder, claimant)
    return Decision(
        builder.transition(),
        tuple(claimed),
        passed_over,
        builder.machine,
        builder.index,
        builder.is_unfinished,
        _failed(taken),
    )


def note(
    view: RunView,
    definition: MobDefinition,
    *,
    reports: Sequence[Report] = (),
    claims: Iterable[Claim] = (),
    claimant: Claimant,
    random: Random,
    machine: FlowMachine | None = None,
    index: ExecutionIndex | None = None,
) -> Decision:
    """Write down what concerns single executions, and decide nothing.

    Outcomes are kept with their executions until a decision takes them. Claims that take a decision are passed over: of
    executions that fail by them, and all in a run that must end.
    """
    builder = TransitionBuilder(view, definition, machine, index)
    taken: list[_Taken] = []
    for one in _each_taken(builder, reports):
        match one.outcome:
            case Succeeded(output):
                builder.close(one.key, status=ExecutionStatus.REPORTED, output=output)
            case Failed() as failed:
                builder.close(one.key, status=ExecutionStatus.REPORTED, failure=failed.reported())
            case Suspended(asks):
                suspend(builder, one.key, one.execution, asks)
            case Throttled() as throttled:
                throttle(builder, one.key, one.execution, throttled)
        taken.append(one)
    passed_over = len(taken) < len(reports)
    claimed: list[ExecutionKey] = []
    for key, loss in claims:
        execution = builder.execution(key)
        if execution is None:
            is_free = False
        elif loss is not None and was_lost(execution, loss) and not is_convicted(execution, loss):
            is_free = not (must_end(view) or view.pauses) and take_over(builder, key, execution, loss, random)
        else:
            is_free = execution.status is ExecutionStatus.WAITING
        if is_free and _give(builder, key, claimant, is_lost=True):
            claimed.append(key)
        else:
            passed_over |= not _is_known_to_be_taken(execution, claimant)
    return Decision(
        builder.fact(len(taken)), tuple(claimed), passed_over, builder.machine, index, failed=_failed(taken)
    )


def advance(view: RunView, definition: MobDefinition, random: Random | None = None) -> Transition | None:
    """Everything that can happen in a run without a new result from a member."""
    builder = TransitionBuilder(view, definition)
    enter_anew(builder)
    random = random or Random()  # noqa: S311  # spreads retries, guards nothing
    _settle_reported(builder, random)
    take_ends(builder, random)
    take_answers(builder)
    advance_fully(builder)
    return builder.transition()


def give_back(view: RunView) -> Transition | None:
    """The decision that nothing is to be done but to wait for a deadline, or for news; None if the run is over.

    A worker that has a run in hand commits it, or no report would make the run due before that worker's time is up.
    """
    if view.run.status.is_terminal:
        return None
    return Transition(before=view, run=view.run, look_again_at=next_deadline(view, view.executions.values()))


def put_off(view: RunView) -> Transition:
    """The decision that a run begins when it was last started to begin: until then there is nothing to do."""
    return Transition(before=view, run=view.run, look_again_at=view.launched_at)


def claim(
    view: RunView,
    definition: MobDefinition,
    key: ExecutionKey,
    *,
    owner: str,
    random: Random,
    loss: Loss | None = None,
) -> Transition | None:
    """Give one execution to a worker; see `decide` and `note`. None if there is nothing to claim."""
    claimant, claims = Claimant(owner), (Claim(key, loss),)
    noted = note(view, definition, claims=claims, claimant=claimant, random=random)
    if noted.claimed:
        return noted.transition
    decision = decide(view, definition, claims=claims, claimant=claimant, random=random)
    return None if decision.passed_over else decision.transition


def settle(
    view: RunView,
    definition: MobDefinition,
    key: ExecutionKey,
    outcome: Outcome,
    *,
    token: int,
    random: Random,
    used: TokenUse | None = None,
) -> Transition | None:
    """Take the outcome of one execution, and go on from there. None if the lease is no longer that of its worker."""
    report = Report(key, token, outcome, used=used)
    decision = decide(view, definition, reports=(report,), claimant=Claimant(""), random=random)
    return None if decision.passed_over else decision.transition


def report(
    view: RunView, definition: MobDefinition, key: ExecutionKey, outcome: Outcome, *, token: int
) -> Transition | None:
    """Keep the outcome of one execution for a later decision. None if the lease is no longer that of its worker."""
    reports = (Report(key, token, outcome),)
    noted = note(view, definition, reports=reports, claimant=Claimant(""), random=Random(0))  # noqa: S311  # never asked
    return None if noted.passed_over else noted.transition


class _Taken(NamedTuple):
    """An execution as it was when its outcome was taken, and the accepted outcome."""

    key: ExecutionKey
    execution: Execution
    outcome: Outcome


def _each_taken(builder: TransitionBuilder, reports: Iterable[Report]) -> Iterator[_Taken]:
    """The reports that count: not those whose lease was taken over, or whose execution was canceled.

    Each is looked at when its turn comes: the one before may have ended the step that it is about.
    """
    for key, token, outcome, _, used in reports:
        execution = builder.execution(key)
        # The token is compared and not the expiry: a result that comes late, but before a takeover, is as good as any.
        if execution is not None and execution.lease is not None and execution.lease.fencing_token == token:
            step_id = execution.step_id if execution.escalation is None else SUPERVISOR
            outcome = accepted(outcome, step_id, builder.view.launch)
            if isinstance(outcome, Throttled):
                outcome = settled_throttle(builder, execution, outcome)
            if used is not None:
                builder.use(key, used)
            yield _Taken(key, execution, outcome)


def _failed(taken: Iterable[_Taken]) -> tuple[FailedAttempt, ...]:
    return tuple(
        FailedAttempt(key, execution, outcome) for key, execution, outcome in taken if isinstance(outcome, Failed)
    )


def _settle_reported(builder: TransitionBuilder, random: Random) -> None:
    """Take the outcomes that are stored without a decision, by identity: their order of arrival is not kept."""
    for key in sorted(builder.index.with_status(ExecutionStatus.REPORTED)):
        execution = builder.execution(key)
        if execution is not None and execution.status is ExecutionStatus.REPORTED:  # else its step ended before
            settle_execution(builder, key, execution, _reported(execution), random)


def _reported(execution: Execution) -> Outcome:
    failure = execution.failure
    return Succeeded(execution.output) if failure is None else Failed.of(failure)


def _is_known_to_be_taken(execution: Execution | None, claimant: Claimant) -> bool:
    """Whether this worker has claimed an execution since it took it from the schedule, or it is over."""
    # The schedule only hints. Between taking an entry from it and reading the run, another worker may have claimed the
    # execution or ended the run, so that the run itself is asked.
    if execution is None:
        return False
    lease = execution.lease
    # One that is reported is over only if it did not fail: where a decision came since, it may wait to be tried again.
    # One that asks may have its answer.
    is_over = execution.is_over or execution.status is ExecutionStatus.AWAITING
    return is_over or (lease is not None and lease.owner == claimant.owner)


def _begin_more(builder: TransitionBuilder, claimant: Claimant) -> list[ExecutionKey]:
    """Give the claimant executions that wait, beside those that it has claimed."""
    view, index = builder.view, builder.index

    def may_begin(key: ExecutionKey) -> bool:
        execution = index.execution(key)
        return (
            execution.waits(view.now)
            and claimant.serves(execution.role)
            # how many are under way in all runs, of a role or key, only the schedule knows, which knows of suspects too
            and execution.role not in view.launch.max_concurrency
            and not execution.limits
            and not execution.suspect
        )

    # No other worker knows of what this transition dispatches. Of what waited before, others may have taken any.
    waiting = index.with_status(ExecutionStatus.WAITING) if claimant.alone else builder.dispatched()
    begun = list(islice(filter(may_begin, waiting), claimant.slots))
    return [key for key in begun if _give(builder, key, claimant)]


def _give(builder: TransitionBuilder, key: ExecutionKey, claimant: Claimant, *, is_lost: bool = False) -> bool:
    """Give an execution to a worker; False if it is over, or must not begin any more.

    `is_lost` says that a worker which holds it has lost it.
    """
    view, execution = builder.view, builder.execution(key)
    if (
        execution is None
        or builder.machine.status is not MobRunStatus.RUNNING
        or must_end(view)
        or view.pauses
        or is_late(builder, execution)
    ):
        return False
    if not (execution.waits(view.now) or (is_lost and execution.status is ExecutionStatus.LEASED)):
        return False
    # The token grows with every owner, also when the same worker claims again: its earlier attempt may still be at work
    # in a thread, and its result must not count for this one.
    token = execution.fencing_token + 1
    deadline = execution_deadline(view, execution, builder.flow.steps[execution.step_id])
    lease = Lease.unchecked(owner=claimant.owner, fencing_token=token, deadline=deadline)
    trace = claimant.traces(view, key, execution) or execution.trace
    update = {
        "status": ExecutionStatus.LEASED,
        "fencing_token": token,
        "lease": lease,
        "resumes": False,
        "trace": trace,
    }
    builder.put(key, execution.model_copy(update=update))
    if execution.escalation is not None or execution.resumes:
        return True
    # A further attempt appends no second row: the ledger says that the member was asked, the events say how often.
    builder.row(execution.step_id, key.target, StepRunStatus.DISPATCHED, once=True)
    builder.tell(StepDispatched.unchecked(run_id=view.run.run_id, step_id=execution.step_id, target=target(key.target)))
    return True


def enter_anew(builder: TransitionBuilder) -> None:
    """Enter the open executions of a run that a release before 0.2 has started: it kept its schedule in another form.

    What one of its workers held is handed on: nothing says whether that still lives, and its results are refused.
    """
    if builder.view.version or builder.view.run.status is not MobRunStatus.RUNNING:
        return
    for key, execution in list(builder.executions()):
        if execution.status in (ExecutionStatus.WAITING, ExecutionStatus.LEASED):
            token = execution.fencing_token + (execution.lease is not None)
            builder.close(key, status=ExecutionStatus.WAITING, fencing_token=token)
