"""What operators ask, on Redis: lists of runs are read in small steps, so that no script holds up the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import integer
from redis_mob.codec.documents import decode_members
from redis_mob.codec.labels import ATTRIBUTES
from redis_mob.codec.labels import place_prefix as place_prefix_of_attribute
from redis_mob.codec.run_heads import place_prefix, run_id_of_place
from redis_mob.codec.run_ids import LENGTH, MOST_NAMED, beginning_of_ids, one_of
from redis_mob.codec.run_summaries import (
    BRIEF,
    FIELDS,
    HEAD_FIELDS,
    PARAMS,
    STATUS_BYTES,
    RunPlace,
    SummaryRow,
    checked_which,
    decode_cursor,
    decode_params,
    decode_place,
    decode_places,
    decode_summary,
    encode_sequence,
)
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import OperationsStore
from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.models.run_standing import RunStanding
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import ANY_RUN, RunFilter, RunPage, RunSummary
from redis_mob.stores.readable import readable

_PLACES = 500
"""How many places of runs one script looks at; lua/operations/newest_places does not look at more."""

_IDS = 2000
"""How many ids one script compares with the beginning of one."""

_SUMMARIES = 100
"""How many runs one script reads the heads of."""

_INDEXED = 100
"""How many runs one script puts in the index."""

_MOST_BYTES = 500_000
"""Bytes of summaries after which a script reads no further run."""


@readable
class RedisOperationsStore(OperationsStore):
    """The contract's `OperationsStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def runs(self, which: RunFilter = ANY_RUN, /, *, limit: int = 50, after: str | None = None) -> RunPage:
        which, limit = checked_which(which), integer("limit", limit, least=1)
        found: list[RunSummary] = []
        listing, following = _Listing(self, which, FIELDS, decode_cursor(after)), None
        async for run in listing.runs(limit + 1):
            if len(found) == limit:  # there are more
                break
            found.append(run)
            following = str(listing.before)
        else:
            following = None
        return RunPage(runs=tuple(found), next=following, now=listing.now)

    async def count(self, which: RunFilter = ANY_RUN, /) -> Mapping[MobRunStatus, int]:
        which = checked_which(which)
        if which.is_by_status_alone:
            return dict(zip(which.any_of, await self._count(which.any_of), strict=True))
        counted = Counter(dict.fromkeys(which.any_of, 0))
        async for run in _Listing(self, which, BRIEF, None).runs(_PLACES):
            counted[run.status] += 1
        return dict(counted)

    async def find(self, prefix: str, /) -> str:
        beginning, after, found = beginning_of_ids(prefix), b"", list[str]()
        if len(beginning) == LENGTH:
            [row] = await self._read_summaries([beginning], (b"status",))
            return one_of(prefix, [] if row is None else [beginning])
        while len(found) <= MOST_NAMED:
            after, more = await self._find_run(beginning, after)
            found += more
            if not after:
                break
        return one_of(prefix, found)

    async def summary(self, run_id: str, /) -> RunSummary | None:
        run_id = self._keys.run(run_id).run_id
        [row] = await self._read_summaries([run_id], FIELDS)
        return None if row is None else decode_summary(run_id, FIELDS, row)

    async def standing(self, run_id: str, /) -> RunStanding:
        run_id = self._keys.run(run_id).run_id
        [row] = await self._read_summaries([run_id], HEAD_FIELDS)
        if row is None:
            raise NotFoundError.of_run(run_id, self._keys.namespace)
        return await self._standing(run_id, *decode_places(run_id, row))

    async def _standing(self, run_id: str, end: bytes, place: bytes, ended: bytes) -> RunStanding:
        is_listed, places, is_due, last = await self._client.read(
            "operations/standing",
            [
                self._keys.runs,
                self._keys.runs_by_status,
                self._keys.due,
                self._keys.events_index,
                self._keys.meta,
            ],
            {"run_id": run_id, "place": place, "places": [b + end for b in STATUS_BYTES.values()], "ended": ended},
        )
        statuses = [status for status, is_there in zip(STATUS_BYTES, places, strict=True) if is_there]
        return RunStanding(bool(is_listed), tuple(statuses), bool(is_due), bool(last))

    async def definitions(self) -> tuple[str, ...]:
        found = await self._client.read("operations/definitions", [self._keys.meta, self._keys.definitions])
        return tuple(sorted(decode_members(self._keys.definitions, found)))

    async def index_runs(self) -> None:
        async for places in self._chunks(self._keys.runs):
            await self.index(places)
        # what is left in the index of runs that were forgotten
        if await self._count_runs((), must_be_whole=True) is None:
            async for places in self._chunks(self._keys.runs_by_status):
                await self.index([decode_place(place, self._keys.runs_by_status).end for place in places])

    async def _chunks(self, key: str) -> AsyncIterator[Sequence[bytes]]:
        after = b""
        while places := await self._places_after(key, after):
            yield places
            after = places[-1]

    async def places_of_runs(self, after: bytes) -> Sequence[bytes]:
        """The next places of runs in the order of their mobs and flows; none behind the last."""
        return await self._places_after(self._keys.runs, after)

    async def index(self, places: Sequence[bytes]) -> None:
        """Let the runs at these places stand in the indexes where they belong."""
        for first in range(0, len(places), _INDEXED):
            lost = await self._index_runs(places[first : first + _INDEXED])
            if lost:
                raise SerializationError(f"run {run_id_of_place(lost[0])[1]} is listed, and its keys are gone")

    async def _count(self, statuses: Sequence[MobRunStatus]) -> Sequence[int]:
        if (counts := await self._count_runs(statuses, must_be_whole=True)) is None:
            await self.index_runs()
            counts = await self._count_runs(statuses, must_be_whole=False) or ()
        return counts

    async def _count_runs(self, statuses: Sequence[MobRunStatus], *, must_be_whole: bool) -> Sequence[int] | None:
        return await self._client.read(
            "operations/count_runs",
            [self._keys.meta, self._keys.runs, self._keys.runs_by_status],
            {"statuses": [STATUS_BYTES[status] for status in statuses], "must_be_whole": int(must_be_whole)},
        )

    async def newest(self, which: RunFilter, before: int | None, most: int) -> tuple[datetime, bool, list[RunPlace]]:
        """The newest places before a sequence among which are those of the runs that are asked for.

        With them the time, and whether there are none behind these.
        """
        if (reply := await self._newest_places(which, before, most, must_be_whole=True)) is None:
            known = await self._settle_attributes(b"") if which.attributes else b""
            await self.index_runs()
            if which.attributes:
                await self._settle_attributes(known)
            # a run that an older release has created since then is in the next list
            reply = await self._newest_places(which, before, most, must_be_whole=False)
        now, are_last, places = reply
        return ledgers.moment(int(now)), bool(are_last), list(map(decode_place, map(bytes, places)))

    async def _newest_places(self, which: RunFilter, before: int | None, most: int, *, must_be_whole: bool) -> Any:
        has_flow = which.mob_id is not None and which.flow_id is not None
        return await self._client.read(
            "operations/newest_places",
            [self._keys.meta, self._keys.runs, self._keys.runs_by_status, self._keys.by_attribute],
            {
                "statuses": [STATUS_BYTES[status] for status in which.any_of],
                "mob": b"" if which.mob_id is None else place_prefix(which.mob_id),
                "flow": place_prefix(which.mob_id, which.flow_id) if which.mob_id is not None and has_flow else b"",
                "attributes": [place_prefix_of_attribute(*one) for one in which.attributes.items()],
                "before": encode_sequence(before),
                "most": min(most, _PLACES),
                "must_be_whole": int(must_be_whole),
            },
        )

    async def summaries(
        self, which: RunFilter, names: Sequence[bytes], places: Sequence[RunPlace]
    ) -> list[tuple[RunPlace, RunSummary | None]]:
        """The runs at these places, None for one that is not asked for; of the first places at least.

        Those that stand at a status which they do not have are moved.
        """
        names = names if not which.attributes or ATTRIBUTES in names else (*names, ATTRIBUTES)
        names = names if which.text is None else (*names, PARAMS)
        places = places[:_SUMMARIES]
        rows = await self._read_summaries([place.run_id for place in places], names)
        found: list[tuple[RunPlace, RunSummary | None]] = []
        misplaced: list[bytes] = []
        names_of = {place_prefix_of_attribute(*one): one[0] for one in which.attributes.items()}
        unattributed: list[bytes] = []
        for place, row in zip(places, rows, strict=False):
            run = None if row is None else decode_summary(place.run_id, names, row)
            if run is None or (place.status and STATUS_BYTES[run.status] != place.status):
                misplaced.append(place.end)
            if place.attribute and (run is None or which.lacks(names_of[place.attribute], run)):
                unattributed.append(place.attribute + place.end)
            is_wanted = run is not None and which.includes(run)
            if is_wanted and which.text is not None:
                is_wanted = row is not None and which.is_in(decode_params(place.run_id, row.values[-1]))
            found.append((place, run if is_wanted else None))
        await self.index(misplaced)
        if unattributed:
            await self._forget_attributes(unattributed)
        if None in rows and await self._count_runs((), must_be_whole=True) is None:
            await self.index_runs()  # which tells of a run that was lost, if none was deleted meanwhile
        return found

    async def _read_summaries(self, run_ids: Sequence[str], names: Sequence[bytes]) -> Sequence[SummaryRow | None]:
        runs = map(self._keys.run, run_ids)
        rows = await self._client.read(
            "operations/read_summaries",
            [key for run in runs for key in (run.run, run.failures)],
            {"fields": names, "most_bytes": _MOST_BYTES},
        )
        return [None if row is None else SummaryRow(*row) for row in rows]

    async def _index_runs(self, places: Sequence[bytes]) -> Sequence[bytes]:
        hashes = [self._keys.run(run_id_of_place(place)[1]).run for place in places]
        return await self._client.call(
            "operations/index_runs",
            [self._keys.runs, self._keys.runs_by_status, self._keys.by_attribute, *hashes],
            {"places": places},
        )

    async def _settle_attributes(self, seen: bytes) -> bytes:
        keys = [self._keys.meta, self._keys.by_attribute]
        return bytes(await self._client.call("operations/settle_attributes", keys, [seen]))

    async def _forget_attributes(self, places: Sequence[bytes]) -> None:
        hashes = [self._keys.run(run_id_of_place(place)[1]).run for place in places]
        keys = [self._keys.meta, self._keys.by_attribute, *hashes]
        await self._client.call("operations/forget_attributes", keys, {"places": places})

    async def _places_after(self, key: str, after: bytes) -> Sequence[bytes]:
        return await self._client.read("operations/places_after", [key], [after, _PLACES])

    async def _find_run(self, beginning: str, after: bytes) -> tuple[bytes, list[str]]:
        keys = [self._keys.meta, self._keys.runs]
        last, ids = await self._client.read("operations/find_run", keys, [beginning, after, _IDS])
        return last, decode_members(self._keys.runs, ids)


class _Listing:
    """Goes through the runs that are asked for, the newest first, in calls that are as small as they may be.

    `before` is the sequence of the last run that was looked at, `now` the time of the last look.
    """

    def __init__(
        self, store: RedisOperationsStore, which: RunFilter, names: Sequence[bytes], before: int | None
    ) -> None:
        self._store, self._which, self._names = store, which, names
        self.before = before
        self.now = ledgers.EPOCH

    async def runs(self, wanted: int) -> AsyncIterator[RunSummary]:
        """The runs, of which the caller wants so many at first."""
        most, are_last = wanted, False
        while not are_last:
            self.now, are_last, places = await self._store.newest(self._which, self.before, most)
            while places:
                looked_at = await self._store.summaries(self._which, self._names, places)
                places = places[len(looked_at) :]
                for place, run in looked_at:
                    self.before = place.sequence
                    if run is not None:
                        yield run
            most = min(2 * most, _PLACES)  # the less of what is looked at is asked for, the fewer calls for each
