"""The conversation of a run as its handlers see it: a history to which they append once (contract: conversation-6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from redis_mob.codec.arguments import integer
from redis_mob.codec.conversations import Change, checked_id, visible_to
from redis_mob.contracts import ConversationStore
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.lease import LeasedExecution, LeaseLostError
from redis_mob.fleet.plain_calls import run_in_thread
from redis_mob.models.conversation import MOST_ITEMS, ChangeKind, ConversationItem
from redis_mob.models.transition import RunView

_PAGE = 200
"""Items that are read in one go."""


class HistoryKeeper(Protocol):
    """Keeps the history of a conversation for one attempt, wherever its handler runs."""

    async def change(self, number: int, kind: ChangeKind, items: Sequence[Any], after: str, /) -> tuple[Any, ...]:
        """Do the change of this number; gives the item that was popped. Raises as `ConversationStore.change`."""
        ...

    async def history(self, changes: int, limit: int, /) -> list[ConversationItem]:
        """The newest items that an attempt sees after this number of changes of its own, at most `limit`."""
        ...


class StoredHistory:
    """The history in the storage, for one attempt; a handler may use it in any event loop."""

    def __init__(self, store: ConversationStore, held: LeasedExecution, conversation: str) -> None:
        self._store = store
        self._held = held
        self._conversation = conversation

    async def change(self, number: int, kind: ChangeKind, items: Sequence[Any], after: str, /) -> tuple[Any, ...]:
        """See `HistoryKeeper.change`. Raises LeaseLostError if this worker does not hold the execution any more."""
        held = self._held
        changing = self._store.change(
            held.run_id, held.key, held.execution, self._conversation, number, kind, items, after=after
        )
        popped = await held.in_loop_of_worker(changing)
        if popped is None:
            raise LeaseLostError(
                f"{held} is not this worker's any more: conversation {shown(self._conversation)} was not changed"
            )
        return popped

    async def history(self, changes: int, limit: int, /) -> list[ConversationItem]:
        """See `HistoryKeeper.history`."""
        return await self._held.in_loop_of_worker(self._read(changes, limit)) or []

    async def _read(self, changes: int, limit: int) -> list[ConversationItem]:
        found: list[ConversationItem] = []
        before: int | None = None
        while len(found) < limit:
            page = await self._store.history(self._conversation, limit=_PAGE, before=before)
            if not page:
                break
            before = page[0].number
            found = visible_to(page, self._held.run_id, self._held.key, changes) + found
        return found[max(len(found) - limit, 0) :]


class ReadHistory(StoredHistory):
    """The history of the conversation of a run above: it is read, and not changed (contract: conversation-10)."""

    async def change(self, number: int, kind: ChangeKind, items: Sequence[Any], after: str, /) -> tuple[Any, ...]:
        """Raises ValidationError."""
        raise ValidationError(
            f"run {self._held.run_id} reads conversation {shown(self._conversation)} of the run above it, and does not "
            "change it: return what is to be said, and append it in a step of that run"
        )


class KeptHistory:
    """Keeps a history in this object: for contexts that a test has made, which several contexts may share."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)

    async def change(self, number: int, kind: ChangeKind, items: Sequence[Any], after: str, /) -> tuple[Any, ...]:
        """Do it."""
        Change.of(kind, items)
        if kind == "pop":
            return (self.items.pop(),) if self.items else ()
        if kind == "clear":
            self.items.clear()
        self.items += items
        return ()

    async def history(self, changes: int, limit: int, /) -> list[ConversationItem]:
        """The newest items."""
        found = [ConversationItem(number, datetime.now(UTC), item) for number, item in enumerate(self.items, 1)]
        return found[max(len(found) - limit, 0) :]


class HandlerConversation:
    """The conversation of the run that a handler works for.

    A coroutine awaits its methods; a plain function, which runs in a thread, calls those that begin with `call_`. Each
    change is made once, however often the handler runs: changes are told apart by their order, and by what they append.
    A handler that runs again sees the history as it was when it first came to this place, with what others have
    appended since. All of them raise LeaseLostError if the execution is not this worker's any more.
    """

    def __init__(self, conversation: str, keeper: HistoryKeeper) -> None:
        self.id = checked_id(conversation)
        self.keeper = keeper
        self._changes = 0
        self._last = ""

    def __repr__(self) -> str:
        return f"HandlerConversation({self.id!r})"

    async def items(self, limit: int | None = None) -> list[ConversationItem]:
        """The newest items of the history, the oldest first, with what is known of each; all of them without a limit.

        Raises ValidationError for a limit that is none.
        """
        most = MOST_ITEMS if limit is None else min(integer("limit", limit, least=0), MOST_ITEMS)
        return await self.keeper.history(self._changes, most)

    async def history(self, limit: int | None = None) -> list[Any]:
        """The newest items of the history, the oldest first: what was appended. Raises as `items`."""
        return [item.value for item in await self.items(limit)]

    async def append(self, *items: Any) -> None:
        """Append items, any JSON, to the history; the oldest go where there are too many.

        Raises ValidationError for what is no JSON, for more than 1,000 items, and for one that is longer than the whole
        history may be; CasConflictError for a run that has 1,000,000 records.
        """
        await self._changed("append", items)

    async def pop(self) -> Any:
        """Take out the newest item and return it; None if there is none."""
        popped = await self._changed("pop", ())
        return popped[0] if popped else None

    async def clear(self) -> None:
        """Take out all items."""
        await self._changed("clear", ())

    def call_history(self, limit: int | None = None) -> list[Any]:
        """What `history` does, for a handler that is a plain function."""
        return run_in_thread(self.history(limit), "await ctx.conversation.history(...)")

    def call_append(self, *items: Any) -> None:
        """What `append` does, for a handler that is a plain function."""
        run_in_thread(self.append(*items), "await ctx.conversation.append(...)")

    def call_pop(self) -> Any:
        """What `pop` does, for a handler that is a plain function."""
        return run_in_thread(self.pop(), "await ctx.conversation.pop()")

    def call_clear(self) -> None:
        """What `clear` does, for a handler that is a plain function."""
        run_in_thread(self.clear(), "await ctx.conversation.clear()")

    async def _changed(self, kind: ChangeKind, items: Sequence[Any]) -> tuple[Any, ...]:
        change = Change.of(kind, items, self._last)  # what is refused is no change
        number, after = self._changes, self._last
        self._changes, self._last = number + 1, change.identity
        return await self.keeper.change(number, kind, items, after)


class SeenConversation(NamedTuple):
    """Which conversation the handlers of a run see: that of the run, or that of the run above, which they read."""

    id: str
    is_above: bool


def conversation_in(view: RunView) -> SeenConversation | None:
    """The conversation that the handlers of a run see, if there is one."""
    if view.turn is not None:
        return SeenConversation(view.turn.id, is_above=False)
    if view.parent is not None and view.parent.conversation is not None:
        return SeenConversation(view.parent.conversation, is_above=True)
    return None


def conversation_of(
    store: ConversationStore | None, held: LeasedExecution, conversation: SeenConversation | None
) -> HandlerConversation | None:
    """The conversation that a handler gets; None for a run without one, and where there is no store."""
    if store is None or conversation is None:
        return None
    history = ReadHistory if conversation.is_above else StoredHistory
    return HandlerConversation(conversation.id, history(store, held, conversation.id))
