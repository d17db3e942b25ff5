"""Webhooks as they are checked and stored."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import pydantic

from redis_mob.codec.arguments import duration, integer, listed, storable_json, texts, valid_text
from redis_mob.codec.documents import decode_decimal, decode_name
from redis_mob.codec.event_kinds import event_kind
from redis_mob.codec.executions import moment_of_milliseconds
from redis_mob.codec.urls import checked_url
from redis_mob.errors import InternalError, SerializationError, ValidationError, shown
from redis_mob.models.base import U64_MAX, Model
from redis_mob.models.problems import problems
from redis_mob.models.webhook import DeadLetter, StoredWebhook, Webhook, WebhookProgress

M = TypeVar("M", bound=Model)

LISTENED_TO = b"webhooks"
"""The message that a webhook has changed."""

SECRET = "secret of a webhook"  # noqa: S105
"""What the secret of a webhook is sealed as, under the name of the webhook."""

SECRET_PREFIX = "whsec_"  # noqa: S105
LEAST_SECRET, MOST_SECRET, NEW_SECRET = 24, 64, 32
"""Bytes of a secret, by the specification Standard Webhooks, and of a new one."""

MOST_WEBHOOKS = 100
"""Of a namespace: each has a turn of its own, which a worker renews."""

MOST_DEAD = 1000
"""Dead letters that are kept of a webhook."""

MOST_LENGTH = 2048
"""Characters of a URL."""

MOST_NAME = 128
MOST_ATTEMPTS = 1000
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(seconds=60)
"""How long an attempt may take."""

_SEEN = re.compile(r"[!-~]+")
_CURSOR_DIGITS = 20


def webhook_named(name: str) -> str:
    """How messages name a webhook."""
    return f"webhook {shown(name)}"


def checked_name(name: object) -> str:
    """The name of a webhook. Raises ValidationError for one that is empty or long."""
    given = valid_text("name", name)
    if not 1 <= len(given) <= MOST_NAME:
        raise ValidationError(f"the name of a webhook has 1 to {MOST_NAME} characters, not {len(given)}")
    return given


def checked_target(url: object) -> str:
    """The URL of a webhook. Raises ValidationError, which shows nothing of it, for one that may not be posted to."""
    given = checked_url("url", url)
    if len(given) > MOST_LENGTH or _SEEN.fullmatch(given) is None:
        raise ValidationError(f"url must have at most {MOST_LENGTH} characters, all of ASCII and without spaces")
    parts = urlsplit(given)
    if "@" in parts.netloc:
        raise ValidationError(
            "url must not hold a user or password: receivers check the signature, whose secret is stored apart"
        )
    if parts.fragment:
        raise ValidationError("url must not have a fragment (#...), which is never sent")
    return given


def shown_target(url: str) -> str:
    """A URL without what may be secret in it: its query."""
    parts = urlsplit(url)
    return parts._replace(query="…" if parts.query else "", fragment="").geturl()


def new_secret() -> str:
    """A random secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET)).decode()


def checked_secret(secret: object) -> str:
    """A secret as Standard Webhooks writes it. Raises ValidationError, which shows nothing of it, for another text."""
    if not isinstance(secret, str):
        raise ValidationError(f"secret must be a text, not a value of type {type(secret).__name__}")
    secret_bytes(secret)
    return secret


def secret_bytes(secret: str) -> bytes:
    """What signs: the bytes that a secret stands for. Raises ValidationError, which shows nothing of it."""
    try:
        decoded = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not secret.startswith(SECRET_PREFIX) or not LEAST_SECRET <= len(decoded) <= MOST_SECRET:
        raise ValidationError(
            f"a secret is {SECRET_PREFIX} and {LEAST_SECRET} to {MOST_SECRET} bytes in base64; without one that is "
            "given, a new one is made"
        )
    return decoded


def checked_kinds(kinds: Collection[str] | None) -> tuple[str, ...] | None:
    """Kinds of events, or None for all. Raises ValidationError for one that is misspelled, and for none at all."""
    if kinds is None:
        return None
    wanted = sorted({*map(event_kind, texts("kinds", kinds))})
    if not wanted:
        raise ValidationError("kinds names none: leave it out for all kinds")
    return tuple(wanted)


def checked_attempts(max_attempts: object) -> int:
    """How often an event is tried. Raises ValidationError."""
    number = integer("max_attempts", max_attempts, least=1)
    if number > MOST_ATTEMPTS:
        raise ValidationError(f"max_attempts must be at most {MOST_ATTEMPTS}, not {shown(number)}")
    return number


def checked_timeout(timeout: object) -> int:
    """How long an attempt may take, in milliseconds. Raises ValidationError."""
    length = duration("timeout", timeout)
    if not SHORTEST <= length <= LONGEST:
        raise ValidationError(
            f"timeout must be from {SHORTEST.total_seconds():g} to {LONGEST.total_seconds():g} seconds, not "
            f"{length.total_seconds():g}"
        )
    return length // timedelta(milliseconds=1)


def encode_model(what: str, model: M, kind: type[M]) -> bytes:
    """The JSON of a webhook, its progress, or a letter."""
    return storable_json(what, lambda: model.model_dump_json(warnings="error").encode(), kind.model_validate_json)


def decode_webhook(
    name: bytes, stored: bytes, secret: str, progress: bytes, dead_letters: int, now: datetime
) -> StoredWebhook:
    """A webhook with all that belongs to it. Raises SerializationError naming it."""
    what = webhook_named(decode_name("name of the webhook", name))
    revision, _, document = stored.partition(b" ")
    webhook = _decoded(what, document, Webhook)
    if webhook.name.encode() != name:
        raise SerializationError(f"{what}: its document is that of another one")
    _, ends, dropped, _, how_far = (*progress.split(b" ", 4), b"", b"", b"", b"", b"")[:5]
    until = moment_of_milliseconds(decode_decimal(what, "turn", ends))
    try:
        secret_bytes(secret)
    except ValidationError:
        raise SerializationError(f"{what}: its secret is damaged") from None
    return StoredWebhook(
        webhook=webhook,
        secret=secret,
        revision=decode_decimal(what, "revision", revision),
        progress=decode_progress(what, how_far),
        dead_letters=dead_letters,
        dropped=decode_decimal(what, "dropped", dropped),
        turn_until=until if until > now else None,
    )


def decode_progress(what: str, document: bytes) -> WebhookProgress:
    """How far a webhook is. Raises SerializationError naming it."""
    return _decoded(f"{what}: progress", document, WebhookProgress)


def encode_letter(letter: DeadLetter) -> bytes:
    """A letter from its cursor on."""
    return cursor_digits(letter.cursor) + encode_model("the letter", letter, DeadLetter)


def letter_prefix(name: bytes, state: bytes) -> bytes:
    """What the letters of a webhook in a state begin with, and no others."""
    return b"%d:%s%s" % (len(name), name, state)


def decode_letters(name: bytes, state: bytes, members: Sequence[bytes]) -> tuple[DeadLetter, ...]:
    """The letters of a webhook. Raises SerializationError naming it."""
    start, what = len(letter_prefix(name, state)), f"{webhook_named(name.decode())}: dead letter"
    return tuple(_decoded(what, bytes(member)[start + _CURSOR_DIGITS :], DeadLetter) for member in members)


def cursor_digits(cursor: int) -> bytes:
    """A cursor as a text that sorts as the number."""
    return b"%020d" % cursor


def checked_cursors(cursors: object) -> list[int]:
    """Cursors of events. Raises ValidationError."""
    found = [integer("cursors", cursor, least=0) for cursor in listed("cursors", cursors)]
    if found and max(found) > U64_MAX:
        raise ValidationError(f"cursors: no event has a cursor above {U64_MAX}")
    return found


def opened_secret(name: str, opened: bytes) -> str:
    """The text of a secret. Raises SerializationError, without it, for one that is none."""
    try:
        return opened.decode()
    except UnicodeDecodeError:
        raise SerializationError(f"{webhook_named(name)}: its secret is damaged") from None


def too_many() -> InternalError:
    """The error of a namespace that has as many webhooks as there may be."""
    return InternalError(f"a namespace has at most {MOST_WEBHOOKS} webhooks; delete one first")


def _decoded(what: str, document: bytes, kind: type[M]) -> M:
    try:
        return kind.model_validate_json(document)
    except pydantic.ValidationError as error:
        raise SerializationError(f"{what}: {problems(error)}") from error
