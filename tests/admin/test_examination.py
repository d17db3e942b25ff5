"""The doctor on real servers: settings that are wrong and right, commands that are not there, missing rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_mob.admin.acl import Rights, rights_in
from redis_mob.admin.doctor.examination import Examination, examine
from redis_mob.admin.doctor.finding import Finding, Severity
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.errors import StorageUnavailableError, ValidationError
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.servers.cluster import Cluster, run_cluster, slot_of
from redis_mob.testing.servers.node import HOST, Node, started, wait_for
from redis_mob.testing.servers.raw_client import RawClient
from redis_mob.testing.servers.sentinel import run_sentinels
from redis_mob.version import NAMESPACE_SCHEMA
from tests.support.fake_server import HANG_UP, INFO, Handler, bulk, fake_server
from tests.support.servers import redis7_program, server
from tests.support.users import admin_of, set_user, url_of_user, user_of

MEMORY, FSYNC = Durability(), Durability(fsync=True)

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")


@pytest.fixture(scope="module", params=["Valkey", "Redis 7"])
def program(request: pytest.FixtureRequest) -> Path | None:
    return None if request.param == "Valkey" else redis7_program()


@pytest.fixture(scope="module")
def url(program: Path | None) -> Iterator[str]:
    """A server whose settings are all right; tests put them right again."""
    right = (
        "--appendonly",
        "yes",
        "--maxmemory",
        "512mb",
        "--appendfsync",
        "always",
        "--slowlog-log-slower-than",
        "-1",
    )
    with server(*right, program=program) as url:
        yield url


@pytest.fixture(scope="module")
def admin(url: str) -> Iterator[RawClient]:
    with admin_of(url) as client:
        yield client


def worst(examination: Examination, *checks: str) -> Severity:
    """The severity of the worst finding of these checks, or of all of them."""
    found = [finding.severity for finding in examination.findings if not checks or finding.check in checks]
    return min(found, key=list(Severity).index)


def one(examination: Examination, check: str) -> Finding:
    """The only finding of a check."""
    [found] = [finding for finding in examination.findings if finding.check == check]
    return found


SETTINGS = [
    ("eviction", {"maxmemory-policy": "allkeys-lru"}, Severity.ERROR),
    ("persistence", {"appendonly": "no"}, Severity.ERROR),
    ("durability", {"appendonly": "no"}, Severity.ERROR),
    ("persistence", {"appendfsync": "no"}, Severity.WARNING),
    ("persistence", {"no-appendfsync-on-rewrite": "yes"}, Severity.WARNING),
    ("memory", {"maxmemory": "900kb"}, Severity.ERROR),
    ("memory", {"maxmemory": "0"}, Severity.NOTE),
    ("idle connections", {"timeout": "60"}, Severity.NOTE),
    ("idle connections", {"tcp-keepalive": "0"}, Severity.WARNING),
    ("buffers", {"client-output-buffer-limit": "normal 1mb 0 0"}, Severity.WARNING),
    ("buffers", {"client-output-buffer-limit": "pubsub 1kb 0 0"}, Severity.WARNING),
    ("buffers", {"maxmemory-clients": "50mb"}, Severity.NOTE),
    ("scripts", {"busy-reply-threshold": "0"}, Severity.WARNING),
]


@pytest.mark.parametrize(
    ("check", "wrong", "severity"),
    [pytest.param(*case, id=f"{case[0]}: {'='.join(*case[1].items())}") for case in SETTINGS],
)
async def test_a_wrong_setting_is_found_and_a_right_one_is_not(
    url: str, admin: RawClient, check: str, wrong: dict[str, str], severity: Severity
) -> None:
    right = {name: value for name in wrong for value in admin.config_get(name).values()}
    admin.config_set(*next(iter(wrong.items())))
    try:
        assert worst(await examine(url, "n", FSYNC), check) is severity
    finally:
        admin.config_set(*next(iter(right.items())))
    assert worst(await examine(url, "n", FSYNC), check) is Severity.OK


async def test_a_good_server_is_good_and_nothing_is_written_there(url: str, admin: RawClient) -> None:
    examination = await examine(url, "n", FSYNC)
    bad = {finding.check for finding in examination.findings if finding.severity is not Severity.OK}
    assert bad - {"latency"} == {"namespace"}  # the machine may be busy
    assert (examination.server, examination.namespace, examination.durability) == (url, "n", "fsync")
    assert admin.keys() == []


async def test_the_size_of_a_namespace_is_told(url: str, admin: RawClient) -> None:
    async with MobStorage.open(url, namespace="sized") as storage:
        await storage.events.append_batch([numbered(number) for number in range(3)])
        await storage.config.put("c", "a", 1)
    examination = await examine(url, "sized", MEMORY)
    assert one(examination, "events").found.startswith("3 events in ")
    assert one(examination, "config feed").found.startswith("1 changes")
    assert one(examination, "namespace").found == f"namespace sized has schema version {NAMESPACE_SCHEMA}"
    admin.flushall()


async def test_slow_scripts_are_named_without_what_they_were_about(url: str, admin: RawClient) -> None:
    admin.config_set("slowlog-log-slower-than", 0)
    async with MobStorage.open(url, namespace="secret-project") as storage:
        await storage.specs.list_specs()
        await storage.events.append(numbered(1))
    admin.config_set("slowlog-log-slower-than", -1)
    examination = await examine(url, "n", MEMORY)
    slow = {finding.found.split()[0] for finding in examination.findings if finding.check == "slow scripts"}
    assert {"specs/list_specs", "events/append_batch", "calls/open_namespace"} <= slow
    assert "secret-project" not in str(examination)
    admin.slowlog_reset()
    admin.flushall()
    assert one(await examine(url, "n", MEMORY), "slow scripts").severity is Severity.OK


async def test_replicas_are_counted(program: Path | None, tmp_path: Path) -> None:
    def start(name: str, *settings: str) -> Node:
        (tmp_path / name).mkdir()
        command = [str(program or find_server()), "--bind", HOST, "--save", "", "--dir", str(tmp_path / name)]
        quick = ("--repl-diskless-sync-delay", "0")
        return started(lambda port: Node(port, [*command, *quick, *settings, "--port", str(port)]))

    primary = start("primary")
    replica = start("replica", "--replicaof", f"{HOST} {primary.port}")
    try:
        wait_for(lambda: _state_of_replica(primary, replica) == ("online", "up"), "the replica does not get in sync")
        url = f"redis://{HOST}:{primary.port}/0"
        satisfied = await examine(url, "n", Durability(replicas=1))
        assert worst(satisfied, "durability", "replicas", "role") is Severity.OK
        assert one(satisfied, "cut-off primary").severity is Severity.WARNING
        assert worst(await examine(url, "n", Durability(replicas=2)), "durability") is Severity.ERROR
        told = one(await examine(f"redis://{HOST}:{replica.port}/0", "n", MEMORY), "role")
        assert (told.severity, f"{HOST}:{primary.port}" in told.change) == (Severity.ERROR, True)
    finally:
        replica.kill()
        primary.kill()


def _state_of_replica(primary: Node, replica: Node) -> tuple[str | None, str]:
    seen = primary.do("INFO", "replication").get("slave0", {})
    return seen.get("state"), replica.do("INFO", "replication")["master_link_status"]


async def test_renamed_commands_are_looked_past(program: Path | None) -> None:
    renamed = [part for name in ("CONFIG", "SLOWLOG", "MEMORY") for part in ("--rename-command", name, f"HIDDEN{name}")]
    with server("--appendonly", "yes", *renamed, program=program) as url:
        examination = await examine(url, "n", MEMORY)
    notes = {finding.check for finding in examination.findings if "not permitted to look" in finding.found}
    assert {"persistence", "slow scripts", "events"} <= notes
    assert examination.count(Severity.ERROR) == 0
    assert one(examination, "eviction").severity is Severity.OK


RIGHTS = rights_in("n", MEMORY)
ELSEWHERE = {"asking", "cluster|slots", "role"}
"""What only other topologies need."""


def without(*missing: str) -> Rights:
    return Rights(RIGHTS.keys, RIGHTS.channels, tuple(set(RIGHTS.commands) - {*missing}))


async def test_a_user_with_the_rights_of_the_namespace_is_told_so(url: str) -> None:
    with user_of(url, RIGHTS) as user_url:
        examination = await examine(user_url, "n", MEMORY)
        assert one(examination, "rights").severity is Severity.OK
        assert examination.count(Severity.ERROR) == 0
        assert one(examination, "slow scripts").found.startswith("not permitted to look: SLOWLOG GET (NOPERM ")
        assert "s3cr3t" not in str(examination)
        assert one(await examine(user_url, "other", MEMORY), "rights").severity is Severity.ERROR


@pytest.mark.parametrize("missing", sorted(set(RIGHTS.commands) - ELSEWHERE - {"info"}))
async def test_each_missing_right_is_named(url: str, missing: str) -> None:
    with user_of(url, without(missing)) as user_url:
        told = one(await examine(user_url, "n", MEMORY), "rights")
    assert (told.severity, told.change) == (Severity.ERROR, "redis-mob acl")
    assert told.found.endswith(f": {missing}")


async def test_what_other_topologies_need_is_not_missed(url: str) -> None:
    with user_of(url, without(*ELSEWHERE)) as user_url:
        assert one(await examine(user_url, "n", MEMORY), "rights").severity is Severity.OK


async def test_the_users_of_each_node_of_a_cluster_are_looked_at() -> None:
    with run_cluster() as cluster:
        owner = cluster.owner(slot_of("n"))
        lacking, closed = (node for node in cluster.nodes if node is not owner)
        set_user(owner.do, "worker", RIGHTS)
        set_user(lacking.do, "worker", without("asking"))
        examination = await examine(url_of_user(cluster.url_of(owner), "worker"), "n", MEMORY)
    names = {node: f"redis://worker:***@{HOST}:{node.port}/0" for node in (owner, lacking, closed)}
    rights = {found.server: found.found for found in examination.findings if found.check == "rights"}
    assert rights[names[owner]] == "the user may do all that is needed"
    assert rights[names[lacking]].endswith(": asking")
    assert (one(examination, "answer").server, one(examination, "answer").severity) == (names[closed], Severity.ERROR)
    assert "WRONGPASS" in one(examination, "answer").found


async def test_the_command_of_a_durability_is_a_right(url: str) -> None:
    with user_of(url, RIGHTS) as user_url:
        told = one(await examine(user_url, "n", Durability(replicas=1)), "rights")
    assert told.found.endswith(": wait")


async def test_behind_sentinels_the_primary_is_looked_at() -> None:
    with run_sentinels() as service:
        examination = await examine(service.url, "n", Durability(replicas=2))
    assert {finding.server for finding in examination.findings} == {service.url}
    assert worst(examination, "role", "durability", "rights") is Severity.OK
    assert [finding.severity for finding in examination.findings if finding.check == "replicas"] == [Severity.OK] * 2


async def test_all_primaries_of_a_cluster_are_looked_at(valkey_cluster: Cluster, namespace: str) -> None:
    examination = await examine(valkey_cluster.url, namespace, MEMORY)
    nodes = {f"redis://{HOST}:{node.port}/0" for node in valkey_cluster.nodes}
    assert {finding.server for finding in examination.findings} == {*nodes, valkey_cluster.url}
    assert {finding.server for finding in examination.findings if finding.check == "cluster"} == nodes
    assert worst(examination, "cluster", "rights", "version") is Severity.NOTE


async def test_a_primary_that_is_dead_is_told_beside_what_the_others_say() -> None:
    with run_cluster() as cluster:
        owner, dead = cluster.owner(slot_of("n")), cluster.another(slot_of("n"))
        dead.kill()
        examination = await examine(cluster.url_of(owner), "n", MEMORY)
    told = one(examination, "answer")
    assert (told.severity, told.server) == (Severity.ERROR, f"redis://{HOST}:{dead.port}/0")
    assert {finding.server for finding in examination.findings if finding.check == "eviction"} == {
        f"redis://{HOST}:{node.port}/0" for node in cluster.nodes if node is not dead
    }


def taciturn(until: bytes) -> Handler:
    """Answers INFO alone, until it is sent this command and hangs up."""

    def answer(command: list[bytes]) -> bytes:
        if command[0] == until:
            return HANG_UP
        return bulk(INFO) if command[0] == b"INFO" else b"-ERR unknown command\r\n"

    return answer


async def test_a_server_that_is_lost_meanwhile_is_told(tmp_path: Path) -> None:
    async with fake_server(tmp_path, taciturn(b"CONFIG")) as url:
        assert one(await examine(url, "n", MEMORY), "answer").severity is Severity.ERROR


async def test_a_namespace_that_is_lost_meanwhile_is_told(tmp_path: Path) -> None:
    async with fake_server(tmp_path, taciturn(b"XLEN")) as url:
        with pytest.raises(StorageUnavailableError, match="cannot examine unix"):
            await examine(url, "n", MEMORY)


@pytest.mark.parametrize(
    ("url", "namespace", "refused"),
    [
        ("memory:", "n", ValidationError),
        ("redis://127.0.0.1:1", "n", StorageUnavailableError),
        ("embedded:", "a b", ValidationError),
    ],
)
async def test_what_cannot_be_examined_is_told(url: str, namespace: str, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        await examine(url, namespace, MEMORY)
