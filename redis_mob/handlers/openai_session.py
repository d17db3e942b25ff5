"""A conversation as the `Session` of an agent of the OpenAI Agents library.

It needs `pip install 'redis-mob[openai-agents]'`, as the agents do; nothing of that is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from redis_mob.codec.arguments import instance
from redis_mob.codec.conversations import named_conversation
from redis_mob.fleet.conversation import HandlerConversation
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.conversation import MOST_ITEMS, Conversation
from redis_mob.storage import MobStorage

if TYPE_CHECKING:
    from agents import SessionSettings, TResponseInputItem


class ConversationSession:
    """Gives an agent the history of a conversation: `Runner.run(agent, text, session=ConversationSession(ctx))`.

    With the context of a handler it is the conversation of its run, and what the agent adds is added once, however
    often the handler runs (contract: conversation-6). Elsewhere it is made of a storage and an id, or a `Conversation`
    with bounds; then each call adds.
    """

    def __init__(self, of: StepContext | MobStorage, conversation: str | Conversation | None = None) -> None:
        if isinstance(of, StepContext):
            self._history: HandlerConversation | _FromOutside = of.conversation
            self.session_id = of.conversation.id
        else:
            opened, given = instance("of", of, MobStorage), named_conversation(conversation)
            self._history = _FromOutside(opened, given)
            self.session_id = given.id
        self.session_settings: SessionSettings | None = None

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The newest items of the history, the oldest first."""
        bound: Any = self.session_settings and self.session_settings.limit
        most = bound if limit is None else limit
        return await self._history.history(None if most is None else max(most, 0))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append these items. Raises as `HandlerConversation.append`."""
        if items:
            await self._history.append(*_as_json(items))

    async def pop_item(self) -> TResponseInputItem | None:
        """Take out the newest item and return it."""
        return await self._history.pop()

    async def clear_session(self) -> None:
        """Take out all items."""
        await self._history.clear()


class _FromOutside:
    """The history of a conversation for a program that is no handler of its run."""

    def __init__(self, storage: MobStorage, conversation: Conversation) -> None:
        self._storage = storage
        self._conversation = conversation

    async def history(self, limit: int | None) -> list[Any]:
        most = MOST_ITEMS if limit is None else limit
        return [one.value for one in await self._storage.conversations.history(self._conversation.id, limit=most)]

    async def append(self, *items: Any) -> None:
        await self._storage.conversations.edit(self._conversation, "append", items)

    async def pop(self) -> Any:
        popped = await self._storage.conversations.edit(self._conversation, "pop")
        return popped[0] if popped else None

    async def clear(self) -> None:
        await self._storage.conversations.edit(self._conversation, "clear")


def _as_json(items: Sequence[Any]) -> list[Any]:
    """Items as plain JSON: some of the library are models, or hold them."""
    return [to_jsonable_python(item) for item in items]
