"""Conversations in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from redis_mob.codec import conversations as codec
from redis_mob.codec.arguments import flag, integer, optional_integer
from redis_mob.codec.conversations import MILLISECOND, Change
from redis_mob.codec.definitions import encode_definition
from redis_mob.codec.executions import encode_execution, encode_launch
from redis_mob.codec.labels import stored_labels
from redis_mob.codec.runs import encode_run
from redis_mob.contracts import ConversationStore, StartedTurn
from redis_mob.errors import CasConflictError, ConversationBusyError
from redis_mob.memory.children import start
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.models.checkpoint import MOST_CHECKPOINTS
from redis_mob.models.conversation import (
    DEFAULT_BYTES,
    DEFAULT_ITEMS,
    DEFAULT_KEEP,
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
from redis_mob.models.run_status import MobRunStatus
from redis_mob.notifications.run_messages import run_message

_NAMED = 11
"""How many runs of a conversation are named: the active one, and ten that wait."""


class _Item(NamedTuple):
    number: int
    at: datetime
    text: bytes
    run_id: str | None
    key: ExecutionKey | None
    change: int


@dataclass(slots=True)
class KeptConversation:
    """A conversation with its history."""

    id: str
    owner: tuple[str, str] | None = None
    keep: timedelta = DEFAULT_KEEP
    max_items: int = DEFAULT_ITEMS
    max_bytes: int = DEFAULT_BYTES
    last: int = 0
    items: list[_Item] = field(default_factory=list[_Item])
    runs: list[str] = field(default_factory=list[str])
    """Those that are not over, in the order in which they were started."""
    expires_at: datetime | None = None
    """None while a run is under way."""

    def bound(self, given: Conversation) -> None:
        """Let the bounds count that are given."""
        self.keep = self.keep if given.keep is None else given.keep
        self.max_items = given.max_items or self.max_items
        self.max_bytes = given.max_bytes or self.max_bytes

    def change(self, change: Change, now: datetime, run_id: str | None, key: ExecutionKey | None, number: int) -> bytes:
        """Do it, and return the text of the item that was popped, or nothing."""
        if change.kind == "pop":
            return self.items.pop().text if self.items else b""
        if change.kind == "clear":
            self.items.clear()
        for text in change.items:
            self.last += 1
            self.items.append(_Item(self.last, now, text, run_id, key, number))
        while len(self.items) > self.max_items or self.bytes > self.max_bytes:
            del self.items[0]
        return b""

    @property
    def bytes(self) -> int:
        """How many bytes its items have."""
        return sum(len(one.text) for one in self.items)

    def take_back(self, is_wanted: Callable[[_Item], bool]) -> None:
        """Take out all items of which this is true."""
        self.items = [one for one in self.items if not is_wanted(one)]


def kept(content: Namespace, conversation: str) -> KeptConversation | None:
    """The conversation of an id, unless its time is over."""
    found = content.conversations.get(conversation)
    if found is not None and found.expires_at is not None and found.expires_at <= content.clock.now():
        del content.conversations[conversation]
        return None
    return found


def end_turn(content: Namespace, run_id: str, conversation: str | None = None) -> None:
    """End the turn of a run that is over, or gone; the next one of its conversation is due."""
    turn = content.turns.get(run_id)
    found = kept(content, turn.id if turn is not None else conversation or "")
    if found is None or run_id not in found.runs:
        return
    if run_id in content.rolled_back:
        found.take_back(lambda one: one.run_id == run_id)
    was_active = found.runs[0] == run_id
    found.runs.remove(run_id)
    if was_active and not found.runs:
        found.expires_at = content.clock.now() + found.keep
    elif was_active:
        content.due_runs[found.runs[0]] = content.clock.now()
        content.run_wake_ups.send(run_message(found.runs[0], is_due=True))


class MemoryConversationStore(ConversationStore):
    """The contract's `ConversationStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

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
        content, given = self._access.content, codec.checked_conversation(conversation)
        stored, rejects = stored_labels(labels), flag("rejects", rejects)
        encode_run(run)
        encode_launch(launch)
        encode_definition(definition, forked=launch.forked_from is not None)
        found, owner = kept(content, given.id), (run.mob_id, run.flow_id)
        under_way = [] if found is None else list(found.runs)
        if run.run_id in content.runs:
            turn = content.turns.get(run.run_id)
            if turn is None or turn.id != given.id:
                raise codec.of_another_conversation(given.id, run.run_id)
            if turn.waits and run.run_id in under_way:
                return StartedTurn(is_new=True, before=tuple(under_way[: under_way.index(run.run_id)]))
            return StartedTurn(is_new=False)
        now = content.clock.now()
        if now < content.tombstones.get(run.run_id, now):
            return StartedTurn(is_new=False)
        if found is not None and found.owner not in (None, owner):
            raise codec.of_another_flow(given.id, *owner, codec.encode_owner(*found.owner))
        if under_way and rejects:
            raise ConversationBusyError(given.id, under_way[0])
        if len(under_way) > MOST_WAITING:
            raise ConversationBusyError(given.id, under_way[0], f", and {MOST_WAITING:,} wait for their turn")
        start(content, run, launch, definition, None, labels=stored)
        if under_way:
            del content.due_runs[run.run_id]
        if found is None:
            found = content.conversations[given.id] = KeptConversation(given.id)
        found.bound(given)
        found.owner, found.expires_at = owner, None
        found.runs.append(run.run_id)
        content.turns[run.run_id] = codec.Turn(given.id, waits=bool(under_way))
        return StartedTurn(is_new=True, before=tuple(under_way))

    async def supersede(self, run_id: str, *, rolls_back: bool = False) -> bool:
        content, rolls_back = self._access.content, flag("rolls_back", rolls_back)
        run = existing_run(content, run_id)
        if run.status.is_terminal:
            return False
        content.cancel_requested.add(run.run_id)
        content.runs_in_hand.discard(run.run_id)
        content.due_runs[run.run_id] = content.clock.now()
        turn = content.turns.get(run.run_id)
        if rolls_back and turn is not None and not turn.waits:
            content.rolled_back.add(run.run_id)
        content.run_wake_ups.send(run_message(run.run_id, is_due=True))
        return True

    async def take_turn(self, run_id: str) -> bool:
        content = self._access.content
        run = existing_run(content, run_id)
        turn = content.turns.get(run.run_id)
        if run.status is not MobRunStatus.PENDING or turn is None or not turn.waits:
            return True
        found = kept(content, turn.id)
        if found is not None and run.run_id in found.runs[1:]:
            content.due_runs.pop(run.run_id, None)
            content.runs_in_hand.discard(run.run_id)
            return False
        content.turns[run.run_id] = turn._replace(waits=False)
        content.launches[run.run_id] = (content.launches[run.run_id][0], content.clock.now())
        return True

    async def release(self, run_id: str, conversation: str) -> bool:
        content, key, named = self._access.content, run_key(run_id), codec.checked_id(conversation)
        run = content.runs.get(key)
        if run is not None and not run.status.is_terminal:
            return False
        end_turn(content, key, named)
        return True

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
        content, named, change = self._access.content, codec.checked_id(conversation), Change.of(kind, items, after)
        name, expected, run = (
            codec.change_field(key, number),
            encode_execution(execution),
            existing_run(content, run_id),
        )
        stored = content.executions.get(run.run_id, {}).get(key)
        if stored is None or encode_execution(stored) != expected:
            return None
        made, found = content.changes[run.run_id].get(name), kept(content, named)
        if made is not None and made[0] == change.identity:
            return _popped(made[1])
        if made is None and len(content.changes[run.run_id]) >= MOST_CHECKPOINTS:
            raise CasConflictError(f"run {run.run_id}: it has {MOST_CHECKPOINTS:,} records of steps and checkpoints")
        opened = found or KeptConversation(named)
        _require_fitting(opened, change)
        content.conversations[named] = opened
        if made is not None:
            opened.take_back(lambda one: (one.run_id, one.key) == (run.run_id, key) and one.change >= number)
        popped = opened.change(change, content.clock.now(), run.run_id, key, number)
        content.changes[run.run_id][name] = (change.identity, popped)
        return _popped(popped)

    async def edit(self, conversation: Conversation, kind: ChangeKind, items: Sequence[Any] = ()) -> tuple[Any, ...]:
        content, given = self._access.content, codec.checked_conversation(conversation)
        change, opened = Change.of(kind, items), kept(content, given.id) or KeptConversation(given.id)
        if given.max_bytes is not None:
            _require_fitting(KeptConversation(given.id, max_bytes=given.max_bytes), change)
        else:
            _require_fitting(opened, change)
        content.conversations[given.id] = opened
        opened.bound(given)
        popped = opened.change(change, content.clock.now(), None, None, 0)
        if not opened.runs:
            opened.expires_at = content.clock.now() + opened.keep
        return _popped(popped)

    async def history(
        self, conversation: str, *, limit: int = 1000, before: int | None = None
    ) -> list[ConversationItem]:
        content, named = self._access.content, codec.checked_id(conversation)
        most, first = max(integer("limit", limit), 0), optional_integer("before", before)
        found = kept(content, named)
        items = [] if found is None else [one for one in found.items if first is None or one.number < first]
        return [
            ConversationItem(one.number, one.at, codec.decode_value(one.text), one.run_id, one.key, one.change)
            for one in items[max(len(items) - most, 0) :]
        ]

    async def find(self, conversation: str) -> ConversationRecord | None:
        content, named = self._access.content, codec.checked_id(conversation)
        found = kept(content, named)
        if found is None:
            return None
        left = None if found.expires_at is None else (found.expires_at - content.clock.now()) // MILLISECOND
        return ConversationRecord(
            id=named,
            mob_id=found.owner and found.owner[0],
            flow_id=found.owner and found.owner[1],
            active=found.runs[0] if found.runs else None,
            waiting=tuple(found.runs[1:_NAMED]),
            runs=len(found.runs),
            items=len(found.items),
            bytes=found.bytes,
            keep_ms=found.keep // MILLISECOND,
            max_items=found.max_items,
            max_bytes=found.max_bytes,
            expires_in_ms=left,
        )

    async def page(self, *, after: int = 0, limit: int = 100) -> Sequence[str]:
        content = self._access.content
        passed, most = integer("after", after, least=0), max(integer("limit", limit), 0)
        found = [one for one in (kept(content, named) for named in [*content.conversations]) if one is not None]
        latest = max((one.expires_at for one in found if one.expires_at is not None), default=content.clock.now())
        found.sort(key=lambda one: (one.expires_at or latest + DEFAULT_KEEP, one.id), reverse=True)
        return [one.id for one in found[passed : passed + most]]

    async def delete(self, conversation: str) -> bool:
        content, named = self._access.content, codec.checked_id(conversation)
        found = kept(content, named)
        if found is None:
            return False
        if found.runs:
            raise codec.has_active_run(named, found.runs[0])
        del content.conversations[named]
        return True


def _popped(text: bytes) -> tuple[Any, ...]:
    return (codec.decode_value(text),) if text else ()


def _require_fitting(opened: KeptConversation, change: Change) -> None:
    if any(len(text) > opened.max_bytes for text in change.items):
        raise codec.too_long_item(opened.id)
