"""Conversations: which of their runs are under way, and what was said."""

from __future__ import annotations

from redis_mob.models.conversation import ConversationItem, ConversationRecord
from redis_mob.operations import conversations
from redis_mob.operations.admin.base import AdminBase


class ConversationAdmin(AdminBase):
    """Conversations: which of their runs are under way, and what was said."""

    async def conversation(self, conversation: str) -> ConversationRecord:
        """What is known of a conversation beside its history (contract: conversation-1).

        An active run that is over since, because a program that knows no conversations has ended it, gives its turn to
        the next one. Raises NotFoundError if there is none, or its time is over.
        """
        return await conversations.conversation(self._storage, conversation)

    async def conversations(self, *, limit: int = 100, after: int = 0) -> tuple[ConversationRecord, ...]:
        """The conversations, those with a run under way first, then those that expire last.

        `after` is how many to pass over.
        """
        return await conversations.conversations(self._storage, limit, after)

    async def conversation_history(self, conversation: str, *, limit: int | None = None) -> list[ConversationItem]:
        """The newest items of the history of a conversation, the oldest first; all of them without a limit.

        There are none of an unknown one.
        """
        return await conversations.history(self._storage, conversation, limit)

    async def delete_conversation(self, conversation: str) -> None:
        """Delete a conversation with its history; its runs stay, as far as they are there.

        Raises NotFoundError if there is none, CasConflictError naming the active run while one is under way.
        """
        await conversations.delete(self._storage, conversation)
