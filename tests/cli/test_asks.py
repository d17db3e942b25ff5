"""`redis-mob inbox` and `redis-mob answer`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from redis_mob.cli.asks import inbox_lines
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.ask import Answer, AnsweredAsk, Ask, PendingAsk
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.states import NOON
from tests.cli.command import Command, redis_mob
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


def pending_ask(ask: Ask) -> PendingAsk:
    run_id = "0191a6a0-0000-4000-8000-000000000001"
    place = {"step_id": "mailer", "frame_id": "f", "node_id": "n", "target": "mailer-1"}
    return PendingAsk(run_id=run_id, mob_id="m", flow_id="f", **place, ask=ask)


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


def test_what_a_run_was_answered_is_shown_with_who_did(
    tmp_path: Path, options: tuple[str, ...], pending: PendingAsk, server_url: str, namespace: str
) -> None:
    run_id = pending.run_id
    nothing = redis_mob(tmp_path, "inbox", "--answered", run_id, *options)
    assert (nothing.status, nothing.out) == (0, "nothing was answered in this run\n")
    answer = ("answer", pending.ask.id, "--value", '"The lake"', "--by", "ann", "--message", "shorter")
    assert redis_mob(tmp_path, *answer, *options).status == 0
    worked(server_url, namespace, run_id)  # and it is kept once the run is over
    [head, row] = redis_mob(tmp_path, "inbox", "--answered", run_id[:8], *options).out.splitlines()
    assert head.split() == ["STEP", "MEMBER", "KIND", "ANSWER", "BY", "MESSAGE", "VALUE"]
    assert row.split() == ["a", "worker-1", "title", "approved,", "edited", "ann", "shorter", '"The', 'lake"']
    one = AnsweredAsk.model_validate_json(redis_mob(tmp_path, "inbox", "--answered", run_id, "--json", *options).out)
    assert (one.run_id, one.step_id, one.target, one.kind, one.ordinal) == (run_id, "a", "worker-1", "title", 0)
    assert one.answer == Answer(approved=True, value="The lake", edited=True, message="shorter", by="ann")
    unknown = redis_mob(tmp_path, "inbox", "--answered", "00000000-0000-4000-8000-000000000000", *options)
    assert (unknown.status, "00000000-0000" in unknown.err) == (2, True)


def test_an_empty_inbox(tmp_path: Path, options: tuple[str, ...], server_url: str, namespace: str) -> None:
    async def opened() -> None:
        async with MobStorage.open(server_url, namespace=namespace):
            pass

    asyncio.run(opened())
    assert redis_mob(tmp_path, "inbox", *options).out == "nothing waits for an answer\n"
    assert redis_mob(tmp_path, "inbox", "--json", *options).out == ""


@pytest.mark.parametrize(
    ("words", "said", "given"),
    [
        ((), "approved", {"approved": True, "value": {"draft": "The sea"}}),
        (
            ("--value", '"T"', "--by", "ann"),
            "approved, with another value",
            {"approved": True, "value": "T", "edited": True, "by": "ann"},
        ),
        (("--deny", "--message", "no"), "denied", {"approved": False, "value": None, "message": "no"}),
    ],
)
def test_an_answer_lets_the_run_go_on(
    tmp_path: Path,
    options: tuple[str, ...],
    pending: PendingAsk,
    server_url: str,
    namespace: str,
    words: tuple[str, ...],
    said: str,
    given: Any,
) -> None:
    answered = redis_mob(tmp_path, "answer", pending.ask.id[:6], *words, *options)
    assert (answered.status, answered.out, answered.err) == (0, "", f"{said}\n")
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


def test_those_who_approve_read_what_they_approve() -> None:
    """Whole, also on a terminal that is narrow; of what is very long, how to read the rest."""
    payload = " ".join(f"word{number}" for number in range(60))
    ask = Ask(id="0123456789abcdef", kind="send it", ordinal=0, digest="d", payload=payload, asked_at=NOON)
    short = list(inbox_lines([pending_ask(ask)], 80))
    told = " ".join(line.plain.strip() for line in short)
    assert all(line.cell_len <= 80 for line in short)
    assert f'"{payload}"' in told
    [_, row] = inbox_lines([pending_ask(ask.model_copy(update={"payload": "x" * 3_000}))], None)
    assert row.plain.endswith("x… (3,002 characters, all with --json)")


def test_run_tells_what_it_asks_and_that_a_private_server_is_out_of_reach(project: Path) -> None:
    with Command(project, "run", "flows.toml", "--flow", "one", "--handler", "handlers:ask_first") as command:
        seen = ""
        while "only this command reaches the server of the run" not in seen:
            line = command.line_of_stderr()
            assert line, seen
            seen += line
        command.signal(signal.SIGINT)
        assert command.end(at_once=False).status == 1
    assert "step work[clerk-1] waits for an answer to 'send it' (ask " in seen
