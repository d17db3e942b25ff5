"""Checks of whether a namespace can live on a server: its version, its Cluster, the rights of the user, its size."""

from __future__ import annotations

from collections.abc import Iterator

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from redis_mob.admin.doctor.finding import Check, Verdict, answered, error, note, ok, warning
from redis_mob.admin.doctor.observations import NamespaceObservations, Observations
from redis_mob.admin.doctor.units import size
from redis_mob.connection.calls.namespace_state import GIVEN_UP
from redis_mob.version import NAMESPACE_SCHEMA

LONG_LOG = 1_000_000
LARGE_LOG = 2**30
MANY_RUNS = 100_000
MUCH_SCHEDULED = 100_000
"""Entries, bytes of the log."""

FAR_BEHIND = 1000
"""Events that a webhook may be behind: the newest are always under way."""

FEW_RUNS, FEW_EVENTS = 1000, 10_000
"""Runs and events up to these numbers need no policy that bounds them."""


def _version(seen: Observations) -> Iterator[Verdict]:
    server = answered(seen.server)
    problem = server.problem(in_cluster=True)
    yield error(problem, "another server") if problem else ok(str(server))


def _cluster(seen: Observations) -> Iterator[Verdict]:
    cluster = answered(seen.cluster)
    if not cluster:
        return
    state, served = cluster["cluster_state"], int(cluster["cluster_slots_ok"])
    if state == "ok" and served == REDIS_CLUSTER_HASH_SLOTS:
        yield ok(f"cluster_state ok, {served} slots are served")
    else:
        yield error(
            f"cluster_state {state}, {served} of {REDIS_CLUSTER_HASH_SLOTS} slots are served",
            "bring back the nodes that CLUSTER NODES shows as failed, or give their slots to others",
        )
    if seen.setting("cluster-require-full-coverage") == "yes":
        yield note(
            "cluster-require-full-coverage yes: one lost part stops all namespaces", "cluster-require-full-coverage no"
        )


def _rights(seen: Observations) -> Iterator[Verdict]:
    refused = answered(seen.refused)
    if refused:
        yield error(f"the user lacks rights that the namespace needs: {', '.join(refused)}", "redis-mob acl")
    else:
        yield ok("the user may do all that is needed")


def _schema(seen: NamespaceObservations) -> Iterator[Verdict]:
    schema = answered(seen.schema)
    if answered(seen.state).stands in ("restoring", "moved"):
        return  # the check of the state has what is to be said
    if schema is None:
        yield note(f"there is no namespace {seen.namespace} yet; the first storage that opens it creates it")
    elif int(schema) > NAMESPACE_SCHEMA:
        yield error(f"namespace {seen.namespace} has schema version {schema}", "a newer redis_mob")
    else:
        yield ok(f"namespace {seen.namespace} has schema version {schema}")


def _whereabouts(seen: NamespaceObservations) -> Iterator[Verdict]:
    state = answered(seen.state)
    if state.stands == "moved":
        undo = "if that move was killed before its end, redis-mob copy FROM TO --abort, which says whether it has ended"
        yield error(f"namespace {seen.namespace} was moved to {state.more}", f"use that one; {undo}")
    elif state.stands != "restoring":
        yield ok("it is neither being restored nor moved")
    elif state.is_of_move:
        undo = "redis-mob copy FROM TO --abort undoes one that was killed; then copy again"
        yield error(f"namespace {seen.namespace} is being moved here", f"wait for redis-mob copy; {undo}")
    elif state.id == GIVEN_UP:
        yield error(
            f"namespace {seen.namespace} is not whole: a move to it was undone", "redis-mob copy or restore into it"
        )
    else:
        yield error(f"namespace {seen.namespace} is being restored", "redis-mob restore again, if that has ended")


def _backup(seen: NamespaceObservations) -> Iterator[Verdict]:
    stands, id, _ = answered(seen.state)
    if stands == "changes":
        yield note(
            f"what changes is noted for the next backup, since that with the id {id}",
            "redis-mob backup FILE --since LAST, or a backup without --follow; redis-mob backup verify prints ids",
        )
    else:
        yield ok("a backup is under way" if stands == "backup" else "no backup is under way")


def _events(seen: NamespaceObservations) -> Iterator[Verdict]:
    events, in_bytes = answered(seen.events), answered(seen.log_bytes) or 0
    found = f"{events} events in {size(in_bytes)}"
    if events > LONG_LOG or in_bytes > LARGE_LOG:
        yield warning(
            found, "redis-mob retention set --events AGE --max-events N, MobStorage.events.prune, or several namespaces"
        )
    elif events > FEW_EVENTS and not answered(seen.policies).bounds_events:
        yield note(f"{found}, and no policy bounds them", "redis-mob retention set --events 30d")
    else:
        yield ok(found)


def _runs(seen: NamespaceObservations) -> Iterator[Verdict]:
    runs = answered(seen.runs)
    found, change = f"{runs} runs", "redis-mob retention set --completed 7d --failed 30d --canceled 7d"
    if runs > MANY_RUNS:
        yield warning(found, f"{change}, or several namespaces, as one for each mob")
    elif runs > FEW_RUNS and not answered(seen.policies).bounds_runs:
        yield note(f"{found}, and no policy bounds them", change)
    else:
        yield ok(found)


def _scheduled(seen: NamespaceObservations) -> Iterator[Verdict]:
    scheduled = answered(seen.scheduled)
    found = f"{scheduled} runs and executions are scheduled"
    yield warning(found, "more workers, or workers that serve the roles") if scheduled > MUCH_SCHEDULED else ok(found)


def _webhooks(seen: NamespaceObservations) -> Iterator[Verdict]:
    webhooks, letters = answered(seen.webhooks), answered(seen.letters)
    fine = True
    for one in webhooks:
        named = f"webhook {one.name!r}"
        if one.paused is not None:
            fine = False
            yield note(f"{named} is paused{one.paused and f': {one.paused}'}", f"redis-mob webhook resume {one.name}")
        elif one.behind and not one.has_worker:
            fine = False
            yield warning(
                f"{named} is {one.behind} events behind, and no worker delivers it",
                "a worker that has redis-mob[http] installed",
            )
        elif one.behind > FAR_BEHIND or one.held:
            fine = False
            yield note(
                f"{named} is {one.behind} events behind, and {one.held} runs are held up",
                f"see redis-mob webhook show {one.name}",
            )
    if letters:
        fine = False
        yield note(f"{letters} events could not be delivered to webhooks", "redis-mob webhook dead NAME")
    if fine:
        yield ok(f"{len(webhooks)} webhooks, none of which is behind" if webhooks else "no webhooks")


def _changes(seen: NamespaceObservations) -> Iterator[Verdict]:
    yield ok(f"{answered(seen.changes)} changes of config documents in the feed")


COMPATIBILITY_CHECKS = (
    Check("version", "Older servers lack commands that scripts need.", _version),
    Check("cluster", "A namespace whose slot is not served cannot be used.", _cluster),
    Check("rights", "Calls fail at the first command that the user may not run.", _rights),
)

NAMESPACE_CHECKS = (
    Check("namespace", "A namespace can only be opened by a redis_mob that knows its layout.", _schema),
    Check(
        "state",
        "A namespace that is being restored or moved here, or was moved away, cannot be opened.",
        _whereabouts,
    ),
    Check("backup", "Notes of what changes take memory, and a little time of each write.", _backup),
    Check("events", "A log on one node slows restarts, failovers and the moving of its slot.", _events),
    Check("runs", "Every run takes memory on one node for as long as the namespace lives.", _runs),
    Check("schedule", "Work that is scheduled and not taken waits for workers.", _scheduled),
    Check("webhooks", "What receivers are not told of in time may be gone by retention.", _webhooks),
    Check("config feed", "Subscribers that fall behind what the feed still holds read the documents again.", _changes),
)
