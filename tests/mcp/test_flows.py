"""Flows as tools, by the client of the official package in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp import MCPError
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from redis_mob.errors import ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.mcp import mcp_server
from redis_mob.mcp.run_handle import MOST_OUTPUT_BYTES
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.mcp.offices import OFFICE, client_of, text_of, told, working

MODES = ("auto", "legacy")
"""How a client and a server come to speak: as the newest protocol has it, and by a handshake as those before."""


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"mode": request.param}


async def test_a_flow_is_a_tool_that_gives_the_output_of_its_run(storage: MobStorage, mode: dict[str, Any]) -> None:
    async with working(storage), client_of(storage, wait=LONG, client=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert (tools["echo"].description or "").startswith("Gives back what it is told.")
        given = told(await client.call_tool("echo", {"params": {"a": [1, None]}}))
    assert (given["status"], given["mob"], given["flow"]) == ("completed", "office", "echo")
    assert given["outputs"] == {"a": [1, None]}


async def test_a_client_drives_a_flow_that_asks_to_its_end(storage: MobStorage, mode: dict[str, Any]) -> None:
    async with working(storage), client_of(storage, wait=LONG, answer=True, client=mode) as client:
        asking = told(await client.call_tool("mail", {}))
        assert asking["status"] == "input_required"
        [ask] = asking["asks"]
        assert (ask["kind"], ask["step"], ask["payload"]) == ("send", "send", "Dear Ann")
        answer = {"run_id": asking["run_id"], "ask_id": ask["ask_id"], "approve": True, "value": "Dear Bob"}
        ended = told(await client.call_tool("answer_ask", answer))
        assert ended == told(await client.call_tool("run_status", {"run_id": asking["run_id"]}))
    assert ended["status"] == "completed"
    assert ended["outputs"] == {"send": {"sender-1": "an MCP client (mcp) sends: Dear Bob"}}


class Person:
    """A user whose client shows forms; fills in each in turn, and dismisses those for which there is nothing."""

    def __init__(self, *answers: ElicitResult) -> None:
        self._answers = list(answers)
        self.forms: list[ElicitRequestFormParams] = []

    async def __call__(self, _ctx: ClientRequestContext, form: ElicitRequestParams) -> ElicitResult:
        assert isinstance(form, ElicitRequestFormParams)
        self.forms.append(form)
        return self._answers.pop(0) if self._answers else ElicitResult(action="decline")


def decided(decision: str, **more: str) -> ElicitResult:
    return ElicitResult(action="accept", content={"decision": decision, **more})


async def test_what_a_flow_asks_is_put_to_the_user_of_a_client_that_shows_forms(
    storage: MobStorage, mode: dict[str, Any]
) -> None:
    person = Person(decided("approve", value="Dear Eve"))
    options = {**mode, "elicitation_callback": person}
    async with working(storage), client_of(storage, wait=LONG, client=options) as client:
        ended = told(await client.call_tool("mail", {}))
    assert ended["outputs"] == {"send": {"sender-1": "an MCP client (mcp) sends: Dear Eve"}}
    [form] = person.forms
    assert form.message == 'Step send of flow mail asks: send\n\n"Dear Ann"'
    assert list(form.requested_schema["properties"]) == ["decision", "message", "value"]
    assert (await FleetAdmin(storage).runs()).runs[0].run_id == ended["run_id"]
    assert len((await FleetAdmin(storage).runs()).runs) == 1, "the form belongs to the run that was started"


async def test_a_user_denies_by_a_decision(storage: MobStorage, mode: dict[str, Any]) -> None:
    options = {**mode, "elicitation_callback": Person(decided("deny", message="not now"))}
    async with working(storage), client_of(storage, wait=LONG, client=options) as client:
        ended = told(await client.call_tool("mail", {}))
    assert (ended["status"], ended["reason"]) == ("failed", "step 'send': denied: not now")


@pytest.mark.parametrize(
    "dismissed",
    [
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
        ElicitResult(action="decline", content={"decision": "approve"}),
        ElicitResult(action="accept", content={"decision": "perhaps"}),
        ElicitResult(action="accept"),
    ],
)
async def test_a_form_that_is_dismissed_answers_nothing(
    storage: MobStorage, mode: dict[str, Any], dismissed: ElicitResult
) -> None:
    person = Person(dismissed, decided("approve"))
    options = {**mode, "elicitation_callback": person}
    async with working(storage), client_of(storage, wait=LONG, client=options) as client:
        asking = told(await client.call_tool("mail", {}))
        assert asking["status"] == "input_required"
        assert len(person.forms) == 1
        ended = told(await client.call_tool("run_status", {"run_id": asking["run_id"]}))
    assert ended["outputs"] == {"send": {"sender-1": "an MCP client (mcp) sends: Dear Ann"}}


async def test_forms_are_shown_for_runs_of_this_mob_alone(storage: MobStorage, mode: dict[str, Any]) -> None:
    person = Person(decided("approve"))
    options = {**mode, "elicitation_callback": person}
    run_id = await Fleet(storage, OFFICE).start("mail")
    async with working(storage), client_of(storage, definition=None, wait=LONG, client=options) as client:
        asking = told(await client.call_tool("run_status", {"run_id": run_id}))
    assert (asking["status"], person.forms) == ("input_required", [])


async def test_a_client_cannot_name_a_run_as_the_state_of_a_form(storage: MobStorage) -> None:
    run_id = await Fleet(storage, OFFICE).start("mail")
    async with client_of(storage, wait=0) as client:
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await client.session.call_tool("echo", {}, request_state=run_id)


async def test_the_same_key_means_the_same_run(storage: MobStorage) -> None:
    async with client_of(storage, wait=0) as client:
        first = told(await client.call_tool("greet", {"name": "Ann", "idempotency_key": "a"}))
        assert told(await client.call_tool("greet", {"name": "Ann", "idempotency_key": "a"})) == first
        assert (
            told(await client.call_tool("greet", {"name": "Ann", "idempotency_key": None}))["run_id"] != first["run_id"]
        )
        other = await client.call_tool("greet", {"name": "Bob", "idempotency_key": "a"})
    assert other.is_error
    assert text_of(other).startswith("idempotency_key 'a' belongs to run")
    assert first["status"] == "working"
    assert "waits for a worker, and none is alive" in first["reason"]
    assert first["poll_after_seconds"] > 0


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("greet", {}, "params: it does not fit its schema at $: 'name' is a required property"),
        ("greet", {"name": 1}, "params: it does not fit its schema at $.name: 1 is not of type 'string'"),
        (
            "echo",
            {"parms": 1},
            "tool 'echo' has no argument 'parms': it takes params and idempotency_key; did you mean 'params'?",
        ),
        ("echo", {"idempotency_key": 7}, "idempotency_key must be a text, not 7"),
        ("run_status", {}, "the arguments of tool 'run_status' are wrong: run_id: Field required"),
        ("run_status", {"run_id": "x"}, "a run is named by its id"),
        ("list_runs", {"limit": 1000}, "the arguments of tool 'list_runs' are wrong: limit: Input should be less than"),
        ("list_runs", {"of": 1}, "the arguments of tool 'list_runs' are wrong: of: Extra inputs are not permitted"),
        (
            "cancel_run",
            {"run_id": "00000000-0000-4000-8000-000000000000"},
            "run 00000000-0000-4000-8000-000000000000 does not exist",
        ),
    ],
)
async def test_bad_arguments_are_told_and_start_nothing(
    storage: MobStorage, tool: str, arguments: dict[str, Any], why: str
) -> None:
    async with client_of(storage, wait=0) as client:
        refused = await client.call_tool(tool, arguments)
    assert refused.is_error
    assert why in text_of(refused)
    assert "Traceback" not in text_of(refused)
    assert (await FleetAdmin(storage).runs()).runs == ()


async def test_a_tool_that_does_not_exist_is_an_error_of_the_protocol(storage: MobStorage) -> None:
    async with client_of(storage) as client:
        with pytest.raises(MCPError, match="there is no tool 'ecko'; did you mean 'echo'"):
            await client.call_tool("ecko", {})


async def test_a_run_that_fails_says_why(storage: MobStorage) -> None:
    async with working(storage), client_of(storage, wait=LONG) as client:
        ended = told(await client.call_tool("refuse", {}))
    assert (ended["status"], ended["reason"]) == ("failed", "step 'work': I would rather not")


async def test_a_run_is_cancelled(storage: MobStorage) -> None:
    async with working(storage), client_of(storage, wait=0) as client:
        run_id = told(await client.call_tool("sleep", {}))["run_id"]
        assert told(await client.call_tool("cancel_run", {"run_id": run_id}))["run_id"] == run_id
        ended = told(await client.call_tool("run_status", {"run_id": run_id, "wait_seconds": LONG}))
    assert ended["status"] == "cancelled"


async def test_a_run_that_is_cancelled_asks_no_more(storage: MobStorage, mode: dict[str, Any]) -> None:
    person = Person()
    options = {**mode, "elicitation_callback": person}
    async with client_of(storage, wait=LONG, client=options) as client:
        async with working(storage):
            run_id = told(await client.call_tool("mail", {}))["run_id"]
        assert len(person.forms) == 1
        ended = told(await client.call_tool("cancel_run", {"run_id": run_id}))
    assert (ended["status"], len(person.forms)) == ("cancelled", 1)


async def test_a_run_that_is_to_be_cancelled_asks_no_more(storage: MobStorage, mode: dict[str, Any]) -> None:
    person = Person()
    async with client_of(storage, wait=LONG, client={**mode, "elicitation_callback": person}) as client:
        async with working(storage):
            run_id = told(await client.call_tool("mail", {}))["run_id"]
        await storage.executions.request_cancel(run_id)
        ending = told(await client.call_tool("run_status", {"run_id": run_id, "wait_seconds": 0}))
    assert (ending["status"], ending["asks"], len(person.forms)) == ("working", [], 1)


async def test_reports_of_handlers_are_progress_of_the_call(storage: MobStorage, mode: dict[str, Any]) -> None:
    heard: list[tuple[float, str | None]] = []
    came = asyncio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        heard.append((progress, message))
        came.set()

    async with working(storage), client_of(storage, wait=LONG, client=mode) as client:
        calling = asyncio.create_task(client.call_tool("sleep", {}, progress_callback=hear))
        await asyncio.wait_for(came.wait(), LONG)
        await FleetAdmin(storage).cancel((await FleetAdmin(storage).runs()).runs[0].run_id)
        assert told(await calling)["status"] == "cancelled"
    assert heard == [(1, "step work 50%: half way")]


async def test_long_outputs_are_read_in_pieces(storage: MobStorage) -> None:
    long = "ä" * MOST_OUTPUT_BYTES
    async with working(storage), client_of(storage, wait=LONG) as client:
        ended = told(await client.call_tool("echo", {"params": long}))
        assert (ended["status"], ended["outputs_bytes"]) == ("completed", 2 * MOST_OUTPUT_BYTES + 2)
        assert "outputs" not in ended
        text, offset = "", 0
        while offset is not None:
            piece = told(await client.call_tool("run_result", {"run_id": ended["run_id"], "offset": offset}))
            text, offset = text + piece["json"], piece["next_offset"]
        of_step = told(await client.call_tool("run_result", {"run_id": ended["run_id"], "step": "work"}))
        unknown = await client.call_tool("run_result", {"run_id": ended["run_id"], "step": "wrok"})
    assert text == f'"{long}"'
    assert of_step["json"] == text[: len(of_step["json"])]
    assert "has no output of step 'wrok'; nearest: 'work'" in text_of(unknown)


async def test_outputs_of_a_run_that_is_not_over_are_refused(storage: MobStorage) -> None:
    async with client_of(storage, wait=0) as client:
        run_id = told(await client.call_tool("echo", {}))["run_id"]
        refused = await client.call_tool("run_result", {"run_id": run_id})
    assert "and not completed: name a step, or ask run_status" in text_of(refused)


async def test_a_bug_is_logged_and_told_without_a_traceback(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError("the password is hunter2")

    monkeypatch.setattr(FleetAdmin, "inbox", broken)
    async with client_of(storage) as client:
        failed = await client.call_tool("inbox", {})
    assert text_of(failed) == "the server failed at this (ZeroDivisionError); its log says more"
    assert "ZeroDivisionError" in caplog.text


async def test_a_wait_that_is_too_long_is_refused(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match="wait must be 0 to 300 seconds, not 301"):
        mcp_server(storage, OFFICE, wait=301)
