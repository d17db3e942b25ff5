"""The runs of agents on a server: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

from redis_mob.codec.arguments import time_to_live, valid_text
from redis_mob.codec.counted_texts import counted, counted_at, name_digest
from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import StorageUnavailableError, ValidationError, shown
from redis_mob.storage import MobStorage

_EVENTS = 500
_RUNS = 200
_RECORDS = 500

_DIGITS = 20
"""Of the time at which a run began, in microseconds, before its id in a place."""


def after_counted(data: bytes) -> bytes:
    """What stands behind the text at the beginning. Raises SerializationError."""
    return data[counted_at("a record of a run of an agent", data)[1] :]


def run_name(run_id: object) -> bytes:
    """The id of a run as bytes. Raises ValidationError for an empty text, and for what is none."""
    name = valid_text("run_id", run_id)
    if not name:
        raise ValidationError("run_id must be a text that names a run, not an empty one")
    return name.encode()


def place_prefix(kind: bytes, name: str) -> bytes:
    """What the places of the runs of a conversation (c), of a parent (p), or of all (a) begin with."""
    return kind + (name_digest(name.encode()).encode() if kind != b"a" else b"")


class AgentRuns:
    """The runs of one namespace. A run goes `ttl` after its last write; without it, it stays until it is deleted.

    Writes happen at most once however often they are sent (decision 0015). All raise as the methods of the stores do.
    """

    def __init__(self, storage: MobStorage, ttl: timedelta | None) -> None:
        if not isinstance(storage, MobStorage):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(f"storage must be a redis_mob.MobStorage, not {shown(storage)}")
        if storage.on_server is None:
            raise StorageUnavailableError(
                "runs of agents need a server, and memory: is none: use embedded: in its place"
            )
        stays = time_to_live(ttl)
        server: OpenNamespace = storage.on_server
        self._client, self._keys = server.client, server.keys.pydantic_ai
        self._time_to_live: bytes | int = b"" if stays is None else stays

    def _of_run(self, run: bytes) -> list[str]:
        return [*self._keys.run(name_digest(run)), self._keys.runs, self._keys.run_places, self._keys.expiry]

    async def register_run(self, run: bytes, record: bytes, began: int, prefixes: Sequence[bytes]) -> None:
        """Keep the record of a run, which is found by these prefixes in the order of beginnings (in microseconds)."""
        places = [prefix + b"%0*d" % (_DIGITS, began) + run for prefix in prefixes]
        stored = counted(b"".join(map(counted, places))) + record
        arguments = {"run": run, "record": stored, "time_to_live": self._time_to_live, "found_by": places}
        await self._client.call("pydantic_ai/register_run", self._of_run(run), arguments)

    async def find_run(self, run: bytes) -> bytes | None:
        """The record of a run, None if it was not registered."""
        found = await self._read_field(self._keys.runs, run)
        return None if found is None else after_counted(found)

    async def list_runs(self, prefix: bytes) -> AsyncIterator[bytes]:
        """The records of the runs that are found by a prefix, those that began first first."""
        after = b""
        while True:
            arguments = [prefix, after, _RUNS, _DIGITS]
            after, found = await self._client.read(
                "pydantic_ai/list_runs", [self._keys.runs, self._keys.run_places], arguments
            )
            for stored in found:
                yield after_counted(stored)
            if not after:
                return

    async def append_event(self, run: bytes, identity: bytes, event: bytes) -> None:
        """Append an event, unless one of its identity is there; an empty one is none."""
        arguments = [run, identity, event, self._time_to_live]
        await self._client.call("pydantic_ai/append_event", self._of_run(run), arguments)

    async def list_events(self, run: bytes) -> AsyncIterator[bytes]:
        """The events of a run, in the order in which they were appended."""
        first = 0
        while True:
            wanted = [first, first + _EVENTS - 1]
            found: list[bytes] = await self._client.read("pydantic_ai/list_events", [self._of_run(run)[1]], wanted)
            for event in found:
                yield event
            if len(found) < _EVENTS:
                return
            first += _EVENTS

    async def save_snapshot(
        self, run: bytes, identity: bytes, snapshot: bytes, most: int | None, messages: Mapping[bytes, bytes]
    ) -> bool:
        """Save a snapshot unless one of its identity is there; False if messages are missing that are not given."""
        arguments = {
            "run": run,
            "identity": identity,
            "snapshot": snapshot,
            "most": b"" if most is None else most,
            "time_to_live": self._time_to_live,
            "messages": [part for name, message in messages.items() for part in (b"m" + name, message)],
        }
        return await self._client.call("pydantic_ai/save_snapshot", self._of_run(run), arguments) != Reply.LOST

    async def latest_snapshot(self, run: bytes, *, any_state: bool) -> tuple[bytes, list[bytes | None]] | None:
        """The newest snapshot, and its messages; None if there is none."""
        records, _, snapshots = self._of_run(run)[:3]
        found = await self._client.read("pydantic_ai/latest_snapshot", [records, snapshots], [int(any_state)])
        return None if found is None else (found[0], found[1])

    async def put_record(self, run: bytes, field: bytes, record: bytes) -> None:
        """Keep a record of a run in the place of an earlier one."""
        arguments = [run, field, record, self._time_to_live]
        await self._client.call("pydantic_ai/put_record", self._of_run(run), arguments)

    async def find_record(self, run: bytes, field: bytes) -> bytes | None:
        """A record of a run, None if there is none."""
        return await self._read_field(self._of_run(run)[0], field)

    async def _read_field(self, key: str, field: bytes) -> bytes | None:
        return await self._client.read("pydantic_ai/read_field", [key], [field])

    async def list_tool_effects(self, run: bytes) -> list[bytes]:
        """What the calls of tools of a run have come to."""
        stored, cursor = dict[bytes, bytes](), b"0"
        while True:
            wanted = [cursor, _RECORDS]
            cursor, part = await self._client.read("pydantic_ai/list_tool_effects", self._of_run(run)[:1], wanted)
            stored |= zip(part[::2], part[1::2], strict=True)
            if cursor == b"0":
                return [stored[field] for field in sorted(stored)]

    async def delete_run(self, run: bytes) -> bool:
        """Delete all that there is of a run; False if there is nothing."""
        return bool(await self._client.call("pydantic_ai/delete_run", self._of_run(run), [run]))
