"""Webhooks: events that workers post to URLs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from redis_mob.models.webhook import MAX_ATTEMPTS, TIMEOUT_MS, DeadLetter, StoredWebhook
from redis_mob.operations import webhooks
from redis_mob.operations.admin.base import AdminBase


class WebhookAdmin(AdminBase):
    """Webhooks: events that workers post to URLs."""

    async def set_webhook(
        self,
        name: str,
        url: str,
        *,
        secret: str | None = None,
        mob: str | None = None,
        flow: str | None = None,
        kinds: Collection[str] | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        timeout: timedelta = timedelta(milliseconds=TIMEOUT_MS),
        after: int | None = None,
        replace: bool = False,
    ) -> StoredWebhook:
        """Have workers post events to a URL from now on, or from those after a cursor; those of a mob, a flow, or of
        these kinds, if that is given (contract: operations-220).

        The secret that it signs with is made unless it is given, and is in what this returns. Of a name that is
        there, one that says the same changes nothing, and with `replace` another one takes its place, and goes on
        where that was, with its secret unless another one is given; one that cannot be read is deleted first. Raises
        ValidationError for a URL that holds credentials or leads to no HTTP service, for a secret that is none by
        Standard Webhooks, for a kind that is not known, and without `replace` for a name that says something else.
        """
        return await webhooks.set_webhook(
            self._storage.webhooks,
            {
                "name": name,
                "url": url,
                "secret": secret,
                "mob": mob,
                "flow": flow,
                "kinds": kinds,
                "max_attempts": max_attempts,
                "timeout": timeout,
                "after": after,
                "replace": replace,
            },
        )

    async def webhooks(self) -> tuple[StoredWebhook, ...]:
        """All webhooks by name, and how far each is. Raises SerializationError naming those that cannot be read."""
        return await webhooks.webhooks(self._storage.webhooks)

    async def webhook(self, name: str) -> StoredWebhook:
        """One of them. Raises NotFoundError, with the nearest name, if there is none."""
        return await webhooks.webhook(self._storage.webhooks, name)

    async def remove_webhook(self, name: str) -> None:
        """Delete a webhook with its dead letters, also one that is damaged. Raises NotFoundError if there is none."""
        await webhooks.remove(self._storage.webhooks, name)

    async def pause_webhook(self, name: str) -> StoredWebhook:
        """Let nothing be posted until it is resumed; events wait for that. Raises NotFoundError if there is none."""
        return await webhooks.set_paused(self._storage.webhooks, name, paused=True)

    async def resume_webhook(self, name: str) -> StoredWebhook:
        """Let a paused webhook go on where it is; what was held up is tried at once.

        Raises NotFoundError if there is none.
        """
        return await webhooks.set_paused(self._storage.webhooks, name, paused=False)

    async def dead_letters(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Events that could not be delivered, those behind a cursor, in their order (contract: operations-226).

        Raises NotFoundError if there is no such webhook.
        """
        return await webhooks.dead_letters(self._storage.webhooks, name, after, limit)

    async def redeliver(self, name: str, cursors: Collection[int] | None = None) -> int:
        """Have dead letters tried once more by a worker, those of these events or all; returns how many there are.

        One that fails is dead again. Raises NotFoundError if there is no such webhook.
        """
        return await webhooks.redeliver(self._storage.webhooks, name, cursors)

    async def test_webhook(self, name: str) -> str | None:
        """Post a signed test to the URL, once, from this process; None if it was taken, or else what went wrong.

        Raises NotFoundError if there is no such webhook, ValidationError without the extra `http`.
        """
        return await webhooks.test(self._storage, name)
