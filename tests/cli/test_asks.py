"""`redis-mob inbox` and `redis-mob answer`: what they print, and how they end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.ask import PendingAsk
from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob
from tests.fleet.asking import asked
from tests.fleet.flows import FLOW, mob, step

ONE = mob({"a": step()})


async def title(ctx: StepContext) -> Any:
    answer = await ctx.ask("title", {"draft": "The sea"}, schema={"type": ["string", "object"]}, timeout=3600)
    return answer.model_dump(mode="json")


def worked(server_url: str, namespace: str, run_id: str | None = None) -> Any:
    """Start a run and work until nothing is left: what it asks; of a run that was answered, what its step gave."""

    async def work() -> Any:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            fleet = Fleet(storage, ONE, {"*": title})
            started = await fleet.start(FLOW) if run_id is None else run_id
            await fleet.work(until_idle=True)
            return (await asked(storage))[0] if run_id is None else (await fleet.wait(started)).root_step_outputs["a"]

    return asyncio.run(work())


@pytest.fixture
def pending(server_url: str, namespace: str) -> PendingAsk:
    """What a run asks."""
    found = worked(server_url, namespace)
    assert isinstance(found, PendingAsk)
    return found


@pytest.fixture
def options(server_url: str, namespace: str) -> tuple[str, ...]:
    return ("--url", server_url, "--namespace", namespace)


def test_the_inbox_says_who_asks_what(tmp_path: Path, options: tuple[str, ...], pending: PendingAsk) -> None:
    shown = redis_mob(tmp_path, "inbox", *options)
    assert (shown.status, shown.err) == (0, "")
    [head, row] = shown.out.splitlines()
    assert head.split() == ["ID", "RUN", "STEP", "KIND", "SINCE", "UNTIL", "PAYLOAD"]
    assert row.split()[:4] == [pending.ask.id, pending.run_id, "a", "title"]
    assert row.endswith('{"draft":"The sea"}')
    as_json = redis_mob(tmp_path, "inbox", "--json", *options)
    assert PendingAsk.model_validate_json(as_json.out) == pending


def test_an_empty_inbox(tmp_path: Path, options: tuple[str, ...], server_url: str, namespace: str) -> None:
    async def opened() -> None:
        async with MobStorage.open(server_url, namespace=namespace):
            pass

    asyncio.run(opened())
    assert redis_mob(tmp_path, "inbox", *options).out == "nothing waits for an answer\n"
    assert redis_mob(tmp_path, "inbox", "--json", *options).out == ""


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ((), {"approved": True, "value": {"draft": "The sea"}}),
        (("--value", '"T"', "--by", "ann"), {"approved": True, "value": "T", "edited": True, "by": "ann"}),
        (("--deny", "--message", "no"), {"approved": False, "value": None, "message": "no"}),
    ],
)
def test_an_answer_lets_the_run_go_on(
    tmp_path: Path,
    options: tuple[str, ...],
    pending: PendingAsk,
    server_url: str,
    namespace: str,
    words: tuple[str, ...],
    given: Any,
) -> None:
    answered = redis_mob(tmp_path, "answer", pending.ask.id[:6], *words, *options)
    assert (answered.status, answered.out, answered.err) == (0, "", "answered\n")
    assert worked(server_url, namespace, pending.run_id) == {"worker-1": given}
    again = redis_mob(tmp_path, "answer", pending.ask.id, *words, "--run", pending.run_id[:8], *options)
    assert (again.status, again.err) == (0, "it has this answer already\n")
    other = redis_mob(tmp_path, "answer", pending.ask.id, "--by", "eve", "--run", pending.run_id, *options)
    assert (other.status, "is answered already, and otherwise" in other.err) == (1, True)


def test_what_is_refused(tmp_path: Path, options: tuple[str, ...], pending: PendingAsk) -> None:
    ask = pending.ask.id
    for words, message in (
        ((ask, "--value", "{"), "error: --value is no JSON"),
        ((ask, "--value", "1"), f"error: ask '{ask}': the value is refused: it does not fit its schema"),
        ((ask, "--deny", "--approve"), "error: give --approve or --deny, not both"),
        ((ask, "--deny", "--value", "1"), "error: a denial has no value"),
        (("ffff0000",), "error: no ask is pending whose id begins with 'ffff0000'"),
        (("ffff0000", "--run", pending.run_id), "does not wait for an answer to ask 'ffff0000'"),
        (("ff",), "give at least 4 digits"),
    ):
        refused = redis_mob(tmp_path, "answer", *words, *options)
        assert (refused.status, refused.out) == (2, "")
        assert message in refused.err


def test_show_tells_what_a_run_asks(tmp_path: Path, options: tuple[str, ...], pending: PendingAsk) -> None:
    shown = redis_mob(tmp_path, "show", pending.run_id, *options)
    assert f"an answer to 'title' (ask {pending.ask.id}), for " in " ".join(shown.out.split())
