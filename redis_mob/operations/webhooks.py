"""What operators do with the webhooks of a namespace."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from redis_mob.codec.arguments import flag, integer, optional_text
from redis_mob.codec.webhooks import (
    MOST_DEAD,
    checked_attempts,
    checked_kinds,
    checked_name,
    checked_secret,
    checked_target,
    checked_timeout,
    new_secret,
    webhook_named,
)
from redis_mob.contracts import WebhookStore
from redis_mob.errors import NotFoundError, SerializationError, ValidationError, nearest
from redis_mob.models.base import format_timestamp
from redis_mob.models.webhook import DeadLetter, StoredWebhook, Webhook
from redis_mob.storage import MobStorage
from redis_mob.webhooks.duty import NEEDED
from redis_mob.webhooks.targets import Targets

TEST_KIND = "webhook_test"
"""The type of what `test` posts: no event of the log has it."""


async def webhook(store: WebhookStore, name: str) -> StoredWebhook:
    """A webhook. Raises NotFoundError, with the nearest name, if there is none."""
    checked = checked_name(name)
    stored = await store.get(checked)
    if stored is None:
        known = [one.webhook.name for one in (await store.list()).webhooks]
        raise NotFoundError(f"{webhook_named(checked)} does not exist; {nearest(checked, known)}")
    return stored


async def webhooks(store: WebhookStore) -> tuple[StoredWebhook, ...]:
    """See `FleetAdmin.webhooks`."""
    found = await store.list()
    if found.unreadable:
        raise SerializationError("; ".join(found.unreadable) + "; remove what is damaged, or replace it")
    return found.webhooks


async def set_webhook(store: WebhookStore, values: dict[str, Any]) -> StoredWebhook:
    """See `FleetAdmin.set_webhook`."""
    name = checked_name(values["name"])
    given = None if values["secret"] is None else checked_secret(values["secret"])
    after = None if values["after"] is None else integer("after", values["after"], least=0)
    wanted = Webhook(
        name=name,
        url=checked_target(values["url"]),
        mob_id=optional_text("mob", values["mob"]),
        flow_id=optional_text("flow", values["flow"]),
        kinds=checked_kinds(values["kinds"]),
        max_attempts=checked_attempts(values["max_attempts"]),
        timeout_ms=checked_timeout(values["timeout"]),
        created_at=datetime.now(UTC),
    )
    replace = flag("replace", values["replace"])
    while True:
        try:
            known = await store.get(name)
        except SerializationError:
            if not replace:
                raise
            await store.delete(name)
            continue
        if known is None:
            secret = given or new_secret()
            revision = await store.put(wanted, secret, after=after, revision=0)
        else:
            if after is not None:
                raise ValidationError(
                    f"{webhook_named(name)} exists, and goes on where it is: delete it first to begin after {after}"
                )
            secret, old = given or known.secret, known.webhook
            changed = wanted.model_copy(
                update={"created_at": old.created_at, "paused": old.paused, "pause_reason": old.pause_reason}
            )
            if changed == old and secret == known.secret:
                return known
            if not replace:
                raise ValidationError(
                    f"{webhook_named(name)} exists, and says something else: give another name, or replace it"
                )
            revision = await store.put(changed, secret, after=0, revision=known.revision)
        if revision is not None:
            return await webhook(store, name)


async def remove(store: WebhookStore, name: str) -> None:
    """See `FleetAdmin.remove_webhook`."""
    if not await store.delete(checked_name(name)):
        await webhook(store, name)  # which says so


async def set_paused(store: WebhookStore, name: str, *, paused: bool) -> StoredWebhook:
    """See `FleetAdmin.pause_webhook` and `FleetAdmin.resume_webhook`."""
    while True:
        known = await webhook(store, name)
        changed = known.webhook.model_copy(update={"paused": paused, "pause_reason": None})
        if changed == known.webhook:
            return known
        if await store.put(changed, known.secret, after=0, revision=known.revision) is not None:
            return await webhook(store, name)


async def dead_letters(store: WebhookStore, name: str, after: int, limit: int) -> tuple[DeadLetter, ...]:
    """See `FleetAdmin.dead_letters`."""
    await webhook(store, name)
    return await store.dead_letters(name, after=after, limit=limit) or ()


async def redeliver(store: WebhookStore, name: str, cursors: Collection[int] | None) -> int:
    """See `FleetAdmin.redeliver`."""
    await webhook(store, name)
    if cursors is None:
        cursors = [letter.cursor for letter in await store.dead_letters(name, limit=MOST_DEAD) or ()]
    return await store.redeliver(name, cursors)


async def test(storage: MobStorage, name: str) -> str | None:
    """See `FleetAdmin.test_webhook`."""
    stored = await webhook(storage.webhooks, name)
    try:
        from redis_mob.webhooks.sending import Sender
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("redis_mob"):
            raise
        raise ValidationError(NEEDED) from None
    body = {
        "cursor": 0,
        "timestamp": format_timestamp(datetime.now(UTC)),
        "mob_id": stored.webhook.mob_id or "",
        "kind": {"type": TEST_KIND, "webhook": name},
    }
    async with Sender(storage.namespace, stored.webhook, stored.secret, Targets.of_environment()) as sender:
        answer = await sender.post(f"test_{uuid4().hex}", json.dumps(body).encode())
    return answer.error
