"""What operators do by the page: once for each key, and with an event that says who."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.operations.audit import OperatorAction, action_of
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.ui.access.tokens import token_of
from redis_mob.ui.access.users import Role, User
from redis_mob.ui.receipts import SCOPE, Receipts, Told
from redis_mob.ui.settings import UiSettings
from tests.fleet.flows import FLOW, mob, step, wait
from tests.fleet.working import at_work, run_flow
from tests.operations.scenes import CHAIN, failed_chain
from tests.ui.served import OPERATE_TOKEN, READ_TOKEN, TOKENS, WITH_TOKENS, logged_in, page_of
from tests.ui.test_access import ui_app

WAITING = mob({"go": wait(schema_ref='{"type": "integer"}'), "then": step("go")})
KEY = "key-of-this-action"


async def post(page: httpx.AsyncClient, path: str, key: str = KEY, **sent: Any) -> httpx.Response:
    return await page.post(path, json=sent, headers={"Idempotency-Key": key})


async def recorded(storage: MobStorage) -> list[OperatorAction]:
    """The actions that the log tells of."""
    told = map(action_of, await storage.events.replay_all())
    return [one for one in told if one is not None]


async def test_a_cancellation_is_recorded_with_its_user(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run_id = await Fleet(storage, WAITING).start(FLOW)
    answer = await post(page, f"/api/runs/{run_id}/cancel", reason="no use")
    assert (answer.status_code, answer.json()) == (200, {"done": True})
    user = (await page.get("/api/session")).json()["user"]
    assert await recorded(storage) == [
        OperatorAction(action="run_cancel", user=user, on=f"runs/{run_id}", key=KEY, reason="no use")
    ]
    assert (await FleetAdmin(storage).describe(run_id)).status == "canceled"
    history = (await page.get(f"/api/runs/{run_id}/history")).json()
    assert [one["type"] for one in history] == ["operator_action_recorded", "flow_canceled"]
    assert history[0]["action"] == {"action": "run_cancel", "user": user, "on": f"runs/{run_id}", "reason": "no use"}


async def test_the_same_key_has_the_same_answer_and_does_nothing_again(
    page: httpx.AsyncClient, storage: MobStorage
) -> None:
    run_id = await Fleet(storage, WAITING).start(FLOW)
    first = await post(page, f"/api/runs/{run_id}/pause", reason="lunch")
    await FleetAdmin(storage).resume(run_id)
    async with page_of(storage) as other_process:
        again = await post(other_process, f"/api/runs/{run_id}/pause", reason="lunch")
    assert (first.json(), again.json()) == ({"change": "done"}, {"change": "done"})
    assert (await FleetAdmin(storage).describe(run_id)).pauses == ()
    assert len(await recorded(storage)) == 1


async def test_a_key_belongs_to_one_action(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run_id = await Fleet(storage, WAITING).start(FLOW)
    assert (await post(page, f"/api/runs/{run_id}/pause")).status_code == 200
    for path, sent in ((f"/api/runs/{run_id}/resume", {}), (f"/api/runs/{run_id}/pause", {"reason": "another"})):
        answer = await post(page, path, **sent)
        assert answer.status_code == 400 and "belongs to another action" in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "short", "x" * 129, "with space", "semi;colon"])
async def test_without_a_key_nothing_is_done(page: httpx.AsyncClient, storage: MobStorage, key: str | None) -> None:
    run_id = await Fleet(storage, WAITING).start(FLOW)
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await page.post(f"/api/runs/{run_id}/cancel", json={}, headers=headers)
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["error"]["message"]
    assert (await FleetAdmin(storage).describe(run_id)).cancel_requested is False
    assert await recorded(storage) == []


async def test_of_calls_at_the_same_time_one_acts(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await failed_chain(storage)
    answers = await asyncio.gather(*(post(page, f"/api/runs/{run}/retry", **{"from": "b"}) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (new_run,) = {answer.json()["run_id"] for answer in answers}
    assert len(await recorded(storage)) == 1
    described = await FleetAdmin(storage).describe(new_run)
    assert described.forked_from is not None and described.forked_from.run_id == run
    await FleetAdmin(storage).cancel(new_run)


async def test_what_was_refused_may_be_tried_again_under_its_key(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run_id = await Fleet(storage, WAITING).start(FLOW)
    refused = await post(page, f"/api/runs/{run_id}/delete")
    assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "CasConflictError")
    await FleetAdmin(storage).cancel(run_id)
    assert (await post(page, f"/api/runs/{run_id}/delete")).json() == {"done": True}
    assert await FleetAdmin(storage).runs() is not None
    unknown = await post(page, f"/api/runs/{run_id}/cancel", "another-key")
    assert (unknown.status_code, unknown.json()["error"]["kind"]) == (404, "NotFoundError")
    assert [one.action for one in await recorded(storage)] == ["run_delete", "run_delete"]


async def test_two_users_may_take_the_same_key(storage: MobStorage) -> None:
    otto = token_of(User("otto", Role.OPERATE), "token-of-otto-who-operates", "test")
    app = ui_app(storage, UiSettings(tokens=(*TOKENS, otto)))
    one, two = await failed_chain(storage), await failed_chain(storage)
    async with logged_in(app, OPERATE_TOKEN) as olga, logged_in(app, "token-of-otto-who-operates") as other:
        made = [
            (await post(client, f"/api/runs/{run}/retry")).json()["run_id"]
            for client, run in ((olga, one), (other, two), (olga, one))
        ]
        again = await post(other, f"/api/runs/{one}/retry", "another-key")
    assert made[0] == made[2] != made[1]
    assert again.json()["run_id"] not in made
    assert [(did.user, did.on) for did in await recorded(storage)] == [
        ("olga", f"runs/{one}"),
        ("otto", f"runs/{two}"),
        ("otto", f"runs/{one}"),
    ]


async def test_a_signal_is_checked_by_its_schema_and_sent_once(page: httpx.AsyncClient, storage: MobStorage) -> None:
    path = f"/api/runs/{await Fleet(storage, WAITING).start(FLOW)}/signal"
    wrong = await post(page, path, name="go", payload="seven")
    assert wrong.status_code == 400 and "payload of signal" in wrong.json()["error"]["message"]
    unknown = await post(page, path, name="stop")
    assert unknown.status_code == 404
    sent = [await post(page, path, name="go", payload=7) for _ in range(2)]
    assert [one.json() for one in sent] == [{"number": 1}] * 2


async def test_an_ask_is_answered_by_the_user(page: httpx.AsyncClient, storage: MobStorage) -> None:
    async def handler(ctx: StepContext) -> Any:
        return await ctx.ask("May I?")

    definition = mob({"a": step(policy="any")})
    fleet = Fleet(storage, definition, {"worker": handler})
    async with at_work(storage, {"worker": handler}):
        run_id = await fleet.start(FLOW)
        admin = FleetAdmin(storage)
        async with asyncio.timeout(20):
            while not (asked := await admin.inbox()):  # noqa: ASYNC110 - a worker has to ask
                await asyncio.sleep(0.01)
        sent: dict[str, Any] = {"ask_id": asked[0].ask.id, "run_id": run_id, "approved": True}
        for _ in range(2):
            assert (await post(page, "/api/asks/answer", **sent)).json() == {"done": True}
        run = await fleet.wait(run_id)
    assert run.status == "completed"
    told = await recorded(storage)
    assert [(one.action, one.on) for one in told] == [("ask_answer", f"runs/{run_id}")]


async def test_a_flow_is_paused_and_goes_on(page: httpx.AsyncClient, storage: MobStorage) -> None:
    assert (await post(page, f"/api/flows/{WAITING.id}/{FLOW}/pause", reason="deploy")).json() == {"done": True}
    (pause,) = await FleetAdmin(storage).pauses()
    assert (pause.mob_id, pause.reason) == (WAITING.id, "deploy")
    assert (await post(page, f"/api/flows/{WAITING.id}/{FLOW}/resume", "another-key")).json() == {"done": True}
    assert await FleetAdmin(storage).pauses() == ()
    assert {(one.action, one.on) for one in await recorded(storage)} == {
        ("flow_pause", f"flows/{WAITING.id}/{FLOW}"),
        ("flow_resume", f"flows/{WAITING.id}/{FLOW}"),
    }


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("nomob/noflow", f"no run here is of mob 'nomob'; nearest: '{CHAIN.id}'"),
        (f"{CHAIN.id}/%00", f"no run here is of flow '\\x00' of mob '{CHAIN.id}'; nearest: '{FLOW}'"),
    ],
)
async def test_a_flow_that_no_run_has_is_noted(
    page: httpx.AsyncClient, storage: MobStorage, path: str, note: str
) -> None:
    await Fleet(storage, CHAIN).start(FLOW)
    for action in ("pause", "resume"):
        answer = await post(page, f"/api/flows/{path}/{action}", f"key-{action}")
        assert answer.json() == {"done": True, "note": note}


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.0"])
async def test_a_limit_below_one_is_refused(page: httpx.AsyncClient, storage: MobStorage, limit: str) -> None:
    run_id = await Fleet(storage, CHAIN).start(FLOW)
    for path in ("runs", "asks", f"runs/{run_id}/events"):
        answer = await page.get(f"/api/{path}", params={"limit": limit})
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            400,
            f"limit is '{limit}': give a whole number from 1",
        )


async def test_terminate_and_delete_end_a_run(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run_id = await Fleet(storage, CHAIN).start(FLOW)
    assert (await post(page, f"/api/runs/{run_id}/terminate")).json() == {"done": True}
    other = await Fleet(storage, CHAIN).start(FLOW)
    assert (await post(page, f"/api/runs/{other}/delete", "another-key", cancel=True)).json() == {"done": True}
    assert await storage.operations.summary(other) is None


async def test_an_unknown_field_is_refused(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, mob({"a": step()}), {"worker": lambda _: 1})
    answer = await post(page, f"/api/runs/{run.run_id}/cancel", force=True)
    assert answer.status_code == 400 and "force" in answer.json()["error"]["message"]


async def test_a_reader_may_do_none_of_it(storage: MobStorage) -> None:
    app = ui_app(storage, WITH_TOKENS)
    run_id = await Fleet(storage, WAITING).start(FLOW)
    paths = [
        f"/api/runs/{run_id}/{act}" for act in ("cancel", "terminate", "pause", "resume", "delete", "retry", "signal")
    ]
    paths += ["/api/asks/answer", f"/api/flows/{WAITING.id}/{FLOW}/pause", f"/api/flows/{WAITING.id}/{FLOW}/resume"]
    async with logged_in(app, READ_TOKEN) as reader:
        for path in paths:
            assert (await post(reader, path)).status_code == 403
        for path in ("/api/config/ns/one", "/api/profiles/one"):
            for method in ("PUT", "DELETE"):
                answer = await reader.request(method, path, json={}, headers={"Idempotency-Key": KEY})
                assert answer.status_code == 403
    assert await recorded(storage) == []
    await app.state.hub.aclose()


async def test_an_action_whose_process_has_died_is_done_by_the_next(storage: MobStorage) -> None:
    receipts, told = Receipts(storage), Told("olga", KEY, ["act"])
    done: list[int] = []

    class DeathError(BaseException):
        """The process ends here."""

    async def dies() -> None:
        raise DeathError

    async def act() -> int:
        done.append(1)
        return len(done)

    with pytest.raises(DeathError):
        await receipts.once(told, dies)
    receipts.longest_wait = 0.0
    assert [await receipts.once(told, act), await receipts.once(told, act)] == [1, 1]


async def test_old_receipts_go(storage: MobStorage) -> None:
    documents = storage.config.scoped(SCOPE)
    old = f"{datetime.now(UTC).date() - timedelta(days=3)} abc"
    await documents.put("receipts", old, {"request": "", "answer": 1})
    yesterday = f"{datetime.now(UTC).date() - timedelta(days=1)} abc"
    await documents.put("receipts", yesterday, {"request": "", "answer": 1})

    async def act() -> int:
        return 1

    await Receipts(storage).once(Told("olga", KEY, ["act"]), act)
    kept = [id for id, _ in await documents.list("receipts")]
    assert old not in kept and yesterday in kept and len(kept) == 2


async def test_events_of_other_programs_tell_of_no_action(storage: MobStorage) -> None:
    from redis_mob.models.events import CallerProvenance, NewMobEvent, OperatorActionRecorded

    for call in (None, "", "7", '{"on": 7}', "not json"):
        kind = OperatorActionRecorded(
            tool_name="mob_wire",
            principal_token="t",  # noqa: S106
            caller_provenance=CallerProvenance(caller_member_id="x"),
            audit_invocation_id=call,
        )
        await storage.events.append(NewMobEvent(mob_id="m", kind=kind))
    assert await recorded(storage) == []
