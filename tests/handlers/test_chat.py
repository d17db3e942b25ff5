"""Chat models as handlers: a server of the test that speaks the protocol of OpenAI, on this host."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import openai
import pytest
from pydantic import Field

from redis_mob import (
    HandlerError,
    MobRunStatus,
    PreviousFailure,
    StepContext,
    StepFailed,
    StepProfile,
    StepThrottled,
    ValidationError,
)
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.handlers import chat
from redis_mob.handlers.chat_model import Chat
from redis_mob.handlers.usage import ModelUsage
from redis_mob.models.base import SortedDict
from redis_mob.models.definition import InlineSkill, PathSkill
from redis_mob.models.message import BlobImageBlock, InlineImageBlock, TextBlock, VideoBlock
from redis_mob.models.profile import Profile
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.handlers.contexts import KeptTeller, context
from tests.handlers.fake_model import EVENTS, Turn, asked, called, chunk, model, said, used
from tests.handlers.fake_service import Response, Service

SMALL = StepProfile(model="small")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
KEY = "sk-se-cret"


def handler_of(running: Service, **options: Any) -> Chat:
    return chat(base_url=running.url, api_key=KEY, **options)


async def answer_of(
    *turns: Turn, profile: StepProfile = SMALL, teller: KeptTeller | None = None, **options: Any
) -> Any:
    async with model(*turns) as running:
        return await handler_of(running, **options)(context(profile=profile, teller=teller or KeptTeller()))


async def failure_of(*turns: Turn, profile: StepProfile = SMALL, **options: Any) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        await answer_of(*turns, profile=profile, **options)
    assert KEY not in repr(caught.value.detail) + caught.value.reason
    return caught.value


async def test_the_model_of_the_profile_is_asked_and_its_pieces_are_one_answer() -> None:
    async with model(said("Hel", "lo")) as running:
        assert await handler_of(running)(context(profile=SMALL)) == "Hello"
        request = asked(running)
        assert running.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert request["model"] == "small"
    assert request["messages"] == [{"role": "user", "content": "do it"}]
    assert "tools" not in request
    assert "response_format" not in request


async def test_a_model_that_is_given_comes_before_that_of_the_profile() -> None:
    async with model(said("ok")) as running:
        await handler_of(running, model="large")(context(profile=SMALL))
        assert asked(running)["model"] == "large"


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (StepProfile(), "role 'role' has no model; give one with chat(model=...)"),
        (
            StepProfile(realm_profile="shared"),
            "role 'role' has no model: its profile 'shared' is kept in the realm; give one with chat(model=...)",
        ),
    ],
)
async def test_a_role_without_a_model_fails_for_good(profile: StepProfile, why: str) -> None:
    failed = await failure_of(said("ok"), profile=profile)
    assert (failed.reason, failed.retryable) == (why, False)


async def test_system_prompt_and_skills_come_before_the_message(tmp_path: Path) -> None:
    (file := tmp_path / "count.md").write_text("One, two.\n")
    skills = {"argue": InlineSkill(content="Be kind."), "count": PathSkill(path=str(file))}
    async with model(said("ok")) as running:
        await handler_of(running, system="You review.")(context(profile=StepProfile(model="small", skills=skills)))
        messages = asked(running)["messages"]
    assert messages == [
        {"role": "system", "content": "You review.\n\n# Skill: argue\n\nBe kind.\n\n# Skill: count\n\nOne, two."},
        {"role": "user", "content": "do it"},
    ]


async def test_a_skill_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    profile = StepProfile(model="small", skills={"count": PathSkill(path=str(tmp_path / "gone.md"))})
    failed = await failure_of(said("ok"), profile=profile)
    assert failed.reason == f"skill 'count': {str(tmp_path / 'gone.md')!r} cannot be read: No such file or directory"
    assert not failed.retryable


async def test_texts_and_images_of_a_message_are_parts_of_the_content() -> None:
    image = InlineImageBlock(media_type="image/png", source="inline", data="AAAA")
    async with model(said("ok")) as running:
        await handler_of(running)(context(profile=SMALL, message=(TextBlock(text="look"), image)))
        [message] = asked(running)["messages"]
    assert message["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]


@pytest.mark.parametrize(
    "block",
    [
        BlobImageBlock(media_type="image/png", source="blob", blob_id="b"),
        VideoBlock(media_type="video/mp4", duration_ms=1, source="inline", data="AAAA"),
    ],
)
async def test_a_block_that_the_protocol_does_not_know_fails_for_good(block: Any) -> None:
    async with model(said("ok")) as running:
        with pytest.raises(StepFailed, match="takes texts and inline images") as caught:
            await handler_of(running)(context(profile=SMALL, message=(block,)))
        assert not running.requests
    assert not caught.value.retryable


async def test_a_further_attempt_is_told_why_the_one_before_failed() -> None:
    async with model(said("ok")) as running:
        await handler_of(running)(context(profile=SMALL, previous_failure=PreviousFailure("no field 'n'")))
        assert asked(running)["messages"][1]["content"].startswith(
            "An earlier attempt at this task failed: no field 'n'"
        )


async def test_parameters_of_the_provider_are_added_to_the_request() -> None:
    profile = StepProfile(model="small", provider_params={"temperature": 0.5, "of_this_endpoint": [1]})
    async with model(said("ok")) as running:
        await handler_of(running)(context(profile=profile))
        request = asked(running)
    assert (request["temperature"], request["of_this_endpoint"]) == (0.5, [1])


@pytest.mark.parametrize("params", [{"tools": []}, {"messages": []}, {"stream": False}, [1]])
async def test_parameters_of_the_provider_cannot_take_the_place_of_what_the_handler_says(params: Any) -> None:
    async with model(said("ok")) as running:
        with pytest.raises(StepFailed, match="provider_params of role 'role' m") as caught:
            await handler_of(running)(context(profile=StepProfile(model="small", provider_params=params)))
        assert not running.requests
    assert not caught.value.retryable


# structured answers


@pytest.mark.parametrize("structured", ["json_schema", "json_object", "prompt"])
async def test_an_answer_by_schema_is_asked_for_and_read_as_json(structured: Any) -> None:
    async with model(said('{"n"', ": 3}")) as running:
        handler = handler_of(running, structured=structured)
        profile = StepProfile(model="small", output_schema=SCHEMA)
        assert await handler(context(profile=profile, step_id="stép 1")) == {"n": 3}
        request = asked(running)
    expected = {
        "json_schema": {"type": "json_schema", "json_schema": {"name": "st_p_1", "schema": SCHEMA}},
        "json_object": {"type": "json_object"},
        "prompt": None,
    }
    assert request.get("response_format") == expected[structured]
    told = request["messages"][0]["content"]
    assert (json.dumps(SCHEMA, separators=(",", ":")) in told) is (structured != "json_schema")


@pytest.mark.parametrize(
    ("text", "why"), [("three", "it is no JSON: 'three'"), ('{"n": "3"}', "it does not fit its schema at $.n")]
)
async def test_an_answer_that_breaks_the_schema_fails_the_attempt(text: str, why: str) -> None:
    failed = await failure_of(said(text), profile=StepProfile(model="small", output_schema=SCHEMA))
    assert failed.reason.startswith(f"the answer of the model is refused: {why}")
    assert failed.retryable


async def test_a_run_tells_the_model_what_was_wrong_with_its_answer_and_takes_the_better_one(tmp_path: Path) -> None:
    definition = mob({"a": step(expected_schema_ref=json.dumps(SCHEMA), retry={"attempts": 2, "first": 0})})
    profiles = {**definition.profiles, "worker": Profile(model="small", skills=("count",))}
    definition = definition.model_copy(
        update={
            "profiles": SortedDict(profiles),
            "skills": SortedDict({"count": InlineSkill(content="One, two.")}),
        }
    )
    async with model(said('{"n": "x"}'), said('{"n": 2}')) as running:
        async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
            run = await run_flow(storage, definition, handler_of(running))
        first, second = asked(running, 0), asked(running, 1)
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["a"] == {"worker-1": {"n": 2}}
    assert first["response_format"]["json_schema"]["schema"] == SCHEMA
    assert first["messages"][0]["content"] == "# Skill: count\n\nOne, two."
    assert "it does not fit its schema at $.n" in second["messages"][2]["content"]


# streams


async def test_pieces_of_the_answer_are_told_before_it_is_complete() -> None:
    told: list[str] = []
    seen = asyncio.Event()

    async def answer() -> AsyncIterator[bytes]:
        yield f"data: {json.dumps(chunk({'content': 'Hel'}))}\n\n".encode()
        await seen.wait()
        yield f"data: {json.dumps(chunk({'content': 'lo'}, 'stop'))}\n\ndata: [DONE]\n\n".encode()

    async def on_delta(ctx: StepContext, text: str) -> None:
        told.append(f"{ctx.step_id}: {text}")
        seen.set()

    async with asyncio.timeout(LONG):
        assert await answer_of(Response(answer(), headers=EVENTS), on_delta=on_delta) == "Hello"
    assert told == ["step: Hel", "step: lo"]


async def test_pieces_of_the_answer_are_streamed_to_those_who_watch() -> None:
    teller = KeptTeller()
    long = "x" * 4_500
    assert await answer_of(said("Hello"), teller=teller) == "Hello"
    assert await answer_of(said(long), teller=teller) == long
    assert [(topic, len(value)) for topic, value in teller.chunks] == [
        ("output", 5),
        ("output", 2_000),
        ("output", 2_000),
        ("output", 500),
    ]


async def test_what_a_callback_raises_is_no_error_of_the_endpoint() -> None:
    def on_delta(_ctx: StepContext, _text: str) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        await answer_of(said("Hello"), on_delta=on_delta)


# tools


def add(a: int, b: Annotated[int, Field(description="the other one")] = 1) -> int:
    """Add two numbers."""
    return a + b


async def look(ctx: StepContext, path: str) -> dict[str, str]:
    return {path: ctx.step_id}


async def test_tools_are_offered_called_and_their_results_told() -> None:
    turns = [*called("add", '{"a": 2}')[:-1], *called("look", '{"path": "x"}', call_id="call-2", index=1)]
    async with model(turns, said("3, it is")) as running:
        assert await handler_of(running, tools=[add, look])(context(profile=SMALL)) == "3, it is"
        first, second = asked(running, 0), asked(running, 1)
    assert first["tools"][0]["function"] == {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "title": "A"},
                "b": {"type": "integer", "title": "B", "default": 1, "description": "the other one"},
            },
            "required": ["a"],
            "additionalProperties": False,
        },
    }
    assert list(first["tools"][1]["function"]["parameters"]["properties"]) == ["path"]
    assert second["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}},
                {"id": "call-2", "type": "function", "function": {"name": "look", "arguments": '{"path": "x"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": "3"},
        {"role": "tool", "tool_call_id": "call-2", "content": '{"x":"step"}'},
    ]


@pytest.mark.parametrize(
    ("profile", "offered"),
    [
        (StepProfile(model="small", blocked_tools=("add",)), ["look"]),
        (StepProfile(model="small", allowed_tools=("look", "unknown")), ["look"]),
        (StepProfile(model="small", allowed_tools=("add", "look"), blocked_tools=("look",)), ["add"]),
        (StepProfile(model="small", allowed_tools=()), []),
    ],
)
async def test_a_tool_that_the_step_does_not_allow_is_neither_offered_nor_called(
    profile: StepProfile, offered: list[str]
) -> None:
    calls: list[str] = []

    def tool(name: str) -> Callable[[], None]:
        def call() -> None:
            calls.append(name)

        call.__name__ = name
        return call

    turns = [*called("add", "{}")[:-1], *called("look", "{}", call_id="call-2", index=1)]
    async with model(turns, said("ok")) as running:
        await handler_of(running, tools=[tool("add"), tool("look")])(context(profile=profile))
        first, second = asked(running, 0), asked(running, 1)
    assert [one["function"]["name"] for one in first.get("tools", [])] == offered
    assert calls == offered
    results = [one["content"] for one in second["messages"] if one["role"] == "tool"]
    assert [f"There is no tool {name!r}." for name in ("add", "look") if name not in offered] == [
        one for one in results if one.startswith("There is no tool")
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ('{"a": "x"}', "a: Input should be a valid integer"),
        ("{", "Invalid JSON"),
        ('{"a": 1, "c": 2}', "c: Unexpected"),
    ],
)
async def test_wrong_arguments_are_told_to_the_model_and_the_tool_is_not_called(arguments: str, complaint: str) -> None:
    async with model(called("add", arguments), said("ok")) as running:
        await handler_of(running, tools=[add])(context(profile=SMALL))
        content = asked(running, 1)["messages"][-1]["content"]
    assert content.startswith("The arguments are wrong: ")
    assert complaint in content


def broken() -> None:
    raise LookupError("no such table")


async def test_what_a_tool_raises_fails_the_attempt() -> None:
    with pytest.raises(LookupError, match="no such table"):
        await answer_of(called("broken", "{}"), tools=[broken])


async def test_a_model_that_calls_tools_for_ever_is_stopped() -> None:
    async with model(called("add", '{"a": 1}')) as running:
        with pytest.raises(StepFailed, match="called tools 3 times in turn and gave no answer"):
            await handler_of(running, tools=[add], max_rounds=3)(context(profile=SMALL))
        assert len(running.requests) == 3


async def test_of_a_long_result_the_model_is_told_the_beginning() -> None:
    def long() -> str:
        return "x" * 1_000_000

    async with model(called("long", ""), said("ok")) as running:
        await handler_of(running, tools=[long])(context(profile=SMALL))
        assert len(asked(running, 1)["messages"][-1]["content"]) < 66_000


def stars(*numbers: int) -> None: ...


def unknown(value: Annotated[Any, "x"], other: MobStorage) -> None: ...


def unresolvable(value: int) -> None: ...


unresolvable.__annotations__ = {"value": "NoSuchName"}


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ([stars], r"tool 'stars': parameter 'numbers' cannot be given by its name"),
        ([lambda: 1], "tool '<lambda>': the name of a tool is"),
        ([unknown], "tool 'unknown': its parameters have no JSON schema"),
        ([unresolvable], "tool 'unresolvable': its parameters have no JSON schema: name 'NoSuchName'"),
        ([add, add], "two tools have the name 'add'"),
    ],
)
def test_a_function_that_can_be_no_tool_is_named(tools: Any, why: str) -> None:
    with pytest.raises(HandlerError, match=why):
        chat(tools=tools)


# usage


async def test_the_tokens_of_all_rounds_are_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[str, ModelUsage]] = []

    def on_usage(ctx: StepContext, usage: ModelUsage) -> None:
        told.append((ctx.member, usage))

    caplog.set_level(logging.INFO, "redis_mob.handlers")
    await answer_of(
        [*called("add", '{"a": 1}'), used(100, 5)],
        [*said("ok"), used(120, 7)],
        tools=[add],
        on_usage=on_usage,
    )
    assert told == [("role-1", ModelUsage("small", 2, 220, 12))]
    assert told[0][1].total_tokens == 232
    [record] = [one for one in caplog.records if one.name.startswith("redis_mob.handlers")]
    assert (vars(record)["prompt_tokens"], vars(record)["completion_tokens"]) == (220, 12)
    assert record.getMessage().endswith("220 tokens in, 12 out, 2 requests")


async def test_the_tokens_of_an_attempt_that_fails_are_told_too() -> None:
    told: list[ModelUsage] = []

    async def on_usage(_ctx: StepContext, usage: ModelUsage) -> None:
        told.append(usage)

    await failure_of([*said("x", finish="length"), used(10, 3)], on_usage=on_usage)
    assert told == [ModelUsage("small", 1, 10, 3)]


async def used_by(*turns: Turn, **options: Any) -> list[int | None]:
    """How many tokens limits and budgets are told of each request of an attempt, None if that is not known."""
    kept = KeptSpending()
    async with model(*turns) as running:
        with suppress(StepFailed):
            await handler_of(running, **options)(context(profile=SMALL, spending=Spending(kept)))
    return [None if one.use is None else one.use.tokens for one in kept.told]


async def test_the_tokens_of_each_request_are_told() -> None:
    rounds = [*called("add", '{"a": 1}'), used(100, 5)], [*said("ok"), used(120, 7)]
    assert await used_by(*rounds, tools=[add]) == [105, 127]
    assert await used_by(rounds[0], said("ok"), tools=[add]) == [105, None]
    assert await used_by(rounds[0], said("Hel", finish=None), tools=[add]) == [105, None]


@pytest.mark.parametrize("status", ["429 Too Many", "500 Broken"])
async def test_a_request_that_is_refused_has_used_nothing(status: str) -> None:
    refused = Response(b"{}", status, {"Content-Type": "application/json"})
    assert await used_by([*called("add", '{"a": 1}'), used(100, 5)], refused, tools=[add]) == [105, 0]


# what goes wrong


@pytest.mark.parametrize(
    ("turn", "why", "retryable"),
    [
        (said("Hel", finish="length"), "the answer was cut off at the limit of tokens", True),
        (said("Hel", finish="content_filter"), "the answer was withheld by the content filter", False),
        (said(refusal="I cannot help."), "the model refuses to answer: 'I cannot help.'", False),
        (said("Hel", finish=None), "the answer of the model broke off before its end", True),
        (said(" "), "the answer of the model is empty", True),
        ([{"error": {"message": "out of order"}}], "the endpoint of the model failed: out of order", True),
        ([{**chunk({}), "choices": ["x"]}], "the endpoint of the model sent what is no piece of an answer", True),
        (Response(b"data: {\n\n", headers=EVENTS), "the endpoint of the model sent what is no JSON", True),
        (Response(b"", headers=EVENTS), "the answer of the model broke off before its end", True),
    ],
)
async def test_an_answer_that_is_none_fails_the_attempt_and_says_why(turn: Turn, why: str, retryable: bool) -> None:
    failed = await failure_of(turn)
    assert failed.reason.startswith(why)
    assert failed.retryable is retryable


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (408, True), (429, True), (500, True), (503, True)],
)
async def test_a_status_says_whether_another_attempt_makes_sense(status: int, retryable: bool) -> None:
    body = json.dumps({"error": {"message": f"why: {KEY}"}}).encode()
    turn = Response(body, f"{status} Reason", {"Content-Type": "application/json", "Retry-After": "9"})
    async with model(turn) as running:
        with pytest.raises(StepFailed) as caught:
            await handler_of(running)(context(profile=SMALL))
        assert len(running.requests) == 1, "the engine tries again, and nothing else"
    failed = caught.value
    assert failed.reason.startswith(f"the endpoint of the model answered with status {status}: ")
    assert "why: …" in failed.reason
    assert failed.reason.count(str(status)) == 1
    assert (failed.retryable, failed.retry_after) == (retryable, timedelta(seconds=9))
    assert isinstance(failed, StepThrottled) is (status == 429)


async def test_a_quota_that_is_used_up_fails_for_good() -> None:
    body = json.dumps({"error": {"message": "no credit", "code": "insufficient_quota"}}).encode()
    failed = await failure_of(Response(body, "429 Too Many", {"Content-Type": "application/json"}))
    assert not isinstance(failed, StepThrottled)
    assert not failed.retryable


async def test_an_endpoint_that_is_away_fails_the_attempt() -> None:
    async with model(said("ok")) as running:
        pass
    with pytest.raises(StepFailed, match=r"^the endpoint of the model cannot be reached \(ConnectError\)") as caught:
        await handler_of(running)(context(profile=SMALL))
    assert caught.value.retryable


async def cut_short() -> AsyncIterator[bytes]:
    yield f"data: {json.dumps(chunk({'content': 'Hel'}))}\n\n".encode()


async def test_a_connection_that_breaks_fails_the_attempt() -> None:
    failed = await failure_of(Response(cut_short(), headers={**EVENTS, "Content-Length": "10000"}))
    assert "broke off" in failed.reason or "cannot be reached" in failed.reason
    assert failed.retryable


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield f"data: {json.dumps(chunk({'content': 'x' * 1000}))}\n\n".encode()


async def endless_line() -> AsyncIterator[bytes]:
    yield b'data: {"id": "'
    while True:
        yield b"x" * 100_000


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("200 OK", "the endpoint of the model sent a line of more than 8,388,608 bytes"),
        ("400 Bad Request", "the endpoint of the model answered with status 400: "),
    ],
)
async def test_of_a_body_without_an_end_no_more_is_read_than_is_needed(status: str, why: str) -> None:
    async with model(Response(endless_line(), status, EVENTS)) as running:
        with pytest.raises(StepFailed, match=f"^{why}") as caught:
            await handler_of(running)(context(profile=SMALL))
        async with asyncio.timeout(LONG):
            await running.hung_up.wait()
        assert running.sent < 30_000_000  # what buffers of sockets hold is sent, too
    assert not caught.value.retryable
    assert len(caught.value.reason) < 3000


async def silent() -> AsyncIterator[bytes]:
    yield f"data: {json.dumps(chunk({'content': 'x'}))}\n\n".encode()
    await asyncio.Event().wait()


async def test_an_endless_answer_is_cut_off_and_its_connection_closed() -> None:
    async with model(Response(endless(), headers=EVENTS)) as running:
        with pytest.raises(StepFailed, match="longer than 50,000 characters") as caught:
            await handler_of(running)(context(profile=StepProfile(model="small", max_output_bytes=50_000)))
        async with asyncio.timeout(LONG):
            await running.hung_up.wait()
    assert not caught.value.retryable


async def test_the_deadline_ends_a_silent_stream_and_closes_its_connection(tmp_path: Path) -> None:
    async with model(Response(silent(), headers=EVENTS)) as running:
        async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
            run = await run_flow(storage, mob({"a": step(timeout_ms=1000)}), handler_of(running))
        async with asyncio.timeout(LONG):
            await running.hung_up.wait()
    assert [failed.reason for failed in run.failure_ledger] == ["timeout after 1000ms"]


async def test_without_a_key_the_attempt_fails_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(StepFailed, match="there is no key for the endpoint") as caught:
        await chat(base_url="http://127.0.0.1:1")(context(profile=SMALL))
    assert not caught.value.retryable


async def test_a_client_that_is_given_is_used_and_stays_open() -> None:
    async with model(said("ok")) as running, openai.AsyncOpenAI(base_url=running.url, api_key="mine") as client:
        assert await chat(client=client)(context(profile=SMALL)) == "ok"
        assert running.requests[0].headers["authorization"] == "Bearer mine"
        assert not client.is_closed()


async def test_a_handler_shows_no_key() -> None:
    assert repr(chat("small", api_key=KEY, tools=[add])) == "chat('small', tools=['add'])"


BAD: list[dict[str, Any]] = [
    {"model": 1},
    {"client": object()},
    {"base_url": 1},
    {"base_url": "localhost:1234"},
    {"base_url": "http://localhost:99999/v1"},
    {"model": "\ud800"},
    {"api_key": 1},
    {"structured": "yaml"},
    {"max_rounds": 0},
    {"system": 1},
    {"client": openai.AsyncOpenAI(api_key="x"), "api_key": "y"},
]


@pytest.mark.parametrize("options", BAD)
def test_arguments_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        chat(**options)
