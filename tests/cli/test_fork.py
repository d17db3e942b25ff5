"""`redis-mob fork`: the new run, what is refused, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redis_mob import StepFailed
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run import MobRun
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.cli.command import Ended, Here
from tests.cli.test_steering import UNKNOWN, in_storage
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work
from tests.operations.scenes import CHAIN, failed_chain

REPAIRED = mob({"a": step(), "b": step("a"), "c": step("b")})


@pytest.fixture
def failed(server_url: str, namespace: str) -> str:
    return in_storage(server_url, namespace, failed_chain)


def end(server_url: str, namespace: str, run_id: str, definition: MobDefinition = CHAIN) -> list[str]:
    """The steps that are called until a run is over."""
    calls: list[str] = []

    async def work(storage: MobStorage) -> list[str]:
        def called(ctx: StepContext) -> None:
            calls.append(ctx.step_id)

        async with at_work(storage, {"*": called}):
            await Fleet(storage, definition, {}).wait(run_id)
        return calls

    return in_storage(server_url, namespace, work)


@pytest.mark.parametrize("name", ["fork", "retry"])
def test_the_id_of_the_new_run_is_all_that_is_printed(
    here: Here, failed: str, name: str, server_url: str, namespace: str
) -> None:
    done = here(name, failed[:8])
    assert (done.status, done.err) == (0, "")
    assert done.out.strip() != failed
    assert end(server_url, namespace, done.out.strip()) == ["b", "c"]
    shown = here("show", done.out.strip())
    assert f"forked from run {failed}\n" in shown.out
    assert "a  completed  carried over  output" in shown.out
    assert json.loads(here("show", done.out.strip(), "--json").out)["forked_from"] == {"run_id": failed}


def test_a_fork_is_told_as_json(here: Here, failed: str) -> None:
    words = ("fork", failed, "--from", "b", "--key", "k", "--params", '{"n": 1}', "--priority", "3", "--json")
    first, again = here(*words), here(*words)
    assert (first.status, first.err) == (0, "")
    told = json.loads(first.out)
    assert told == {"run_id": told["run_id"], "forked_from": failed, "from_step": "b"}
    assert again.out == first.out
    other = here("fork", failed, "--from", "c", "--key", "k")
    assert other.status == 2
    assert "idempotency_key 'k' belongs to run" in other.err
    shown = json.loads(here("show", told["run_id"], "--json").out)
    assert (shown["priority"], shown["forked_from"]["from_step"]) == (3, "b")


def test_the_end_of_a_fork_is_waited_for(here: Here, failed: str, server_url: str, namespace: str) -> None:
    run_id = here("fork", failed, "--key", "k").out.strip()
    end(server_url, namespace, run_id)
    done = here("fork", failed, "--key", "k", "--wait")
    assert (done.status, done.out, done.err) == (0, f"{run_id}\n", f"run {run_id}: completed\n")
    told = json.loads(here("fork", failed, "--key", "k", "--wait", "--json").out)
    assert told["status"] == "completed"
    canceled = here("fork", failed, "--key", "other").out.strip()
    here("terminate", canceled, "--yes")
    done = here("fork", failed, "--key", "other", "--wait")
    assert (done.status, done.err) == (1, f"run {canceled}: canceled\n")


def test_why_a_fork_has_failed_is_told(here: Here, failed: str, server_url: str, namespace: str) -> None:
    run_id = here("fork", failed, "--key", "k").out.strip()

    async def work(storage: MobStorage) -> MobRun:
        def fail(_: StepContext) -> None:
            raise StepFailed("still no ink", retryable=False)

        async with at_work(storage, {"*": fail}):
            return await Fleet(storage, CHAIN, {}).wait(run_id)

    in_storage(server_url, namespace, work)
    done = here("fork", failed, "--key", "k", "--wait")
    assert (done.status, done.out) == (1, f"{run_id}\n")
    assert "failed: step b[judge-1]: still no ink" in done.err


def test_a_repaired_definition_is_read_from_a_file(
    here: Here, failed: str, tmp_path: Path, server_url: str, namespace: str
) -> None:
    (tmp_path / "repaired.toml").write_text(REPAIRED.to_toml())
    done = here("fork", failed, "--definition", "repaired.toml")
    assert (done.status, done.err) == (0, "")
    assert end(server_url, namespace, done.out.strip(), REPAIRED) == ["b", "c"]
    missing = here("fork", failed, "--definition", "missing.toml")
    assert missing.status == 2
    assert "missing.toml" in missing.err


BAD: list[tuple[tuple[str, ...], str]] = [
    (("--from", "bb"), "error: the flow has no step 'bb' to run anew from; it has: 'a', 'b', 'c'; did you mean 'b'?"),
    (("--params", "{"), "error: --params is no JSON"),
    (("--priority", "64"), "error: priority must be from -63 to 63, not 64"),
]


@pytest.mark.parametrize(("words", "why"), BAD, ids=["step", "params", "priority"])
def test_what_cannot_be_forked_is_told(here: Here, failed: str, words: Any, why: str) -> None:
    done = here("fork", failed, *words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(why)


def test_a_run_that_is_not_there_or_not_over_is_told(here: Here, server_url: str, namespace: str) -> None:
    unknown = here("fork", UNKNOWN)
    assert (unknown.status, unknown.out) == (2, "")
    assert f"run {UNKNOWN} does not exist" in unknown.err
    run_id = in_storage(server_url, namespace, lambda storage: Fleet(storage, CHAIN, {}).start(FLOW))
    early = here("fork", run_id)
    assert (early.status, early.out) == (1, "")
    assert f"error: run {run_id} is pending, and only a run that is over is forked" in early.err


def test_in_which_conversation_a_fork_is_has_to_be_said(here: Here, server_url: str, namespace: str) -> None:
    async def talk(storage: MobStorage) -> str:
        fleet = Fleet(storage, CHAIN, {})
        run_id = await fleet.start(FLOW, conversation="c")
        await FleetAdmin(storage).cancel(run_id, wait=True)
        return run_id

    def told(ended: Ended) -> str:
        return " ".join(ended.err.split())

    run_id = in_storage(server_url, namespace, talk)
    unsaid = here("fork", run_id)
    assert (unsaid.status, "conversation=None (--no-conversation)" in told(unsaid)) == (2, True)
    both = here("fork", run_id, "--conversation", "c", "--no-conversation")
    assert (both.status, "give --conversation or --no-conversation, not both" in told(both)) == (2, True)
    apart = here("fork", run_id, "--no-conversation")
    assert "conversation" not in json.loads(here("show", apart.out.strip(), "--json").out)
    within = here("fork", run_id, "--conversation", "c")
    assert within.status == 0
    busy = here("fork", run_id, "--conversation", "c", "--on-busy", "reject")
    assert (busy.status, within.out.strip() in told(busy)) == (1, True)
