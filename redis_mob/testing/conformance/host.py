"""The host store: fence, scopes, commits (contract: host-1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.contracts import HostStore
from redis_mob.contracts.host_errors import (
    HostCommitReusedError,
    HostConflictError,
    HostFencedOutError,
    HostFenceHeldError,
)
from redis_mob.errors import (
    InternalError,
    MobStoreError,
    ValidationError,
)
from redis_mob.models.host import (
    MAX_BATCH_BYTES,
    MAX_BATCH_PARTS,
    MAX_ROW_BYTES,
    AcquireMode,
    CommitBatch,
    FenceTiming,
    ScopeHead,
    ScopeKind,
    ScopeRef,
    ScopeUpdate,
    VersionedHead,
)
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.host import Number, batch, changed, created, mob_scope, record_scope

MOB, RECORD = mob_scope(), record_scope()
SECONDS = timedelta(seconds=1)


async def _content(host: HostStore, scope: ScopeRef, first: int = 0) -> tuple[VersionedHead | None, list[bytes]]:
    return await host.load_head(scope), await host.read_rows(scope, first)


class TestHostFence(Guarantee):
    """The fence of a host store has one holder, whose token is higher than all before."""

    async def test_the_store_has_every_method_of_the_contract(self, host: HostStore) -> None:
        assert isinstance(host, HostStore)

    async def test_host_case_01_tokens_grow_and_a_live_holder_refuses(self, host: HostStore) -> None:
        grant = await host.acquire_fence()
        assert (grant.token, grant.superseded_lease) == (1, timedelta())
        with pytest.raises(HostFenceHeldError) as held:
            await host.acquire_fence()
        assert held.value.holder == 1
        assert timedelta() < held.value.remaining <= 30 * SECONDS

    async def test_host_case_02_a_takeover_supersedes_a_live_holder(self, host: HostStore) -> None:
        await host.acquire_fence()
        grant = await host.acquire_fence(AcquireMode.TAKEOVER)
        assert grant.token == 2
        assert timedelta() < grant.superseded_lease <= 30 * SECONDS
        with pytest.raises(HostFenceHeldError):
            await host.acquire_fence()

    async def test_host_case_03_a_renewal_is_for_the_current_token_alone(self, host: HostStore) -> None:
        with pytest.raises(HostFencedOutError) as never:
            await host.renew_fence(1)
        assert (never.value.token, never.value.current) == (1, 0)
        first = (await host.acquire_fence()).token
        await host.renew_fence(first)
        second = (await host.acquire_fence(AcquireMode.TAKEOVER)).token
        for token in (first, second + 1):
            with pytest.raises(HostFencedOutError) as lost:
                await host.renew_fence(token)
            assert (lost.value.token, lost.value.current) == (token, second)
        await host.renew_fence(second)

    async def test_host_case_04_the_lease_is_as_long_as_the_handle_says(self, host: HostStore) -> None:
        assert await host.fence_timing() == FenceTiming()
        longer = FenceTiming(100 * SECONDS, 1000 * SECONDS, 200 * SECONDS, 5 * SECONDS)
        assert longer.self_fence_window == 800 * SECONDS
        await host.set_fence_timing(longer)
        assert await host.fence_timing() == longer
        token = (await host.acquire_fence()).token
        await host.set_fence_timing(FenceTiming())
        with pytest.raises(HostFenceHeldError) as held:
            await host.acquire_fence()
        assert 900 * SECONDS < held.value.remaining <= 1000 * SECONDS
        await host.renew_fence(token)
        with pytest.raises(HostFenceHeldError) as held:
            await host.acquire_fence()
        assert held.value.remaining <= 30 * SECONDS

    @pytest.mark.parametrize(
        ("name", "seconds"),
        [
            ("renew_interval", 0.5),
            ("renew_interval", 11),
            ("lease", 29),
            ("lease", 3601),
            ("self_fence_margin", 9),
            ("self_fence_margin", 11),
            ("max_commit_latency", 0),
            ("max_commit_latency", 31),
        ],
    )
    async def test_host_case_05_times_out_of_bounds_are_refused(
        self, host: HostStore, name: str, seconds: float
    ) -> None:
        times: Any = {name: timedelta(seconds=seconds)}
        with pytest.raises(ValidationError, match="at least"):
            await host.set_fence_timing(replace(FenceTiming(), **times))
        assert await host.fence_timing() == FenceTiming()

    async def test_host_case_06_one_of_many_gets_the_fence(self, open_stores: Opener) -> None:
        hosts = [given("host", (await open_stores()).host) for _ in range(4)]
        ends = await asyncio.gather(*(host.acquire_fence() for host in hosts * 3), return_exceptions=True)
        assert sum(isinstance(end, HostFenceHeldError) for end in ends) == len(ends) - 1
        taken = await asyncio.gather(*(host.acquire_fence(AcquireMode.TAKEOVER) for host in hosts * 3))
        assert sorted(grant.token for grant in taken) == list(range(2, 14))

    async def test_host_case_07_a_commit_needs_the_current_token(self, host: HostStore) -> None:
        with pytest.raises(HostFencedOutError):
            await host.commit(batch("none", 1, created(MOB)))
        old = (await host.acquire_fence()).token
        assert await host.commit(batch("old", old, created(MOB, b"0")))
        new = (await host.acquire_fence(AcquireMode.TAKEOVER)).token
        for token in (old, new + 1):
            with pytest.raises(HostFencedOutError) as lost:
                await host.commit(batch("late", token, changed(MOB, 1, b"1")))
            assert (lost.value.token, lost.value.current) == (token, new)
        assert await _content(host, MOB) == (VersionedHead(1, "old", b"head"), [b"0"])
        assert await host.commit(batch("late", new, changed(MOB, 1, b"1")))


class TestHostScopes(Guarantee):
    """A batch of a host store moves each scope that it names to its next version, or none."""

    @pytest.fixture
    async def token(self, host: HostStore) -> int:
        return (await host.acquire_fence()).token

    async def test_host_case_08_a_scope_is_created_and_read(self, host: HostStore, token: int) -> None:
        assert await _content(host, MOB) == (None, [])
        assert await host.commit(batch("c", token, created(MOB, b"\0\xff\n", b"", head=b"")))
        assert await _content(host, MOB) == (VersionedHead(1, "c", b""), [b"\0\xff\n", b""])

    async def test_host_case_09_versions_and_commit_ids_follow_each_other(self, host: HostStore, token: int) -> None:
        assert await host.commit(batch("a", token, created(MOB, b"0")))
        assert await host.commit(batch("b", token, changed(MOB, 1, b"1", b"2")))
        assert await _content(host, MOB) == (VersionedHead(2, "b", b"head"), [b"0", b"1", b"2"])
        assert await host.commit(batch("c", token, changed(MOB, 2, head=b"other")))
        assert await _content(host, MOB) == (VersionedHead(3, "c", b"other"), [b"0", b"1", b"2"])

    async def test_host_case_10_rows_keep_their_indices(self, host: HostStore, token: int) -> None:
        await host.commit(batch("a", token, created(MOB, *(b"%d" % i for i in range(10)))))
        await host.commit(batch("b", token, changed(MOB, 1, drop_before=3)))
        assert await host.read_rows(MOB, 3, 2) == [b"3", b"4"]
        await host.commit(batch("c", token, changed(MOB, 2, b"x", truncate_after=7)))
        assert await host.read_rows(MOB, 6) == [b"6", b"x"]
        assert await host.read_rows(MOB, 8) == await host.read_rows(MOB, 100) == []
        await host.commit(batch("d", token, changed(MOB, 3, b"y", truncate_after=5, drop_before=5)))
        assert await host.read_rows(MOB, 5) == [b"y"]

    async def test_host_case_11_bounds_past_the_end_move_no_index(self, host: HostStore, token: int) -> None:
        await host.commit(batch("a", token, created(MOB, b"0", b"1")))
        await host.commit(batch("b", token, changed(MOB, 1, truncate_after=9)))
        assert await host.read_rows(MOB) == [b"0", b"1"]
        await host.commit(batch("c", token, changed(MOB, 2, b"2", drop_before=9)))
        assert await host.read_rows(MOB, 2) == [b"2"]

    async def test_host_case_12_dropped_rows_cannot_be_read_or_replaced(self, host: HostStore, token: int) -> None:
        await host.commit(batch("a", token, created(MOB, b"0", b"1", b"2")))
        await host.commit(batch("b", token, changed(MOB, 1, drop_before=2)))
        with pytest.raises(InternalError, match="row 1 was dropped"):
            await host.read_rows(MOB, 1)
        with pytest.raises(InternalError, match="truncate_after 1 is before row 2"):
            await host.commit(batch("c", token, changed(MOB, 2, b"x", truncate_after=1)))
        assert await _content(host, MOB, 2) == (VersionedHead(2, "b", b"head"), [b"2"])

    async def test_host_case_13_a_deleted_scope_is_gone_with_its_rows(self, host: HostStore, token: int) -> None:
        await host.commit(batch("a", token, created(MOB, b"0"), created(RECORD)))
        await host.commit(batch("b", token, changed(MOB, 1, delete=True)))
        assert await _content(host, MOB) == (None, [])
        assert (await host.list_heads(ScopeKind.MOB)).heads == ()
        assert await host.load_head(RECORD) == VersionedHead(1, "a", b"head")
        with pytest.raises(InternalError, match="was deleted"):
            await host.commit(batch("c", token, created(MOB)))
        with pytest.raises(HostConflictError) as lost:
            await host.commit(batch("d", token, changed(MOB, 1)))
        assert lost.value.actual is None

    async def test_host_case_14_kinds_have_names_of_their_own(self, host: HostStore, token: int) -> None:
        scopes = [ScopeRef(kind, "same") for kind in ScopeKind]
        await host.commit(batch("a", token, *(created(scope, head=scope.kind.encode()) for scope in scopes)))
        for scope in scopes:
            page = await host.list_heads(scope.kind)
            assert page.heads == (ScopeHead("same", VersionedHead(1, "a", scope.kind.encode())),)

    async def test_host_case_15_a_conflict_of_one_scope_leaves_all(self, host: HostStore, token: int) -> None:
        await host.commit(batch("a", token, created(MOB, b"0")))
        for update, expected, actual in (
            (created(MOB), None, 1),
            (changed(MOB, 2), 2, 1),
            (changed(record_scope("none"), 1), 1, None),
        ):
            with pytest.raises(HostConflictError) as lost:
                await host.commit(batch("b", token, created(RECORD, b"r"), update))
            error = lost.value
            found = (error.kind, error.name, error.expected, error.actual)
            assert found == (update.scope.kind, update.scope.name, expected, actual)
            assert await _content(host, RECORD) == (None, [])
            assert await _content(host, MOB) == (VersionedHead(1, "a", b"head"), [b"0"])

    async def test_host_case_16_scopes_are_listed_in_the_byte_order_of_their_names(
        self, host: HostStore, token: int
    ) -> None:
        names = ["B", "a", "a b", "aa", "é", "\uffee", "😀", "x" * 512]
        await host.commit(batch("a", token, *(created(mob_scope(name)) for name in reversed(names))))
        in_order = sorted(names, key=str.encode)
        assert [head.name for head in (await host.list_heads(ScopeKind.MOB)).heads] == in_order
        found, after = list[str](), None
        while True:
            page = await host.list_heads(ScopeKind.MOB, after, 3)
            assert len(page.heads) <= 3
            found += (head.name for head in page.heads)
            if (after := page.next) is None:
                break
        assert found == in_order
        assert (await host.list_heads(ScopeKind.MOB, "a", 1)).heads[0].name == "a b"

    async def test_host_case_17_large_rows_and_heads_are_read_in_full(self, host: HostStore, token: int) -> None:
        row = bytes(range(256)) * 4096
        await host.commit(batch("0", token, created(MOB, *[row] * 8, head=b"")))
        await host.commit(batch("1", token, changed(MOB, 1, *[row] * 5, head=row * 3)))
        rows = await host.read_rows(MOB)
        assert len(rows) == 13
        assert set(rows) == {row}
        for name in ("n", "o"):
            await host.commit(batch(name, token, created(mob_scope(name), head=row * 8)))
        pages = [await host.list_heads(ScopeKind.MOB)]
        while pages[-1].next is not None:
            pages.append(await host.list_heads(ScopeKind.MOB, pages[-1].next))
        heads = [head for page in pages for head in page.heads]
        assert [(head.name, len(head.head.head)) for head in heads] == [("mob", 3 * 2**20), ("n", 2**23), ("o", 2**23)]

    async def test_host_case_18_many_rows_and_scopes_are_one_batch(self, host: HostStore, token: int) -> None:
        scopes = [created(mob_scope(f"{number:05}"), head=b"") for number in range(5000)]
        assert await host.commit(batch("0", token, created(RECORD, *[b"r"] * 9000), *scopes))
        assert len(await host.read_rows(RECORD, limit=10_000)) == 9000
        assert len((await host.list_heads(ScopeKind.MOB, limit=10_000)).heads) == 5000
        gone = [changed(update.scope, 1, delete=True) for update in scopes]
        assert await host.commit(batch("1", token, changed(RECORD, 1, b"x", truncate_after=1), *gone))
        assert await host.read_rows(RECORD) == [b"r", b"x"]
        assert (await host.list_heads(ScopeKind.MOB)).heads == ()

    async def test_host_case_19_rows_of_one_read_are_those_of_one_version(self, open_stores: Opener) -> None:
        writer, reader = [given("host", (await open_stores()).host) for _ in range(2)]
        token = (await writer.acquire_fence()).token
        await writer.commit(batch("0", token, created(MOB, b"0")))
        for version in range(1, 40):
            reading = asyncio.gather(*(reader.read_rows(MOB, limit=10) for _ in range(3)))
            await writer.commit(
                batch(f"{version}", token, changed(MOB, version, *[b"%d" % version] * 4, truncate_after=0))
            )
            assert all(len(set(rows)) == 1 for rows in await reading)


class TestHostCommits(Guarantee):
    """A batch of a host store that is sent again happens once."""

    @pytest.fixture
    async def token(self, host: HostStore) -> int:
        return (await host.acquire_fence()).token

    async def test_host_case_20_a_commit_id_acts_once(self, host: HostStore, token: int) -> None:
        first = batch("a", token, created(MOB, b"0"), created(RECORD))
        assert await host.commit(first)
        assert not await host.commit(first)
        assert not await host.commit(replace(first, updates=first.updates[::-1]))
        assert await host.read_rows(MOB) == [b"0"]
        await host.commit(batch("b", token, changed(MOB, 1, b"1"), changed(RECORD, 1, delete=True)))
        assert not await host.commit(first)
        assert await _content(host, MOB) == (VersionedHead(2, "b", b"head"), [b"0", b"1"])

    async def test_host_case_21_a_retry_is_answered_when_the_fence_has_gone(self, open_stores: Opener) -> None:
        old, new = [given("host", (await open_stores()).host) for _ in range(2)]
        token = (await old.acquire_fence()).token
        landed = batch("a", token, created(MOB, b"0"))
        assert await old.commit(landed)
        await new.acquire_fence(AcquireMode.TAKEOVER)
        assert not await old.commit(landed)
        assert not await new.commit(replace(landed, fence=token + 1))

    @pytest.mark.parametrize(
        "other",
        [
            created(MOB, b"0", head=b"other"),
            created(MOB, b"1"),
            created(MOB, b"0", b""),
            created(RECORD, b"0"),
            changed(MOB, 1, b"0", head=b"head"),
        ],
    )
    async def test_host_case_22_an_id_is_that_of_one_batch(
        self, host: HostStore, token: int, other: ScopeUpdate
    ) -> None:
        await host.commit(batch("a", token, created(MOB, b"0")))
        with pytest.raises(HostCommitReusedError, match="'a'"):
            await host.commit(batch("a", token, other))
        assert await _content(host, MOB) == (VersionedHead(1, "a", b"head"), [b"0"])

    async def test_numbers_and_rows_may_be_of_any_class(self, host: HostStore, token: int) -> None:
        assert token == Number.ONE
        rows: Any = (row for row in (b"0", b"1"))
        assert await host.commit(CommitBatch("a", Number.ONE, (ScopeUpdate(MOB, head=b"", append=rows),)))
        assert not await host.commit(batch("a", 1, created(MOB, b"0", b"1", head=b"")))
        bounds = {"truncate_after": Number.TWO, "drop_before": Number.ONE}
        assert await host.commit(batch("b", Number.ONE, changed(MOB, Number.ONE, b"2", **bounds)))
        assert not await host.commit(batch("b", 1, changed(MOB, 1, b"2", truncate_after=2, drop_before=1)))
        assert await host.read_rows(MOB, Number.ONE, Number.TWO) == [b"1", b"2"]
        with pytest.raises(HostConflictError) as lost:
            await host.commit(batch("c", 1, changed(MOB, Number.ONE)))
        assert repr((lost.value.expected, lost.value.actual)) == "(1, 2)"

    async def test_host_case_23_a_refused_batch_leaves_its_id_free(self, host: HostStore, token: int) -> None:
        with pytest.raises(HostConflictError):
            await host.commit(batch("a", token, changed(MOB, 1)))
        assert await host.commit(batch("a", token, created(MOB)))

    async def test_host_case_24_of_two_batches_for_one_version_one_lands(self, open_stores: Opener) -> None:
        hosts = [given("host", (await open_stores()).host) for _ in range(4)]
        token = (await hosts[0].acquire_fence()).token
        await hosts[0].commit(batch("0", token, created(MOB), created(RECORD)))
        ends = await asyncio.gather(
            *(
                host.commit(batch(f"{n}", token, changed(MOB, 1, b"%d" % n), changed(RECORD, 1, b"%d" % n)))
                for n, host in enumerate(hosts, 1)
            ),
            return_exceptions=True,
        )
        assert sum(end is True for end in ends) == 1
        assert sum(isinstance(end, HostConflictError) for end in ends) == 3
        rows = await hosts[0].read_rows(MOB)
        assert rows == await hosts[0].read_rows(RECORD)
        assert ends[int(rows[0]) - 1] is True

    @pytest.mark.parametrize(
        ("given_batch", "said"),
        [
            (batch("a", 1), "at least one scope"),
            (batch("", 1, created(MOB)), "1 to 128"),
            (batch("x" * 129, 1, created(MOB)), "1 to 128"),
            (batch("a\n", 1, created(MOB)), "control character"),
            (batch("a", 0, created(MOB)), "fence is 0"),
            (batch("a", 1, created(mob_scope(""))), "1 to 512"),
            (batch("a", 1, created(mob_scope("é" * 257))), "514 bytes"),
            (batch("a", 1, created(mob_scope("\x85"))), "control character"),
            (batch("a", 1, created(MOB), created(MOB)), "twice"),
            (batch("a", 1, ScopeUpdate(MOB)), "needs a head"),
            (batch("a", 1, ScopeUpdate(MOB, head=b"", drop_before=1)), "no rows that could be removed"),
            (batch("a", 1, ScopeUpdate(MOB, delete=True)), "cannot create and delete"),
            (batch("a", 1, changed(MOB, 1, b"", delete=True)), "not changed otherwise"),
            (batch("a", 1, changed(MOB, 0)), "previous is 0"),
            (batch("a", 1, changed(MOB, 1, drop_before=-1)), "drop_before is -1"),
            (batch("a", 1, created(MOB, b"x" * (MAX_ROW_BYTES + 1))), "a row has 1,048,577 bytes"),
            (batch("a", 1, created(MOB, b"x", head=b"x" * MAX_BATCH_BYTES)), "at most 8,388,608"),
            (batch("a", 1, created(MOB, *[b""] * (MAX_BATCH_PARTS + 1))), "at most 100,000"),
        ],
        ids=str,
    )
    async def test_host_case_25_what_breaks_a_limit_is_refused(
        self, host: HostStore, token: int, given_batch: CommitBatch, said: str
    ) -> None:
        assert token == 1
        with pytest.raises(InternalError, match=said):
            await host.commit(given_batch)
        assert await host.load_head(MOB) is None

    async def test_host_case_26_the_limits_themselves_are_kept(self, host: HostStore, token: int) -> None:
        scope = mob_scope("é" * 256)
        assert await host.commit(batch("x" * 128, token, created(scope, *[b"x" * MAX_ROW_BYTES] * 8, head=b"")))
        assert await host.commit(batch("y", token, created(RECORD, head=b"x" * MAX_BATCH_BYTES)))
        assert sum(map(len, await host.read_rows(scope))) == MAX_BATCH_BYTES
        for limit in (0, -1):
            with pytest.raises(MobStoreError, match="limit"):
                await host.list_heads(ScopeKind.MOB, limit=limit)
            with pytest.raises(MobStoreError, match="limit"):
                await host.read_rows(scope, limit=limit)
