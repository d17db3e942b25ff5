"""Tools of operators: looking is for all clients, changing only where that was allowed."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.errors import NotFoundError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.pause import PauseScope
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step, wait
from tests.mcp.offices import OFFICE, client_of, text_of, told, working

LOOKING = {"run_status", "run_result", "list_runs", "show_run", "inbox", "queues", "workers"}
CHANGING = {"pause_run", "resume_run", "terminate_run", "delete_run", "send_signal"}
FLOWS = set(OFFICE.flows)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, FLOWS | LOOKING | {"cancel_run"}),
        ({"answer": True}, FLOWS | LOOKING | {"cancel_run", "answer_ask"}),
        ({"operate": True}, FLOWS | LOOKING | CHANGING | {"cancel_run", "answer_ask"}),
        ({"flows": ["echo", "mail"]}, {"echo", "mail", "cancel_run"} | LOOKING),
        ({"definition": None}, LOOKING),
        ({"definition": None, "answer": True}, LOOKING),
        ({"definition": None, "operate": True}, LOOKING | CHANGING | {"cancel_run", "answer_ask"}),
    ],
)
async def test_which_tools_there_are_is_what_was_allowed(
    storage: MobStorage, options: dict[str, Any], names: set[str]
) -> None:
    async with client_of(storage, **options) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == names
    hints = {name: tool.annotations for name, tool in tools.items() if tool.annotations is not None}
    assert {name for name, hint in hints.items() if hint.read_only_hint} == LOOKING
    destructive = {name for name, hint in hints.items() if hint.destructive_hint}
    assert destructive == {"cancel_run", "answer_ask", "terminate_run", "delete_run"} & names


async def test_looking(storage: MobStorage) -> None:
    run_id = await Fleet(storage, OFFICE).start("mail")
    async with working(storage), client_of(storage, definition=None) as client:
        asking = told(await client.call_tool("run_status", {"run_id": run_id, "wait_seconds": LONG}))
        runs = told(await client.call_tool("list_runs", {"mob": "office", "statuses": ["running"]}))["runs"]
        shown = told(await client.call_tool("show_run", {"run_id": run_id}))
        inbox = told(await client.call_tool("inbox", {}))["asks"]
        workers = told(await client.call_tool("workers", {}))["workers"]
        queues = told(await client.call_tool("queues", {}))["queues"]
    assert [run["run_id"] for run in runs] == [run_id]
    assert (shown["run_id"], shown["nodes"][0]["step_id"]) == (run_id, "send")
    assert [one["ask_id"] for one in inbox] == [asking["asks"][0]["ask_id"]]
    assert [one["record"]["mobs"] for one in workers] == [["office"]]
    assert isinstance(queues, list)


async def test_runs_of_other_mobs_are_steered_only_by_operators(storage: MobStorage) -> None:
    run_id = await Fleet(storage, mob({"a": step()})).start(FLOW)
    answer = {"run_id": run_id, "ask_id": "abcd", "approve": True}
    async with client_of(storage, wait=0, answer=True) as client:
        assert told(await client.call_tool("run_status", {"run_id": run_id}))["status"] == "working"
        for tool, arguments in (("cancel_run", {"run_id": run_id}), ("answer_ask", answer)):
            refused = text_of(await client.call_tool(tool, arguments))
            assert "and this server serves mob 'office': it steers runs of other mobs only when" in refused
    assert not (await FleetAdmin(storage).describe(run_id)).cancel_requested
    async with client_of(storage, wait=0, operate=True) as client:
        told(await client.call_tool("cancel_run", {"run_id": run_id}))
    assert (await FleetAdmin(storage).describe(run_id)).status.is_terminal


async def test_an_operator_pauses_resumes_and_deletes(storage: MobStorage) -> None:
    run_id = await Fleet(storage, OFFICE).start("echo")
    admin = FleetAdmin(storage)
    async with client_of(storage, operate=True) as client:
        assert told(await client.call_tool("pause_run", {"run_id": run_id, "reason": "noon"})) == {"pause": "done"}
        assert [one.scope for one in (await admin.describe(run_id)).pauses] == [PauseScope.RUN]
        assert told(await client.call_tool("resume_run", {"run_id": run_id})) == {"resume": "done"}
        kept = await client.call_tool("delete_run", {"run_id": run_id})
        assert kept.is_error, "it is not over"
        assert told(await client.call_tool("terminate_run", {"run_id": run_id})) == {"terminated": True}
        assert told(await client.call_tool("delete_run", {"run_id": run_id})) == {"deleted": run_id}
    with pytest.raises(NotFoundError):
        await admin.describe(run_id)


async def test_an_operator_sends_a_signal(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": wait(signal="go")}))
    run_id = await fleet.start(FLOW)
    async with fleet.working(), client_of(storage, operate=True) as client:
        sent = {"run_id": run_id, "name": "go", "payload": {"n": 1}}
        assert told(await client.call_tool("send_signal", sent)) == {"sent": "go"}
        ended = told(await client.call_tool("run_status", {"run_id": run_id, "wait_seconds": LONG}))
    assert ended["status"] == "completed"
