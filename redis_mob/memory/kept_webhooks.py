"""The webhooks that a namespace in memory holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from redis_mob.models.webhook import DeadLetter, StoredWebhook, Webhook, WebhookProgress, WebhookTurn

NEVER = datetime.min.replace(tzinfo=UTC)

_MOST_AGAIN = 20
"""How many letters a turn is given at a time, as on a server."""


@dataclass(slots=True)
class KeptWebhook:
    """A webhook as it is kept."""

    webhook: Webhook
    secret: str
    revision: int
    progress: WebhookProgress
    number: int = 1
    holder: str | None = None
    ends: datetime = NEVER
    dropped: int = 0
    dead: dict[int, DeadLetter] = field(default_factory=dict[int, DeadLetter])
    again: dict[int, DeadLetter] = field(default_factory=dict[int, DeadLetter])

    def turn(self, now: datetime, progress: WebhookProgress | None = None) -> WebhookTurn:
        """What the holder of the turn gets."""
        self.number += 1
        again = tuple(letter for _, letter in sorted(self.again.items())[:_MOST_AGAIN])
        return WebhookTurn(self.number, now, self.revision, again, progress)

    def told(self, now: datetime) -> StoredWebhook:
        """What others get."""
        return StoredWebhook(
            webhook=self.webhook,
            secret=self.secret,
            revision=self.revision,
            progress=self.progress,
            dead_letters=len(self.dead),
            dropped=self.dropped,
            turn_until=self.ends if self.ends > now else None,
        )


@dataclass(slots=True)
class KeptWebhooks:
    """The webhooks of a namespace by name."""

    kept: dict[str, KeptWebhook] = field(default_factory=dict[str, KeptWebhook])
    last_revision: int = 0
