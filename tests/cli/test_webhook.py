"""The commands about webhooks: what they store, show and refuse."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.cli.command import Ended, redis_mob
from tests.webhooks.receiver import Reply, receiving
from tests.webhooks.scenes import SECRET, delivering, tell, until

Command = Callable[..., Ended]
URL = "https://example.com/events?token=hush"
IN_CLEAR = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")


@pytest.fixture
def command(tmp_path: Path, server_url: str, namespace: str) -> Command:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    place = ("--url", server_url, "--namespace", namespace)
    return lambda *words: redis_mob(tmp_path, *words, *place, TZ="UTC")


def test_a_webhook_is_made_listed_shown_paused_resumed_and_deleted(command: Command) -> None:
    made = command("webhook", "create", "audit", URL, "--kind", "flow_failed", "--kind", "flow_completed")
    assert made.status == 0
    assert made.err.splitlines() == [
        "note: the secret is stored as it is, for all who can read the server; --seal-keys seals it"
    ]
    first, second = made.out.splitlines()
    assert first == "webhook audit posts to https://example.com/events?…"
    assert re.fullmatch(r"secret  whsec_[A-Za-z0-9+/=]{44}", second)
    secret = second.split()[1]
    listed = command("webhook", "list")
    header, row = listed.out.splitlines()
    assert header.split() == ["NAME", "URL", "STATE", "CURSOR", "DELIVERED", "HELD", "UP", "DEAD"]
    assert row.split() == ["audit", "https://example.com/events?…", "no", "worker", *"0000"]
    shown = command("webhook", "show", "audit").out
    assert "events     flow_completed, flow_failed\n" in shown
    assert "attempts   up to 40, each up to 10 s\n" in shown
    for told in (listed.out, shown, command("webhook", "show", "audit", "--json").out):
        assert secret not in told
    assert json.loads(command("webhook", "pause", "audit", "--json").out)["paused"] is True
    assert "  paused  " in command("webhook", "list").out
    assert command("webhook", "resume", "audit").out == listed.out
    assert command("webhook", "dead", "audit").out == "no dead letters\n"
    none = command("webhook", "redeliver", "audit")
    assert (none.status, none.out) == (1, "0 events are tried once more\n")
    assert command("webhook", "delete", "audit").out == "webhook 'audit' is deleted\n"
    assert command("webhook", "list").out == "no webhooks\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("w", "ftp://example.com"), "url must be one of http:// or https://"),
        (("w", "https://me:hush@example.com"), "url must not hold a user or password"),
        (("w", "https://example.com/#there"), "url must not have a fragment"),
        (("w", "https://example.com/a b"), "without spaces"),
        (("", "https://example.com"), "the name of a webhook has 1 to 128 characters"),
        (("w", URL, "--kind", "flow_fialed"), "'flow_failed'"),
        (("w", URL, "--max-attempts", "0"), "max_attempts must be an integer from 1"),
        (("w", URL, "--timeout", "5m"), "timeout must be from 1 to 60 seconds"),
        (("w", URL, "--from", "yesterday"), "--from 'yesterday'"),
        (("w", URL, "--secret-file", "none"), "--secret-file 'none': No such file"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(command: Command, words: tuple[str, ...], told: str) -> None:
    refused = command("webhook", "create", *words)
    assert (refused.status, refused.out) == (2, "")
    assert told in refused.err
    assert "hush" not in refused.err
    assert len(refused.err.splitlines()) == 1


def test_another_one_of_the_same_name_is_refused_unless_it_replaces_the_first(command: Command) -> None:
    create = ("webhook", "create", "audit", URL, "--secret-file", "secret")
    made = command(*create)
    assert SECRET in made.out
    assert command(*create).out == made.out
    refused = command(*create, "--mob", "m")
    assert (refused.status, "says something else" in refused.err) == (2, True)
    assert command(*create, "--mob", "m", "--replace").status == 0
    refused = command(*create, "--from", "0")
    assert (refused.status, "goes on where it is" in refused.err) == (2, True)
    unknown = command("webhook", "show", "audti")
    assert (unknown.status, "nearest: 'audit'" in unknown.err) == (2, True)


def test_a_test_is_posted_from_here(command: Command) -> None:
    with receiving() as receiver:
        command("webhook", "create", "audit", receiver.url)
        taken = command("webhook", "test", "audit")
        assert (taken.status, taken.out) == (0, "the receiver has taken it\n")
        [one] = receiver.taken
        assert one.event["kind"] == {"type": "webhook_test", "webhook": "audit"}
        receiver.behaviour = lambda _: Reply(503)
        refused = command("webhook", "test", "audit")
        assert (refused.status, refused.out) == (1, "not taken: status 503\n")


@IN_CLEAR
async def test_what_is_dead_and_what_is_held_up_is_shown(command: Command, server_url: str, namespace: str) -> None:
    with receiving() as receiver:
        receiver.behaviour = lambda request: Reply(500 if request.cursor % 2 else 204)
        assert (await asyncio.to_thread(command, "webhook", "create", "w", receiver.url)).status == 0
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            admin = FleetAdmin(storage)
            async with delivering(storage):
                await tell(storage, 0, 1)

                async def is_held() -> bool:
                    return bool((await admin.webhook("w")).progress.held)

                await until(is_held)
            shown = await asyncio.to_thread(command, "webhook", "show", "w")
            assert "held up    00000000-0000-0000-0000-000000000001 since " in shown.out
            assert ": event 1, " in shown.out
            assert shown.out.endswith(": status 500\n")
            await admin.set_webhook("w", receiver.url, max_attempts=1, replace=True)

            async def is_dead() -> bool:
                return bool(await admin.dead_letters("w"))

            async with delivering(storage):
                await until(is_dead)
            dead = await asyncio.to_thread(command, "webhook", "dead", "w")
            row = dead.out.splitlines()[1].split()
            assert row[0] == "1"
            assert row[-2:] == ["status", "500"]
            again = await asyncio.to_thread(command, "webhook", "redeliver", "w", "1")
            assert again.out == "1 event is tried once more\n"
