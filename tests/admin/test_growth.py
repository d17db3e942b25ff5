"""What the doctor says of the keys of a namespace: their kinds, how large each is, and what bounds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.admin.acl import rights_in
from redis_mob.admin.doctor import growth
from redis_mob.admin.doctor.finding import NotAnsweredError
from redis_mob.admin.doctor.growth import Growth, KindSize, Size, probe_growth
from redis_mob.admin.doctor.kinds import KINDS
from redis_mob.cli.growth import growth_lines, growth_object
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys, type_of_key
from redis_mob.models.progress import NewProgress, ProgressSource
from redis_mob.models.retention import RetentionPolicies, RetentionPolicy
from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.states import NOON
from tests.attacks.full_namespace import fill
from tests.support.servers import server
from tests.support.users import user_of

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

DAY = timedelta(days=1)
NONE = RetentionPolicies(NOON, None, {})
COUNTED_BY = {"hash": "HLEN", "list": "LLEN", "set": "SCARD", "stream": "XLEN", "zset": "ZCARD"}


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A server of these tests alone: what the others leave on the shared one may be more than is looked at."""
    with server() as url:
        yield url


def kinds_of(seen: Growth) -> dict[str, KindSize]:
    return {one.kind: one for one in seen.kinds}


def test_each_key_is_of_one_kind() -> None:
    keys = Keys("n")
    run = keys.run(str(uuid4()))
    parts = [*run.parts, run.index, run.executions, run.published, run.progress, run.cursors]
    graphs, agents = keys.langgraph, keys.pydantic_ai
    of_graphs = [graphs.threads, graphs.expiry, graphs.runs, *graphs.thread("digest")]
    of_items = [graphs.items, graphs.item_places, graphs.item_expiry]
    of_agents = [agents.runs, agents.run_places, agents.expiry, *agents.run("digest")]
    own = [*parts, run.deletion, run.deleted_cursors, run.tombstone, keys.session("client")]
    own += [*of_graphs, *of_items, *of_agents]
    own += [keys.conversation("digest"), keys.conversation_items("digest")]
    sorts = Counter(sort for kind in KINDS for sort in kind.sorts)
    assert sorts == Counter(keys.sort_of(key.encode()) for key in own)
    assert Counter(keys.named(name) for kind in KINDS for name in kind.fixed) == Counter(
        [*keys.fixed, keys.changes, keys.changes_aside]
    )
    assert {keys.sort_of(key.encode()) for key in (*keys.fixed, Keys("other").session("client"))} == {None}


async def test_the_kinds_have_all_keys_and_records(
    connection: Client, server_url: str, namespace: str, keys: Keys
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await fill(storage)
    seen = await probe_growth(connection.router, namespace, NONE)
    there: list[bytes] = await connection.router.request("KEYS", keys.pattern)
    records = [
        await connection.router.request(COUNTED_BY[type_of_key(key)], key) for key in (one.decode() for one in there)
    ]
    assert seen.refused == ()
    assert seen.seen == seen.of >= len(there)
    assert sum(one.size.keys or 0 for one in seen.kinds) == len(there)
    of_few = [one for one in seen.kinds if one.kind != "runs"]  # of which not each is measured
    assert {one.kind for one in of_few} >= {"events", "deletions", "receipts", "documents", "webhooks"}
    assert sum(one.size.records or 0 for one in of_few) <= sum(records)
    assert all(one.size.records and one.size.bytes for one in seen.kinds)


async def test_runs_and_progress_are_measured(connection: Client, server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        before = await probe_growth(connection.router, namespace, NONE)
        assert not {"runs", "progress"} & kinds_of(before).keys()
        for _ in range(3):
            run = scene(run_id=str(uuid4()), status=MobRunStatus.RUNNING)
            await storage.runs.create_run(run)
            source = ProgressSource("a", "a", "f", None, "w", 1, 1)
            await storage.progress.append(run.run_id, [NewProgress(source, "chunk", "o", value="x" * 10_000)] * 5)
    found = kinds_of(await probe_growth(connection.router, namespace, NONE))
    keys, records, in_bytes = found["progress"].size
    assert (keys, records) == (3, 15)
    assert in_bytes is not None
    assert 150_000 < in_bytes < 400_000
    assert found["progress"].bound == "10000 entries or 16 MiB of a run, kept for a day"


def test_what_bounds_a_kind_is_what_the_policies_say() -> None:
    def bounds(general: RetentionPolicy | None, **of_mobs: RetentionPolicy) -> dict[str, str | None]:
        return {kind.name: kind.bound(RetentionPolicies(NOON, general, of_mobs)) for kind in KINDS}

    unbounded = bounds(None)
    assert {name for name, bound in unbounded.items() if bound is None} == {"runs", "events", "identities of events"}
    assert all(kind.change for kind in KINDS if unbounded[kind.name] is None)
    of_all = bounds(RetentionPolicy(completed=DAY, events=DAY, max_events=5))
    assert of_all["runs"] == "completed 1d"
    assert of_all["events"] == "kept for 1d, at most 5 events"
    assert of_all["identities of events"] == "deleted with their runs"
    assert bounds(None, m=RetentionPolicy(max_runs=5))["runs"] == "mob m: at most 5 runs; other mobs: nothing"


async def test_what_was_not_seen_is_estimated(
    connection: Client, server_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        for _ in range(60):
            await storage.runs.create_run(scene(run_id=str(uuid4())))
    whole = await probe_growth(connection.router, namespace, NONE)
    monkeypatch.setattr(growth, "_PAGE", 10)
    monkeypatch.setattr(growth, "_PAGES", max(whole.of // 60, 1))
    some = await probe_growth(connection.router, namespace, NONE)
    assert some.seen < some.of == await connection.router.request("DBSIZE")
    exact, guessed = kinds_of(whole)["runs"].size, kinds_of(some)["runs"].size
    assert exact.keys is not None
    assert guessed.keys is not None
    assert exact.keys / 3 < guessed.keys < exact.keys * 3
    assert growth_object(some)["keys_seen"] == some.seen
    assert f"estimated from {some.seen} of the {some.of} keys of the server" in growth_lines(some, "n", None)


async def test_what_a_user_may_not_ask_is_unknown() -> None:
    with server() as url, user_of(url, rights_in("n", Durability())) as user_url:
        async with MobStorage.open(user_url, namespace="n") as storage:
            await storage.runs.create_run(scene())
        client = await connect(user_url, "n")
        try:
            seen = await probe_growth(client.router, "n", NotAnsweredError("HGETALL", "no"))
        finally:
            await client.aclose()
    assert "SCAN" in seen.refused
    runs = kinds_of(seen)["runs"]
    assert runs.size == Size(None, None, None)
    assert runs.bound == "unknown: the policies cannot be read"
    [*_, told] = growth_lines(seen, "n", 80)
    assert told.startswith("? is what the user may not ask: SCAN")


SEEN = Growth(
    (
        KindSize("runs", Size(1_200_000, 9_999_999, 5 * 2**30), None, "redis-mob retention set --completed 7d"),
        KindSize("identities of events", Size(1, 20, 9_000), "deleted with their runs", ""),
        KindSize("progress", Size(1, 20, None), "completed 7d, failed 30d; mob m: at most 5 runs; \x1b[31mother", ""),
    ),
    7,
    7,
)


def test_the_table_fits_a_terminal_and_a_line_of_a_pipe_is_a_row() -> None:
    assert list(growth_lines(SEEN, "n", None)) == [
        "what grows in namespace n:",
        "WHAT                     KEYS  RECORDS  MEMORY  BOUNDED BY",
        "runs                  1200000  9999999  5.0 GB  nothing",
        "  -> redis-mob retention set --completed 7d",
        "identities of events        1       20  8.8 KB  deleted with their runs",
        "progress                    1       20       ?  completed 7d, failed 30d; mob m: at most 5 runs; "
        r"\x1b[31mother",
    ]
    wrapped = list(growth_lines(SEEN, "n", 80))
    assert len(wrapped) == 7
    assert max(map(len, wrapped)) <= 80
    assert " ".join(line[48:].strip() for line in wrapped[5:]) == printed(SEEN.kinds[2].bound)
    assert list(growth_lines(Growth((), 0, 0), "n", 80)) == []


def printed(text: Any) -> str:
    return str(text).replace("\x1b", r"\x1b")
