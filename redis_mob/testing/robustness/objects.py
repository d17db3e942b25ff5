"""What clients call about single objects: a config document, a record, a run; a model of each says what it may answer.

An object is called by all clients at the same time. Each write brings a number that no other write brings, so that a
value says which write it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from redis_mob.contracts import ConfigStore, MobEventStore, MobRunStore, RecordStore
from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    NotFoundError,
    RunAlreadyExistsError,
    VersionConflictError,
)
from redis_mob.models import FlowRunState
from redis_mob.models.authority import RecordLoopBodyFrameCompleted
from redis_mob.testing.samples.states import authority_input, flow_state, new_run

DONE = "done"
"""What a write of a document answers that won; a revision if it lost."""

_BEGUN = flow_state()

PLACE = "robustness"
"""The config namespace, and the collection of records, in which the objects are."""

State: TypeAlias = "tuple[int, ...] | None"
"""What an object holds; None while it is absent. A document: (revision, number); a record: (number,); a run: the
numbers of all moves, the last one behind them again."""


class Outcome(Protocol):
    """What became of a write."""

    @property
    def executed(self) -> bool: ...


class Stores(Protocol):
    """What the traffic calls of a storage."""

    @property
    def events(self) -> MobEventStore: ...
    @property
    def config(self) -> ConfigStore: ...
    @property
    def records(self) -> RecordStore: ...
    @property
    def runs(self) -> MobRunStore: ...

    async def resolve(self, token: str) -> Outcome:
        """Learn what became of a write that raised OutcomeUnknownError; one that was not executed never will be."""
        ...


class Call(NamedTuple):
    """One call about one object. `expected` is what a compare-and-swap compares with, `number` what it writes."""

    kind: str
    object: str
    operation: str
    expected: int = 0
    number: int = 0

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, however it ends."""
        return self.operation == "get"


class ObjectModel:
    """A model of one object for `redis_mob.testing.history.check`, which is in this state before the first call."""

    def __init__(self, state: State = None) -> None:
        self._state = state

    def start(self) -> State:
        """The state before the first call."""
        return self._state

    def apply(self, state: State, call: Call) -> tuple[object, State]:
        """The answer to a call, and the state after it."""
        return KINDS[call.kind].answer(state, call)


def _document(state: State, call: Call) -> tuple[object, State]:
    if call.is_read:
        return state, state
    revision = state[0] if state else 0
    if revision != call.expected:
        return revision, state
    return DONE, (revision + 1, call.number)


async def _call_document(stores: Stores, call: Call) -> object:
    if call.is_read:
        return document_state(await stores.config.get(PLACE, call.object))
    value = {"spec": {"number": call.number}, "meta": {"revision": call.expected + 1}}
    try:
        await stores.config.put_if_revision(PLACE, call.object, value, call.expected)
    except VersionConflictError as error:
        return error.actual
    return DONE


def document_state(value: Any) -> State:
    """The state of a document of this value."""
    return None if value is None else (value["meta"]["revision"], value["spec"]["number"])


def _record(state: State, call: Call) -> tuple[object, State]:
    number = state[0] if state else 0
    match call.operation:
        case "get":
            return state, state
        case "insert":
            return (False, state) if state else (True, (call.number,))
        case "compare_and_put":
            return (True, (call.number,)) if number == call.expected else (False, state)
        case _:
            return (True, None) if number == call.expected else (False, state)


async def _call_record(stores: Stores, call: Call) -> object:
    records, expected = stores.records, {"number": call.expected} if call.expected else None
    match call.operation:
        case "get":
            return record_state(await records.get(PLACE, call.object))
        case "insert":
            try:
                return await records.insert(PLACE, call.object, {"number": call.number})
            except CasConflictError:
                return False
        case "compare_and_put":
            return await records.compare_and_put(PLACE, call.object, expected, {"number": call.number})
        case _:
            return await records.compare_and_delete(PLACE, call.object, expected)


def record_state(value: Any) -> State:
    """The state of a record of this value."""
    return None if value is None else (value["number"],)


def _run(state: State, call: Call) -> tuple[object, State]:
    match call.operation:
        case "get":
            return state, state
        case "create_run":
            return (False, state) if state else (True, (0,))
        case _:
            if not state or state[-1] != call.expected:
                return False, state
            return True, (*state[:-1], call.number, call.number)


async def _call_run(stores: Stores, call: Call) -> object:
    match call.operation:
        case "get":
            return run_state(await stores.runs.get_run(call.object))
        case "create_run":
            try:
                await stores.runs.create_run(new_run(run_id=call.object, mob_id=PLACE))
            except (RunAlreadyExistsError, AlreadyExistsError):
                return False
            return True
        case _:
            try:
                return await stores.runs.cas_flow_state(
                    call.object,
                    expected=_moved_to(call.expected),
                    next=_moved_to(call.number),
                    authority_inputs=[authority_input(call.number)],
                )
            except NotFoundError:
                return False


def _moved_to(number: int) -> FlowRunState:
    return _BEGUN.model_copy(update={"failure_count": number}) if number else _BEGUN


def run_state(run: Any) -> State:
    """The state of a run: the numbers of its moves, which its inputs tell, and that of its flow state."""
    if run is None:
        return None
    moves: list[int] = []
    for moved in run.flow_authority_inputs:
        assert isinstance(moved, RecordLoopBodyFrameCompleted), f"an input that no client wrote: {moved!r}"
        moves.append(moved.payload.iteration)
    return (*moves, run.flow_state.failure_count)


class Kind(NamedTuple):
    """A kind of object: its model, how it is called, its state by the state of the stores, and its writes.

    `expects` is what a compare-and-swap has to expect in a state.
    """

    answer: Callable[[State, Call], tuple[object, State]]
    perform: Callable[[Stores, Call], Any]
    operations: tuple[str, ...]
    expects: Callable[[State], int]


def _first_of(state: State) -> int:
    return state[0] if state else 0


def _last_of(state: State) -> int:
    return state[-1] if state else 0


KINDS: Mapping[str, Kind] = {
    "document": Kind(_document, _call_document, ("get", "put_if_revision", "put_if_revision"), _first_of),
    "record": Kind(
        _record,
        _call_record,
        ("get", "insert", "compare_and_put", "compare_and_put", "compare_and_put", "compare_and_delete"),
        _first_of,
    ),
    "run": Kind(
        _run,
        _call_run,
        ("get", "create_run", "cas_flow_state", "cas_flow_state", "cas_flow_state"),
        _last_of,
    ),
}
"""All kinds of objects, each with its operations, as often as they are to be called."""


class Beliefs:
    """What one client believes the objects hold: what it has read, or written, last."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._states: dict[str, State] = {}

    def draw(self, kind: str, name: str, number: int) -> Call:
        """A random call about an object."""
        operation = self._random.choice(KINDS[kind].operations)
        state = self._states.get(name)
        if kind == "run" and state is None and operation == "cas_flow_state":
            operation = "create_run"
        return Call(kind, name, operation, KINDS[kind].expects(state), number)

    def learn(self, call: Call, result: object) -> None:
        """Believe what the answer to a call says of its object."""
        if call.is_read:
            self._states[call.object] = cast("State", result)
        elif result is True or result == DONE:
            _, self._states[call.object] = KINDS[call.kind].answer(self._states.get(call.object), call)
        elif call.kind == "document" and isinstance(result, int):
            self._states[call.object] = (result, 0)

    def forget(self) -> None:
        """Believe nothing any more: the storage has gone back in time, or an outcome is unknown."""
        self._states.clear()


async def read_state(stores: Stores, kind: str, name: str) -> State:
    """What an object holds now."""
    return await KINDS[kind].perform(stores, Call(kind, name, "get"))
