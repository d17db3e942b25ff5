"""Conversations on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis_mob.codec import conversations as codec
from redis_mob.codec.arguments import flag, integer, optional_integer
from redis_mob.codec.conversations import Change
from redis_mob.codec.documents import decode_members
from redis_mob.codec.executions import due_run, encode_execution, execution_field
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.labels import stored_labels
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply, won
from redis_mob.contracts import ConversationStore, StartedTurn
from redis_mob.errors import CasConflictError, ConversationBusyError, NotFoundError
from redis_mob.models.base import U64_MAX, canonical_run_id
from redis_mob.models.checkpoint import MOST_CHECKPOINTS
from redis_mob.models.conversation import (
    MOST_WAITING,
    ChangeKind,
    Conversation,
    ConversationItem,
    ConversationRecord,
)
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.stores.children import start_arguments
from redis_mob.stores.readable import readable

_PAGE = 100
"""How many items one script reads."""

_NAMED = 11
"""How many runs of a conversation are named: the active one, and ten that wait."""

_MOST = 2**53
"""More than there are of anything."""

_LONG = -5
"""The reply of a script that was to append an item which is too long."""


def keys_of(keys: Keys, conversation: str) -> list[str]:
    """The keys of a conversation, and those in which all are, in the order in which the scripts take them."""
    digest = codec.conversation_digest(conversation)
    return [keys.conversing, keys.conversations, keys.conversation(digest), keys.conversation_items(digest)]


async def release(client: Client, keys: Keys, run_id: str, conversation: str) -> bool:
    """See `ConversationStore.release`."""
    of_run, named = keys.run(run_id), codec.checked_id(conversation)
    reply = await client.call(
        "conversations/release",
        [of_run.run, of_run.index, keys.meta, keys.due, keys.wake_runs, *keys_of(keys, named)],
        [canonical_run_id(run_id), named, codec.conversation_digest(named)],
    )
    return reply == Reply.WON


@readable
class RedisConversationStore(ConversationStore):
    """The contract's `ConversationStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def start(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        conversation: Conversation,
        rejects: bool = False,
        labels: Labels = NO_LABELS,
    ) -> StartedTurn:
        given, stored = codec.checked_conversation(conversation), stored_labels(labels)
        keys, arguments = start_arguments(self._keys, run, launch, definition, None, stored)
        del arguments["at"]
        by_attribute = self._keys.by_attribute
        reply = await self._client.call(
            "conversations/start",
            [*(name for name in keys if name != by_attribute), by_attribute, *keys_of(self._keys, given.id)],
            {
                **arguments,
                "id": given.id,
                "id_digest": codec.conversation_digest(given.id),
                "about": codec.encode_owner(run.mob_id, run.flow_id),
                "policy": b"reject" if flag("rejects", rejects) else b"enqueue",
                **codec.bound_arguments(given),
                "most_waiting": MOST_WAITING,
            },
        )
        if reply in (Reply.WON, Reply.EXISTS):
            return StartedTurn(reply == Reply.WON)
        code, *rest = map(bytes, reply)
        match code:
            case b"flow":
                raise codec.of_another_flow(given.id, run.mob_id, run.flow_id, rest[0])
            case b"busy":
                raise ConversationBusyError(given.id, rest[0].decode())
            case b"full":
                raise ConversationBusyError(given.id, rest[0].decode(), f", and {MOST_WAITING:,} wait for their turn")
            case b"other":
                raise codec.of_another_conversation(given.id, run.run_id)
            case _:
                return StartedTurn(code == b"waits", tuple(one.decode() for one in rest))

    async def supersede(self, run_id: str, *, rolls_back: bool = False) -> bool:
        keys = self._keys.run(run_id)
        reply = await self._client.call(
            "conversations/supersede",
            [keys.run, keys.index, self._keys.meta, self._keys.due, self._keys.wake_runs],
            [due_run(canonical_run_id(run_id)), int(flag("rolls_back", rolls_back))],
        )
        return won(reply, run_id, self._keys.namespace)

    async def take_turn(self, run_id: str) -> bool:
        keys = self._keys.run(run_id)
        reply = await self._client.call(
            "conversations/take_turn",
            [keys.run, keys.index, self._keys.meta, self._keys.due, self._keys.conversing],
            [due_run(canonical_run_id(run_id))],
        )
        return won(reply, run_id, self._keys.namespace)

    async def release(self, run_id: str, conversation: str) -> bool:
        return await release(self._client, self._keys, run_id, conversation)

    async def change(
        self,
        run_id: str,
        key: ExecutionKey,
        execution: Execution,
        conversation: str,
        number: int,
        kind: ChangeKind,
        items: Sequence[Any] = (),
        *,
        after: str = "",
    ) -> tuple[Any, ...] | None:
        keys, named, change = self._keys.run(run_id), codec.checked_id(conversation), Change.of(kind, items, after)
        bounds = codec.bound_arguments(Conversation(named))
        reply = await self._client.call(
            "conversations/change",
            [keys.run, keys.index, keys.executions, *keys_of(self._keys, named)[2:]],
            {
                "field": execution_field(key),
                "expected": encode_execution(execution),
                "name": codec.change_field(key, number),
                "by": codec.encode_author(canonical_run_id(run_id), key),
                "number": number,
                "identity": change.identity,
                "kind": change.kind,
                "id": named,
                "keep": bounds["default_keep"],
                "max_items": bounds["default_items"],
                "max_bytes": bounds["default_bytes"],
                "most": MOST_CHECKPOINTS,
                "texts": change.items,
                "sizes": list(map(len, change.items)),
            },
        )
        match reply:
            case Reply.LOST:
                return None
            case Reply.NOT_FOUND:
                raise NotFoundError.of_run(run_id, self._keys.namespace)
            case Reply.CONFLICT:
                raise CasConflictError(f"run {run_id}: it has {MOST_CHECKPOINTS:,} records of steps and checkpoints")
            case int():
                raise codec.too_long_item(named)
            case _:
                return _popped(bytes(reply[0]))

    async def edit(self, conversation: Conversation, kind: ChangeKind, items: Sequence[Any] = ()) -> tuple[Any, ...]:
        given, change = codec.checked_conversation(conversation), Change.of(kind, items)
        reply = await self._client.call(
            "conversations/edit",
            [self._keys.meta, *keys_of(self._keys, given.id)],
            {
                "id": given.id,
                "id_digest": codec.conversation_digest(given.id),
                "kind": change.kind,
                **codec.bound_arguments(given),
                "texts": change.items,
                "sizes": list(map(len, change.items)),
            },
        )
        if reply == _LONG:
            raise codec.too_long_item(given.id)
        return _popped(bytes(reply[0]))

    async def history(
        self, conversation: str, *, limit: int = 1000, before: int | None = None
    ) -> list[ConversationItem]:
        named, most = codec.checked_id(conversation), max(integer("limit", limit), 0)
        first = optional_integer("before", before)
        last, found = b"" if first is None else min(max(first, 1), U64_MAX), list[ConversationItem]()
        while len(found) < most:
            size = min(_PAGE, most - len(found))
            page = await self._client.read("conversations/history", keys_of(self._keys, named)[2:], [last, size])
            for entry, fields in page:
                last = int(bytes(entry).partition(b"-")[2])
                found.append(codec.decode_item(named, last, as_mapping(fields)))
            if len(page) < size:
                break
        return found[::-1]

    async def find(self, conversation: str) -> ConversationRecord | None:
        named = codec.checked_id(conversation)
        conversing, _, of_it, items = keys_of(self._keys, named)
        reply = await self._client.read(
            "conversations/find",
            [self._keys.meta, conversing, of_it, items],
            [codec.conversation_digest(named), _NAMED],
        )
        if reply is None:
            return None
        fields, number, left, runs, named_runs = reply
        ids = decode_members(conversing, named_runs)
        return codec.decode_record(named, as_mapping(fields), int(number), int(left), int(runs), ids)

    async def page(self, *, after: int = 0, limit: int = 100) -> Sequence[str]:
        passed, most = integer("after", after, least=0), max(integer("limit", limit), 0)
        found = await self._client.read(
            "conversations/page", [self._keys.conversations], [min(passed, _MOST), min(most, _MOST)]
        )
        return decode_members(self._keys.conversations, found)

    async def delete(self, conversation: str) -> bool:
        named = codec.checked_id(conversation)
        reply = await self._client.call(
            "conversations/delete",
            [self._keys.meta, *keys_of(self._keys, named)],
            [named, codec.conversation_digest(named)],
        )
        if reply == Reply.NOT_FOUND:
            return False
        if reply == Reply.WON:
            return True
        raise codec.has_active_run(named, bytes(reply[0]).decode())


def _popped(text: bytes) -> tuple[Any, ...]:
    return (codec.decode_value(text),) if text else ()
