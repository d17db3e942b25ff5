"""Runs, steps, events and lists, as the page reads them, also where models and handlers have said what is hostile."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.events import NewMobEvent, OperatorActionRecorded
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.message import BlobImageBlock, TextBlock
from redis_mob.operations.audit import OperatorAction, action_of, record
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.ui import log_pages, run_lists, run_views
from redis_mob.ui.app import ui_app
from redis_mob.ui.bounds import MOST_BYTES, MOST_IN_PASSING, bounded, clipped, json_text
from redis_mob.ui.step_views import message_text
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, run_flow
from tests.operations.scenes import CHAIN, ROUNDS, count_rounds, failed_chain
from tests.ui.served import OPERATE_TOKEN, READ_TOKEN, WITH_TOKENS, logged_in

SPOKEN = mob({"a": step(message="say {{ params.word }}")})
EACH = mob({"a": step(for_each="params.items", retry=RetrySpec(attempts=2, first=0.01))})
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\u2066\x00\u2028'\"`${x}"


def _second_try(ctx: StepContext) -> Any:
    """Gives its item, in the second attempt."""
    if ctx.attempt == 1:
        raise ValueError("not yet")
    return ctx.item


@pytest.fixture
async def failed(storage: MobStorage) -> str:
    return await failed_chain(storage)


async def got(page: httpx.AsyncClient, path: str) -> Any:
    """The JSON of a path."""
    answer = await page.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_run_is_told_as_it_is(page: httpx.AsyncClient, failed: str) -> None:
    told = await got(page, f"/api/runs/{failed}")
    assert (told["run_id"], told["status"], told["has_attempts"]) == (failed, "failed", True)
    assert {node["step_id"]: node["state"] for node in told["nodes"]} == {
        "a": "completed",
        "b": "failed",
        "c": "skipped",
    }
    [b] = [node for node in told["nodes"] if node["step_id"] == "b"]
    assert len(b["members"][0]["attempts"]) == 3
    assert told["failures_in_all"] == len(told["failures"]) >= 1
    definition = await got(page, f"/api/runs/{failed}/definition")
    assert definition["id"] == CHAIN.id
    assert (await got(page, f"/api/runs/{failed}/params"))["text"] == "null"


async def test_a_step_tells_what_it_was_asked_gave_and_how_it_failed(page: httpx.AsyncClient, failed: str) -> None:
    a = await got(page, f"/api/runs/{failed}/steps/a")
    assert (a["frame_id"], a["state"]) == (f"{failed}-root", "completed")
    assert json.loads(a["output"]["text"]) == {"worker-1": {"text": "x" * 50}}
    assert a["output"]["truncated"] == 0
    [member] = a["members"]
    assert (member["member"], member["message"]["text"], len(member["attempts"])) == ("worker-1", "do it", 1)
    b = await got(page, f"/api/runs/{failed}/steps/b?frame={failed}-root&member=judge-1")
    assert b["output"] is None
    assert b["failures"][0]["reason"]["text"].endswith("in attempt 3")
    assert "ValueError" in b["failures"][0]["traceback"]["text"]
    assert (await page.get(f"/api/runs/{failed}/steps/none")).status_code == 404
    assert (await page.get(f"/api/runs/{failed}/steps/a?frame=none")).status_code == 404
    assert (await page.get(f"/api/runs/{failed}/output/b")).status_code == 404


async def test_a_step_in_a_loop_is_told_by_frame(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, ROUNDS, count_rounds)
    latest = await got(page, f"/api/runs/{run.run_id}/steps/polish")
    assert len(latest["frames"]) == 3
    assert (latest["frame_id"], json.loads(latest["output"]["text"])) == (latest["frames"][2], {"worker-1": 3})
    first = await got(page, f"/api/runs/{run.run_id}/steps/polish?frame={latest['frames'][0]}")
    assert json.loads(first["output"]["text"]) == {"worker-1": 1}


async def test_items_that_are_over_are_told_as_members(page: httpx.AsyncClient, storage: MobStorage) -> None:
    """See contract: ui-16."""
    run = await run_flow(storage, EACH, _second_try, params={"items": ["x", "y", "z"]})
    told = await got(page, f"/api/runs/{run.run_id}/steps/a")
    assert (told["members_in_all"], told["items"]["completed"]) == (3, 3)
    assert [(one["member"], len(one["attempts"])) for one in told["members"]] == [
        ("worker-1#0", 2),
        ("worker-1#1", 2),
        ("worker-1#2", 2),
    ]
    assert all(one["ended_at"] and one["seconds"] is not None for one in told["members"])
    second = await got(page, f"/api/runs/{run.run_id}/steps/a?member=worker-1%231")
    assert [one["output"]["text"] for one in second["members"]] == ["y"]
    assert (await page.get(f"/api/runs/{run.run_id}/output/a?member=worker-1%231")).text == "y"
    [node] = (await got(page, f"/api/runs/{run.run_id}"))["nodes"]
    assert [len(one["attempts"]) for one in node["members"]] == [2, 2, 2]
    [plain] = (await got(page, f"/api/runs/{run.run_id}?attempts=no"))["nodes"]
    assert plain["members"] == []


async def test_hostile_texts_come_as_they_are_and_only_as_json(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, SPOKEN, lambda _: HOSTILE, params={"word": HOSTILE})
    answer = await page.get(f"/api/runs/{run.run_id}/steps/a")
    assert answer.headers["Content-Type"] == "application/json"
    [member] = answer.json()["members"]
    assert (member["message"]["text"], member["output"]["text"]) == (f"say {HOSTILE}", HOSTILE)
    whole = await page.get(f"/api/runs/{run.run_id}/output/a?member=worker-1")
    assert whole.text == HOSTILE
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert whole.headers["Content-Disposition"].startswith("attachment;")
    assert whole.headers["Content-Security-Policy"].startswith("sandbox")


async def test_what_is_long_is_cut_and_can_be_stored_whole(page: httpx.AsyncClient, storage: MobStorage) -> None:
    """See contract: ui-20."""
    long = "é" * 400_000
    run = await run_flow(storage, SPOKEN, lambda _: long, params={"word": "x", "more": long})
    told = await got(page, f"/api/runs/{run.run_id}/steps/a?member=worker-1")
    output = told["members"][0]["output"]
    assert len(output["text"].encode()) <= MOST_BYTES
    assert output["truncated"] == 800_000 - len(output["text"].encode())
    assert (await page.get(f"/api/runs/{run.run_id}/output/a?member=worker-1")).text == long
    params = await page.get(f"/api/runs/{run.run_id}/params")
    assert params.json()["truncated"] > 0
    assert json.loads((await page.get(f"/api/runs/{run.run_id}/params?whole")).text)["more"] == long
    started = (await got(page, f"/api/runs/{run.run_id}/events"))["events"][0]
    assert started["kind"]["params"]["truncated"] > 0
    assert len((await page.get(f"/api/runs/{run.run_id}")).content) < 50_000


@pytest.mark.parametrize("word", ["x", '"', "\\", "\n", "é"])
async def test_a_long_reason_is_cut_in_the_run(page: httpx.AsyncClient, storage: MobStorage, word: str) -> None:
    def fails(_ctx: Any) -> str:
        raise ValueError(word * 30_000)

    run = await run_flow(storage, mob({"a": step()}), fails)
    answer = await page.get(f"/api/runs/{run.run_id}")
    told = answer.json()
    assert max(len(failure["reason"]) for failure in told["failures"]) <= MOST_IN_PASSING + 30
    assert (told["failures_in_all"], len(answer.content) < 100_000) == (len(told["failures"]), True)


async def test_events_come_by_pages_and_only_those_of_the_run(
    page: httpx.AsyncClient, storage: MobStorage, failed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_flow(storage, mob({"a": step()}), lambda _: 1)
    everything = (await got(page, f"/api/runs/{failed}/events"))["events"]
    assert (everything[0]["kind"]["type"], everything[-1]["kind"]["type"]) == ("flow_started", "flow_failed")
    found: list[Any] = []
    following: int | None = 0
    while following is not None:
        told = await got(page, f"/api/runs/{failed}/events?limit=2&after={following}")
        assert len(told["events"]) <= 2
        found += told["events"]
        following = told["next"]
    assert found == everything
    monkeypatch.setattr(log_pages, "PAGE", 3)
    monkeypatch.setattr(log_pages, "MOST_LOOKED_AT", 3)
    few = await got(page, f"/api/runs/{failed}/events")
    assert len(few["events"]) <= 3
    assert few["next"] is not None


async def test_an_event_of_an_unknown_kind_is_among_those_of_its_run(
    page: httpx.AsyncClient, storage: MobStorage, failed: str
) -> None:
    """With all that it says (contract: json-11)."""
    kind = {"type": "mob_exploded", "run_id": failed, "step_id": [1], "later": {"a": [1, None]}}
    await storage.events.append(NewMobEvent.model_validate({"mob_id": "mob", "kind": kind}))
    assert (await got(page, f"/api/runs/{failed}/events"))["events"][-1]["kind"] == kind
    assert (await got(page, f"/api/runs/{failed}"))["status"] == "failed"


async def test_no_event_shows_the_token_of_an_operator(
    page: httpx.AsyncClient, storage: MobStorage, failed: str
) -> None:
    kind = OperatorActionRecorded(tool_name="cancel", principal_token="secret-of-olga")  # noqa: S106
    await storage.events.append(NewMobEvent(mob_id="mob", kind=kind))
    assert "secret-of-olga" not in (await page.get("/api/overview")).text
    assert "secret-of-olga" not in (await page.get(f"/api/runs/{failed}/events")).text
    assert "principal_token" not in run_views.event_told((await storage.events.poll(0, 10_000))[-1])["kind"]


async def test_what_operators_did_with_a_run_is_among_its_events(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run_id = await Fleet(storage, SPOKEN).start(FLOW, {"word": "x"})
    did = OperatorAction(action="pause", user="olga", on=f"runs/{run_id}", key="k" * 8, reason="a look")
    async with at_work(storage, {"worker": lambda _: 1}):
        while await storage.executions.status(run_id) != "completed":
            pass
    await record(storage, "mob", did)
    told = (await got(page, f"/api/runs/{run_id}/events"))["events"][-1]
    assert told["action"] == {"action": "pause", "user": "olga", "on": f"runs/{run_id}", "reason": "a look"}


async def test_what_a_later_release_says_of_an_action_is_told_too(storage: MobStorage) -> None:
    did = OperatorAction.model_validate({"action": "pause", "user": "olga", "on": "mob", "key": "k" * 8})
    event = await record(storage, "mob", did)
    assert isinstance(event.kind, OperatorActionRecorded)
    assert action_of(event) == did
    call = json.dumps({**json.loads(event.kind.audit_invocation_id or ""), "later": 1})
    changed = event.model_copy(update={"kind": event.kind.model_copy(update={"audit_invocation_id": call})})
    assert action_of(changed) == did.model_copy(update={"later": 1})


@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_secrets_are_in_no_answer(storage: MobStorage) -> None:
    """See contract: ui-5."""
    secret = "whsec_" + b64encode(b"a secret of the test, 32 bytes.."[:32]).decode()
    admin = FleetAdmin(storage)
    await admin.set_webhook("hook", "https://example.org/", secret=secret)
    failed = await failed_chain(storage)
    app = ui_app(storage, WITH_TOKENS)
    async with logged_in(app, READ_TOKEN) as reader:
        for route in app.routes:
            path = getattr(route, "path", "")
            if "GET" in (getattr(route, "methods", None) or ()) and path != "/api/live":
                answer = await reader.get(path.replace("{run_id}", failed).replace("{step_id:path}", "a"))
                for hidden in (secret, READ_TOKEN, OPERATE_TOKEN):
                    assert hidden not in answer.text, path
                    assert hidden not in str(answer.headers), path
    await app.state.hub.aclose()


async def test_lists_are_filtered_and_paged(page: httpx.AsyncClient, storage: MobStorage, failed: str) -> None:
    fleet = Fleet(storage, SPOKEN)
    ids = [
        await fleet.start(FLOW, {"word": str(n)}, attributes={"number": n, "kind": "spoken"}, summary=f"Word {n}")
        for n in range(5)
    ]
    first = await got(page, "/api/runs?limit=4")
    rest = await got(page, f"/api/runs?limit=4&after={first['next']}")
    assert [run["run_id"] for run in first["runs"] + rest["runs"]] == [*reversed(ids), failed]
    assert rest["next"] is None
    for query, expected in (
        ("status=failed", [failed]),
        ("status=failed&status=pending&limit=2", [ids[4], ids[3]]),
        ("status=failed,completed", [failed]),
        ("attribute=number%3D3", [ids[3]]),
        ("attribute=number%3D3&attribute=kind%3Dspoken", [ids[3]]),
        ("mob=none", []),
        (f"mob=mob&flow={FLOW}&status=failed", [failed]),
        (f"text={ids[2][:13]}", [ids[2]]),
        (f"text={ids[2].upper()}", [ids[2]]),
        ("text=wORD%204", [ids[4]]),
        ("text=number%3D1", [ids[1]]),
        ("text=%3Cnothing%3E", []),
    ):
        assert [run["run_id"] for run in (await got(page, f"/api/runs?{query}"))["runs"]] == expected, query
    assert (await got(page, "/api/runs/count"))["pending"] == 5
    assert await got(page, "/api/runs/count?status=failed") == {"failed": 1}
    assert await got(page, "/api/mobs") == {"mobs": [{"mob_id": "mob", "flows": [FLOW]}]}


async def test_a_search_looks_at_a_bounded_number_of_runs(
    page: httpx.AsyncClient, storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See contract: ui-21."""
    monkeypatch.setattr(run_lists, "MOST_RUNS", 2)
    monkeypatch.setattr(run_lists, "MOST_LOOKED_AT", 4)
    fleet = Fleet(storage, SPOKEN)
    oldest = await fleet.start(FLOW, {"word": "x"}, summary="the oldest one")
    for _ in range(5):
        await fleet.start(FLOW, {"word": "x"})
    first = await got(page, "/api/runs?text=oldest")
    assert (first["runs"], first["next"] is not None) == ([], True)
    second = await got(page, f"/api/runs?text=oldest&after={quote(first['next'])}")
    assert [run["run_id"] for run in second["runs"]] == [oldest]


async def test_what_people_are_asked_is_told_by_pages(page: httpx.AsyncClient, storage: MobStorage) -> None:
    async def asks(ctx: Any) -> str:
        await ctx.ask("approve", {"n": 1})
        return "done"

    asked = [await waiting_for_an_answer(storage, asks) for _ in range(3)]
    first = await got(page, "/api/asks?limit=2")
    rest = await got(page, f"/api/asks?limit=2&after={quote(first['next'])}")
    assert [one["run_id"] for one in first["asks"] + rest["asks"]] == asked
    assert rest["next"] is None
    assert first["asks"][0]["ask"]["payload"] == {"n": 1}
    assert (await got(page, "/api/overview"))["asks"] == 3


async def waiting_for_an_answer(storage: MobStorage, handler: Any) -> str:
    """A run that waits for an answer."""
    run_id = await Fleet(storage, SPOKEN).start(FLOW, {"word": "x"})
    admin = FleetAdmin(storage)
    async with at_work(storage, {"worker": handler}):
        pending: set[str] = set()
        while run_id not in pending:
            pending = {one.run_id for one in await admin.inbox()}
    return run_id


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/runs?status=broken", 400, "status 'broken'"),
        ("/api/runs?limit=x", 400, "limit is 'x'"),
        ("/api/runs?limit=-1", 400, "limit is '-1'"),
        ("/api/runs?after=%00", 400, "after"),
        ("/api/runs?attribute=x", 400, "NAME=VALUE"),
        ("/api/runs?mob=%00%ff%ED%A0%80", 200, ""),
        ("/api/runs/none", 400, "none"),
        ("/api/runs/00000000-0000-4000-8000-000000000000", 404, "does not exist"),
        ("/api/runs/00000000-0000-4000-8000-000000000000/steps/%2e%2e%2f", 404, "does not exist"),
        ("/api/runs/00000000-0000-4000-8000-000000000000/events?after=99999999999999999999", 404, ""),
        ("/api/asks?after=x", 400, "after 'x'"),
        ("/api/none", 404, "/api/none"),
    ],
)
async def test_a_wrong_question_names_what_is_wrong(
    page: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    answer = await page.get(path)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert words in answer.json()["error"]["message"]
        assert len(answer.text) < 2_000


def test_texts_are_bounded_in_bytes_at_a_whole_character() -> None:
    assert bounded("aé", 2) == {"text": "a", "bytes": 3, "truncated": 2}
    assert bounded("aé") == {"text": "aé", "bytes": 3, "truncated": 0}
    assert json_text("plain") == "plain"
    assert json_text(2**70) == str(2**70)
    long = "x" * (MOST_IN_PASSING + 1)
    cut = clipped({"a": [long, 1], "b": "short"})
    assert (cut["a"][0][:5], cut["a"][1], cut["b"]) == ("xxxxx", 1, "short")
    assert cut["a"][0].endswith("… (4097 characters)")


def test_a_message_of_blocks_is_told_as_text() -> None:
    image = BlobImageBlock(media_type="image/png", source="blob", blob_id="b")
    assert message_text((TextBlock(text="look:"), image)) == "look:\n[image: image/png]"
