"""Webhooks as tests of a store need them."""

from __future__ import annotations

from typing import Any

from redis_mob.models.webhook import DeadLetter, Webhook, WebhookProgress
from redis_mob.testing.samples.states import NOON

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
"""What they sign with."""


def webhook(name: str = "audit", **values: Any) -> Webhook:
    """A webhook."""
    given: dict[str, Any] = {"name": name, "url": "https://example.com/events", "created_at": NOON, **values}
    return Webhook(**given)


def progress(cursor: int = 1, **values: Any) -> WebhookProgress:
    """How far one is."""
    return WebhookProgress(cursor=cursor, **values)


def letter(cursor: int = 1, **values: Any) -> DeadLetter:
    """An event that could not be delivered."""
    known: dict[str, Any] = {"kind": "step_completed", "attempts": 3, "error": "status 500", "at": NOON}
    return DeadLetter(cursor=cursor, **{**known, **values})
