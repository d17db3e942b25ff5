"""Webhooks in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from redis_mob.codec.arguments import duration, instance, integer, listed, text
from redis_mob.codec.documents import encode_name, encode_revision
from redis_mob.codec.webhooks import (
    LISTENED_TO,
    MOST_DEAD,
    MOST_WEBHOOKS,
    checked_cursors,
    checked_secret,
    encode_letter,
    encode_model,
    too_many,
)
from redis_mob.contracts import WakeUp
from redis_mob.contracts.webhooks import WebhookStore
from redis_mob.memory.kept_webhooks import KeptWebhook, KeptWebhooks
from redis_mob.memory.namespace import Access
from redis_mob.models.base import U64_MAX
from redis_mob.models.webhook import DeadLetter, StoredWebhook, Webhook, WebhookProgress, Webhooks, WebhookTurn

_NAME = "name of the webhook"


class MemoryWebhookStore(WebhookStore):
    """The contract's `WebhookStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def put(self, webhook: Webhook, secret: str, *, after: int | None, revision: int | None = None) -> int | None:
        checked, plain = instance("webhook", webhook, Webhook), checked_secret(secret)
        document = encode_model("the webhook", checked, Webhook)
        newest = self._access.content.log.newest
        begins = WebhookProgress(cursor=newest if after is None else min(integer("after", after, least=0), U64_MAX))
        name = encode_name(_NAME, checked.name).decode()
        expected, all_of_them = encode_revision("revision", revision), self._all
        known = all_of_them.kept.get(name)
        if expected and expected != b"%d" % (known.revision if known else 0):
            return None
        if known is None and len(all_of_them.kept) >= MOST_WEBHOOKS:
            raise too_many()
        all_of_them.last_revision += 1
        stored = Webhook.model_validate_json(document)
        if known is None:
            all_of_them.kept[name] = KeptWebhook(stored, plain, all_of_them.last_revision, begins)
        else:
            known.webhook, known.secret, known.revision = stored, plain, all_of_them.last_revision
        self._wake()
        return all_of_them.last_revision

    async def get(self, name: str) -> StoredWebhook | None:
        encode_name(_NAME, name)
        known = self._all.kept.get(name)
        return None if known is None else known.told(self._now)

    async def list(self) -> Webhooks:
        now = self._now
        return Webhooks(tuple(known.told(now) for _, known in sorted(self._all.kept.items())), now)

    async def delete(self, name: str) -> bool:
        encode_name(_NAME, name)
        known = self._all.kept.pop(name, None)
        if known is not None:
            self._wake()
        return known is not None

    async def take_turn(self, name: str, holder: str, length: timedelta) -> WebhookTurn | None:
        encode_name(_NAME, name)
        of, time = text("holder", holder), duration("length", length)
        known, now = self._all.kept.get(name), self._now
        if known is None or (known.holder != of and known.ends > now):
            return None
        known.holder, known.ends = of, now + time
        return known.turn(now, known.progress)

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
        encode_name(_NAME, name)
        of, time = text("holder", holder), duration("length", length)
        expected, checked = integer("number", number), instance("progress", progress, WebhookProgress)
        document = encode_model("the progress", checked, WebhookProgress)
        gone, added = _letters("settled", settled), _letters("dead", dead)
        known, now = self._all.kept.get(name), self._now
        if known is None or known.holder != of or known.number != expected:
            return None
        for letter in gone:
            known.again.pop(letter.cursor, None)
        known.dead.update((letter.cursor, letter) for letter in added)
        for cursor in sorted(known.dead)[: max(len(known.dead) - MOST_DEAD, 0)]:
            del known.dead[cursor]
            known.dropped += 1
        known.progress, known.ends = WebhookProgress.model_validate_json(document), now + time
        return known.turn(now)

    async def dead_letters(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...] | None:
        encode_name(_NAME, name)
        begin, most = integer("after", after), max(integer("limit", limit), 0)
        known = self._all.kept.get(name)
        if known is None:
            return None
        return tuple(letter for cursor, letter in sorted(known.dead.items()) if cursor > begin)[:most]

    async def redeliver(self, name: str, cursors: Collection[int]) -> int:
        encode_name(_NAME, name)
        wanted = checked_cursors(cursors)
        known = self._all.kept.get(name)
        letters = {cursor: known.dead[cursor] for cursor in wanted if cursor in known.dead} if known else {}
        if known is not None and letters:
            known.again |= letters
            for cursor in letters:
                del known.dead[cursor]
            self._wake()
        return len(letters)

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[WakeUp]:
        with self._access.content.run_wake_ups.listen(LISTENED_TO.__eq__) as wake_up:
            yield wake_up

    @property
    def _all(self) -> KeptWebhooks:
        return self._access.content.webhooks

    @property
    def _now(self) -> datetime:
        return self._access.content.clock.now()

    def _wake(self) -> None:
        self._access.content.run_wake_ups.send(LISTENED_TO)


def _letters(argument: str, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    checked = [instance(argument, letter, DeadLetter) for letter in listed(argument, letters)]
    return [letter for letter in checked if encode_letter(letter)]
