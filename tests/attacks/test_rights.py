"""Every right of the user is taken away: opening tells, and no call says that nothing happened when something has."""

# It ends the session of a client, which only the client can.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from redis_mob.admin.acl import Rights, rights_in
from redis_mob.connection.calls import rights
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.rights import needless_at
from redis_mob.connection.calls.scripts import library
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import (
    OutcomeUnknownError,
    RedisMobError,
    SerializationError,
    StorageUnavailableError,
    WriteFailedError,
)
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, Request, fault_proxy, in_order
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.servers.raw_client import RawClient
from tests.attacks.every_write import Write, every_write
from tests.connection.scripts import adhoc
from tests.robustness.traffic import WRITES
from tests.support.fake_server import Answer, bulk, fake_server, usual
from tests.support.fakeredis_server import fakeredis_server
from tests.support.servers import redis7_program, server
from tests.support.users import admin_of, set_user, url_of_user, user_of

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

KEYS = Keys("n")
RIGHTS = rights_in("n", Durability())
NEEDED = sorted(set(RIGHTS.commands) - needless_at(parse_address("redis://host")))
ONCE = RetryPolicy(deadline=0)

NO_COMMANDS = {
    "BYLEX",
    "BYSCORE",
    "COUNT",
    "LIMIT",
    "LT",
    "MATCH",
    "MINID",
    "WITHSCORES",
    "MAXLEN",
    "NX",
    "OK",
    "READONLY",
    "RECEIPT",
    "REV",
    "UNRECORDED",
}
"""Words in capitals in the scripts that are no commands. One that is missing here is seen at once: no server takes a
rule that names an unknown command. A list of the commands might lack one that is seldom run."""


@pytest.fixture(scope="module", params=["Valkey", "Redis 7"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with server(program=None if request.param == "Valkey" else redis7_program()) as opened:
        yield opened


@pytest.fixture
def admin(url: str) -> Iterator[RawClient]:
    with admin_of(url) as client:
        client.flushall()
        yield client
        client.acl_deluser("worker")


READ = {
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", 0, -1),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"stream": ("XRANGE", "-", "+"),
    b"set": ("SMEMBERS",),
}
"""What reads all of a key: the command, and what follows the name."""


def content(admin: RawClient) -> dict[bytes, Any]:
    """All that the namespace holds, without receipts."""
    names = [name for name in admin.keys("{rm:n}:*") if b":session:" not in name]
    questions = admin.pipeline(transaction=False)
    for name in names:
        questions.type(name)
    kinds = questions.execute()
    for name, kind in zip(names, kinds, strict=True):
        questions.execute_command(*READ[kind][:1], name, *READ[kind][1:])
    return dict(zip(names, questions.execute(), strict=True))


def change_rights(admin: RawClient, *rules: str) -> None:
    admin.execute_command("ACL", "SETUSER", "worker", *rules)


@pytest.mark.parametrize("command", NEEDED)
async def test_opening_names_each_command_that_is_missing(url: str, admin: RawClient, command: str) -> None:
    rights = Rights(RIGHTS.keys, RIGHTS.channels, tuple(set(RIGHTS.commands) - {command}))
    with (
        user_of(url, rights) as user_url,
        pytest.raises(StorageUnavailableError, match=r"redis-mob acl") as refused,
    ):
        await MobStorage.open(user_url, namespace="n")
    assert command in str(refused.value)
    assert "s3cr3t" not in str(refused.value)
    assert content(admin) == {}, "nothing was created"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(["resetchannels"], id="no channels"),
        pytest.param(["resetkeys"], id="no keys"),
        pytest.param(["nocommands"], id="no commands"),
        *(pytest.param([f"-{name}"], id=f"-{name}") for name in ("xadd", "hincrby", "zadd", "evalsha_ro")),
        *(
            pytest.param(
                ["resetchannels", *(f"&{other}" for other in KEYS.channels if other != channel)], id=f"not {channel}"
            )
            for channel in KEYS.channels
        ),
        *(
            pytest.param(
                ["resetkeys", *(f"~{other}" for other in KEYS.fixed if other != key), "~*run:*", "~*session:*"],
                id=f"not {key}",
            )
            for key in KEYS.fixed
        ),
        pytest.param(["resetkeys", *(f"~{key}" for key in KEYS.fixed), "~*run:*"], id="no sessions"),
        pytest.param(["resetkeys", *(f"~{key}" for key in KEYS.fixed), "~*session:*"], id="no runs"),
        pytest.param(["resetkeys", "%R~*"], id="only reading"),
        pytest.param(["resetkeys", "%W~*"], id="only writing"),
    ],
)
async def test_opening_tells_of_every_key_and_channel(url: str, admin: RawClient, rules: list[str]) -> None:
    """The user has all rights but these."""
    set_user(admin.execute_command, "worker", RIGHTS)
    change_rights(admin, "allkeys", "allchannels", "+@all", *rules)
    with pytest.raises(StorageUnavailableError, match="redis-mob acl"):
        await MobStorage.open(url_of_user(url, "worker"), namespace="n", retry=ONCE)
    assert content(admin) == {}


async def test_the_rights_that_suffice_are_asked_for_in_one_request(url: str, admin: RawClient) -> None:
    set_user(admin.execute_command, "worker", RIGHTS)
    async with MobStorage.open(url_of_user(url, "worker"), namespace="n"):
        admin.config_resetstat()
        async with MobStorage.open(url_of_user(url, "worker"), namespace="n"):
            assert admin.info("commandstats")["cmdstat_evalsha_ro"]["calls"] == 1


async def test_a_server_without_a_command_for_reads_is_told_when_it_is_opened() -> None:
    with (
        server("--rename-command", "EVALSHA_RO", "") as url,
        pytest.raises(StorageUnavailableError, match=r"knows no EVALSHA_RO.*use Redis 7\.0, Valkey 7\.2 or later"),
    ):
        await MobStorage.open(url, namespace="n")


async def test_a_double_of_a_server_without_rights_is_opened() -> None:
    with fakeredis_server() as url:
        async with MobStorage.open(url, namespace="n") as storage:
            await storage.events.append(numbered(1))


def judge(name: str, end: object, before: dict[bytes, Any], after: dict[bytes, Any]) -> str | None:
    """What is wrong with the end of a call, given what was stored before and after it."""
    if isinstance(end, Exception) and not isinstance(end, RedisMobError):
        return f"{name} raised {end!r}"
    if isinstance(end, WriteFailedError) and not isinstance(end, OutcomeUnknownError) and after != before:
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        return f"{name} says that nothing happened, and changed {changed}: {end}"
    return None


async def ended(write: Write, storage: MobStorage) -> object:
    """What a call returned or raised."""
    try:
        return await write(storage)
    except Exception as error:  # noqa: BLE001 - to be judged
        return error


async def attack(
    writes: Mapping[str, Write], storage: MobStorage, admin: RawClient, ends: dict[str, object] | None = None
) -> list[str]:
    """What is wrong with the ends of these calls, which are collected in `ends`."""
    wrong: list[str | None] = []
    before = content(admin)
    for name, write in writes.items():
        end = await ended(write, storage)
        after = content(admin)
        wrong.append(judge(name, end, before, after))
        before = after
        if ends is not None:
            ends[name] = end
    return [text for text in wrong if text is not None]


@pytest.mark.parametrize("rule", [*(f"-{command}" for command in NEEDED), "resetchannels", "resetkeys", "off"])
async def test_no_call_denies_what_it_did_when_a_right_is_taken_away_from_an_open_storage(
    url: str, admin: RawClient, rule: str
) -> None:
    set_user(admin.execute_command, "worker", RIGHTS)
    async with (
        MobStorage.open(url, namespace="n") as owner,
        MobStorage.open(url_of_user(url, "worker"), namespace="n", retry=ONCE) as storage,
    ):
        writes = await every_write(owner)
        assert set(writes) == WRITES
        await storage.events.append(numbered(1))
        change_rights(admin, rule)
        wrong = await attack(writes, storage, admin)
        set_user(admin.execute_command, "worker", RIGHTS)
        for number in range(3):
            await storage.events.append(numbered(number))
    assert wrong == []


@pytest.mark.parametrize("command", NEEDED)
async def test_a_right_that_is_taken_away_while_a_call_is_sent_again_denies_nothing(
    url: str, admin: RawClient, command: str
) -> None:
    """The first attempt has happened, and its reply was lost."""
    set_user(admin.execute_command, "worker", RIGHTS)

    def plan(request: Request) -> Fault:
        if request.words[0] != b"EVALSHA":
            return Fault.NONE
        if proxy.count(Fault.CUT_AFTER) == 0:
            return Fault.CUT_AFTER
        change_rights(admin, f"-{command}")
        return Fault.NONE

    async with fault_proxy(url_of_user(url, "worker")) as proxy:
        patient = RetryPolicy(deadline=2.0, base=0.001, cap=0.01)
        async with MobStorage.open(proxy.url, namespace="n", retry=patient) as storage:
            await storage.events.append(numbered(1))
            proxy.plan = plan
            try:
                event = await storage.events.append(numbered(2))
                assert event.cursor == 2
            except OutcomeUnknownError as error:
                proxy.plan = lambda request: Fault.NONE
                set_user(admin.execute_command, "worker", RIGHTS)
                assert (await storage.resolve(error.token)).executed
            assert admin.xlen(KEYS.events) == 2
            proxy.plan = lambda request: Fault.NONE
            set_user(admin.execute_command, "worker", RIGHTS)
            assert (await storage.events.append(numbered(3))).cursor == 3


@pytest.mark.parametrize("command", ["hset", "pexpire"])
async def test_what_cannot_leave_its_receipt_does_not_happen(url: str, admin: RawClient, command: str) -> None:
    """Its reply may be lost, and it would happen again; or its session would never expire."""
    set_user(admin.execute_command, "worker", RIGHTS)
    push = adhoc("return mutate('RPUSH', key, 'x')")
    async with fault_proxy(url_of_user(url, "worker")) as proxy:
        client = await connect(proxy.url, "n", retry=RetryPolicy(deadline=2.0, base=0.001, cap=0.01))
        await client.open_namespace("n")
        assert await client.call(push, [KEYS.specs]) == 1
        change_rights(admin, f"-{command}")
        if command == "pexpire":
            admin.delete(*admin.keys("*:session:*"))
            assert client._sessions is not None
            client._sessions.give_up()  # a session that begins now would be the one without an end
        proxy.plan = in_order([Fault.CUT_AFTER])
        with pytest.raises(OutcomeUnknownError, match=r"may or may not have happened"):
            await client.call(push, [KEYS.specs])
        with pytest.raises(WriteFailedError, match="NOPERM") as refused:
            await client.call(push, [KEYS.specs])
        assert not isinstance(refused.value, OutcomeUnknownError)
        assert admin.llen(KEYS.specs) == 1
        assert [name for name in admin.keys("*:session:*") if admin.pttl(name) == -1] == []
        await client.aclose()


async def test_a_foreign_entry_in_a_stream_refuses_every_append_truthfully(url: str, admin: RawClient) -> None:
    """Its id is higher than all that the counters are to give."""
    async with MobStorage.open(url, namespace="n", retry=ONCE) as storage:
        writes = await every_write(storage)
        admin.xadd(KEYS.events, {"a": "b"}, id="1000000-0")
        admin.xadd(KEYS.config_feed, {"a": "b"}, id="1000000-0")
        ends: dict[str, object] = {}
        assert await attack(writes, storage, admin, ends) == []
        damaged = {name for name, end in ends.items() if isinstance(end, SerializationError)}
        assert [name for name, end in ends.items() if isinstance(end, OutcomeUnknownError)] == []
        assert {"events.append", "config.put", "runs.cas_run_snapshot_and_append_terminal_event"} <= damaged


async def test_a_refusal_without_words_names_the_advice(tmp_path: Path) -> None:
    """As a proxy gives one that hides which right is missing."""

    def answer(command: list[bytes]) -> Answer:
        return (
            b"-NOPERM\r\n"
            if command[0] == b"EVALSHA_RO"
            else bulk(b"x" * 40)
            if command[0] == b"SCRIPT"
            else usual(command)
        )

    async with fake_server(tmp_path, answer) as url:
        with pytest.raises(StorageUnavailableError, match="redis-mob acl"):
            await MobStorage.open(url, namespace="n", retry=ONCE)


def test_the_commands_that_scripts_call_are_known() -> None:
    def called(names: Iterable[str]) -> set[str]:
        texts = [library().script(name).text for name in names]
        return {word.lower() for text in texts for word in re.findall(r"'([A-Z]+)'", text) if word not in NO_COMMANDS}

    of_backups = {name for name in library().names() if name.startswith("backup/")}
    others = called({*library().names(), "lib/session"} - of_backups)
    assert sorted(rights._CALLED_BY_SCRIPTS.split()) == sorted(others)
    # keys are found by SCAN, a Cluster is asked for its nodes, and kinds of records are no commands
    sent = {"scan", "cluster|nodes"}
    of_scripts = {word for word in called(of_backups) - others if len(word) > 1} - {"object", "encoding"}
    assert {*rights._FOR_BACKUPS.split()} == of_scripts | {"object|encoding"} | sent
