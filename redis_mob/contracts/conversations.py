"""What the store promises about conversations: runs that follow each other, and the history that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from redis_mob.models.conversation import ChangeKind, Conversation, ConversationItem, ConversationRecord
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun


class StartedTurn(NamedTuple):
    """How a run was started in a conversation: by this call, or it was there; and the runs it waits for, in order."""

    is_new: bool
    before: tuple[str, ...] = ()


@runtime_checkable
class ConversationStore(Protocol):
    """The conversations of a namespace (contract: conversation-1).

    All methods raise as those of `MobRunStore` do, and ValidationError for an id that has not 1 to 256 bytes.
    """

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
        """Store a pending run as the last one of its conversation, as `ExecutionStore.start_run` stores one.

        It begins at once if no other run of the conversation is under way, else when those before it are over
        (contract: conversation-3). A run that exists is left as it is. The bounds that are given count from now on.
        Raises ConversationBusyError, with `rejects` if a run is under way, and without it if 1,000 wait;
        ValidationError, naming both, for a conversation of another flow, and for a run that is there and not in it.
        """
        ...

    async def supersede(self, run_id: str, *, rolls_back: bool = False) -> bool:
        """Ask for the cancellation of a run that a later one takes the place of; False if it is over.

        With `rolls_back` what it has appended is taken back when it has ended (contract: conversation-4).
        Raises NotFoundError.
        """
        ...

    async def take_turn(self, run_id: str) -> bool:
        """Let a run begin if it is its turn. False, and it is not due any more, if others are before it.

        Raises NotFoundError (contract: conversation-3).
        """
        ...

    async def release(self, run_id: str, conversation: str) -> bool:
        """End the turn of a run that is over or gone; False if it is under way (contract: conversation-5)."""
        ...

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
        """Append items to the history, pop its last item, or clear it, as the change of this number of an execution.

        `after` is what stands for the changes of the execution before it: the `identity` of the last one.
        Once: the same change again gives what it gave, and another one takes back what the execution has appended
        there and behind it (contract: conversation-6). Gives the item that was popped, if there was one; None, with
        nothing written, unless the stored execution equals this one.
        Raises NotFoundError for an unknown run, CasConflictError for a run that has 1,000,000 records in its index,
        ValidationError for items that are no JSON, or longer than the history may be.
        """
        ...

    async def edit(self, conversation: Conversation, kind: ChangeKind, items: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The same from outside of its runs, each time that it is called; a conversation that is new is created."""
        ...

    async def history(
        self, conversation: str, *, limit: int = 1000, before: int | None = None
    ) -> list[ConversationItem]:
        """The newest items of the history, or those before a number, the oldest first; none of an unknown one."""
        ...

    async def find(self, conversation: str) -> ConversationRecord | None:
        """What is known of a conversation beside its history; None if there is none, or its time is over."""
        ...

    async def page(self, *, after: int = 0, limit: int = 100) -> Sequence[str]:
        """Ids of conversations, those with a run under way first, then those that expire last.

        Some may have expired within the last day. `after` is how many to pass over.
        """
        ...

    async def delete(self, conversation: str) -> bool:
        """Delete a conversation with its history; False if there is none.

        Raises CasConflictError naming the active run as long as one is under way.
        """
        ...
