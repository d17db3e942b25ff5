"""The annotations of a handler are its contract: what it takes, what it returns, what is made for it."""

from __future__ import annotations

import asyncio
import collections
import datetime
import enum
import functools
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict
from unittest.mock import AsyncMock

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_serializer

from redis_mob import Mob, RunFailedError, StepContext, isolated
from redis_mob import step as define_step
from redis_mob.errors import HandlerError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import bound
from redis_mob.fleet.typed.dependencies import Dependencies, Depends
from redis_mob.fleet.typed.inputs import arguments_for
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.flow_spec import DispatchMode, Isolation
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from tests.fleet import typed_handlers
from tests.fleet.flows import mob, step
from tests.fleet.typed_handlers import Source, Verdict
from tests.fleet.working import run_flow

if TYPE_CHECKING:
    from redis_mob.fleet import step_context


class Color(enum.Enum):
    RED = "red"


class Level(enum.Enum):
    NOT_A_NUMBER = float("nan")
    THING = object()


@dataclass
class Point:
    x: int
    at: datetime.datetime | None = None


@dataclass
class Odd:
    """A dataclass that pydantic makes no schema for; its values may be JSON all the same."""

    thing: threading.Thread | None = None
    name: str = "odd"


class Pair(NamedTuple):
    left: int
    right: datetime.date


class Named(TypedDict):
    name: str
    when: datetime.date


class Renamed(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    origin: str = Field(alias="from")


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    when: datetime.date
    tags: set[str]


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    thing: Any = None
    data: bytes = b""


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    data: bytes


class Spoken(BaseModel):
    word: str

    @field_serializer("word")
    def _spoken(self, word: str) -> str:
        raise KeyError(word)


def tag(_ctx: StepContext) -> Any: ...


WHEN = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)

DUMPED: dict[str, tuple[Any, Any]] = {
    "model": (Verdict(label="ok", lines=1), {"label": "ok", "lines": 1}),
    "models": ([Verdict(label="ok", lines=1)], [{"label": "ok", "lines": 1}]),
    "dataclass": (Point(1, WHEN), {"x": 1, "at": "2026-01-02T00:00:00Z"}),
    "odd dataclass": (Odd(), {"thing": None, "name": "odd"}),
    "datetime": ({"a": WHEN}, {"a": "2026-01-02T00:00:00Z"}),
    "date": (WHEN.date(), "2026-01-02"),
    "timedelta": (datetime.timedelta(seconds=3), "PT3S"),
    "decimal": (Decimal("1.10"), "1.10"),
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "path": (Path("/x"), "/x"),
    "set": ({1}, [1]),
    "frozenset of models": (frozenset({uuid.UUID(int=0)}), [str(uuid.UUID(int=0))]),
    "deque": (collections.deque([WHEN.date()]), ["2026-01-02"]),
    "bytes": (b"\xff", "_w=="),
    "enum": ([Color.RED], ["red"]),
    "named tuple": (Pair(1, WHEN.date()), [1, "2026-01-02"]),
    "typed dict": (Named(name="n", when=WHEN.date()), {"name": "n", "when": "2026-01-02"}),
    "keys": ({1: "a", uuid.UUID(int=0): "b", Color.RED: "c"}, {"1": "a", str(uuid.UUID(int=0)): "b", "red": "c"}),
    "names, no aliases": (Renamed.model_validate({"from": "x"}), {"origin": "x"}),
    "bytes in a class": (Holder(data=b"x"), {"thing": None, "data": "x"}),
    "base64 in a class": (Base64(data=b"\xff"), {"data": "_w=="}),
    "model within a model": (
        Holder(thing=Verdict(label="l", lines=1)),
        {"thing": {"label": "l", "lines": 1}, "data": ""},
    ),
    "counter": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "great integer": (2**70, 2**70),
}


@pytest.mark.parametrize("name", DUMPED)
def test_case_01_what_pydantic_dumps_is_dumped_by_the_type_that_it_has(name: str) -> None:
    value, dumped = DUMPED[name]
    assert output_json(value, 100) == dumped


NOT_DUMPED: dict[str, tuple[Any, str]] = {
    "nan": ({"a": [float("nan")]}, "$.a[0]: nan is no JSON number; JSON has no such number"),
    "nan in a model": (Holder(thing=[float("inf")]), "$.thing[0]: inf is no JSON number"),
    "nan in an enum": ([Level.NOT_A_NUMBER], "$[0]: nan is no JSON number"),
    "decimal nan": ([Decimal("NaN")], "$[0]: NaN is no JSON number"),
    "object": (
        {"a": {"b": object()}},
        "$.a.b: a value of type object is no JSON; give JSON, or what pydantic dumps",
    ),
    "object in an enum": (Level.THING, "$: a value of type object is no JSON"),
    "object in a model": ([Holder(thing={"x": object()})], "$[0].thing.x: a value of type object is no JSON"),
    "object in a dataclass": (Odd(threading.current_thread()), "$.thing: a value of type _MainThread is no JSON"),
    "function": ([tag], "$[0]: a value of type function is no JSON"),
    "class": (Verdict, "$: a value of type ModelMetaclass is no JSON"),
    "exception": ({"e": ValueError("x")}, "$.e: a value of type ValueError is no JSON"),
    "generator": ([(n for n in [1])], "$[0]: a value of type generator is no JSON; make a list of it"),
    "bytes in a class": ([Holder(data=b"\xff")], "$[0]: a Holder holds bytes that are no UTF-8; bytes in a class"),
    "serializer": (
        Spoken(word="w"),
        "$: a value of type Spoken is no JSON (Error calling function `_spoken`: ",
    ),
    "two keys of one text": ({"a": {1: 1, "1": 2}}, "$.a: two of its keys are '1' as JSON"),
    "key": ({"a": {(1, 2): 1}}, "$.a: the key (1, 2) is no text"),
    "null key": ({None: 1}, "$: the key None is no text"),
    "nan as a key": ({"a": {float("nan"): 1}}, "$.a: the key nan is no JSON number; give a text instead"),
    "infinity as a key": ([{float("-inf"): 1}], "$[0]: the key -inf is no JSON number"),
    "decimal nan as a key": ({Decimal("NaN"): 1}, "$: the key NaN is no JSON number"),
    "enum of nan as a key": ({Level.NOT_A_NUMBER: 1}, "$: the key nan is no JSON number"),
    "nan as a key in a model": ([Holder(thing={float("nan"): 1})], "$[0].thing: the key nan is no JSON number"),
    "made without validation": (
        Verdict.model_construct(label=1, lines=object()),
        "$.lines: a value of type object is no JSON",
    ),
    "surrogate": (Source(path="\ud800"), "$.path: a lone surrogate"),
}


@pytest.mark.parametrize("name", NOT_DUMPED)
def test_case_01_what_cannot_be_dumped_is_refused_with_its_path_and_a_hint(name: str) -> None:
    value, problem = NOT_DUMPED[name]
    with pytest.raises(ValueError, match=r"^\$") as caught:
        output_json(value, 100)
    assert str(caught.value).startswith(problem)
    assert len(str(caught.value)) < 900


def test_a_value_that_contains_itself_is_refused() -> None:
    holder, items = Holder(), list[Any]()
    holder.thing = holder
    items.append({"again": items})
    for value in (holder, items, [holder]):
        with pytest.raises(ValueError, match=r"Circular|nested deeper"):
            output_json(value, 100)


def test_a_model_counts_with_all_its_levels() -> None:
    assert output_json(Holder(thing=[[]]), 3) == {"thing": [[]], "data": ""}
    with pytest.raises(ValueError, match="nested deeper than 2 levels"):
        output_json(Holder(thing=[[[]]]), 2)


async def answer(storage: MobStorage, handler: Handler, params: Any = None, **more: Any) -> MobRun:
    """A run of two steps: `source` gives the params, `a` is done by the handler."""
    steps = {"source": step(role="giver", policy="any"), "a": step("source", policy="any", **more)}
    definition = mob(steps, limits={"max_step_retries": 3})
    return await run_flow(storage, definition, {"giver": lambda ctx: ctx.params, "worker": handler}, params=params)


async def output_of(storage: MobStorage, handler: Handler, params: Any = None, **more: Any) -> Any:
    run = await answer(storage, handler, params, **more)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    return run.root_step_outputs["a"]


async def refusal_of(storage: MobStorage, handler: Handler, params: Any = None) -> str:
    """Why the only attempt failed: it was not tried again."""
    run = await answer(storage, handler, params)
    assert run.status is MobRunStatus.FAILED
    [entry] = run.failure_ledger
    events = await storage.events.replay_all()
    told = [event.kind for event in events if getattr(event.kind, "run_id", "") == run.run_id]
    assert [kind.type for kind in told].count("step_target_failed") == 1
    return entry.reason


FILE = {"path": "a.py", "lines": 3}


def context_last(source: Source, ctx: StepContext) -> Any:
    return [source.lines, ctx.member]


def no_context(source: Source) -> Any:
    return source.path


def bare_context(source: Source, ctx) -> Any:  # pyright: ignore[reportUnknownParameterType,reportMissingParameterType]
    return [source.path, ctx.member]  # pyright: ignore[reportUnknownMemberType]


def positional_only(source: Source, ctx: StepContext, /, lines: int) -> Any:
    return [source.path, ctx.member, lines]


def keyword_only(*, ctx: StepContext, source: Source) -> Any:
    return [source.path, ctx.member]


def nothing() -> Any:
    return "nothing"


def all_params(params: Source, ctx: StepContext) -> Any:
    return [params.lines, ctx.member]


def keys(ctx: StepContext, path: Path, lines: Decimal, absent: int = 7) -> Any:
    del ctx
    return [str(path.parent), lines + 1, absent]


def any_value(ctx: Any, source: Any, path: object) -> Any:
    return [ctx.member, source, path]


def checked_only(ctx: step_context.StepContext, source: Source) -> Any:
    return [ctx.member, source.lines]


def optional(ctx: StepContext | None, source: Source | None = None) -> Any:
    return [ctx is not None, source]


class Reviewer:
    def method(self, ctx: StepContext, source: Source) -> Any:
        return [ctx.member, source.lines]

    async def __call__(self, ctx: StepContext, source: Source) -> Any:
        return self.method(ctx, source)


def with_word(word: str, ctx: StepContext, source: Source, *, thing: threading.Thread | None = None) -> Any:
    return [word, ctx.member, source.lines, thing is not None]


def handed_on_bare(function):  # pyright: ignore
    @functools.wraps(function)  # pyright: ignore
    async def wrapper(*args, **kwargs):  # pyright: ignore
        return await function(*args, **kwargs)  # pyright: ignore

    return wrapper  # pyright: ignore


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(ctx: StepContext) -> Any:
        return function(ctx, threading.current_thread())

    return wrapper


@with_client
def wants_thread(ctx: StepContext, thread: threading.Thread) -> Any:
    return [ctx.member, thread.daemon]


def closure(ctx: StepContext, lines=5) -> Any:  # pyright: ignore[reportMissingParameterType]
    return [ctx.member, lines]


async def coroutine(ctx: StepContext, source: Source) -> Any:
    await asyncio.sleep(0)
    return [ctx.member, source.lines]


CALLED: dict[str, tuple[Handler, Any]] = {
    "context last": (context_last, [3, "worker-1"]),
    "no context": (no_context, "a.py"),
    "bare context": (bare_context, ["a.py", "worker-1"]),
    "positional only": (positional_only, ["a.py", "worker-1", 3]),
    "keyword only": (keyword_only, ["a.py", "worker-1"]),
    "nothing": (nothing, "nothing"),
    "params": (all_params, [3, "worker-1"]),
    "keys": (keys, [".", "4", 7]),
    "any value": (any_value, ["worker-1", FILE, "a.py"]),
    "checked only": (checked_only, ["worker-1", 3]),
    "optional": (optional, [True, FILE]),
    "method": (Reviewer().method, ["worker-1", 3]),
    "object": (Reviewer(), ["worker-1", 3]),
    "partial": (functools.partial(with_word, "word", thing=threading.current_thread()), ["word", "worker-1", 3, True]),
    "partial of a partial": (functools.partial(functools.partial(with_word, "w")), ["w", "worker-1", 3, False]),
    "wrapped": (
        handed_on_bare(coroutine),  # pyright: ignore
        ["worker-1", 3],
    ),
    "wrapped with a signature of its own": (wants_thread, ["worker-1", True]),
    "coroutine": (coroutine, ["worker-1", 3]),
    "closure": (closure, ["worker-1", 5]),
}


@pytest.mark.parametrize("name", CALLED)
async def test_a_handler_is_called_as_its_parameters_say(storage: MobStorage, name: str) -> None:
    handler, expected = CALLED[name]
    assert await output_of(storage, handler, FILE) == expected


@pytest.mark.parametrize("handler", [print, AsyncMock(return_value=1)], ids=["builtin", "mock"])
def test_a_callable_that_does_not_tell_is_called_with_the_context_alone(handler: Handler) -> None:
    assert bound(handler).takes_context_alone


@pytest.mark.parametrize("handler", [typed_handlers.judge, typed_handlers.judge_async], ids=["plain", "coroutine"])
async def test_an_isolated_handler_is_called_in_its_process_as_its_parameters_say(
    storage: MobStorage, handler: Handler
) -> None:
    expected = {"label": "made for worker-1" if handler is typed_handlers.judge else "async", "lines": 3}
    assert await output_of(storage, handler, FILE) == expected
    assert "parameter 'source' cannot take" in await refusal_of(storage, handler, {"path": 1})


async def test_a_step_that_is_isolated_calls_its_handler_in_the_same_way(storage: MobStorage) -> None:
    given = await output_of(storage, typed_handlers.plain, FILE, isolation=Isolation.PROCESS)
    assert given == {"label": "plain", "lines": 3}


async def test_a_parameter_named_as_a_step_of_several_members_gets_what_each_gave(storage: MobStorage) -> None:
    def judged(votes: Mapping[str, Verdict], listed: list[dict[str, Any]]) -> dict[str, Any]:
        return {"votes": [(who, vote.lines) for who, vote in votes.items()], "listed": len(listed)}

    steps = {
        "votes": step(role="voter"),
        "listed": step(role="voter", dispatch_mode=DispatchMode.FAN_IN),
        "a": step("votes", "listed", policy="any"),
    }
    handlers: dict[str, Handler] = {"voter": lambda _ctx: Verdict(label="l", lines=1), "worker": judged}
    run = await run_flow(storage, mob(steps), handlers, members={"voter": 2})
    assert run.root_step_outputs["a"] == {"votes": [["voter-1", 1], ["voter-2", 1]], "listed": 2}


async def test_a_step_comes_before_a_key_of_the_params(storage: MobStorage) -> None:
    def handler(source: Any) -> Any:
        return source

    assert await output_of(storage, handler, {"source": 1}) == {"source": 1}


async def test_strict_models_and_aliases_are_read_from_json(storage: MobStorage) -> None:
    def read(when: datetime.date, strict: Strict, renamed: Renamed, alias: Renamed, data: bytes) -> Any:
        return [when, strict, renamed.origin, alias.origin, data]

    params = {
        "when": "2026-01-02",
        "strict": {"when": "2026-01-02", "tags": ["a"]},
        "renamed": {"origin": "x"},
        "alias": {"from": "y"},
        "data": "_w==",
    }
    assert await output_of(storage, read, params) == ["2026-01-02", params["strict"], "x", "y", "_w=="]


@pytest.mark.parametrize(
    ("handler", "params", "reason"),
    [
        (
            no_context,
            {"lines": "x"},
            "handler no_context: parameter 'source' cannot take the output of step 'source': ",
        ),
        (no_context, {"path": "p", "lines": "x"}, "$.lines: Input should be a valid integer"),
        (all_params, [1], "handler all_params: parameter 'params' cannot take the params of the run: $: "),
        (keys, {"path": "p", "lines": []}, "parameter 'lines' cannot take the key 'lines' of the params: $: "),
        (keys, {"path": "p", "line": 1}, "parameter 'lines' has no value: the step sees the outputs of 'source', and "),
        (keys, {"path": "p", "line": 1}, "the params have 'path', 'line'; did you mean 'line'?"),
        (keys, "text", "the params are no object"),
    ],
)
async def test_a_value_that_is_wrong_or_absent_fails_once_and_says_where(
    storage: MobStorage, handler: Handler, params: Any, reason: str
) -> None:
    assert reason in await refusal_of(storage, handler, params)


async def test_a_step_without_others_before_it_is_told_so(storage: MobStorage) -> None:
    own = Mob("mob")

    @own.handler
    def mailer(to: str) -> str:
        return to

    told = "parameter 'to' has no value: the step sees no outputs of other steps, and the params have 'too'"
    with pytest.raises(RunFailedError, match=told):
        await own.run(own.flow("mail", [define_step("mailer")]), {"too": "ann"}, storage=storage)


async def test_what_is_refused_is_not_shown(storage: MobStorage) -> None:
    assert "hunter2" not in await refusal_of(storage, no_context, {"path": {"secret": "hunter2"}})


def gives_verdict(ctx: StepContext) -> Verdict:
    return ctx.params


async def gives_verdicts(ctx: StepContext) -> list[Verdict]:
    return ctx.params


def gives_coroutine(ctx: StepContext) -> Awaitable[list[Verdict]]:
    return gives_verdicts(ctx)


@pytest.mark.parametrize("handler", [gives_verdicts, gives_coroutine])
async def test_what_a_handler_returns_is_made_what_it_says_that_it_returns(
    storage: MobStorage, handler: Handler
) -> None:
    assert await output_of(storage, handler, [{"label": "l", "lines": "3", "more": 1}]) == [{"label": "l", "lines": 3}]


async def test_what_is_not_what_the_handler_says_fails_once_with_its_path(storage: MobStorage) -> None:
    reason = await refusal_of(storage, gives_verdicts, [{"label": "l", "lines": 1}, {"label": "l"}])
    assert reason.startswith("the output of step 'a' is refused: $[1].lines: Field required; the handler says")
    assert "it returns list[tests.fleet.typed_handlers.Verdict]" in reason
    assert "$: Input should be a valid dictionary" in await refusal_of(storage, gives_verdict, 5)


async def test_a_validation_error_of_the_handlers_own_is_tried_again(storage: MobStorage) -> None:
    def handler(ctx: StepContext) -> Verdict:
        return Verdict.model_validate({"label": "l", "lines": "x" if ctx.attempt == 1 else 1})

    assert await output_of(storage, handler) == {"label": "l", "lines": 1}


async def test_a_value_that_ends_programs_when_it_is_looked_at_fails_its_attempt(storage: MobStorage) -> None:
    class Leaves(dict[str, int]):
        def items(self) -> Any:
            raise SystemExit("left")

    class LeavesWhenDumped(BaseModel):
        word: str = "w"

        @field_serializer("word")
        def _spoken(self, word: str) -> str:
            raise SystemExit(word)

    def declared(ctx: StepContext) -> dict[str, int]:
        del ctx
        return Leaves(a=1)

    assert await output_of(storage, lambda _ctx: Leaves(a=1)) == {"a": 1}
    assert "SystemExit: left" in await refusal_of(storage, declared)
    run = await answer(storage, lambda _ctx: LeavesWhenDumped())
    assert run.status is MobRunStatus.FAILED
    assert "SystemExit: w" in run.failure_ledger[0].reason


async def test_values_are_dumped_where_a_plain_function_runs(storage: MobStorage) -> None:
    threads: list[str] = []

    class Tells(BaseModel):
        word: str = "w"

        @field_serializer("word")
        def _spoken(self, word: str) -> str:
            threads.append(threading.current_thread().name)
            return word

    assert await output_of(storage, lambda _ctx: Tells()) == {"word": "w"}
    assert threads == ["redis-mob-step"]


def two_contexts(ctx: StepContext, other: StepContext) -> None: ...


def stars(ctx: StepContext, *more: int) -> None: ...


def only_stars(*more: int) -> None: ...


def keywords(ctx: StepContext, **more: int) -> None: ...


def unresolvable(ctx: StepContext, source: NotThere) -> None: ...  # pyright: ignore  # noqa: F821


def unresolvable_return(ctx: StepContext) -> NotThere: ...  # pyright: ignore  # noqa: F821


def no_type(ctx: StepContext, source: 5) -> None: ...  # pyright: ignore


def thread(ctx: StepContext, source: threading.Thread) -> None: ...


def function(ctx: StepContext, source: Callable[[], int]) -> None: ...


def arbitrary(ctx: StepContext, source: Holder2) -> None: ...


class Holder2(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    thing: threading.Thread


def gives_thread(ctx: StepContext) -> threading.Thread: ...  # pyright: ignore


def cycle(it: Annotated[int, Depends(other_half)]) -> int:  # pyright: ignore
    return it


def other_half(it: Annotated[int, Depends(cycle)]) -> int:
    return it


def depends_on_a_cycle(ctx: StepContext, it: Annotated[int, Depends(cycle)]) -> None: ...


def wants_more(more: int) -> int:
    return more


def depends_on_what_wants_more(ctx: StepContext, it: Annotated[int, Depends(wants_more)]) -> None: ...


WRONG: dict[str, tuple[Handler, str]] = {
    "two contexts": (two_contexts, "the parameters 'ctx' and 'other' are both a StepContext"),
    "*args": (stars, "it takes *more: 'int': a handler names each value"),
    "*args alone": (only_stars, "it takes *more: 'int'"),
    "**kwargs": (keywords, "it takes **more: 'int'"),
    "unresolvable": (unresolvable, "parameter 'source': the annotation 'NotThere' cannot be resolved: name 'NotThere'"),
    "unresolvable return": (unresolvable_return, "its return value: the annotation 'NotThere' cannot be resolved"),
    "no type": (no_type, "parameter 'source': "),
    "class": (thread, "parameter 'source': Thread cannot be read from JSON: "),
    "function": (function, "cannot be read from JSON: "),
    "model with a thread": (arbitrary, "parameter 'source': Holder2 cannot be read from JSON: "),
    "returns a thread": (gives_thread, "it returns Thread, which cannot be dumped as JSON: "),
    "cycle": (depends_on_a_cycle, "it depends on itself: cycle -> other_half -> cycle"),
    "dependency": (depends_on_what_wants_more, "parameter 'more' is neither Annotated[..., Depends(...)] nor optional"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", ["plain", "isolated"])
async def test_annotations_that_are_wrong_are_told_when_the_handler_is_given(name: str, kind: str) -> None:
    handler, problem = WRONG[name]
    async with MobStorage.open("memory:") as storage:
        with pytest.raises(HandlerError) as caught:
            Fleet(storage, mob({"a": step()}), {"worker": isolated(handler) if kind == "isolated" else handler})
    assert problem in str(caught.value)
    assert str(caught.value).startswith("role 'worker': ")
    assert f"({__file__}:" in str(caught.value)


def test_the_error_names_the_line_of_the_function() -> None:
    with pytest.raises(HandlerError) as caught:
        bound(two_contexts)
    assert f"handler two_contexts ({__file__}:{two_contexts.__code__.co_firstlineno}): " in str(caught.value)


async def test_what_is_no_function_is_no_handler() -> None:
    handlers: Any = {"worker": 5}
    async with MobStorage.open("memory:") as storage:
        with pytest.raises(HandlerError, match="role 'worker' has a int, which is no function"):
            Fleet(storage, mob({"a": step()}), handlers)


async def test_local_types_are_found_in_the_function_around(storage: MobStorage) -> None:
    class Local(BaseModel):
        path: str

    def handler(ctx: StepContext, source: Local) -> Local:
        del ctx
        return source

    assert await output_of(storage, handler, {"path": "p", "lines": 1}) == {"path": "p"}


class Client:
    """Something to depend on; it tells what happens to it."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name = name
        self.told = told

    async def __aenter__(self) -> Client:
        self.told.append(f"{self.name} entered")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.told.append(f"{self.name} left")


def kinds_of_factories(told: list[str]) -> dict[str, Callable[..., Any]]:
    def plain_function() -> str:
        return "value"

    async def coroutine_function() -> str:
        return "value"

    def generator() -> Iterator[str]:
        yield "value"
        told.append("left")

    async def asynchronous_generator() -> AsyncIterator[str]:
        yield "value"
        told.append("left")

    @contextmanager
    def manager() -> Generator[str]:
        yield "value"
        told.append("left")

    @asynccontextmanager
    async def asynchronous_manager() -> AsyncGenerator[str]:
        yield "value"
        told.append("left")

    async def gives_a_manager() -> Any:
        return asynchronous_manager()

    return {one.__name__: one for one in (plain_function, coroutine_function)} | {
        one.__name__: one for one in (generator, asynchronous_generator, manager, asynchronous_manager, gives_a_manager)
    }


@pytest.mark.parametrize("name", kinds_of_factories([]))
async def test_every_kind_of_factory_makes_a_dependency_and_is_left(name: str) -> None:
    told: list[str] = []
    factory = kinds_of_factories(told)[name]

    def handler(it: Annotated[str, Depends(factory)]) -> str:
        return it

    async with MobStorage.open("memory:") as storage:
        assert await output_of(storage, handler) == "value"
    assert told == ([] if name.endswith("function") else ["left"])


async def test_dependencies_are_made_once_and_closed_in_reverse_order() -> None:
    told: list[str] = []

    def make_pool() -> Client:
        told.append("pool made")
        return Client("pool", told)

    async def make_client(pool: Annotated[Client, Depends(make_pool)]) -> Client:
        await asyncio.sleep(0)
        return Client(f"client of {pool.name}", told)

    async def first(ctx: StepContext, client: Annotated[Client, Depends(make_client)]) -> str:
        del ctx
        return client.name

    def second(pool: Annotated[Client, Depends(make_pool)]) -> str:
        return pool.name

    async with MobStorage.open("memory:") as storage:
        steps = {f"a{n}": step(policy="any") for n in range(5)} | {"b": step(policy="any", role="critic")}
        run = await run_flow(storage, mob(steps), {"worker": first, "critic": second})
    assert set(run.root_step_outputs.values()) == {"client of pool", "pool"}
    assert told == [
        "pool made",
        "pool entered",
        "client of pool entered",
        "client of pool left",
        "pool left",
    ]


async def test_a_dependency_is_entered_and_left_in_one_task() -> None:
    tasks: list[Any] = []

    async def make() -> AsyncIterator[int]:
        tasks.append(asyncio.current_task())
        yield 1
        tasks.append(asyncio.current_task())

    async with MobStorage.open("memory:") as storage:
        await output_of(storage, _takes(make))
    assert len(tasks) == 2
    assert tasks[0] is tasks[1]


def _takes(factory: Callable[..., Any]) -> Handler:
    def handler(it: Any) -> Any:
        return str(it)

    handler.__annotations__["it"] = Annotated[Any, Depends(factory)]
    return handler


@pytest.mark.parametrize("error", [ConnectionError("away"), SystemExit("away"), StopIteration("away")])
async def test_a_factory_that_fails_fails_the_attempt_and_is_called_again(error: BaseException) -> None:
    attempts: list[int] = []

    def make() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise error
        return 5

    async with MobStorage.open("memory:") as storage:
        assert await output_of(storage, _takes(make)) == "5"
    assert len(attempts) == 3


async def test_why_a_dependency_cannot_be_made_is_how_the_attempt_failed() -> None:
    def make() -> int:
        raise ConnectionError("away")

    def around(inner: Annotated[int, Depends(make)]) -> int:
        return inner

    async with MobStorage.open("memory:") as storage:
        run = await answer(storage, _takes(around))
    [entry] = run.failure_ledger
    assert entry.reason.startswith("dependency ")
    assert entry.reason.endswith("make cannot be made: ConnectionError: away")


async def test_a_lock_is_given_as_it_is() -> None:
    async def handler(lock: Annotated[asyncio.Lock, Depends(asyncio.Lock)]) -> bool:
        async with lock:
            return lock.locked()

    async with MobStorage.open("memory:") as storage:
        assert await output_of(storage, handler) is True


async def test_what_fails_when_it_is_closed_is_told_and_the_others_are_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []

    def make_first() -> Client:
        return Client("first", told)

    async def make_second(first: Annotated[Client, Depends(make_first)]) -> AsyncIterator[str]:
        yield first.name
        raise SystemExit("not now")

    async with MobStorage.open("memory:") as storage:
        await output_of(storage, _takes(make_second))
    assert told == ["first entered", "first left"]
    assert [record for record in caplog.records if "make_second was not closed as it should be" in record.message]


async def test_what_is_not_made_yet_is_given_up_when_the_worker_ends() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def make() -> int:
        began.set()
        try:
            return await asyncio.Event().wait()
        finally:
            ended.set()

    dependencies = Dependencies()
    needed = bound(_takes(make)).signature.dependencies
    waiting = asyncio.create_task(dependencies.values(needed))
    await began.wait()
    await dependencies.close()
    assert ended.is_set()
    with pytest.raises(Exception, match="make"):
        await waiting


async def test_an_attempt_that_is_cancelled_does_not_cancel_what_is_made_for_all() -> None:
    go_on = asyncio.Event()

    async def make() -> str:
        await go_on.wait()
        return "made"

    dependencies = Dependencies()
    needed = bound(_takes(make)).signature.dependencies
    first, second = [asyncio.create_task(dependencies.values(needed)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    assert await second == {"it": "made"}
    await dependencies.close()


def make_text() -> str:
    return "made"


def as_default(x: str = Depends(make_text)) -> None:  # type: ignore[assignment]
    del x


def bare_default(ctx: StepContext, x=Depends(make_text)) -> None:  # type: ignore[no-untyped-def]  # noqa: B008
    del ctx, x


def twice(x: Annotated[str, Depends(make_text), Depends(tag)]) -> None:
    del x


def twice_nested(x: Annotated[Annotated[str, Depends(make_text)], Depends(tag)]) -> None:
    del x


def within(x: Annotated[str, Depends(make_text)] | None = None) -> None:
    del x


def without_factory(x: Annotated[str, Depends]) -> None:
    del x


def in_a_factory(x: Annotated[str, Depends(as_default)]) -> None:
    del x


WRONG_MARKS: dict[Callable[..., Any], str] = {
    as_default: "parameter 'x' has Depends as its default; it belongs into the annotation: "
    "x: Annotated[str, Depends(make_text)]",
    bare_default: "belongs into the annotation: x: Annotated[..., Depends(make_text)]",
    twice: "parameter 'x' has 2 marks Depends; one function makes what it gets",
    twice_nested: "parameter 'x' has 2 marks Depends",
    within: "parameter 'x': Depends must be outermost",
    without_factory: "parameter 'x': Depends needs the function that makes the dependency",
    in_a_factory: "dependency as_default",
}


@pytest.mark.parametrize("handler", WRONG_MARKS, ids=lambda one: one.__name__)
def test_a_mark_that_is_not_where_it_belongs_is_refused_when_the_handler_is_given(handler: Callable[..., Any]) -> None:
    with pytest.raises(HandlerError) as caught:
        bound(handler)
    assert WRONG_MARKS[handler] in str(caught.value)
    assert "test_signatures.py:" in str(caught.value)


def test_a_mark_alone_is_no_annotation() -> None:
    def handler(x: Any) -> None:
        del x

    handler.__annotations__["x"] = Depends(make_text)
    with pytest.raises(HandlerError, match=r"Depends must be outermost, as in Annotated\[Client"):
        bound(handler)


def gives_one_by_one(ctx: StepContext) -> Iterator[int]:
    del ctx
    yield 1


async def gives_one_by_one_later(n: int) -> AsyncIterator[int]:
    yield n


class GivesOneByOne:
    def __call__(self, ctx: StepContext) -> Iterator[int]:
        del ctx
        yield 1


@pytest.mark.parametrize(
    "handler", [gives_one_by_one, gives_one_by_one_later, GivesOneByOne(), functools.partial(gives_one_by_one_later, 1)]
)
def test_a_generator_is_refused_when_it_is_given(handler: Callable[..., Any]) -> None:
    problem = r"a generator gives its values one by one: return a list, or tell each with ctx\.stream"
    with pytest.raises(HandlerError, match=problem):
        bound(handler)
    with pytest.raises(HandlerError, match=problem):
        Mob("m").handler("a")(handler)


def test_depends_takes_a_function() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="not a int"):
        Depends(wrong)


def test_a_handler_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = bound(no_context)
    monkeypatch.setattr("redis_mob.fleet.typed.signature.callee", None)
    context: Any = SimpleNamespace(outputs={"source": FILE}, params=None)
    arguments, named = arguments_for(handler.signature, context, {})
    assert handler.function(*arguments, **named) == "a.py"
