"""Policies of retention on Redis, and what they do not keep: it is found and deleted in small steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import duration, flag, member, optional_text, text
from redis_mob.codec.events import STRUCTURAL
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.packing import Argument
from redis_mob.codec.retention import (
    FIELDS,
    checked_bounds,
    checked_policy,
    checked_sequence,
    decode_age,
    decode_policies,
    encode_policy,
    policy_field,
    runs_prefix,
)
from redis_mob.codec.run_heads import place_prefix
from redis_mob.codec.run_summaries import STATUS_BYTES, RunPlace, decode_place, encode_sequence
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.connection.calls.server_memory import memory_of_server
from redis_mob.connection.failures import TransportError
from redis_mob.contracts import RetentionStore
from redis_mob.errors import SerializationError
from redis_mob.models.retention import (
    NamespaceSizes,
    PrunedEvents,
    RetentionPolicies,
    RetentionPolicy,
    RunAge,
    RunAges,
)
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunFilter
from redis_mob.stores.event_arguments import order_text
from redis_mob.stores.operations import RedisOperationsStore
from redis_mob.stores.readable import readable

_RUNS = 50
"""How many runs one script reads."""

_EVENTS = 100
"""How many events one script looks at."""

_MEASURED = 10
"""How many of the newest runs are measured, and how many of the oldest that are over."""

_SAMPLES = 5
"""Of how many records of a key the server tells the memory; it takes the others to be like them."""


@readable
class RedisRetentionStore(RetentionStore):
    """The contract's `RetentionStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys, operations: RedisOperationsStore) -> None:
        self._client = client
        self._keys = keys
        self._operations = operations

    async def set_policy(
        self, policy: RetentionPolicy, mob_id: str | None = None, flow_id: str | None = None, *, if_none: bool = False
    ) -> bool:
        field, encoded = policy_field(mob_id, flow_id), encode_policy(checked_policy(policy, mob_id))
        arguments = [field, encoded, int(flag("if_none", if_none))]
        return bool(await self._client.call("retention/set_policy", self._own, arguments))

    async def clear_policy(self, mob_id: str | None = None, flow_id: str | None = None) -> bool:
        return bool(await self._client.call("retention/clear_policy", self._own, [policy_field(mob_id, flow_id)]))

    async def policies(self) -> RetentionPolicies:
        now, stored = await self._client.read("retention/policies", self._own)
        return decode_policies(int(now), as_mapping(stored))

    async def take_turn(self, holder: str, length: timedelta) -> bool:
        milliseconds = duration("length", length) // timedelta(milliseconds=1)
        arguments = [text("holder", holder), milliseconds]
        return await self._client.call("retention/take_turn", self._own, arguments) == Reply.WON

    async def oldest_runs(self, status: MobRunStatus, after: int | None = None) -> RunAges:
        status, after = member("status", status, MobRunStatus), checked_sequence(after)

        async def read() -> Sequence[bytes]:
            places = await self._oldest_runs(status, after, must_be_whole=True)
            if places is None:
                await self._operations.index_runs()
                places = await self._oldest_runs(status, after, must_be_whole=False) or ()
            return places

        return await self._ages(read)

    async def oldest_of_flow(self, mob_id: str, flow_id: str, after: int | None = None) -> RunAges:
        flow = place_prefix(text("mob_id", mob_id), text("flow_id", flow_id))
        arguments = [flow, encode_sequence(checked_sequence(after)), _RUNS]
        keys = [self._keys.meta, self._keys.runs]
        return await self._ages(lambda: self._client.read("retention/oldest_of_flow", keys, arguments))

    async def _ages(self, read: Callable[[], Awaitable[Sequence[bytes]]]) -> RunAges:
        found = [decode_place(bytes(place)) for place in await read()]
        runs: list[RunAge] = []
        unreadable: list[str] = []
        gone: list[RunPlace] = []
        rows = await self._read_ages([place.run_id for place in found])
        for place, (row, number) in zip(found, rows, strict=True):
            try:
                age = decode_age(place, row, number)
                if age is None:
                    gone.append(place)
                else:
                    runs.append(age)
            except SerializationError as error:
                unreadable.append(str(error))
        if gone:
            # one that was deleted meanwhile has no place any more
            listed = {decode_place(bytes(place)) for place in await read()}
            unreadable += [f"run {one.run_id} is listed, and its keys are gone" for one in gone if one in listed]
        return RunAges(tuple(runs), found[-1].sequence if len(found) == _RUNS else None, tuple(unreadable))

    async def _oldest_runs(
        self, status: MobRunStatus, after: int | None, *, must_be_whole: bool
    ) -> Sequence[bytes] | None:
        return await self._client.read(
            "retention/oldest_runs",
            [self._keys.meta, self._keys.runs, self._keys.runs_by_status],
            [STATUS_BYTES[status], encode_sequence(after), _RUNS, int(must_be_whole)],
        )

    async def _read_ages(self, run_ids: Sequence[str]) -> Sequence[tuple[Sequence[bytes | None], int]]:
        hashes = [self._keys.run(run_id).run for run_id in run_ids]
        return await self._client.read("retention/read_ages", hashes, {"fields": FIELDS}) if hashes else []

    async def count_runs(self, mob_id: str | None = None, flow_id: str | None = None) -> int:
        prefix = runs_prefix(mob_id, flow_id)
        return await self._client.read("retention/count_runs", [self._keys.meta, self._keys.runs], [prefix])

    async def prune_events(self, older_than: datetime | None, *, newest: int | None = None) -> PrunedEvents:
        found, more = await self._client.call("retention/prune_events", self._log, _prunable(older_than, newest))
        return PrunedEvents(found, "" if more else None)

    async def count_events(
        self, older_than: datetime | None, after: str | None = None, *, newest: int | None = None
    ) -> PrunedEvents:
        arguments = {**_prunable(older_than, newest), "after": optional_text("after", after) or ""}
        found, last = await self._client.read("retention/count_events", self._log, arguments)
        return PrunedEvents(found, bytes(last).decode() or None)

    async def sizes(self) -> NamespaceSizes:
        keys = self._keys
        now, events, first, definitions = await self._client.read(
            "retention/sizes", [keys.meta, keys.events, keys.definitions]
        )
        measured = await asyncio.gather(*map(self._memory_of, keys.fixed))
        memory = await memory_of_server(self._client)
        return NamespaceSizes(
            events=events,
            oldest_event=ledgers.moment(int(first)) if first else None,
            definitions=definitions,
            keys={key.partition("}:")[2]: size for key, size in zip(keys.fixed, measured, strict=True) if size},
            bytes_of_a_run=await self._bytes_of_a_run(),
            used_memory=memory.used,
            max_memory=memory.limit,
            now=ledgers.moment(int(now)),
        )

    async def _bytes_of_a_run(self) -> int | None:
        newest = [run.run_id for run in (await self._operations.runs(RunFilter(), limit=_MEASURED)).runs]
        oldest = [run.run_id for run in (await self.oldest_runs(MobRunStatus.COMPLETED)).runs]
        measured = dict.fromkeys([*newest, *oldest[:_MEASURED]])
        sizes: list[int] = []
        for run_id in measured:
            run = self._keys.run(run_id)
            parts = [*run.parts, run.index, run.executions, run.published, run.progress, run.cursors]
            found = await asyncio.gather(*map(self._memory_of, parts))
            if None in found:
                return None
            sizes.append(sum(size or 0 for size in found))
        return sum(sizes) // len(sizes) if sizes else None

    async def _memory_of(self, key: str) -> int | None:
        """The bytes of a key, 0 if there is none; None if the server does not tell them, as a user may not ask."""
        with suppress(TransportError):
            return await self._client.router.request(b"MEMORY", b"USAGE", key, b"SAMPLES", _SAMPLES) or 0
        return None

    @property
    def _own(self) -> list[str]:
        return [self._keys.meta, self._keys.retention]

    @property
    def _log(self) -> list[str]:
        return [self._keys.meta, self._keys.events, self._keys.events_by_time]


def _prunable(older_than: datetime | None, newest: int | None) -> dict[str, Argument | Sequence[Argument]]:
    """Which events a script looks for, and at how many of them."""
    before, most_kept = checked_bounds(older_than, newest)
    return {
        "moment": "" if before is None else order_text(ledgers.microseconds(before)),
        "newest": "" if most_kept is None else most_kept,
        "kept": STRUCTURAL,
        "most": _EVENTS,
    }
