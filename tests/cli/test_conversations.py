"""`redis-mob conversation`, `conversations`, and the options of `start` and `run` for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob
from tests.fleet.flows import FLOW, mob, step

ONE = mob({"a": step()})
SAID = [
    {"role": "user", "content": "pay the bill"},
    {"type": "function_call_output", "call_id": "f", "output": '{"assistant": "billing"}'},
    {"role": "assistant", "content": [{"type": "output_text", "text": "paid\n"}]},
    {"other": 1},
]


@pytest.fixture
def options(server_url: str, namespace: str) -> tuple[str, ...]:
    return ("--url", server_url, "--namespace", namespace)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "mob.toml").write_text(ONE.to_toml())
    return str(tmp_path / "mob.toml")


def worked(server_url: str, namespace: str) -> None:
    async def says(ctx: StepContext) -> Any:
        await ctx.conversation.append(*SAID)

    async def work() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            await Fleet(storage, ONE, {"*": says}).work(until_idle=True)

    asyncio.run(work())


def test_a_conversation_is_shown_from_its_start_to_its_end(
    tmp_path: Path, file: str, options: tuple[str, ...], server_url: str, namespace: str
) -> None:
    ids = [
        redis_mob(tmp_path, "start", file, FLOW, "--conversation", "c", *more, *options).out.strip()
        for more in ((), ("--on-busy", "enqueue"))
    ]
    refused = redis_mob(tmp_path, "start", file, FLOW, "--conversation", "c", "--on-busy", "reject", *options)
    assert refused.status == 1
    assert f"conversation 'c' is busy: run {ids[0]} is under way" in refused.err
    listed = redis_mob(tmp_path, "conversations", *options)
    assert listed.status == 0, listed.err
    [head, row] = listed.out.splitlines()
    assert head.split() == ["ID", "MOB", "FLOW", "ACTIVE", "WAITING", "ITEMS", "EXPIRES", "IN"]
    assert row.split() == ["c", "mob", FLOW, ids[0], "1", "0", "-"]
    assert "waits for its turn in conversation c" in redis_mob(tmp_path, "ls", *options).out
    assert "its turn in conversation 'c'" in redis_mob(tmp_path, "show", ids[1], *options).out
    assert redis_mob(tmp_path, "conversation", "c", "--delete", *options).status == 1
    worked(server_url, namespace)
    shown = redis_mob(tmp_path, "conversation", "c", "--limit", "4", *options)
    assert (shown.status, shown.err) == (0, "")
    assert [line.partition("  ")[2] for line in shown.out.splitlines()[-4:]] == [
        "user: pay the bill",
        "-> hands over to billing",
        "assistant: paid\\n",
        '{"other":1}',
    ]
    as_json = redis_mob(tmp_path, "conversation", "c", "--json", *options).out.splitlines()
    assert json.loads(as_json[0])["items"] == 8
    assert [json.loads(line)["value"] for line in as_json[1:5]] == SAID
    deleted = redis_mob(tmp_path, "conversation", "c", "--delete", *options)
    assert (deleted.status, deleted.err) == (0, "deleted\n")
    gone = redis_mob(tmp_path, "conversation", "c", *options)
    assert gone.status == 2
    assert "conversation 'c' does not exist" in gone.err
    assert redis_mob(tmp_path, "conversations", *options).out == "no conversation is there\n"


def test_a_conversation_of_another_flow_is_refused(tmp_path: Path, file: str, options: tuple[str, ...]) -> None:
    redis_mob(tmp_path, "start", file, FLOW, "--conversation", "c", *options)
    (tmp_path / "other.toml").write_text(ONE.model_copy(update={"id": "other"}).to_toml())
    refused = redis_mob(tmp_path, "start", str(tmp_path / "other.toml"), FLOW, "--conversation", "c", *options)
    assert refused.status == 2
    assert "belongs to flow 'flow' of mob 'mob', not to flow 'flow' of mob 'other'" in refused.err
