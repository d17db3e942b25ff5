"""Where `StepPersistence` of pydantic-ai-harness keeps what an agent has done."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai_harness.step_persistence import ContinuableSnapshot, RunRecord, StepEvent, ToolEffectRecord

from redis_mob.codec.arguments import flag, instance, integer
from redis_mob.codec.counted_texts import counted, name_digest
from redis_mob.codec.ledgers import microseconds
from redis_mob.errors import InternalError, SerializationError, shortened, shown
from redis_mob.pydantic_ai.agent_runs import AgentRuns, after_counted, place_prefix, run_name
from redis_mob.storage import MobStorage

T = TypeVar("T")

_RUNS = TypeAdapter(RunRecord)
_EVENTS = TypeAdapter(StepEvent)
_EFFECTS = TypeAdapter(ToolEffectRecord)
_SNAPSHOTS = TypeAdapter(ContinuableSnapshot)

_KNOWN_RUNS = 100
"""Of how many runs the messages are known that were sent: those that others have are sent again."""


class RedisMobStepStore:
    """A `StepStore` of pydantic-ai-harness in a namespace of redis_mob, for one event loop:
    `StepPersistence(store=RedisMobStepStore(storage))`.

    Each write is one atomic script, which happens at most once. An event or snapshot with an idempotency key that is
    there is not written again. Snapshots share their messages: each is stored, and mostly sent, once
    (contract: agent-2). A run goes `ttl` after its last write; without it, it stays until `delete_run`.
    `max_snapshots_per_run` snapshots stay of each run, and the newest that is complete. Methods raise the errors of the
    stores.
    """

    def __init__(
        self, storage: MobStorage, *, ttl: timedelta | None = None, max_snapshots_per_run: int | None = None
    ) -> None:
        self._runs = AgentRuns(storage, ttl)
        self._most = (
            None if max_snapshots_per_run is None else integer("max_snapshots_per_run", max_snapshots_per_run, 1)
        )
        self._sent: OrderedDict[bytes, set[bytes]] = OrderedDict()

    async def register_run(self, record: RunRecord) -> None:
        """Keep the record of a run, in the place of an earlier one."""
        checked = instance("record", record, RunRecord)
        prefixes = [place_prefix(b"a", "")]
        if checked.conversation_id is not None:
            prefixes.append(place_prefix(b"c", checked.conversation_id))
        if checked.parent_run_id is not None:
            prefixes.append(place_prefix(b"p", checked.parent_run_id))
        began = microseconds(checked.started_at)
        await self._runs.register_run(run_name(checked.run_id), _written(_RUNS, checked), began, prefixes)

    async def get_run(self, *, run_id: str) -> RunRecord | None:
        """The record of a run, None if there is none."""
        found = await self._runs.find_run(run_name(run_id))
        return None if found is None else _read(_RUNS, found)

    async def list_runs(
        self, *, parent_run_id: str | None = None, conversation_id: str | None = None
    ) -> list[RunRecord]:
        """The runs of a conversation, or of a parent, or of both, those that began first first."""
        if conversation_id is not None:
            prefix = place_prefix(b"c", conversation_id)
        else:
            prefix = place_prefix(b"a", "") if parent_run_id is None else place_prefix(b"p", parent_run_id)
        found = [_read(_RUNS, record) async for record in self._runs.list_runs(prefix)]
        return [one for one in found if parent_run_id is None or one.parent_run_id == parent_run_id]

    async def append_event(self, event: StepEvent) -> None:
        """Append an event, unless one with its idempotency key is there."""
        checked = instance("event", event, StepEvent)
        identity = (checked.idempotency_key or "").encode()
        await self._runs.append_event(run_name(checked.run_id), identity, _written(_EVENTS, checked))

    async def list_events(self, *, run_id: str) -> list[StepEvent]:
        """The events of a run, in their order."""
        return [_read(_EVENTS, event) async for event in self._runs.list_events(run_name(run_id))]

    async def save_snapshot(self, snapshot: ContinuableSnapshot) -> None:
        """Save a snapshot, unless one with its idempotency key is there."""
        checked = instance("snapshot", snapshot, ContinuableSnapshot)
        run, identity = run_name(checked.run_id), (checked.idempotency_key or "").encode()
        messages = [_message(message) for message in checked.messages]
        named = {name_digest(message).encode(): message for message in messages}
        digests = b"".join(name_digest(message).encode() for message in messages)
        stored = checked.state[:1].encode() + counted(digests) + _without_messages(checked)
        sent = self._sent.pop(run, set[bytes]())
        new = {name: message for name, message in named.items() if name not in sent}
        if not await self._runs.save_snapshot(run, identity, stored, self._most, new):
            # another process has trimmed or deleted what this one had sent
            await self._runs.save_snapshot(run, identity, stored, self._most, named)
        self._sent[run] = set(named)
        if len(self._sent) > _KNOWN_RUNS:
            self._sent.popitem(last=False)

    async def latest_snapshot(self, *, run_id: str, include_interrupted: bool = False) -> ContinuableSnapshot | None:
        """The newest snapshot of a run that is complete, or the newest of all; None if there is none."""
        any_state = flag("include_interrupted", include_interrupted)
        found = await self._runs.latest_snapshot(run_name(run_id), any_state=any_state)
        if found is None:
            return None
        stored, messages = found
        if None in messages:
            raise SerializationError(f"the newest snapshot of run {shown(run_id)} lacks messages")
        snapshot = _read(_SNAPSHOTS, after_counted(stored[1:]))
        joined = b"[" + b",".join(message or b"" for message in messages) + b"]"
        snapshot.messages = _readable(lambda: ModelMessagesTypeAdapter.validate_json(joined))
        return snapshot

    async def record_tool_effect(self, record: ToolEffectRecord) -> None:
        """Keep what a call of a tool has come to, in the place of what was known before."""
        checked = instance("record", record, ToolEffectRecord)
        field = b"t" + checked.tool_call_id.encode()
        await self._runs.put_record(run_name(checked.run_id), field, _written(_EFFECTS, checked))

    async def get_tool_effect(self, *, run_id: str, tool_call_id: str) -> ToolEffectRecord | None:
        """What a call of a tool has come to, None if there was none."""
        found = await self._runs.find_record(run_name(run_id), b"t" + tool_call_id.encode())
        return None if found is None else _read(_EFFECTS, found)

    async def list_unresolved_tool_effects(self, *, run_id: str) -> list[ToolEffectRecord]:
        """The calls of tools of which it is not known whether they have happened."""
        found = [_read(_EFFECTS, record) for record in await self._runs.list_tool_effects(run_name(run_id))]
        return [one for one in found if one.status == "started"]

    async def delete_run(self, run_id: str) -> bool:
        """Delete all that there is of a run; False if there is nothing."""
        self._sent.pop(run_name(run_id), None)
        return await self._runs.delete_run(run_name(run_id))


def _written(adapter: TypeAdapter[T], value: T) -> bytes:
    try:
        return adapter.dump_json(value)
    except (ValueError, TypeError) as error:
        raise InternalError(f"a {type(value).__name__} cannot be stored: {shortened(error)}") from error


def _read(adapter: TypeAdapter[T], data: bytes) -> T:
    return _readable(lambda: adapter.validate_json(data))


def _readable(read: Any) -> Any:
    try:
        return read()
    except ValueError as error:
        raise SerializationError(f"a record of a run of an agent cannot be read: {shortened(error)}") from error


def _message(message: Any) -> bytes:
    return ModelMessagesTypeAdapter.dump_json([message])[1:-1]


def _without_messages(snapshot: ContinuableSnapshot) -> bytes:
    return _SNAPSHOTS.dump_json(snapshot, exclude={"messages"})[:-1] + b',"messages":[]}'
