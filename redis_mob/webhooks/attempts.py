"""Attempts at events, as the turn and the receiver allow them."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from redis_mob.codec.webhooks import webhook_named
from redis_mob.contracts import WebhookStore
from redis_mob.errors import MobStoreError
from redis_mob.models.events import MobEvent
from redis_mob.webhooks.timing import LONGEST_REST
from redis_mob.webhooks.turn import Turn

if TYPE_CHECKING:
    from redis_mob.webhooks.sending import Answer, Sender

_log = logging.getLogger(__name__)


class Attempts:
    """Posts events within a turn."""

    def __init__(self, turn: Turn, sender: Sender, store: WebhookStore) -> None:
        self._turn = turn
        self._sender = sender
        self._store = store
        self._is_gone = False

    async def at(self, event: MobEvent) -> Answer | None:
        """Post an event, once the receiver has rested and as long as the turn lasts; None if that is over."""
        turn = self._turn
        while (rest := turn.book.rest_until) is not None and (left := rest - turn.now) > timedelta():
            if await turn.is_over_in(left.total_seconds()):
                return None
        if not await turn.may_post():
            return None
        answer = await self._sender.post_event(event)
        if answer.rest is not None:
            turn.book.rest_until = turn.now + min(answer.rest, LONGEST_REST)
        if answer.is_gone:
            await self._pause()
        return answer

    async def _pause(self) -> None:
        """The receiver wants no more: pause the webhook, unless an operator has changed it meanwhile."""
        if self._is_gone:
            return
        self._is_gone = True
        turn = self._turn
        reason = "the receiver has answered with status 410: it wants no further events"
        _log.warning("%s is paused: %s", webhook_named(turn.webhook.name), reason)
        paused = turn.webhook.model_copy(update={"paused": True, "pause_reason": reason})
        with suppress(MobStoreError):  # another attempt will find the same
            await self._store.put(paused, turn.secret, after=0, revision=turn.revision)
        await turn.end()
