"""The rule of `redis-mob acl`: it suffices for everything, and nothing in it is too much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from redis_mob import Fleet
from redis_mob.admin.acl import Rights, rights_in
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.rights import examples
from redis_mob.errors import StorageUnavailableError, ValidationError
from redis_mob.models.run_status import MobRunStatus
from redis_mob.notifications import wakeups
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.documents import definition
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.servers.cluster import Cluster, slot_of
from redis_mob.testing.servers.raw_client import RawClient
from redis_mob.testing.servers.sentinel import run_sentinels
from redis_mob.testing.waiting import until
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import run_flow
from tests.stores.test_keys_and_scripts import NAMESPACE, NEW_KEY, use_everything
from tests.support.adapters import use_adapters
from tests.support.servers import redis7_program, server
from tests.support.users import admin_of, set_user, url_of_user, user_of

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

MEMORY = Durability()
RIGHTS = rights_in(NAMESPACE, MEMORY)

NEED_NO_RIGHT = {"auth", "hello", "quit", "reset"}
"""Commands that a server lets every user run."""

"""How the driver introduces itself, if it does; a server may refuse it, and the oldest do not know it."""

ON_OTHER_TOPOLOGIES = {"asking", "cluster|slots", "role"}

OTHER_NAMESPACES = ("team", "team/a.b_c:d-1:x", "team/a.b_c:d-12", "other")


@pytest.fixture(params=["Valkey", "Redis 7"])
def own_server(request: pytest.FixtureRequest) -> Iterator[str]:
    with server(program=None if request.param == "Valkey" else redis7_program()) as url:
        yield url


@pytest.fixture
def admin(own_server: str) -> Iterator[RawClient]:
    with admin_of(own_server) as client:
        yield client


@pytest.fixture
def user_url(own_server: str) -> Iterator[str]:
    with user_of(own_server, RIGHTS) as url:
        yield url


@pytest.fixture
def user(user_url: str) -> Iterator[RawClient]:
    with admin_of(user_url) as client:
        yield client


async def test_stats_leave_out_what_a_user_may_not_ask(user_url: str) -> None:
    async with MobStorage.open(user_url, namespace=NAMESPACE) as storage:
        await storage.runs.create_run(scene())
        stats = await FleetAdmin(storage).stats()
    assert (stats.sizes.keys, stats.sizes.bytes_of_a_run) == ({}, None)
    assert stats.sizes.used_memory
    assert [one.bytes for one in stats.growths] == [0, None, None, None, None]


def commands_of(admin: RawClient) -> set[str]:
    """All commands of a server, as its access control lists name them; of one with subcommands only these."""
    commands = {name.decode() for name in admin.command_list()}
    return commands - {command.partition("|")[0] for command in commands if "|" in command}


def run_so_far(do: Callable[..., Any]) -> set[str]:
    """The commands that clients ran on the server, in scripts or outside."""
    return {name.removeprefix("cmdstat_") for name in do("INFO", "commandstats")}


def refused_so_far(do: Callable[..., Any]) -> set[str]:
    """What users were refused on the server for lack of a right."""
    return {entry["object"] for entry in do("ACL LOG")}


async def test_it_suffices_for_everything_and_all_of_it_is_needed(
    own_server: str, user_url: str, admin: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "_SILENCE", 0.05)
    await use_everything(user_url, durability="memory")
    async with MobStorage.open(user_url, namespace=NAMESPACE, seal_key=NEW_KEY) as storage:
        async with storage.events.subscribe():
            await until(lambda: "ping" in run_so_far(admin.execute_command))
        await _use_the_fleet(storage)
        await use_adapters(storage)
    assert refused_so_far(admin.execute_command) == set()
    assert set(RIGHTS.commands) - run_so_far(admin.execute_command) == ON_OTHER_TOPOLOGIES


async def _use_the_fleet(storage: MobStorage) -> None:
    definition = mob({"a": step(), "b": step("a")})
    run = await run_flow(storage, definition, lambda ctx: ctx.member)
    assert run.status is MobRunStatus.COMPLETED
    fleet = Fleet(storage, definition, {"*": print})
    await fleet.cancel(await fleet.start(FLOW))
    talking = await fleet.start(FLOW, conversation="talk")
    assert (await FleetAdmin(storage).conversation("talk")).active == talking
    await fleet.cancel(talking)
    undriven = scene()
    await storage.runs.create_run(undriven)
    for run_id in (run.run_id, undriven.run_id):
        await FleetAdmin(storage).delete(run_id, cancel=True)


def dry_run(admin: RawClient, *words: str) -> bool:
    """Whether the user may run a command with these words, and with so many more as it takes."""
    for _ in range(10):
        try:
            return admin.execute_command("ACL", "DRYRUN", "worker", *words) in (True, b"OK")
        except ResponseError as error:
            assert "wrong number of arguments" in str(error), (words, error)
            words = (*words, "1")
    raise AssertionError(f"{words} are not enough")


def test_every_other_command_is_refused(admin: RawClient, user_url: str) -> None:
    own = dict(examples(RIGHTS.commands, NAMESPACE))
    allowed = {command for command in commands_of(admin) if dry_run(admin, *own.get(command, command.split("|")))}
    assert allowed - NEED_NO_RIGHT == set(own) == set(RIGHTS.commands)


@pytest.mark.parametrize("other", OTHER_NAMESPACES)
def test_the_keys_and_channels_of_other_namespaces_are_out_of_reach(
    admin: RawClient, user_url: str, other: str
) -> None:
    """Also of those whose names begin alike."""
    for command, words in examples(RIGHTS.commands, other):
        names_none = command == "sunsubscribe" or not any("{rm:" in word for word in words)
        assert dry_run(admin, *words) == names_none, command


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(("HGET", Keys("other").meta, "a"), id="read"),
        pytest.param(("HSET", Keys("other").meta, "a", "b"), id="write"),
        pytest.param(("SPUBLISH", Keys("other").wake_events, ""), id="channel"),
        pytest.param(("HSTRLEN", Keys(NAMESPACE).meta, "a"), id="command"),
    ],
)
def test_a_script_may_do_no_more_than_its_user(user: RawClient, call: tuple[str, ...]) -> None:
    script = user.script_load("return redis.call(unpack(ARGV))")
    assert user.evalsha(script, 0, "HGET", Keys(NAMESPACE).meta, "a") is None
    with pytest.raises(ResponseError, match=r"ACL failure|can't"):
        user.evalsha(script, 0, *call)


def test_a_script_is_given_no_key_of_another_namespace(user: RawClient) -> None:
    with pytest.raises(NoPermissionError):
        user.evalsha(user.script_load("return 1"), 1, Keys("other").meta)


@pytest.mark.parametrize(
    "command",
    ["CONFIG GET *", "CONFIG SET save 1", "KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "SCRIPT FLUSH", "SELECT 1"],
)
def test_what_concerns_the_whole_server_is_refused(user: RawClient, command: str) -> None:
    with pytest.raises(NoPermissionError):
        user.execute_command(*command.split())


def test_a_database_that_is_not_the_first_may_be_selected(own_server: str, admin: RawClient) -> None:
    rights = rights_in(NAMESPACE, MEMORY, database=2)
    assert set(rights.commands) - set(RIGHTS.commands) == {"select"}
    with user_of(own_server, rights) as url, admin_of(f"{url}?db=2") as user:
        user.hset(Keys(NAMESPACE).meta, "a", "b")


def test_a_rule_takes_away_what_the_user_could_do_before(admin: RawClient, user_url: str) -> None:
    admin.acl_setuser("worker", keys=["*"], channels=["*"], commands=["+@all"])
    admin.execute_command("ACL", "SETUSER", "worker", "(+@all ~*)")
    set_user(admin.execute_command, "worker", RIGHTS)
    assert not dry_run(admin, "hget", Keys("other").meta)
    assert not dry_run(admin, "flushall")


def test_the_place_of_the_password_is_no_password(admin: RawClient) -> None:
    with pytest.raises(ResponseError, match="SETUSER"):
        admin.execute_command(*RIGHTS.set_user("worker").split(" "))
    assert b"worker" not in admin.acl_users()


def test_each_durability_needs_a_command_of_its_own() -> None:
    def added(text: str) -> set[str]:
        return set(rights_in(NAMESPACE, Durability.parse(text)).commands) - set(RIGHTS.commands)

    assert (added("memory"), added("fsync"), added("replicas:2")) == (set(), {"waitaof"}, {"wait"})


def test_a_user_may_wait_for_what_the_durability_promises(own_server: str, admin: RawClient) -> None:
    """Redis before 7.2 has no WAITAOF, and no rule may name it there."""
    with user_of(own_server, rights_in(NAMESPACE, Durability(replicas=1))) as url, admin_of(url) as user:
        assert user.execute_command("WAIT", 0, 0) == 0
    rights = rights_in(NAMESPACE, Durability(fsync=True))
    if "waitaof" in commands_of(admin):
        with user_of(own_server, rights) as url, admin_of(url) as user:
            assert user.execute_command("WAITAOF", 0, 0, 0) == [0, 0]
    else:
        with pytest.raises(ResponseError, match=r"'\+waitaof': Unknown command"):
            set_user(admin.execute_command, "worker", rights)


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a'b", "ä", ">a"])
def test_a_user_name_that_needs_quotes_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="no name for a user"):
        RIGHTS.set_user(name)


async def test_a_missing_right_is_told_when_the_storage_is_opened(own_server: str) -> None:
    rights = Rights(RIGHTS.keys, RIGHTS.channels, tuple(set(RIGHTS.commands) - {"hset"}))
    with (
        user_of(own_server, rights) as url,
        pytest.raises(StorageUnavailableError, match=r"lacks rights.*: hset; `redis-mob acl --namespace"),
    ):
        await MobStorage.open(url, namespace=NAMESPACE)


async def test_a_message_that_may_not_be_sent_hides_no_write(own_server: str, admin: RawClient) -> None:
    with user_of(own_server, RIGHTS) as url:
        async with MobStorage.open(url, namespace=NAMESPACE) as storage:
            admin.execute_command("ACL", "SETUSER", "worker", "-spublish")
            event = await storage.events.append(numbered(1))
            assert await storage.events.replay_all() == [event]
            await storage.config.put("n", "a", 1)
            assert await storage.config.get("n", "a") == 1


async def test_the_same_rule_works_on_a_cluster(valkey_cluster: Cluster, namespace: str) -> None:
    rights, slot = rights_in(namespace, MEMORY), slot_of(namespace)
    for node in valkey_cluster.nodes:
        set_user(node.do, namespace, rights)
    async with MobStorage.open(url_of_user(valkey_cluster.url, namespace), namespace=namespace) as storage:
        await storage.specs.put_spec("m", definition())
        target = valkey_cluster.another(slot)
        valkey_cluster.begin_move(slot, target)
        valkey_cluster.move_keys(slot, target)
        assert await storage.specs.put_spec("m", definition()) == 2
        valkey_cluster.end_move(slot, target)
        assert await storage.specs.list_specs() == ["m"]
    for node in valkey_cluster.nodes:
        assert refused_so_far(node.do) == set()
        node.do("ACL", "DELUSER", namespace)
    assert {"asking", "cluster|slots"} <= {command for node in valkey_cluster.nodes for command in run_so_far(node.do)}


async def test_the_same_rule_works_behind_sentinels() -> None:
    with run_sentinels() as service:
        set_user(service.primary.do, "worker", RIGHTS)
        url = url_of_user(service.url, "worker")
        async with MobStorage.open(url, namespace=NAMESPACE) as storage:
            await storage.specs.put_spec("m", definition())
        assert refused_so_far(service.primary.do) == set()
        service.primary.do("ACL", "SETUSER", "worker", "-role")
        with pytest.raises(StorageUnavailableError, match="role"):
            await MobStorage.open(url, namespace=NAMESPACE)
