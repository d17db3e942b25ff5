"""How far webhooks are, as the doctor sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pydantic

from redis_mob.admin.doctor.observations import WebhookSeen
from redis_mob.codec.webhooks import decode_progress, webhook_named
from redis_mob.errors import SerializationError
from redis_mob.models.problems import problems
from redis_mob.models.webhook import Webhook

PARTS = 5
"""Parts of what is stored of the progress; see lua/lib/webhook_records."""


def seen_webhooks(
    webhooks: Mapping[bytes, bytes], progress: Mapping[bytes, bytes], newest: int, seconds: int
) -> Sequence[WebhookSeen]:
    """The webhooks of a namespace, whose newest event has this cursor, at a time since 1970.

    Raises SerializationError for one that cannot be read.
    """
    found: list[WebhookSeen] = []
    for name, stored in sorted(webhooks.items()):
        what = webhook_named(name.decode(errors="replace"))
        parts = progress.get(name, b"").split(b" ", PARTS - 1)
        try:
            webhook = Webhook.model_validate_json(stored.partition(b" ")[2])
        except pydantic.ValidationError as error:
            raise SerializationError(f"{what}: {problems(error)}") from error
        if len(parts) < PARTS:
            raise SerializationError(f"{what}: its progress is damaged")
        how_far, ends = decode_progress(what, parts[-1]), int(parts[1])
        reason = (webhook.pause_reason or "") if webhook.paused else None
        behind = max(newest - how_far.cursor, 0)
        found.append(WebhookSeen(webhook.name, reason, behind, len(how_far.held), ends > seconds * 1000))
    return found
