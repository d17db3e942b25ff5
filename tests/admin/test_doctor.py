"""What the doctor makes of what a server says, by recorded replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redis_mob.admin.doctor.capacity import CAPACITY_CHECKS
from redis_mob.admin.doctor.compatibility import COMPATIBILITY_CHECKS, NAMESPACE_CHECKS
from redis_mob.admin.doctor.data_safety import DATA_SAFETY_CHECKS
from redis_mob.admin.doctor.finding import Check, Finding, NotAnsweredError, Severity, findings
from redis_mob.admin.doctor.observations import NamespaceObservations, Observations, Slow, WebhookSeen
from redis_mob.admin.doctor.records import RECORDS_CHECK, RecordsSeen
from redis_mob.admin.losses import Loss
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.durability_wait import required_wait
from redis_mob.connection.calls.namespace_state import state_in
from redis_mob.connection.servers.server_info import ServerInfo, fields_of
from redis_mob.errors import StorageUnavailableError
from redis_mob.models.retention import RetentionPolicies, RetentionPolicy
from redis_mob.testing.samples.states import NOON
from redis_mob.version import NAMESPACE_SCHEMA

REPLIES = Path(__file__).parent / "replies"
PRODUCTS = ("valkey_9_1", "redis_7_0")

CHECKS = (*COMPATIBILITY_CHECKS, *DATA_SAFETY_CHECKS, *CAPACITY_CHECKS)

MEMORY, FSYNC = Durability(), Durability(fsync=True)

CLUSTER = {"cluster_state": "ok", "cluster_slots_ok": "16384"}


def recorded(product: str, part: str = "", **changes: Any) -> Observations:
    """What a primary of this product said that has an append-only file, a maxmemory and one replica; or the replica."""
    info = (REPLIES / f"{product}{part}.info").read_bytes()
    settings = (REPLIES / f"{product}.config").read_text().splitlines()
    seen = Observations(
        server=ServerInfo.parse(info),
        info=fields_of(info),
        settings=dict(line.split(" ", 1) for line in settings),
        cluster={},
        refused=[],
        slow=[],
        pings=[0.001],
        ahead=-0.2,
        durability=MEMORY,
    )
    return replace(seen, **changes)


def changed(seen: Observations, info: Mapping[str, str], settings: Mapping[str, str]) -> Observations:
    """The same with other words in the replies to INFO and CONFIG GET."""
    assert isinstance(seen.info, Mapping)
    assert isinstance(seen.settings, Mapping)
    assert {*info, *settings} <= {*seen.info, *seen.settings}
    return replace(seen, info={**seen.info, **info}, settings={**seen.settings, **settings})


def judged(seen: Observations, check: str, checks: Sequence[Check[Observations]] = CHECKS) -> list[Finding]:
    """What one check says."""
    return list(findings([one for one in checks if one.name == check], seen, "here"))


WRONG: list[tuple[str, dict[str, str], dict[str, str], str, str, str]] = [
    ("eviction", {"maxmemory_policy": "volatile-lru"}, {}, "error", "volatile-lru", "maxmemory-policy noeviction"),
    (
        "eviction",
        {"maxmemory_policy": "allkeys-lru", "maxmemory": "0"},
        {},
        "warning",
        "allkeys-lru",
        "maxmemory-policy noeviction",
    ),
    ("persistence", {"aof_enabled": "0"}, {}, "error", "everything is lost", "appendonly yes"),
    ("persistence", {"aof_enabled": "0"}, {"save": "3600 1"}, "warning", "save 3600 1", "appendonly yes"),
    ("persistence", {}, {"appendfsync": "no"}, "warning", "appendfsync no", "appendfsync everysec"),
    (
        "persistence",
        {},
        {"no-appendfsync-on-rewrite": "yes"},
        "warning",
        "no-appendfsync-on-rewrite yes",
        "no-appendfsync-on-rewrite no",
    ),
    ("saving", {"aof_last_write_status": "err"}, {}, "error", "aof_last_write_status err", "free space"),
    ("saving", {"rdb_last_bgsave_status": "err"}, {}, "error", "rdb_last_bgsave_status err", "free space"),
    (
        "replicas",
        {"slave0": "ip=10.0.0.1,port=1,state=wait_bgsave,offset=0,lag=0"},
        {},
        "warning",
        "wait_bgsave",
        "wait",
    ),
    (
        "replicas",
        {"slave0": "ip=10.0.0.1,port=1,state=online,offset=0,lag=11"},
        {},
        "warning",
        "answered 11 s ago",
        "relieve",
    ),
    (
        "replicas",
        {"slave0": "ip=10.0.0.1,port=1,state=online,offset=7,lag=0", "master_repl_offset": "20000007"},
        {},
        "warning",
        "20000000 bytes behind",
        "relieve",
    ),
    ("cut-off primary", {}, {"min-replicas-to-write": "0"}, "note", "to-write 0", "min-replicas-to-write 1"),
    ("memory", {"used_memory": "900000000"}, {}, "warning", "858.3 MiB of maxmemory 1.0 GiB", "a greater maxmemory"),
    ("memory", {"used_memory": "1073741824"}, {}, "error", "1.0 GiB of maxmemory", "a greater maxmemory"),
    (
        "memory",
        {"maxmemory": "0", "used_memory": "8000000000", "total_system_memory": "9000000000"},
        {},
        "warning",
        "maxmemory 0",
        "maxmemory 6300000000",
    ),
    ("memory", {"maxmemory": "0"}, {}, "note", "maxmemory 0", "maxmemory "),
    (
        "fragmentation",
        {"used_memory": "100000000", "used_memory_rss": "200000000"},
        {},
        "warning",
        "190.7 MiB are resident for 95.4 MiB",
        "activedefrag yes",
    ),
    (
        "fragmentation",
        {"used_memory": "100000000", "used_memory_rss": "50000000"},
        {},
        "warning",
        "swapped out",
        "more memory",
    ),
    ("connections", {"connected_clients": "8500"}, {}, "warning", "8500 of maxclients 10000", "a greater maxclients"),
    ("connections", {"connected_clients": "9990"}, {}, "error", "9990 of maxclients 10000", "a greater maxclients"),
    ("idle connections", {}, {"timeout": "60"}, "note", "timeout 60", "timeout 0"),
    ("idle connections", {}, {"tcp-keepalive": "0"}, "warning", "tcp-keepalive 0", "tcp-keepalive 300"),
    (
        "buffers",
        {},
        {"client-output-buffer-limit": "normal 1048576 0 0 slave 0 0 0 pubsub 0 0 0"},
        "warning",
        "normal 1048576",
        "client-output-buffer-limit normal 67108864 or more",
    ),
    (
        "buffers",
        {},
        {"client-output-buffer-limit": "normal 0 0 0 slave 0 0 0 pubsub 1024 0 0"},
        "warning",
        "pubsub 1024",
        "client-output-buffer-limit pubsub 1048576 or more",
    ),
    ("buffers", {}, {"maxmemory-clients": "5%"}, "note", "maxmemory-clients 5%", ""),
    ("scripts", {"number_of_cached_scripts": "5000"}, {}, "warning", "5000 scripts", "SCRIPT FLUSH"),
    ("scripts", {}, {"busy-reply-threshold": "0"}, "warning", "busy-reply-threshold 0", "busy-reply-threshold 5000"),
]
"""Check, changes of INFO and of CONFIG GET, severity, and words of what is found and of what changes it."""


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    ("check", "info", "settings", "severity", "found", "change"),
    [pytest.param(*case, id=f"{case[0]}: {case[4]}") for case in WRONG],
)
def test_what_is_wrong_is_told_with_the_setting_that_changes_it(
    product: str,
    check: str,
    info: Mapping[str, str],
    settings: Mapping[str, str],
    severity: str,
    found: str,
    change: str,
) -> None:
    told = judged(changed(recorded(product), info, settings), check)[0 if check != "scripts" or info else 1]
    assert (told.severity, found in told.found, change in told.change) == (severity, True, True), told
    assert told.matters


@pytest.mark.parametrize("product", PRODUCTS)
def test_nothing_is_wrong_with_a_good_server(product: str) -> None:
    told = list(findings(CHECKS, recorded(product), "here"))
    assert {finding.severity for finding in told} == {Severity.OK}
    assert {finding.check for finding in told} == {check.name for check in CHECKS} - {"cluster"}


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    ("durability", "info", "settings", "severity"),
    [
        pytest.param(MEMORY, {"aof_enabled": "0"}, {}, "ok", id="memory"),
        pytest.param(FSYNC, {}, {"appendfsync": "always"}, "ok", id="always"),
        pytest.param(
            FSYNC, {}, {"appendfsync": "always", "no-appendfsync-on-rewrite": "yes"}, "error", id="not on rewrite"
        ),
        pytest.param(FSYNC, {"aof_enabled": "0"}, {}, "error", id="no_aof"),
        pytest.param(Durability(replicas=1), {}, {}, "ok", id="replicas"),
        pytest.param(Durability(replicas=2), {}, {}, "error", id="too_few_replicas"),
        pytest.param(
            Durability(replicas=1),
            {"slave0": "ip=10.0.0.1,port=1,state=wait_bgsave,offset=0,lag=0"},
            {},
            "error",
            id="replica_not_in_sync",
        ),
    ],
)
def test_a_durability_needs_what_keeps_it(
    product: str, durability: Durability, info: Mapping[str, str], settings: Mapping[str, str], severity: str
) -> None:
    [told] = judged(changed(recorded(product, durability=durability), info, settings), "durability")
    assert told.severity == severity
    assert bool(told.change) == (severity == "error")


SETTINGS = [
    {"appendfsync": sync, "no-appendfsync-on-rewrite": on_rewrite}
    for sync in ("always", "everysec", "no")
    for on_rewrite in ("yes", "no")
]


@pytest.mark.parametrize("product", ["valkey_9_1", "redis_7_0"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("aof", ["0", "1"])
async def test_the_doctor_and_the_storage_decide_alike_whether_fsync_is_promised(
    product: str, settings: Mapping[str, str], aof: str
) -> None:
    seen = changed(recorded(product, durability=FSYNC), {"aof_enabled": aof}, settings)
    server = seen.server
    assert isinstance(server, ServerInfo)

    async def ask(*question: bytes | str) -> Any:
        if question[0] == b"INFO":
            return f"aof_enabled:{aof}".encode()
        return [part.encode() for pair in settings.items() for part in pair]

    try:
        promised = not (await required_wait(server, FSYNC, ask)).is_waited_for
    except StorageUnavailableError:
        promised = False
    assert promised == (judged(seen, "durability")[0].severity == "ok")


def test_fsync_needs_a_sync_of_each_write() -> None:
    [valkey] = judged(recorded("valkey_9_1", durability=FSYNC), "durability")
    [redis] = judged(recorded("redis_7_0", durability=FSYNC), "durability")
    assert (valkey.severity, redis.severity) == ("error", "error")
    assert valkey.change == redis.change == "appendfsync always"
    assert "WAITAOF answers before the disk has a write" in valkey.found
    assert "Redis 7.0.15 has no WAITAOF" in redis.found


@pytest.mark.parametrize(("required", "severity"), [("1", "warning"), ("2", "ok")])
def test_a_primary_must_refuse_writes_that_it_cannot_pass_on(required: str, severity: str) -> None:
    seen = changed(recorded("valkey_9_1", durability=Durability(replicas=2)), {}, {"min-replicas-to-write": required})
    [told] = judged(seen, "cut-off primary")
    assert told.severity == severity


def test_a_server_that_is_to_have_no_replicas_is_not_asked_for_them() -> None:
    alone = changed(recorded("valkey_9_1"), {"connected_slaves": "0"}, {"min-replicas-to-write": "0"})
    assert judged(alone, "cut-off primary") == judged(alone, "replicas") == []


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_replica_is_no_place_to_write_to(product: str) -> None:
    replica = recorded(product, "_replica")
    assert isinstance(replica.info, Mapping)
    [told] = judged(replica, "role")
    assert (told.severity, told.change) == ("error", f"give the address of the primary, {primary_of(replica.info)}")
    lonely = changed(replica, {"slave_read_only": "0", "master_link_status": "down"}, {})
    assert [told.severity for told in judged(lonely, "role")] == ["error", "error", "warning"]
    assert "replica-serve-stale-data yes" in judged(lonely, "role")[2].found


def primary_of(info: Mapping[str, str]) -> str:
    return f"{info['master_host']}:{info['master_port']}"


def test_an_embedded_server_without_a_directory_keeps_nothing_on_purpose() -> None:
    seen = changed(recorded("valkey_9_1", throwaway=True), {"aof_enabled": "0"}, {})
    [told] = judged(seen, "persistence")
    assert (told.severity, told.change) == ("note", "embedded:/path/to/dir")


def in_cluster(**changes: str) -> Observations:
    return recorded("valkey_9_1", server=ServerInfo("Valkey", (9, 1, 2), "cluster"), cluster={**CLUSTER, **changes})


@pytest.mark.parametrize(
    ("cluster", "severity"),
    [
        pytest.param({}, "ok", id="all_served"),
        pytest.param({"cluster_state": "fail"}, "error", id="down"),
        pytest.param({"cluster_slots_ok": "16383"}, "error", id="one_slot_missing"),
    ],
)
def test_a_cluster_serves_all_slots(cluster: dict[str, str], severity: str) -> None:
    told, coverage = judged(in_cluster(**cluster), "cluster")
    assert (told.severity, coverage.severity) == (severity, "note")
    assert coverage.change == "cluster-require-full-coverage no"


def test_a_cluster_that_does_without_a_lost_part_is_as_it_should_be() -> None:
    [told] = judged(changed(in_cluster(), {}, {"cluster-require-full-coverage": "no"}), "cluster")
    assert told.severity == "ok"


def test_a_primary_of_a_cluster_has_a_replica() -> None:
    assert judged(in_cluster(), "replicas")[0].severity == "ok"
    [told] = judged(changed(in_cluster(), {"connected_slaves": "0"}, {}), "replicas")
    assert (told.severity, told.change) == ("warning", "give each primary a replica")


def test_a_server_that_is_too_old_is_an_error() -> None:
    [told] = judged(recorded("redis_7_0", server=ServerInfo("Redis", (6, 2, 1))), "version")
    assert told.severity == "error"
    assert "Redis 6.2.1, which is too old" in told.found


@pytest.mark.parametrize(
    ("check", "seen", "severity", "found"),
    [
        pytest.param("latency", {"pings": [9.0, 0.001, 0.002]}, "ok", "2.00 ms", id="one_slow_ping"),
        pytest.param("latency", {"pings": [0.02, 0.03, 0.001]}, "warning", "20.00 ms", id="slow_pings"),
        pytest.param("clock", {"ahead": 0.9}, "ok", "0.900 s ahead of ours", id="clock"),
        pytest.param("clock", {"ahead": 1.5}, "warning", "1.500 s ahead of ours", id="clock_ahead"),
        pytest.param("clock", {"ahead": -1.5}, "warning", "1.500 s behind ours", id="clock_behind"),
        pytest.param("slow scripts", {"slow": [Slow("a/b", 2, 0.09)]}, "note", "a/b took up to 90.00 ms", id="slow"),
        pytest.param("slow scripts", {"slow": [Slow("a/b", 2, 0.1)]}, "warning", "(2 times", id="very_slow"),
        pytest.param(
            "slow scripts", {"slow": [Slow("backup/write", 1, 0.2)]}, "warning", "(1 times", id="of_a_restore"
        ),
        pytest.param("rights", {"refused": ["hset", "xadd"]}, "error", "hset, xadd", id="rights"),
    ],
)
def test_what_was_measured_is_judged(check: str, seen: dict[str, Any], severity: str, found: str) -> None:
    [told] = judged(recorded("valkey_9_1", **seen), check)
    assert (told.severity, found in told.found) == (severity, True), told


def test_what_may_not_be_looked_at_is_a_note() -> None:
    refused = NotAnsweredError("CONFIG GET", "NOPERM no permissions")
    names = ("server", "info", "settings", "cluster", "refused", "slow", "pings", "ahead")
    told = list(findings(CHECKS, recorded("valkey_9_1", durability=FSYNC, **dict.fromkeys(names, refused)), "here"))
    assert {(finding.severity, finding.found) for finding in told} == {
        (Severity.NOTE, "not permitted to look: CONFIG GET (NOPERM no permissions)")
    }
    assert {finding.check for finding in told} == {check.name for check in CHECKS}


def test_what_a_server_leaves_out_is_a_note() -> None:
    """Managed servers hide settings, and leave out what they do not want to tell."""
    seen = recorded("valkey_9_1", settings={}, durability=FSYNC)
    [told] = judged(seen, "persistence")
    assert (told.severity, told.change) == ("note", "allow CONFIG GET appendfsync, or look there yourself")
    assert judged(seen, "durability")[0].severity == "note"


EMPTY = NamespaceObservations(
    namespace="n",
    schema=str(NAMESPACE_SCHEMA),
    events=0,
    log_bytes=None,
    runs=0,
    scheduled=0,
    changes=0,
    policies=RetentionPolicies(NOON, None, {}),
)


@pytest.mark.parametrize(
    ("check", "seen", "severity"),
    [
        pytest.param("namespace", {"schema": None}, "note", id="absent"),
        pytest.param("namespace", {"schema": str(NAMESPACE_SCHEMA + 1)}, "error", id="newer"),
        pytest.param(
            "state", {"state": state_in(b"1 restoring x"), "schema": "restoring"}, "error", id="being_restored"
        ),
        pytest.param(
            "state", {"state": state_in(b"1 restoring move:x"), "schema": "restoring"}, "error", id="being_moved_here"
        ),
        pytest.param("state", {"state": state_in(b"1 restoring -"), "schema": "restoring"}, "error", id="given_up"),
        pytest.param("state", {"state": state_in(b"1 moved move:x namespace n of redis://h:1/0")}, "error", id="moved"),
        pytest.param("backup", {"state": state_in(b"1 changes x 0 key")}, "note", id="followed"),
        pytest.param("events", {"events": 1_000_001}, "warning", id="long_log"),
        pytest.param("events", {"events": 1, "log_bytes": 2**30 + 1}, "warning", id="large_log"),
        pytest.param("runs", {"runs": 100_001}, "warning", id="many_runs"),
        pytest.param("runs", {"runs": 1_001}, "note", id="unbounded_runs"),
        pytest.param("events", {"events": 10_001}, "note", id="unbounded_events"),
        pytest.param("schedule", {"scheduled": 100_001}, "warning", id="much_scheduled"),
        pytest.param("webhooks", {"webhooks": [WebhookSeen("w", "410", 5, 0, False)]}, "note", id="paused_webhook"),
        pytest.param("webhooks", {"webhooks": [WebhookSeen("w", None, 5, 0, False)]}, "warning", id="idle_webhook"),
        pytest.param("webhooks", {"webhooks": [WebhookSeen("w", None, 5, 1, True)]}, "note", id="held_up_webhook"),
        pytest.param("webhooks", {"webhooks": [WebhookSeen("w", None, 1001, 0, True)]}, "note", id="late_webhook"),
        pytest.param("webhooks", {"letters": 1}, "note", id="dead_letters"),
    ],
)
def test_a_namespace_may_be_too_large(check: str, seen: dict[str, Any], severity: str) -> None:
    told = {finding.check: finding for finding in findings(NAMESPACE_CHECKS, replace(EMPTY, **seen), "here")}
    assert [name for name, finding in told.items() if finding.severity is not Severity.OK] == [check]
    assert told[check].severity == severity
    assert {finding.severity for finding in findings(NAMESPACE_CHECKS, EMPTY, "here")} == {Severity.OK}


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("restoring x", "redis-mob restore again"),
        ("restoring move:x", "redis-mob copy FROM TO --abort"),
        ("restoring -", "copy or restore into it"),
        ("moved move:x namespace n of redis://h:1/0", "use that one; if that move was killed before its end"),
    ],
)
def test_a_namespace_that_cannot_be_opened_is_told_with_what_opens_it(state: str, change: str) -> None:
    found = list(findings(NAMESPACE_CHECKS, replace(EMPTY, state=state_in(b"1 " + state.encode())), "here"))
    [told] = [finding for finding in found if finding.severity is Severity.ERROR]
    assert change in told.change
    assert "moved away, cannot be opened" in told.matters
    assert "namespace" not in {finding.check for finding in found}


def test_slow_scripts_of_backups_are_no_matter_of_runs() -> None:
    seen = recorded("valkey_9_1", slow=[Slow("backup/write", 1, 0.2), Slow("a/b", 1, 0.2)])
    assert ["prune events" in told.change for told in judged(seen, "slow scripts")] == [False, True]


def test_what_a_policy_bounds_need_not_be_told() -> None:
    policies = RetentionPolicies(NOON, RetentionPolicy(max_runs=5, events=timedelta(days=1)), {})
    seen = replace(EMPTY, runs=1_001, events=10_001, policies=policies)
    assert {finding.severity for finding in findings(NAMESPACE_CHECKS, seen, "here")} == {Severity.OK}


LOST, UNCOUNTED = Loss("key", "1 of 2 records are there"), Loss("key", "its records are not counted")


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        pytest.param(RecordsSeen(()), [("ok", "all records are there, of the newest 1000 runs too")], id="whole"),
        pytest.param(RecordsSeen([LOST]), [("error", "key: 1 of 2 records are there")], id="lost"),
        pytest.param(
            RecordsSeen([LOST] * 23),
            [("error", str(LOST))] * 20 + [("error", "3 more keys have lost records")],
            id="much_lost",
        ),
        pytest.param(
            RecordsSeen([UNCOUNTED] * 2),
            [("note", "2 hashes of the namespace or of runs are of an older release: what they lose is not noticed")],
            id="uncounted",
        ),
        pytest.param(RecordsSeen((), "key is damaged"), [("error", "key is damaged")], id="another_type"),
        pytest.param(
            RecordsSeen(NotAnsweredError("EVALSHA_RO", "no right")),
            [("note", "not permitted to look: EVALSHA_RO (no right)")],
            id="refused",
        ),
    ],
)
def test_lost_records_are_errors(seen: RecordsSeen, told: list[tuple[str, str]]) -> None:
    assert [(finding.severity, finding.found) for finding in findings((RECORDS_CHECK,), seen, "here")] == told


def test_the_page_about_the_doctor_has_all_checks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    names = [check.name for check in (*CHECKS, *NAMESPACE_CHECKS, RECORDS_CHECK)]
    assert set(rows) - {"check", "", "answer"} == set(names)
