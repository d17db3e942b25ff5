"""What goes on, as tabs are told of it: without gaps, bounded, for all of them at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from starlette.applications import Starlette

from redis_mob.connection.calls.client import Client
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.connection.retry import RetryPolicy
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_events import FlowFailed, StepSkipped
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, fault_proxy
from redis_mob.testing.servers.node import Node, started
from redis_mob.testing.waiting import LONG, until
from redis_mob.ui.app import ui_app
from redis_mob.ui.feed import log_reader, pace, run_watch, tabs
from redis_mob.ui.feed.hub import Hub
from redis_mob.ui.feed.pace import COMMANDS_PER_SECOND
from redis_mob.ui.feed.tabs import Tab
from redis_mob.ui.settings import UiSettings
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work
from tests.ui.served import OPERATE_TOKEN, WITH_TOKENS, Listening, lines_of, served, tab

CHAIN = mob({"a": step(), "b": step("a")})
RUN = "00000000-0000-4000-8000-00000000000{}"
IMPATIENT = RetryPolicy(deadline=0.5, connect_timeout=0.5, reply_timeout=0.5)


@pytest.fixture
async def app(storage: MobStorage) -> AsyncIterator[Starlette]:
    made = ui_app(storage, UiSettings())
    yield made
    await made.state.hub.aclose()


def skipped(number: int) -> NewMobEvent:
    """An event that a test can recognize."""
    return NewMobEvent(mob_id="mob", kind=StepSkipped(run_id=RUN.format(1), step_id=f"s{number}", reason="no"))


async def steps_told(listening: Listening, last: str) -> list[str]:
    """The steps of all events up to one."""
    async with asyncio.timeout(LONG):
        while True:
            found = [one["step_id"] for told in listening.seen if told.name == "events" for one in told.data["events"]]
            if last in found:
                return found
            await listening.next()


async def test_a_tab_is_told_of_a_run_as_it_goes_on(storage: MobStorage, app: Starlette) -> None:
    """See contract: ui-10."""
    fleet = Fleet(storage, CHAIN)
    run_id = await fleet.start(FLOW)
    async with served(app) as url, tab(url, f"?run={run_id}") as listening:
        hello = await listening.until("hello")
        assert hello["cursor"] == await storage.events.latest_cursor()
        first = await listening.until("run")
        assert (first["run_id"], first["status"]) == (run_id, "pending")
        async with at_work(storage, {"worker": lambda ctx: ctx.step_id}):
            ended = await listening.until("run", lambda told: told["status"] == "completed")
        assert f"{run_id}-root/b" in ended["states"]
        await steps_told(listening, "b")
        runs = await listening.ever("runs", lambda told: told["changed"][0]["status"] == "completed")
        assert runs["changed"][0]["run_id"] == run_id
        told = [event for one in listening.seen if one.name == "events" for event in one.data["events"]]
        types = [event["type"] for event in told if event["run_id"] == run_id]
        assert (types[0], types[-1]) == ("flow_started", "flow_completed")
        assert [event["cursor"] for event in told] == list(range(hello["cursor"] + 1, told[-1]["cursor"] + 1))
        overview = await listening.ever("overview", lambda told: "runs" in told and told["runs"]["completed"] == 1)
        assert overview["runs"]["running"] == 0


async def test_states_are_told_as_they_change(storage: MobStorage, app: Starlette) -> None:
    go_on = asyncio.Event()

    async def second_waits(ctx: object) -> str:
        if getattr(ctx, "step_id", "") == "b":
            await go_on.wait()
        return "done"

    run_id = await Fleet(storage, CHAIN).start(FLOW)
    a, b = f"{run_id}-root/a", f"{run_id}-root/b"
    async with served(app) as url, tab(url, f"?run={run_id}") as listening:
        async with at_work(storage, {"worker": second_waits}):
            told = await listening.until("run", lambda told: told["states"].get(b, {}).get("state") == "running")
            assert told["states"][b]["members"] == {"worker-1": "running"}
            go_on.set()
            told = await listening.until("run", lambda told: told["states"].get(b, {}).get("state") == "completed")
            assert (told["states"][b]["completed"], a in told["states"]) == (1, False)
        async with tab(url, f"?run={run_id}") as other:
            whole = await other.until("run")
            assert {state["state"] for state in whole["states"].values()} == {"completed"}
            assert whole["states"].keys() == {a, b}


async def test_a_tab_that_was_cut_off_goes_on_without_a_gap(storage: MobStorage, app: Starlette) -> None:
    """See contract: ui-11."""
    async with served(app) as url:
        async with tab(url) as listening:
            await listening.until("hello")
            await storage.events.append_batch([skipped(n) for n in range(3)])
            assert await steps_told(listening, "s2") == ["s0", "s1", "s2"]
            last = listening.seen[-1].cursor
        await storage.events.append_batch([skipped(n) for n in range(3, 6)])
        async with tab(url) as listening:  # the reader has come to what the other one missed
            await listening.until("hello")
            await storage.events.append(skipped(6))
            await steps_told(listening, "s6")
        async with tab(url, last=last) as by_header, tab(url, f"?after={last}") as by_query:
            await storage.events.append(skipped(7))
            expected = [f"s{n}" for n in range(3, 8)]
            assert await steps_told(by_header, "s7") == await steps_told(by_query, "s7") == expected
        async with tab(url, last=10**12) as listening:
            assert (await listening.until("resync"))["cursor"] == await storage.events.latest_cursor()


async def test_a_tab_goes_on_when_the_page_is_served_anew(storage: MobStorage) -> None:
    before = ui_app(storage, UiSettings())
    async with served(before) as url, tab(url) as listening:
        await listening.until("hello")
        await storage.events.append_batch([skipped(0), skipped(1)])
        await steps_told(listening, "s1")
        last = listening.seen[-1].cursor
    await storage.events.append_batch([skipped(2), skipped(3)])
    after = ui_app(storage, UiSettings())
    async with served(after) as url, tab(url, last=last) as listening:
        assert await steps_told(listening, "s3") == ["s2", "s3"]


async def test_all_tabs_share_one_reader(storage: MobStorage, app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    """See contract: ui-12."""
    subscriptions = 0
    subscribe = storage.events.subscribe

    def counted(after: int | None = None) -> object:
        nonlocal subscriptions
        subscriptions += 1
        return subscribe(after)

    monkeypatch.setattr(storage.events, "subscribe", counted)
    hub: Hub = app.state.hub
    async with served(app) as url, AsyncExitStack() as stack:
        listening = [await stack.enter_async_context(tab(url)) for _ in range(5)]
        for one in listening:
            await one.until("hello")
        await storage.events.append(skipped(1))
        for one in listening:
            assert await steps_told(one, "s1") == ["s1"]
        assert (subscriptions, len(hub.tabs)) == (1, 5)
        await stack.aclose()
        await until(lambda: not hub.tabs)


async def test_tabs_of_many_runs_hear_three_channels(storage: MobStorage, app: Starlette, connection: Client) -> None:
    """See contract: ui-12."""

    async def channels() -> int:
        listed = await connection.router.request(b"CLIENT", b"LIST")
        return sum(map(int, re.findall(rb" ssub=(\d+)", bytes(listed))))

    fleet = Fleet(storage, CHAIN)
    before = await channels()
    async with served(app) as url, AsyncExitStack() as stack:
        for _ in range(8):
            listening = await stack.enter_async_context(tab(url, f"?run={await fleet.start(FLOW)}"))
            await listening.until("run")
        assert await channels() - before <= 3
        await stack.aclose()


async def test_without_tabs_nothing_is_read(
    storage: MobStorage, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See contract: ui-12."""
    monkeypatch.setattr("redis_mob.ui.feed.hub.LINGER_SECONDS", 0)

    def reads() -> bool:
        return any(task.get_name() == "redis_mob ui reads for its tabs" for task in asyncio.all_tasks())

    async with served(app) as url:
        async with tab(url) as listening:
            await listening.until("hello")
            assert reads()
        await until(lambda: not reads())
        await storage.events.append(skipped(0))
        async with tab(url) as listening:
            assert (await listening.until("hello"))["cursor"] == 1


async def test_what_is_spent_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """See contract: ui-12."""
    now = 100.0

    async def passes(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    monkeypatch.setattr(pace.asyncio, "sleep", passes)
    line = pace.Pace()
    for _ in range(10 * COMMANDS_PER_SECOND):
        await line.turn()
        line.spent(1)
    assert 109 <= now <= 110


async def test_a_slow_tab_is_bounded_and_reads_anew() -> None:
    tab = Tab()
    message, resync = b"x" * (tabs.MOST_BYTES // 4), b"resync"
    for _ in range(8):
        tab.put(message, resync)
    assert await tab.take(0) == resync + message
    tab.put(b"a", resync)
    tab.put(b"b", resync)
    assert await tab.take(0) == b"ab"
    assert await tab.take(0) == b""
    tab.put(b"c", resync)
    tab.end()
    assert not tab.has_ended
    assert await tab.take(0) == b"c"
    assert tab.has_ended


async def test_while_the_server_is_away_tabs_are_told_and_miss_nothing(
    storage: MobStorage, server_url: str, namespace: str
) -> None:
    """See contract: ui-13."""
    async with (
        fault_proxy(server_url) as proxy,
        MobStorage.open(proxy.url, namespace=namespace, retry=IMPATIENT) as far,
    ):
        app = ui_app(far, UiSettings())
        async with served(app) as url, tab(url) as listening:
            await listening.until("hello")
            await storage.events.append(skipped(0))
            await steps_told(listening, "s0")
            proxy.plan = lambda _: Fault.CUT_BEFORE
            assert (await listening.until("trouble"))["message"]
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"{url}/api/runs")
                assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "ReadFailedError")
                async with tab(url) as later:
                    assert (await later.next()).name == "trouble"
            await storage.events.append_batch([skipped(1), skipped(2)])
            proxy.plan = lambda _: Fault.NONE
            await listening.until("hello")
            assert await steps_told(listening, "s2") == ["s0", "s1", "s2"]
        await app.state.hub.aclose()


async def test_a_server_that_has_lost_its_data_makes_tabs_read_anew(namespace: str) -> None:
    command = [str(find_server()), "--bind", "127.0.0.1", "--save", "", "--port"]
    node = started(lambda port: Node(port, [*command, str(port)]))
    try:
        url = f"redis://127.0.0.1:{node.port}"
        async with MobStorage.open(url, namespace=namespace) as storage:
            app = ui_app(storage, UiSettings())
            async with served(app) as page, tab(page) as listening:
                await listening.until("hello")
                await storage.events.append_batch([skipped(0), skipped(1)])
                await steps_told(listening, "s1")
                node.kill()
                node.start_again()
                assert (await listening.until("resync"))["cursor"] == 0
                async with MobStorage.open(url, namespace=namespace) as fresh:
                    await fresh.events.append(skipped(7))
                assert (await steps_told(listening, "s7"))[-1] == "s7"
            await app.state.hub.aclose()
    finally:
        node.kill()


async def test_a_run_that_is_deleted_is_told_gone(storage: MobStorage, app: Starlette) -> None:
    """See contract: ui-14."""
    fleet = Fleet(storage, CHAIN)
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        run_id = await fleet.start(FLOW)
        async with tab(url, f"?run={run_id}") as listening:
            await listening.until("run")
            async with at_work(storage, {"worker": lambda _: 1}):
                await fleet.wait(run_id)
            await listening.until("run", lambda told: told["status"] == "completed")
            await FleetAdmin(storage).delete(run_id)
            assert (await listening.until("gone"))["run_id"] == run_id
        for path in ("", "/events", "/definition", "/params", "/steps/a", "/output/a"):
            answer = await client.get(f"/api/runs/{run_id}{path}")
            assert (answer.status_code, answer.json()["error"]["kind"]) == (410, "GoneError"), path
        never = RUN.format(9)
        assert (await client.get(f"/api/runs/{never}")).status_code == 404
        async with tab(url, f"?run={never}") as listening:
            await listening.until("gone")


async def test_what_handlers_tell_comes_to_the_tabs_of_its_run(storage: MobStorage, app: Starlette) -> None:
    async def streams(ctx: object) -> str:
        stream = getattr(ctx, "stream", None)
        assert stream is not None
        for word in ("one", "two"):
            await stream(word)
        return "done"

    fleet = Fleet(storage, mob({"a": step()}))
    run_id = await fleet.start(FLOW)
    async with served(app) as url, tab(url, f"?run={run_id}") as listening:
        await listening.until("hello")
        async with at_work(storage, {"worker": streams}):
            await fleet.wait(run_id)
        found: list[object] = []
        while "two" not in found:
            page = await listening.until("progress")
            found += [entry["value"] for entry in page["entries"] if entry["kind"] == "chunk"]
        assert found == ["one", "two"]
        async with tab(url, f"?run={run_id}") as later:
            known = await later.until("progress")
            assert [entry["value"] for entry in known["entries"] if entry["kind"] == "chunk"] == ["one", "two"]


async def test_new_tabs_share_the_newest_of_what_handlers_have_told(
    storage: MobStorage, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See contract: ui-11."""
    monkeypatch.setattr(run_watch, "MOST_PROGRESS_BYTES", 100_000)

    async def streams(ctx: StepContext) -> None:
        for number in range(20):
            await ctx.stream(f"{number}" + "x" * 15_000)

    fleet = Fleet(storage, mob({"a": step()}))
    run_id = await fleet.start(FLOW)
    async with at_work(storage, {"worker": streams}):
        await fleet.wait(run_id)
    hub: Hub = app.state.hub
    async with served(app) as url, tab(url, f"?run={run_id}") as listening:
        await listening.until("progress", lambda page: "19x" in str(page["entries"]))
        (one, two) = (
            message for _ in range(2) for message in hub.watch(run_id).known() if b"event: progress" in message
        )
        assert one is two
        assert 50_000 < len(one) < 110_000
        async with tab(url, f"?run={run_id}") as later:
            entries = (await later.until("progress"))["entries"]
            assert "19x" in str(entries)


async def test_a_stream_ends_with_its_session(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_mob.ui.live.HEARTBEAT_SECONDS", 0.05)
    app = ui_app(storage, WITH_TOKENS)
    async with served(app) as url, httpx.AsyncClient(base_url=url, timeout=LONG) as client:
        assert (await client.get("/api/live")).status_code == 401
        await client.post("/login", json={"token": OPERATE_TOKEN})
        csrf = (await client.get("/api/session")).json()["csrf"]
        async with client.stream("GET", "/api/live") as answer:
            listening = Listening(lines_of(answer))
            await listening.until("hello")
            await client.post("/logout", headers={"X-CSRF-Token": csrf})
            with pytest.raises(EOFError):
                await listening.until("never")
    await app.state.hub.aclose()


async def test_events_before_the_tab_are_in_the_overview(
    storage: MobStorage, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See contract: ui-15."""
    monkeypatch.setattr(log_reader, "MOST_LOOKED_BACK", 5)
    failed = [
        NewMobEvent(mob_id="mob", kind=FlowFailed(run_id=RUN.format(n), flow_id=FLOW, reason=f"reason {n}"))
        for n in range(9)
    ]
    await storage.events.append_batch(failed)
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        told = (await client.get("/api/overview")).json()
    assert [one["reason"] for one in told["failures"]] == [f"reason {n}" for n in (8, 7, 6, 5, 4)]
    assert told["cursor"] == 9


async def test_a_hostile_text_makes_no_message_of_its_own(storage: MobStorage, app: Starlette) -> None:
    reason = "\n\nevent: gone\ndata: {}\r\n\r\u2028<script>"
    async with served(app) as url, tab(url) as listening:
        await listening.until("hello")
        await storage.events.append(
            NewMobEvent(mob_id="mob\n\n", kind=StepSkipped(run_id=RUN.format(1), step_id="s\nid: 7", reason=reason))
        )
        [told] = (await listening.until("events"))["events"]
        assert (told["reason"], told["step_id"], told["mob_id"]) == (reason, "s\nid: 7", "mob\n\n")
        assert {one.name for one in listening.seen} <= {"hello", "events", "overview", "runs"}


@pytest.mark.parametrize("query", ["?run=x", "?after=x", "?after=-1", "?run=" + "0" * 5000])
async def test_a_wrong_question_is_refused(storage: MobStorage, app: Starlette, query: str) -> None:
    async with served(app) as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/api/live{query}")
        assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "ValidationError")
        assert (await client.head(f"{url}/api/live")).status_code == 200


async def test_there_are_only_so_many_tabs(
    storage: MobStorage, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_mob.ui.live.MOST_TABS", 1)
    async with served(app) as url, tab(url), httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/api/live")
        assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
