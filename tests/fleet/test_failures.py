"""What is kept of a failure: enough to mend it, bounded, and told once wherever it is told (contract: engine-23)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from redis_mob import StepContext, StepFailed
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.said import MOST_REPEATED, MOST_SAID
from redis_mob.fleet.step_context import Handler
from redis_mob.models.flow_events import FlowFailed, StepTargetFailed
from redis_mob.models.flow_events import StepFailed as StepFailedEvent
from redis_mob.models.flow_spec import OutputFormat
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, failure_of, run_flow, run_step

HUGE = "x" * 4_000_000
LOGGER = "redis_mob.fleet.failure_log"

Raise = Callable[[], None]


def raising(work: Raise, kind: str) -> Handler:
    """A handler that does this: in a thread, in the loop, or as a coroutine that a function in a thread gives."""

    def plain(_ctx: StepContext) -> None:
        work()

    async def coroutine(_ctx: StepContext) -> None:
        work()

    def awaited(ctx: StepContext) -> Any:
        return coroutine(ctx)

    return {"thread": plain, "loop": coroutine, "awaited": awaited}[kind]


def size(text: str) -> int:
    return len(text.encode())


def traced(failure: Any) -> str:
    text = failure.error_report.reason["traceback"]
    assert isinstance(text, str)
    assert size(text) <= MOST_SAID
    return text


def inner_most() -> None:
    raise LookupError("the template has no such field")


def with_a_cause() -> None:
    try:
        inner_most()
    except LookupError as error:
        raise ValueError("cannot render") from error


def with_a_context() -> None:
    try:
        inner_most()
    except LookupError:
        raise ValueError("cannot render")  # noqa: B904 - the context is what the test is about


def with_notes() -> None:
    error = ValueError("cannot render")
    error.add_note("the template has no such field")
    raise error


def with_an_inner_exception() -> None:
    try:
        inner_most()
    except LookupError as error:
        raise ExceptionGroup("two pages", [error, TypeError("no text")]) from None


@pytest.mark.parametrize("kind", ["thread", "loop", "awaited"])
@pytest.mark.parametrize(
    ("work", "tells"),
    [
        (with_a_cause, ["inner_most", "direct cause", "ValueError: cannot render"]),
        (with_a_context, ["inner_most", "During handling", "ValueError: cannot render"]),
        (with_notes, ["with_notes", "ValueError: cannot render"]),
        (with_an_inner_exception, ["inner_most", "two pages (2 sub-exceptions)", "TypeError: no text"]),
    ],
)
async def test_a_failure_keeps_causes_contexts_notes_and_inner_exceptions(
    storage: MobStorage, kind: str, work: Raise, tells: list[str]
) -> None:
    text = traced(await failure_of(storage, raising(work, kind)))
    for told in [*tells, "the template has no such field", "test_failures.py"]:
        assert told in text
    assert "handler_call.py" not in text, "the frames of the library say nothing"


async def test_event_and_ledger_hold_the_same_report(storage: MobStorage) -> None:
    failure = await failure_of(storage, raising(with_a_cause, "loop"))
    stored = [event.kind for event in await storage.events.replay_all()]
    [told] = [kind for kind in stored if isinstance(kind, StepTargetFailed)]
    assert told.error_report == failure.error_report
    assert told.reason == failure.reason == "ValueError: cannot render"


def deep(levels: int) -> None:
    if levels:
        other(levels - 1)
    raise LookupError("at the bottom")


def other(levels: int) -> None:
    deep(levels)


async def test_the_last_frames_are_kept(storage: MobStorage) -> None:
    text = traced(await failure_of(storage, raising(lambda: deep(100), "thread")))
    assert text.count("\n  File ") == 10
    assert 'raise LookupError("at the bottom")' in text
    assert text.endswith("LookupError: at the bottom")


def huge_message() -> None:
    raise RuntimeError("duplicate key in INSERT " + HUGE)


def huge_reason() -> None:
    raise StepFailed("duplicate key in INSERT " + HUGE)


def huge_detail() -> None:
    raise StepFailed("no", detail={"page": [HUGE]})


def huge_note() -> None:
    error = ValueError("no")
    error.add_note(HUGE)
    raise error


def huge_cause() -> None:
    try:
        huge_message()
    except RuntimeError as error:
        raise ValueError("no") from error


def huge_group() -> None:
    raise ExceptionGroup(HUGE, [ValueError(HUGE) for _ in range(3)])


def huge_name() -> None:
    raise type(HUGE, (Exception,), {})("no")


def everything_huge() -> None:
    try:
        huge_note()
    except ValueError as error:
        raise StepFailed(HUGE, detail=HUGE) from error


HUGE_ERRORS = [huge_message, huge_reason, huge_detail, huge_note, huge_cause, huge_group, huge_name, everything_huge]


@pytest.mark.parametrize("kind", ["thread", "loop"])
@pytest.mark.parametrize("work", HUGE_ERRORS)
async def test_nothing_huge_is_stored_told_or_logged(
    storage: MobStorage, work: Raise, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = await run_step(storage, raising(work, kind), retries=1)
    assert run.status == "failed"
    [row] = run.failure_ledger
    assert size(row.reason) <= MOST_SAID
    assert size(row.model_dump_json()) < 4 * MOST_SAID
    assert row.error is not None
    assert row.error_report is not None
    assert size(row.error_report.message) <= MOST_REPEATED
    assert size(row.error.detail or "") <= MOST_REPEATED
    stored = await storage.events.replay_all()
    assert all(size(event.model_dump_json()) < 4 * MOST_SAID for event in stored)
    assert [kind for kind in (event.kind for event in stored) if isinstance(kind, FlowFailed | StepFailedEvent)]
    assert all(size(record.getMessage()) < 3 * MOST_SAID for record in caplog.records)
    view = await storage.executions.load(run.run_id)
    assert view is not None
    [execution] = view.executions.values()
    assert size(execution.model_dump_json()) < 3 * MOST_SAID


async def test_every_place_says_how_long_the_message_was(storage: MobStorage) -> None:
    failure = await failure_of(storage, raising(huge_message, "thread"))
    ends = [event.kind for event in await storage.events.replay_all()]
    [step_failed] = [kind.reason for kind in ends if isinstance(kind, StepFailedEvent)]
    [flow_failed] = [kind.reason for kind in ends if isinstance(kind, FlowFailed)]
    assert step_failed.startswith("worker-1: RuntimeError: duplicate key")
    assert flow_failed.startswith("step 'a': RuntimeError: duplicate key")
    for text in (failure.reason, failure.error_report.message, step_failed, flow_failed):
        assert re.search(r"… \(4,000,0\d\d characters, [\d,]+ kept\)$", text)
        assert size(text) <= MOST_SAID


async def test_the_reasons_of_many_members_and_steps_share_the_room(storage: MobStorage) -> None:
    definition = mob({name: step(policy="any") for name in "abcdefgh"})
    handler = raising(huge_message, "loop")
    run = await run_flow(storage, definition, handler, members={"worker": 10}, concurrency=80)
    assert run.status == "failed"
    assert len(run.failure_ledger) == 80
    kinds = [event.kind for event in await storage.events.replay_all()]
    reasons = [kind.reason for kind in kinds if isinstance(kind, FlowFailed | StepFailedEvent)]
    assert len(reasons) == 9
    assert all(MOST_SAID // 2 < size(reason) <= MOST_SAID for reason in reasons)


@pytest.mark.parametrize(
    ("schema", "output"),
    [
        ('{"type": "integer"}', HUGE),
        ('{"type": "object", "properties": {"score": {"type": "integer"}}}', {"score": HUGE}),
        ('{"type": "array", "items": {"type": "integer"}}', [HUGE]),
        ('{"enum": ["small"]}', HUGE),
    ],
)
async def test_a_refused_output_is_shown_by_an_excerpt(storage: MobStorage, schema: str, output: Any) -> None:
    spec = {"expected_schema_ref": schema, "output_format": OutputFormat.TEXT}
    failure = await failure_of(storage, lambda _ctx: output, **spec)
    assert failure.reason.startswith("the output of step 'a' is refused: it does not fit its schema at $")
    assert "is not" in failure.reason, "what was wrong with it comes after the value"
    assert size(failure.reason) < 1000


async def test_what_is_wrong_with_an_output_is_bounded_too(storage: MobStorage) -> None:
    spec = {"expected_schema_ref": '{"additionalProperties": false}', "output_format": OutputFormat.TEXT}
    failure = await failure_of(storage, lambda _ctx: {HUGE: 1}, **spec)
    assert "Additional properties are not allowed" in failure.reason
    assert size(failure.reason) <= MOST_SAID


async def test_each_failed_attempt_is_logged_once(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    handler = raising(with_a_cause, "thread")
    fleet = Fleet(storage, mob({"a": step()}, limits={"max_step_retries": 2}), {"*": handler})
    async with at_work(storage, {"*": handler}, workers=3):
        run = await asyncio.wait_for(fleet.wait(run_id := await fleet.start(FLOW)), 30)
    assert run.status == "failed"
    said = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert len(said) == 3
    for attempt, text in enumerate(said, start=1):
        told = f"attempt {attempt} of member worker-1 at step a of run {run_id} failed: ValueError: cannot render\n"
        assert told in text
        assert "inner_most" in text


async def test_an_output_that_is_refused_is_logged(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    await failure_of(storage, lambda _ctx: object())
    [said] = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert "failed: the output of step 'a' is refused: $: a value of type object is no JSON; give JSON" in said


async def test_what_succeeds_is_not_logged(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    await run_step(storage, lambda _ctx: "done")
    assert [record for record in caplog.records if record.name == LOGGER] == []


class Spiteful(Exception):  # noqa: N818
    """All that can be asked of it ends the program."""

    def __str__(self) -> str:
        raise SystemExit(1)

    __repr__ = __str__

    @property
    def __notes__(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        raise KeyboardInterrupt


class Unready(StepFailed):
    """A subclass that forgot to call the constructor of its parent."""

    def __init__(self) -> None:  # pyright: ignore[reportMissingSuperCall]
        pass


class SpitefulDetail(dict[str, Any]):
    def items(self) -> Any:
        raise SystemExit(2)

    __repr__ = items


@pytest.mark.parametrize("kind", ["thread", "loop", "awaited"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Spiteful(), "Spiteful: <a Spiteful that cannot be shown>"),
        (Unready(), "Unready"),
        (StepFailed("bad", detail=SpitefulDetail(a=1)), "bad"),
        (ValueError("a\ud800b"), "ValueError: a\\ud800b"),
        (ExceptionGroup("caf\udce9", [Spiteful(), ValueError()]), "ExceptionGroup: caf\\udce9 (2 sub-exceptions)"),
        (ExceptionGroup("caf\udce9", [Spiteful()]), "Spiteful: <a Spiteful that cannot be shown>"),
        (ValueError(10**5000), "ValueError: <a ValueError that cannot be shown>"),
    ],
    ids=[
        "str-ends-the-program",
        "half-made",
        "detail-ends-the-program",
        "surrogate",
        "group",
        "group-of-one",
        "too-many-digits",
    ],
)
async def test_an_exception_that_cannot_be_shown_is_a_failure_like_any_other(
    storage: MobStorage, kind: str, error: Exception, reason: str
) -> None:
    def work() -> None:
        raise error

    steps = {"a": step(), "b": step(role="other", policy="any")}
    handlers: dict[str, Handler] = {"worker": raising(work, kind), "other": lambda _ctx: "alive"}
    run = await run_flow(storage, mob(steps), handlers)
    assert [failure.reason for failure in run.failure_ledger] == [reason]
    assert run.root_step_outputs == {"b": "alive"}
