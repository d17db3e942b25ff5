"""Starts runs in conversations, and says what becomes of those that are under way there (contract: conversation-2)."""

from __future__ import annotations

import asyncio

from redis_mob.codec.arguments import member
from redis_mob.codec.conversations import named_conversation
from redis_mob.contracts import StartedTurn
from redis_mob.errors import ConversationBusyError, NotFoundError, ValidationError
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import RunLaunch
from redis_mob.models.labels import Labels
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage

_AT_A_TIME = 16
"""Runs that are canceled at a time."""


def checked_talk(
    conversation: object, on_busy: object, *, at: object, gathering: object
) -> tuple[Conversation, OnBusy] | None:
    """In which conversation a run starts, and what if it is busy; None without one. Raises ValidationError."""
    if conversation is None:
        if on_busy is not None:
            raise ValidationError(
                "on_busy needs a conversation: it says what happens while another run of it is active"
            )
        return None
    if at is not None:
        raise ValidationError("give at or conversation, not both: a run of a conversation begins when it is its turn")
    if gathering is not None:
        raise ValidationError("give debounce_key or conversation, not both: each says when the run begins")
    policy = OnBusy.ENQUEUE if on_busy is None else member("on_busy", on_busy, OnBusy)
    return named_conversation(conversation), policy


async def start_in_conversation(
    storage: MobStorage,
    run: MobRun,
    launch: RunLaunch,
    definition: MobDefinition,
    conversation: Conversation,
    on_busy: OnBusy,
    labels: Labels,
) -> bool:
    """Start a run in a conversation; False if it exists. Raises as `Fleet.start`.

    That is one call. Then the runs before it are canceled where it takes their place; a caller that is lost between has
    started a run that waits for them.
    """
    while True:
        try:
            started = await storage.conversations.start(
                run, launch, definition, conversation=conversation, rejects=on_busy is OnBusy.REJECT, labels=labels
            )
        except ConversationBusyError as busy:
            if await _is_over(storage, busy.run_id) and await storage.conversations.release(
                busy.run_id, conversation.id
            ):
                continue  # another program has ended that run
            raise
        break
    await _make_room(storage, started, conversation.id, on_busy)
    return started.is_new


async def _make_room(storage: MobStorage, started: StartedTurn, conversation: str, on_busy: OnBusy) -> None:
    if not started.before:
        return
    if on_busy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK):
        # those that wait go first, so that none of them begins when the active one ends
        waiting = started.before[::-1]
        for at in range(0, len(waiting), _AT_A_TIME):
            await asyncio.gather(
                *(_supersede(storage, one, on_busy is OnBusy.ROLLBACK) for one in waiting[at : at + _AT_A_TIME])
            )
    await release_if_over(storage, conversation, started.before[0])


async def _supersede(storage: MobStorage, run_id: str, rolls_back: bool) -> None:
    try:
        await storage.conversations.supersede(run_id, rolls_back=rolls_back)
    except NotFoundError:
        return  # it was deleted


async def release_if_over(storage: MobStorage, conversation: str, run_id: str) -> bool:
    """End the turn of a run that is over or gone, True: a program that knows no conversations has ended it."""
    return await _is_over(storage, run_id) and await storage.conversations.release(run_id, conversation)


async def _is_over(storage: MobStorage, run_id: str) -> bool:
    status = await storage.executions.status(run_id)
    return status is None or status.is_terminal
