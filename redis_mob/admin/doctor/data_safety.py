"""Checks of what keeps data: eviction, persistence, replicas."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.admin.doctor.finding import Check, Verdict, answered, error, note, ok, warning
from redis_mob.admin.doctor.observations import Observations
from redis_mob.connection.calls.durability import FSYNC_OF_EACH_WRITE, FsyncPromise, lacking_for_fsync

LONGEST_LAG = 10
"""Seconds since a replica last answered; the server's own limit for one that counts (min-replicas-max-lag)."""

MOST_BEHIND = 16 * 2**20
"""Bytes of writes that a replica has not yet got."""


def _eviction(seen: Observations) -> Iterator[Verdict]:
    policy, change = seen.field("maxmemory_policy"), "maxmemory-policy noeviction"
    if policy == "noeviction":
        yield ok("maxmemory-policy noeviction")
    elif seen.number("maxmemory"):
        yield error(f"maxmemory-policy {policy}", change)
    else:
        yield warning(f"maxmemory-policy {policy}, which waits for a maxmemory", change)


def _persistence(seen: Observations) -> Iterator[Verdict]:
    if seen.field("aof_enabled") == "1":
        yield from _append_only_file(seen)
    elif snapshots := seen.setting("save"):
        yield warning(f"appendonly no; what was written since the last snapshot is lost (save {snapshots})", _AOF)
    elif seen.throwaway:
        yield note("an embedded server without a directory keeps nothing", "embedded:/path/to/dir")
    else:
        yield error("appendonly no, save empty: everything is lost in a restart", _AOF)


def _append_only_file(seen: Observations) -> Iterator[Verdict]:
    fsync = seen.setting("appendfsync")
    if fsync == "no":
        yield warning("appendfsync no: the operating system decides when to write", "appendfsync everysec")
        return
    if seen.setting("no-appendfsync-on-rewrite") == "yes":
        yield warning(
            "no-appendfsync-on-rewrite yes: nothing is synced while the file is rewritten",
            "no-appendfsync-on-rewrite no",
        )
    lost = "nothing" if fsync == "always" else "about a second"
    yield ok(f"appendonly yes, appendfsync {fsync}: a crash of the machine loses {lost}")


def _saving(seen: Observations) -> Iterator[Verdict]:
    states = {
        name: seen.field(name)
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    }
    failed = [f"{name} {state}" for name, state in states.items() if state != "ok"]
    if failed:
        yield error(", ".join(failed), "free space on the disk of `dir` and let the server write there; see its log")
    else:
        yield ok("the last writes to disk succeeded")


def _durability(seen: Observations) -> Iterator[Verdict]:
    asked = seen.durability
    if asked.replicas:
        online = sum(replica["state"] == "online" for replica in seen.replicas())
        if online < asked.replicas:
            yield error(f"{online} of {asked.replicas} replicas are online", "add replicas, or ask for fewer")
        else:
            yield ok(f"{online} replicas are online")
    elif asked.fsync:
        yield from _fsync(seen)
    else:
        yield ok("nothing is asked but that the server has it in memory")


def _fsync(seen: Observations) -> Iterator[Verdict]:
    server, keeps_file = answered(seen.server), seen.field("aof_enabled") == "1"
    settings = {name: seen.setting(name) for name in FSYNC_OF_EACH_WRITE} if keeps_file else {}
    found = ", ".join(f"{name} {value}" for name, value in settings.items())
    change = ", ".join(lacking_for_fsync(settings))
    match FsyncPromise.of(keeps_file=keeps_file, settings=settings, has_waitaof=server.has_waitaof):
        case FsyncPromise.NO_FILE:
            yield error("appendonly no", _AOF)
        case FsyncPromise.EACH_WRITE:
            yield ok(f"appendonly yes, {found}")
        case FsyncPromise.WAITAOF:
            told = f"{found}, where WAITAOF answers before the disk has a write (redis/redis#13793)"
            yield error(f"{told}: it survives the end of the server's process, not a power failure", change)
        case FsyncPromise.NOTHING:
            yield error(f"{server} has no WAITAOF: {found}", change)


def _cut_off(seen: Observations) -> Iterator[Verdict]:
    wanted = max(seen.durability.replicas, 1)
    if not (seen.durability.replicas or seen.number("connected_slaves")):
        return
    required = int(seen.setting("min-replicas-to-write"))
    if required >= wanted:
        yield ok(f"min-replicas-to-write {required}")
        return
    verdict = warning if seen.durability.replicas else note
    yield verdict(f"min-replicas-to-write {required}", f"min-replicas-to-write {wanted}")


def _role(seen: Observations) -> Iterator[Verdict]:
    if seen.field("role") == "master":
        yield ok("it is a primary")
        return
    primary = f"{seen.field('master_host')}:{seen.field('master_port')}"
    yield error(f"it is a replica of {primary}", f"give the address of the primary, {primary}")
    if seen.field("slave_read_only") == "0":
        yield error("replica-read-only no", "replica-read-only yes")
    if (link := seen.field("master_link_status")) != "up":
        stale = " (replica-serve-stale-data yes)" if seen.setting("replica-serve-stale-data") == "yes" else ""
        yield warning(f"its link to the primary is {link}, and what it says is old{stale}", "restore the link")


def _replicas(seen: Observations) -> Iterator[Verdict]:
    replicas = seen.replicas()
    for replica in replicas:
        name = f"replica {replica['ip']}:{replica['port']}"
        behind = seen.number("master_repl_offset") - int(replica["offset"])
        lag = int(replica.get("lag", 0))
        if replica["state"] != "online":
            yield warning(f"{name} is in state {replica['state']}", "wait until it has loaded; else see its log")
        elif lag > LONGEST_LAG or behind > MOST_BEHIND:
            yield warning(
                f"{name} is {behind} bytes behind and answered {lag} s ago",
                "relieve the replica or the network between them",
            )
        else:
            yield ok(f"{name} is online, {behind} bytes behind")
    if not replicas and answered(seen.server).mode == "cluster":
        yield warning("a primary of a Cluster without a replica", "give each primary a replica")


_AOF = "appendonly yes"

DATA_SAFETY_CHECKS = (
    Check(
        "eviction",
        "An evicted key is coordination state that is lost: a run, a lease, the receipt of a call.",
        _eviction,
    ),
    Check("persistence", "What is only in memory is lost when the server ends.", _persistence),
    Check("saving", "A server that cannot save refuses writes, or loses them in the next restart.", _saving),
    Check("durability", "Writes raise DurabilityError where the server cannot keep what is asked of it.", _durability),
    Check(
        "cut-off primary",
        "A primary that is cut off from the others goes on taking writes, which the failover throws away.",
        _cut_off,
    ),
    Check("role", "Only a primary takes writes; what a replica takes is lost.", _role),
    Check("replicas", "What a replica does not have is lost when it takes over.", _replicas),
)
