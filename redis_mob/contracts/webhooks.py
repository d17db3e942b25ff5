"""What the store promises that keeps webhooks, and how far each of them is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol, runtime_checkable

from redis_mob.contracts.wake_up import WakeUp
from redis_mob.models.webhook import DeadLetter, StoredWebhook, Webhook, WebhookProgress, Webhooks, WebhookTurn


@runtime_checkable
class WebhookStore(Protocol):
    """The webhooks of a namespace by name (contract: operations-220).

    Each write of a webhook gives it a revision that none had before in the namespace. What is delivered is another
    matter: workers take turns at a webhook, and one that has lost its turn can store nothing
    (contract: operations-223). All methods raise as those of `MobRunStore` do.
    """

    async def put(self, webhook: Webhook, secret: str, *, after: int | None, revision: int | None = None) -> int | None:
        """Store a webhook under its name, and return its new revision; None if it has another one than is given.

        Absence counts as 0, so that 0 only creates; None overwrites any. A new one is told the events behind the cursor
        `after`; with None those that are appended after this call (contract: operations-230). One that is there goes on
        where it is. The secret is sealed, if the storage has a seal key.
        Raises InternalError where there are 100 of them already.
        """
        ...

    async def get(self, name: str) -> StoredWebhook | None:
        """A webhook with its secret, None if there is none of that name."""
        ...

    async def list(self) -> Webhooks:
        """All webhooks, by name, with their secrets; those that cannot be read are named."""
        ...

    async def delete(self, name: str) -> bool:
        """Delete a webhook with its progress and its dead letters; False if there is none."""
        ...

    async def take_turn(self, name: str, holder: str, length: timedelta) -> WebhookTurn | None:
        """Take the turn to deliver a webhook for so long; None while another holder has it, or if it is gone."""
        ...

    async def advance(
        self,
        name: str,
        holder: str,
        number: int,
        progress: WebhookProgress,
        *,
        length: timedelta,
        dead: Sequence[DeadLetter] = (),
        settled: Sequence[DeadLetter] = (),
    ) -> WebhookTurn | None:
        """Store how far a webhook is, and keep the turn for so long from now on.

        `dead` are dead letters from now on, the newest 1,000 of which are kept; `settled` were to be delivered again,
        and are no more. None, and nothing is stored, if the turn is another holder's, its progress has another
        number, or the webhook is gone.
        """
        ...

    async def dead_letters(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...] | None:
        """Dead letters of events behind a cursor, in their order; None if there is no such webhook."""
        ...

    async def redeliver(self, name: str, cursors: Collection[int]) -> int:
        """Have dead letters delivered again, those of these events; returns how many there were of them."""
        ...

    def listen(self) -> AbstractAsyncContextManager[WakeUp]:
        """Wake-ups when a webhook was put or deleted, or letters are to be delivered again."""
        ...
