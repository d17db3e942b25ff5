"""Webhooks on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from redis_mob.codec.arguments import duration, instance, integer, listed, text
from redis_mob.codec.documents import decode_name, decode_revision, encode_name, encode_revision
from redis_mob.codec.executions import moment_of_milliseconds
from redis_mob.codec.webhooks import (
    LISTENED_TO,
    MOST_DEAD,
    MOST_WEBHOOKS,
    SECRET,
    checked_cursors,
    checked_secret,
    cursor_digits,
    decode_letters,
    decode_progress,
    decode_webhook,
    encode_letter,
    encode_model,
    letter_prefix,
    opened_secret,
    too_many,
    webhook_named,
)
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import WakeUp
from redis_mob.contracts.webhooks import WebhookStore
from redis_mob.errors import MobStoreError
from redis_mob.models.base import U64_MAX
from redis_mob.models.webhook import DeadLetter, StoredWebhook, Webhook, WebhookProgress, Webhooks, WebhookTurn
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.security.sealing import SecretCodec
from redis_mob.stores.events import RedisEventStore
from redis_mob.stores.readable import readable

_NAME = "name of the webhook"
_PARTS = 5
_PAGE = 200
"""Letters that one script reads or moves."""


@readable
class RedisWebhookStore(WebhookStore):
    """The contract's `WebhookStore` on Redis; its docstrings say what holds."""

    def __init__(
        self, client: Client, keys: Keys, wake_ups: WakeUps, secrets: SecretCodec, events: RedisEventStore
    ) -> None:
        self._client = client
        self._keys = keys
        self._wake_ups = wake_ups
        self._secrets = secrets
        self._events = events

    async def put(self, webhook: Webhook, secret: str, *, after: int | None, revision: int | None = None) -> int | None:
        checked, plain = instance("webhook", webhook, Webhook), checked_secret(secret)
        document, what = encode_model("the webhook", checked, Webhook), webhook_named(checked.name)
        cursor = None if after is None else min(integer("after", after, least=0), U64_MAX)
        name, expected = encode_name(_NAME, checked.name), encode_revision("revision", revision)
        keys = self._keys
        begins = WebhookProgress(cursor=await self._events.newest_cursor() if cursor is None else cursor)
        reply = await self._client.call(
            "webhooks/put",
            [keys.meta, keys.webhooks, keys.webhook_secrets, keys.webhook_progress, keys.wake_runs],
            [
                name,
                document,
                self._secrets.seal(checked.name, SECRET, plain.encode()),
                encode_model(what, begins, WebhookProgress),
                expected,
                MOST_WEBHOOKS,
            ],
        )
        if reply == Reply.CONFLICT:
            raise too_many()
        return None if reply == Reply.LOST else decode_revision(what, reply)

    async def get(self, name: str) -> StoredWebhook | None:
        now, found = await self._list(encode_name(_NAME, name), is_one=True)
        return self._decoded(found[:_PARTS], now) if found else None

    async def list(self) -> Webhooks:
        now, found = await self._list(b"", is_one=False)
        webhooks: dict[str, StoredWebhook] = {}
        unreadable: list[str] = []
        for at in range(0, len(found), _PARTS):
            try:
                stored = self._decoded(found[at : at + _PARTS], now)
                webhooks[stored.webhook.name] = stored
            except MobStoreError as error:  # one that is damaged must not hold up all others
                unreadable.append(str(error))
        return Webhooks(tuple(webhooks[name] for name in sorted(webhooks)), now, tuple(unreadable))

    async def _list(self, name: bytes, *, is_one: bool) -> tuple[datetime, Sequence[Any]]:
        keys = self._keys
        now, found = await self._client.read(
            "webhooks/list",
            [keys.meta, keys.webhooks, keys.webhook_secrets, keys.webhook_progress, keys.dead_letters],
            [int(is_one), name],
        )
        return moment_of_milliseconds(float(now)), found

    def _decoded(self, parts: Sequence[Any], now: datetime) -> StoredWebhook:
        field, stored, secret, progress, dead_letters = parts
        name = decode_name(_NAME, bytes(field))
        plain = opened_secret(name, self._secrets.open(name, SECRET, bytes(secret)))
        return decode_webhook(bytes(field), bytes(stored), plain, bytes(progress), dead_letters, now)

    async def delete(self, name: str) -> bool:
        keys = self._keys
        reply = await self._client.call(
            "webhooks/delete",
            [
                keys.meta,
                keys.webhooks,
                keys.webhook_secrets,
                keys.webhook_progress,
                keys.dead_letters,
                keys.wake_runs,
            ],
            [encode_name(_NAME, name)],
        )
        return reply == Reply.WON

    async def take_turn(self, name: str, holder: str, length: timedelta) -> WebhookTurn | None:
        field, of, milliseconds = encode_name(_NAME, name), _holder(holder), _milliseconds(length)
        reply = await self._client.call("webhooks/take_turn", self._turn, [field, of, milliseconds])
        if reply == Reply.LOST:
            return None
        turn = _turn_of(field, reply)
        return turn._replace(progress=decode_progress(webhook_named(field.decode()), bytes(reply[4])))

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
        field, of, milliseconds = encode_name(_NAME, name), _holder(holder), _milliseconds(length)
        known = instance("progress", progress, WebhookProgress)
        prefix = letter_prefix(field, b"r")
        reply = await self._client.call(
            "webhooks/advance",
            self._turn,
            {
                "name": field,
                "holder": of,
                "number": encode_revision("number", integer("number", number)),
                "length": milliseconds,
                "document": encode_model("the progress", known, WebhookProgress),
                "settled": [prefix + letter for letter in _letters("settled", settled)],
                "dead": _letters("dead", dead),
                "most": MOST_DEAD,
            },
        )
        return None if reply == Reply.LOST else _turn_of(field, reply)

    async def dead_letters(self, name: str, *, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...] | None:
        field, begin = encode_name(_NAME, name), min(max(integer("after", after), -1), U64_MAX)
        most, found = max(integer("limit", limit), 0), list[DeadLetter]()
        while True:
            keys = [self._keys.meta, self._keys.webhooks, self._keys.dead_letters]
            size = min(_PAGE, most - len(found))
            page = await self._client.read("webhooks/dead_letters", keys, [field, cursor_digits(begin + 1), size])
            if page is None:
                return None
            found += decode_letters(field, b"d", page)
            if not page or len(page) < size or len(found) >= most:
                return tuple(found)
            begin = found[-1].cursor

    async def redeliver(self, name: str, cursors: Collection[int]) -> int:
        field, wanted, number = encode_name(_NAME, name), checked_cursors(cursors), 0
        keys = [self._keys.meta, self._keys.webhooks, self._keys.dead_letters, self._keys.wake_runs]
        for at in range(0, len(wanted), _PAGE):
            chosen = [cursor_digits(cursor) for cursor in wanted[at : at + _PAGE]]
            number += await self._client.call("webhooks/redeliver", keys, {"name": field, "cursors": chosen})
        return number

    def listen(self) -> AbstractAsyncContextManager[WakeUp]:
        return self._wake_ups.listen(self._keys.wake_runs, LISTENED_TO.__eq__)

    @property
    def _turn(self) -> list[str]:
        return [self._keys.meta, self._keys.webhooks, self._keys.webhook_progress, self._keys.dead_letters]


def _turn_of(name: bytes, reply: Sequence[Any]) -> WebhookTurn:
    number, now, revision, again = reply[:4]
    what = webhook_named(name.decode())
    letters = decode_letters(name, b"r", again)
    return WebhookTurn(
        decode_revision(what, bytes(number)),
        moment_of_milliseconds(float(now)),
        decode_revision(what, bytes(revision)),
        letters,
    )


def _holder(holder: str) -> bytes:
    # it stands in a text that is cut at spaces
    return b"h" + text("holder", holder).encode().hex().encode()


def _milliseconds(length: timedelta) -> int:
    return duration("length", length) // timedelta(milliseconds=1)


def _letters(argument: str, letters: Sequence[DeadLetter]) -> list[bytes]:
    return [encode_letter(instance(argument, letter, DeadLetter)) for letter in listed(argument, letters)]
